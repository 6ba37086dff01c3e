// Nodes with --redis-log: whatever happens to Redis or to a link, every client receives each broadcast once and in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { members, startNode, startPeer } from "./support/cluster.mjs";
import { Flow } from "./support/flow.mjs";
import { Redis } from "./support/redis.mjs";

const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
// During the longest pause, the log gets more messages than its default length, and clients may get no ping for a long time.
const LOGGED = ["--redis-log", "--redis-log-length", "100000", "--workers", "2", "--ping-timeout", "10m"];
let redis, nodes, peer, flow;

const lines = () => nodes.map((node) => node.logged("bus").length);
/** Every worker has come up again since `from`. */
const back = async (from, workers = 2) => {
  for (const [i, node] of nodes.entries())
    await node.until(() => node.logged("bus").slice(from[i]).filter(({ state }) => state === "up").length >= workers);
};
const warned = (from, reason) =>
  nodes.flatMap((node, i) => node.logged("bus").slice(from[i]).filter(({ warning, reason: why }) => warning === "messages may have been missed" && (!reason || why.includes(reason))));

before(async () => {
  redis = await Redis.start(DURABLE);
  nodes = [await startNode("a", redis, [...LOGGED, "--redis-routing", "all"]), await startNode("b", redis, LOGGED)];
  peer = await startPeer("js", redis);
  await members(redis, 5);
  flow = await Flow.start([...nodes, peer], nodes);
  await flow.while(() => sleep(100));
  await flow.whole([...nodes, peer], "without a fault");
});

after(async () => {
  flow?.stop();
  for (const node of nodes ?? []) await node.stop();
  await peer?.stop();
  await redis?.stop();
});

async function lossless(what, fault) {
  const from = lines();
  await flow.while(async () => {
    await sleep(100);
    await fault(from);
    await sleep(100);
  });
  await flow.whole(nodes, what);
  flow.ordered([peer], what);
  assert.deepEqual(warned(from), [], what);
}

test("the subscription links are cut", () => lossless("cut", async (from) => {
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await back(from);
}));

test("the command links are cut", () => lossless("cut", async (from) => {
  await redis.command("CLIENT", "KILL", "TYPE", "normal");
  await back(from);
}));

test("both links are cut again and again", () => lossless("cuts", async (from) => {
  for (let i = 1; i <= 4; i++) {
    const now = lines();
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    await back(now);
  }
}));

test("Redis forgets its scripts", () => lossless("SCRIPT FLUSH", async () => {
  for (let i = 0; i < 5; i++) {
    await redis.command("SCRIPT", "FLUSH");
    await sleep(50);
  }
}));

test("Redis ends and starts again with its data", () => lossless("restart", async (from) => {
  await redis.kill("SIGTERM");
  await redis.run();
  await back(from);
}));

test("Redis is killed and starts again with its data", () => lossless("kill -9", async (from) => {
  await redis.kill("SIGKILL");
  await sleep(300);
  await redis.run();
  await back(from);
}));

test("Redis is paused for a moment", () => lossless("pause", async () => {
  await redis.command("CLIENT", "PAUSE", "700", "ALL");
  redis.pause();
  await sleep(700);
  redis.resume();
}));

test("Redis is paused for so long that every node leaves it", () => lossless("a long pause", async (from) => {
  redis.pause();
  for (const [i, node] of nodes.entries()) await node.until(() => node.logged("bus").slice(from[i]).filter(({ state }) => state === "down").length >= 2);
  redis.resume();
  await back(from);
}));
