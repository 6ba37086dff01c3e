// Streams mode with sharded publish and subscribe (useShardedPubSub of @socket.io/redis-streams-adapter), and at a Redis
// Cluster: every operation is requested and checked on each side. Servers with the other kind of channels are named.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { next, until } from "../clients/support/wait.mjs";
import { ask, connect, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { operations } from "./support/operations.mjs";
import { RedisCluster } from "./support/redis-cluster.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];
const MODE = ["--redis-mode", "streams", "--workers", "1"];
const SHARDED = "--redis-stream-sharded-pub-sub";

async function startServers(redis) {
  const servers = {};
  for (const [i, name] of NAMES.entries())
    servers[name] = name.startsWith("c") ? await startNode(name, redis, [...MODE, SHARDED, "--node-id", String(i + 1)]) : await startPeer(name, redis, ["--streams=1", "--sharded-pub-sub"]);
  return servers;
}

/** Repeats a question of this client's server to the others until all answer. The number of members does not show this: it is counted separately. */
async function answered(socket) {
  let result;
  const all = async () => {
    result = await ask(socket, "serverAsk", "question", 1);
    return result.error === null && result.answers.length === NAMES.length - 1;
  };
  await until(all, () => `all answer ${socket.server.name}: ${JSON.stringify(result)}`);
}

const warnings = (servers) => ["c1", "c2"].flatMap((name) => servers[name].logged("cluster").filter(({ warning }) => warning));

describe("a Redis Cluster", () => {
  const servers = {};
  let cluster;

  before(async () => {
    cluster = await RedisCluster.start();
    Object.assign(servers, await startServers(cluster));
    for (const server of Object.values(servers)) {
      const socket = await connect(server);
      await answered(socket);
      socket.disconnect();
    }
  });

  after(async () => {
    for (const server of Object.values(servers)) await server.stop();
    await cluster?.stop();
  });

  operations(NAMES, servers, { asksRooms: ["c1", "c2"] });

  test("no C node logs a warning", () => assert.deepEqual(warnings(servers), []));
});

test("a single Redis: questions, answers and acknowledgements use the sharded channels", async () => {
  const redis = await Redis.start();
  const servers = await startServers(redis);
  await subscribers(redis, 4, "socket.io#/#", "SHARDNUMSUB");
  const sockets = await Promise.all(Object.values(servers).map((server) => connect(server)));
  for (const socket of sockets) socket.on("ack me", (_, ack) => ack(socket.id));
  const ids = sockets.map(({ id }) => id).sort();
  for (const from of sockets) {
    await answered(from);
    const { error, answers } = await ask(from, "ask", { timeout: 10_000 }, "ack me", 1);
    assert.deepEqual([error, answers.sort()], [null, ids], from.server.name);
    const { sockets: found } = await ask(from, "fetch", {});
    assert.deepEqual(found.map(({ id }) => id).sort(), ids, from.server.name);
    const heard = sockets.map((socket) => next(socket, "news"));
    await ask(from, "emit", {}, "news", [from.server.name]);
    assert.deepEqual(await Promise.all(heard), sockets.map(() => [from.server.name]));
  }
  assert.deepEqual(await redis.command("PUBSUB", "CHANNELS", "socket.io#*"), [], "nobody subscribes to channels that are not sharded");
  assert.deepEqual(warnings(servers), []);
  for (const socket of sockets) socket.disconnect();
  for (const server of Object.values(servers)) await server.stop();
  await redis.stop();
});

describe("mixes", () => {
  const conflict = ({ event, warning }) => event === "cluster" && /by the other kind of publish and subscribe, sharded or not/.test(warning);
  const advice = "use the same --redis-mode and --redis-stream-sharded-pub-sub (useShardedPubSub of the adapter) on all servers, or another --redis-key";

  for (const [title, mine, others] of [
    ["sharded channels, and a Node.js server without", [SHARDED], (redis) => startPeer("js", redis, ["--streams=1"])],
    ["no sharded channels, and a Node.js server with them", [], (redis) => startPeer("js", redis, ["--streams=1", "--sharded-pub-sub"])],
    ["no sharded channels, and a node with them", [], (redis) => startNode("b", redis, [...MODE, SHARDED])],
  ])
    test(`a warning names the mix: ${title}`, async () => {
      const redis = await Redis.start();
      const node = await startNode("a", redis, [...MODE, ...mine, "--heartbeat-interval", "500"]);
      const other = await others(redis);
      const line = await node.line(conflict);
      assert.deepEqual([line.servers, line.advice, line.level], ["1", advice, "warn"]);
      assert.equal(node.logged("cluster").filter(({ warning }) => warning).length, 1, node.output);
      await other.stop();
      await node.stop();
      await redis.stop();
    });

  test("a warning names the mix: a Node.js server with the sharded adapter, which has the same channels", async () => {
    const redis = await Redis.start();
    const node = await startNode("a", redis, [...MODE, SHARDED]);
    const other = await startPeer("js", redis, ["--sharded=dynamic"]);
    await subscribers(redis, 2, "socket.io#/#", "SHARDNUMSUB");
    const sockets = [await connect(node), await connect(other)];
    await ask(sockets[0], "emit", {}, "news", [1]); // goes into the stream, which the other server does not read
    assert.deepEqual((await ask(sockets[0], "serverAsk", "question", 1)).answers.length, 1);
    assert.ok(!node.logged("cluster").some(({ warning }) => warning), node.output);
    const heard = node.line(({ event, warning }) => event === "cluster" && /sharded adapter/.test(warning));
    await ask(sockets[1], "emit", {}, "news", [2]);
    assert.deepEqual([(await heard).level, (await heard).advice], ["warn", "use the same kind of adapter on all servers, or another --redis-key"]);
    for (const binary of [false, true]) await ask(sockets[1], "emit", {}, "news", [binary ? Buffer.from("x") : "x"]);
    await ask(sockets[1], "emit", { to: ["room"] }, "news", [3]);
    assert.equal((await ask(sockets[0], "serverAsk", "question", 2)).answers.length, 1);
    assert.equal(node.logged("cluster").filter(({ warning }) => warning).length, 1, node.output);
    for (const socket of sockets) socket.disconnect();
    await other.stop();
    await node.stop();
    await redis.stop();
  });
});
