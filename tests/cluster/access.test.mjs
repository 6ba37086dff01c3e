// How nodes log in to Redis: a password file that changes, files that SIGHUP checks, servers that lack a command.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { next, until } from "../clients/support/wait.mjs";
import { startSockeye } from "../clients/support/server.mjs";
import { ask, connect, members, peerApp, startNode } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-access-"));
const file = path.join(dir, "password");
let redis;

// Users of the ACL that lack a command, as on servers that do not offer it.
const COMMANDS = "+publish +subscribe +psubscribe +unsubscribe +punsubscribe +pubsub +info +ping";
const user = (name, without) => ["--user", name, "on", ">secret", "allchannels", ...COMMANDS.split(" ").filter((command) => !without.includes(command.slice(1)))];

before(async () => {
  redis = await Redis.start([...user("plain", ["psubscribe", "punsubscribe"]), ...user("uncounted", ["pubsub"])]);
});

after(async () => {
  await redis.stop();
  rmSync(dir, { recursive: true });
});

/** A server's address for a user of the ACL. */
const as = (user, password) => ({ url: `redis://${user}${password ? `:${password}` : ""}@127.0.0.1:${redis.port}` });

test("a password file that changes renews the login of live connections; SIGHUP checks the file", async () => {
  await redis.command("ACL", "SETUSER", "node", "reset", "on", ">first", "allcommands", "allchannels", "allkeys");
  writeFileSync(file, "first\n");
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, as("node"), ["--redis-password-file", file, "--redis-log", "--workers", name === "a" ? "1" : "2"]));
  await members(redis, 3);
  const [one, two] = [await connect(nodes[0]), await connect(nodes[1])];
  const clients = async () => String(await redis.command("CLIENT", "LIST")).split("\n").filter((line) => / user=node /.test(line)).map((line) => /id=(\d+)/.exec(line)[1]).sort();
  const connections = await clients();
  // node a: commands and subscriptions; node b: one for each worker, and three of the hub: commands, subscriptions, and one by
  // which Redis counts the second worker
  assert.equal(connections.length, 2 + 5);

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

test("without PSUBSCRIBE every room is subscribed to by itself, beyond --redis-routing-max too", async () => {
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, as("plain", "secret"), ["--redis-routing", "rooms", "--redis-routing-max", "2", "--workers", name === "a" ? "1" : "2"]));
  await members(redis, 3);
  const [one, two] = [await connect(nodes[0]), await connect(nodes[1])];
  for (let i = 0; i < 10; i++) await ask(two, "join", `room ${i}`);
  const { reason } = await nodes[1].line((l) => l.event === "routing" && l.warning);
  assert.match(reason, /PSUBSCRIBE refused.*NOPERM/);
  for (let i = 0; i < 10; i++) {
    const heard = next(two, "news");
    await ask(one, "emit", { to: [`room ${i}`] }, "news", [i]);
    assert.deepEqual(await heard, [i]);
  }
  for (const to of [[], [two.id], ["room 1", "room 9"]]) {
    const heard = next(two, "news");
    await ask(one, "emit", { to }, "news", [to]);
    assert.deepEqual(await heard, [to]);
  }
  assert.equal(nodes[1].logged("routing").filter((l) => l.warning).length, 1);
  for (const node of nodes) assert.ok(!node.logged("bus").some((l) => l.state === "down"));
  for (const socket of [one, two]) socket.disconnect();
  for (const node of nodes) await node.stop();
});

test("without PSUBSCRIBE, --redis-routing all is down and says what to do", async () => {
  const node = await startSockeye(peerApp, ["--redis", as("plain", "secret").url, "--redis-routing", "all", "--workers", "1"]);
  const { reason } = await node.line((l) => l.event === "bus" && l.state === "down");
  assert.match(reason, /PSUBSCRIBE refused \(--redis-routing rooms does not need it\): NOPERM/);
  await node.stop();
});

test("without PUBSUB, questions end by their deadline with every answer, and an outage loses nothing", async () => {
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, as("uncounted", "secret"), ["--requests-timeout", "700", "--workers", "1"]));
  await members(redis, 2);
  const [one, two] = [await connect(nodes[0]), await connect(nodes[1])];
  let sockets;
  await until(async () => ({ sockets } = await ask(one, "fetch", {})).sockets.length === 2, "the other node has answered in time");
  assert.deepEqual(sockets.map(({ id }) => id).sort(), [one.id, two.id].sort());
  const { warning, reason } = await nodes[0].line((l) => l.event === "bus" && l.warning);
  assert.match(warning, /the number of nodes is unknown/);
  assert.match(reason, /PUBSUB refused: NOPERM/);

  await redis.kill();
  await nodes[0].line((l) => l.event === "bus" && l.state === "down");
  const heard = next(two, "news");
  await ask(one, "emit", {}, "news", ["during the outage"]);
  await redis.run();
  assert.deepEqual(await heard, ["during the outage"]);
  assert.equal(nodes[0].logged("bus").filter((l) => l.warning).length, 1);
  for (const socket of [one, two]) socket.disconnect();
  for (const node of nodes) await node.stop();
});
