// Nodes with --redis-log: gaps that cannot be filled, joins while a node is away, a secret, an ACL, and a failover by Sentinel.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../clients/support/server.mjs";
import { collect } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode } from "./support/cluster.mjs";
import { Flow } from "./support/flow.mjs";
import { Redis } from "./support/redis.mjs";
import { Sentinels } from "./support/sentinel.mjs";

const LOG = "socket.io-log";
const ups = (node) => node.logged("bus").filter(({ state }) => state === "up").length;
const gaps = (node) => node.logged("bus").filter(({ warning }) => warning === "messages may have been missed");

/** Sends commands on one connection, without waiting in between. */
async function pipeline(redis, ...commands) {
  const client = redis.client();
  client.on("error", () => {});
  await client.connect();
  const answers = await Promise.all(commands.map((args) => client.sendCommand(args)));
  await client.disconnect();
  return answers;
}

async function pubsubIds(redis) {
  const list = String(await redis.command("CLIENT", "LIST", "TYPE", "pubsub"));
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => Number(id));
}

test("a gap that cannot be filled is counted and logged", async () => {
  const redis = await Redis.start();
  const nodes = [await startNode("a", redis, ["--redis-log"]), await startNode("b", redis, ["--redis-log", "--workers", "2"])];
  await members(redis, 3);
  const flow = await Flow.start(nodes);
  const workers = [1, 2];
  for (const lose of [["FLUSHALL"], ["XTRIM", LOG, "MAXLEN", "0"]]) {
    const before = nodes.map((node) => ({ ups: ups(node), gaps: gaps(node).length }));
    await flow.while(async () => {
      await sleep(50);
      await pipeline(redis, ["CLIENT", "KILL", "TYPE", "pubsub"], lose);
      for (const [i, node] of nodes.entries()) await node.until(() => ups(node) >= before[i].ups + workers[i]);
    });
    for (const [i, node] of nodes.entries()) {
      const found = gaps(node).slice(before[i].gaps);
      assert.equal(found.length, workers[i], `${lose}: gaps of ${node.name}`);
      for (const { reason } of found) assert.match(reason, /trimmed or lost|emptied/);
    }
    flow.ordered(nodes, String(lose));
  }
  // what is sent while a link is cut is complete again
  await sleep(100);
  flow.reset();
  const before = nodes.map((node) => gaps(node).length);
  const now = nodes.map(ups);
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  for (const [i, node] of nodes.entries()) await node.until(() => ups(node) >= now[i] + workers[i]);
  assert.deepEqual(nodes.map((node) => gaps(node).length), before);
  flow.stop();
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("one entry has the messages of a turn, and the log is trimmed by messages", async () => {
  const LENGTH = 200;
  const redis = await Redis.start();
  const nodes = [await startNode("a", redis, ["--redis-log", "--redis-log-length", String(LENGTH)]), await startNode("b", redis, ["--redis-log", "--redis-log-length", String(LENGTH)])];
  await members(redis, 2);
  const [sender, guest] = [await connect(nodes[0]), await connect(nodes[1])];
  const news = collect(guest, "news");
  const total = 40 * LENGTH;
  for (let i = 1; i <= total; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, k) => ask(sender, "emit", {}, "news", [i + k])));
    await news.take(i + 49);
  }
  assert.deepEqual(news.seen.map(([n]) => n), Array.from({ length: total }, (_, i) => i + 1));
  const client = redis.client();
  await client.connect();
  const entries = await client.xRange(LOG, "-", "+");
  const messages = entries.reduce((sum, { message }) => sum + (message.m.match(/-\d+\/[amjs][\w-]{12}\/\d+/g) ?? []).length, 0);
  await client.disconnect();
  // Redis trims whole nodes of its tree, each of 4 KiB or some 50 small messages
  assert.ok(messages >= LENGTH && messages <= 3 * LENGTH, `${messages} messages are kept`);
  assert.ok(entries.length < messages, `${entries.length} entries for ${messages} messages`);
  for (const socket of [sender, guest]) socket.disconnect();
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("short-lived workers leave a stream of limited length", async () => {
  const LENGTH = 100;
  const redis = await Redis.start(["--stream-node-max-entries", "10"]);
  for (let round = 0; round < 4; round++) {
    const node = await startNode("a", redis, ["--redis-log", "--redis-log-length", String(LENGTH)]);
    const sender = await connect(node);
    for (let i = 0; i < LENGTH - 10; i++) await ask(sender, "emit", {}, "news", [i]);
    sender.disconnect();
    await node.stop();
  }
  const entries = Number(await redis.command("XLEN", LOG));
  // twice the length, and a node of Redis' tree
  assert.ok(entries >= LENGTH && entries <= 2 * LENGTH + 10, `${entries} entries are left`);
  await redis.stop();
});

test("joins, leaves and messages that a node missed take effect in their order", async () => {
  const redis = await Redis.start();
  const a = await startNode("a", redis, ["--redis-log"]);
  const others = await pubsubIds(redis);
  const b = await startNode("b", redis, ["--redis-log"]);
  await members(redis, 2);
  const [sender, guest] = [await connect(a), await connect(b)];
  const news = collect(guest, "news");
  await ask(sender, "socketsJoin", {}, "kept");
  await ask(guest, "join", "old");
  const mine = (await pubsubIds(redis)).filter((id) => !others.includes(id));
  assert.ok(mine.length > 0);
  const before = ups(b);
  await pipeline(redis, ...mine.map((id) => ["CLIENT", "KILL", "ID", String(id)]));
  for (const [event, ...args] of [["emit", { to: ["kept"] }, "news", [1]], ["socketsJoin", {}, "new"], ["emit", { to: ["new"] }, "news", [2]], ["socketsLeave", {}, "old"],
    ["emit", { to: ["old"] }, "news", [3]], ["emit", {}, "news", [4]], ["emit", { to: ["new", "kept"] }, "news", [5]]])
    await ask(sender, event, ...args);
  await b.until(() => ups(b) > before);
  await news.take(4);
  await ask(sender, "emit", { to: ["new"] }, "news", [6]);
  await news.take(5);
  assert.deepEqual(news.seen.map(([n]) => n), [1, 2, 4, 5, 6]);
  for (const socket of [sender, guest]) socket.disconnect();
  await a.stop();
  await b.stop();
  await redis.stop();
});

test("sealed messages are recorded; the ACL of the manual allows it, and without it the nodes work without the log", async () => {
  const redis = await Redis.start(["--appendonly", "yes", "--appendfsync", "no"]);
  const manual = readFileSync(path.join(root, "docs/cluster.md"), "utf8");
  const rules = /ACL SETUSER sockeye on (>PASSWORD resetchannels &socket\.io\* &socket\.io#\/#\*.*)/.exec(manual)[1];
  const more = /^(~socket\.io-log .*)$/m.exec(manual)[1];
  await redis.command("ACL", "SETUSER", "logging", "on", ...rules.split(" "), ...more.split(" "));
  await redis.command("ACL", "SETUSER", "plain", "on", ...rules.split(" "));
  const as = (user) => ({ url: redis.url.replace("//", `//${user}:PASSWORD@`) });
  const secret = { SOCKEYE_REDIS_SECRET: "secret of the test" };
  const nodes = [await startNode("a", as("logging"), ["--redis-log"], secret), await startNode("b", as("logging"), ["--redis-log"], secret)];
  await members(redis, 2);
  let flow = await Flow.start(nodes);
  for (const type of ["pubsub", "normal"]) {
    const before = nodes.map(ups);
    await flow.while(async () => {
      await sleep(50);
      await redis.command("CLIENT", "KILL", "TYPE", type);
      for (const [i, node] of nodes.entries()) await node.until(() => ups(node) > before[i]);
    });
    await flow.whole(nodes, `${type} with a secret`);
  }
  flow.stop();
  for (const node of nodes) {
    assert.ok(!node.output.includes("not recorded"), node.output);
    assert.equal(gaps(node).length, 0);
  }
  // a node that cannot use the log and a node without --redis-log understand each other
  nodes.push(await startNode("c", as("plain"), ["--redis-log"], secret), await startNode("d", redis, [], secret));
  await nodes[2].line(({ event, warning }) => event === "bus" && warning?.startsWith("messages are not recorded: NOPERM"));
  await members(redis, 4);
  flow = await Flow.start(nodes);
  await flow.while(() => sleep(50));
  await flow.whole(nodes, "with and without the log");
  flow.stop();
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("Sentinel promotes a replica that has all data: nothing is lost", async () => {
  const group = await Sentinels.start();
  const nodes = [await startNode("a", group, ["--redis-log"]), await startNode("b", group, ["--redis-log", "--workers", "2"])];
  const flow = await Flow.start(nodes);
  const [master] = group.servers;
  await flow.while(() => sleep(100));
  await flow.whole(nodes, "before the failover");
  const before = nodes.map(ups);
  const failover = await group.switched();
  for (;;) { // the replica has what the master has
    const info = String(await master.command("INFO", "replication"));
    if (/slave0:.*offset=(\d+)/.exec(info)?.[1] === /master_repl_offset:(\d+)/.exec(info)[1]) break;
    await sleep(10); // Redis has no event for this
  }
  await master.kill();
  await flow.while(async () => {
    await failover.wait();
    for (const [i, node] of nodes.entries()) await node.until(() => ups(node) >= before[i] + i + 1);
  });
  await flow.whole(nodes, "the failover");
  for (const node of nodes) assert.deepEqual(gaps(node), []);
  flow.stop();
  for (const node of nodes) await node.stop();
  await group.stop();
});
