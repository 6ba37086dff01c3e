// How nodes log in to Redis: a password file that changes, files that SIGHUP checks.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-access-"));
const file = path.join(dir, "password");
let redis;

before(async () => {
  redis = await Redis.start();
});

after(async () => {
  await redis.stop();
  rmSync(dir, { recursive: true });
});

/** A server's address for a user of the ACL. */
const as = (user, password) => ({ url: `redis://${user}${password ? `:${password}` : ""}@127.0.0.1:${redis.port}` });

test("a password file that changes renews the login of live connections; SIGHUP checks the file", async () => {
  await redis.command("ACL", "SETUSER", "node", "reset", "on", ">first", "allcommands", "allchannels");
  writeFileSync(file, "first\n");
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, as("node"), ["--redis-password-file", file, "--workers", "1"]));
  await members(redis, 2);
  const [one, two] = [await connect(nodes[0]), await connect(nodes[1])];
  const clients = async () => String(await redis.command("CLIENT", "LIST")).split("\n").filter((line) => / user=node /.test(line)).map((line) => /id=(\d+)/.exec(line)[1]).sort();
  const connections = await clients();
  assert.equal(connections.length, 4);

  // the node learns a new password before the server does, then after it: the connections stay
  writeFileSync(file, "second\n");
  await nodes[0].line((l) => /the new password was refused: WRONGPASS/.test(l.error));
  await redis.command("ACL", "SETUSER", "node", ">third", "<first");
  writeFileSync(file, "third\n");
  for (const node of nodes) {
    await node.line((l) => l.login === "renewed");
    node.child.kill("SIGHUP");
    await node.line((l) => l.event === "reload" && l.redis_files === "yes");
  }
  const heard = next(two, "news");
  await ask(one, "emit", {}, "news", [1]);
  assert.deepEqual(await heard, [1]);
  assert.deepEqual(await clients(), connections);

  writeFileSync(file, "\n");
  nodes[0].child.kill("SIGHUP");
  const { error } = await nodes[0].line((l) => l.event === "reload" && l.error);
  assert.match(error, /--redis-password-file: ".*password" is empty/);
  const still = next(two, "news");
  await ask(one, "emit", {}, "news", [2]);
  assert.deepEqual(await still, [2]);
  assert.deepEqual(await clients(), connections);
  assert.ok(!/third|second/.test(nodes[0].output));
  for (const socket of [one, two]) socket.disconnect();
  for (const node of nodes) await node.stop();
});
