// Sharded mode beyond the plain case: several workers, the HTTP API, a user with few permissions, outages, clients of
// Socket.IO 2, servers in another mode, and a Redis that is too old.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { request } from "../clients/support/raw.mjs";
import { collect, next, within } from "../clients/support/wait.mjs";
import { Api, apiEnv, apiFlags } from "./support/api.mjs";
import { ask, connect, members, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { freePort, Redis } from "./support/redis.mjs";

const sharded = (...more) => ["--redis-mode", "sharded", ...more];
const PATIENT = ["--redis-settle", "60s"]; // on a busy machine the last server is back late after an outage
const settled = (redis, n, nsp = "/") => subscribers(redis, n, `socket.io#${nsp}#`, "SHARDNUMSUB");
const warning = (node, text) => node.line((line) => line.warning?.includes(text) || line.reason?.includes(text));

describe("nodes of one and two workers and a Node.js server", () => {
  let redis, a, b, js, api;
  let sockets;

  before(async () => {
    // what docs/cluster.md allows a user in sharded mode
    redis = await Redis.start("--user sockeye on >secret resetchannels &socket.io* -@all +spublish +ssubscribe +sunsubscribe +pubsub +select +info".split(" "));
    const user = { url: `redis://sockeye:secret@127.0.0.1:${redis.port}` };
    const port = await freePort();
    api = new Api(port);
    [a, js] = await Promise.all([
      startNode("a", user, sharded("--workers", "2", "--node-id", "1", ...PATIENT, ...apiFlags(port)), apiEnv),
      startPeer("js", redis, ["--sharded=dynamic"]),
    ]);
    await settled(redis, 3);
    b = await startNode("b", user, sharded("--workers", "1", "--node-id", "2", ...PATIENT)); // this node counts the other servers when its bus comes up
    await settled(redis, 4);
    sockets = [];
    for (const server of [a, a, a, a, b, b, js, js]) sockets.push(await connect(server));
  });
  after(async () => {
    sockets?.forEach((socket) => socket.disconnect());
    for (const server of [a, b, js]) await server?.stop();
    await redis?.stop();
  });

  test("each worker answers for its clients", async () => {
    for (const socket of [sockets[0], sockets[4], sockets[7]]) {
      const { error, sockets: found } = await ask(socket, "fetch", {});
      assert.equal(error, null);
      assert.deepEqual(found.map(({ id }) => id).sort(), sockets.map(({ id }) => id).sort());
      const { answers } = await ask(socket, "serverAsk", "question", 1);
      assert.equal(answers.length, 3);
    }
  });

  test("the HTTP API reaches every client, and no server counts it", async () => {
    const got = sockets.map((socket) => next(socket, "news"));
    assert.deepEqual((await api.post("emit", { event: "news", args: ["of", "the API"] })).body, { ok: true });
    for (const args of await Promise.all(got)) assert.deepEqual(args, ["of", "the API"]);
    await ask(sockets[0], "join", "red");
    await ask(sockets[7], "join", "red");
    const red = [sockets[0], sockets[7]].map((socket) => next(socket, "news"));
    assert.deepEqual((await api.post("emit", { event: "news", rooms: ["red"], args: [1] })).body, { ok: true });
    await Promise.all(red);
    assert.deepEqual((await ask(sockets[0], "serverAsk", "question", 1)).answers.length, 3);
  });

  test("a message to a room follows the order to join it, on C nodes and Node.js servers", async () => {
    const got = [sockets[0], sockets[7]].map((socket) => collect(socket, "said"));
    for (let i = 0; i < 100; i++) {
      sockets[4].emit("socketsJoin", { to: [sockets[0].id, sockets[7].id] }, `new ${i}`, () => {});
      sockets[4].emit("emit", { to: [`new ${i}`] }, "said", [i], () => {});
    }
    for (const one of got) assert.deepEqual((await one.take(100)).map(([i]) => i), [...Array(100).keys()]);
    got.forEach((one) => one.stop());
  });

  test("the workers of all nodes know each other", async () => {
    const heard = async () => {
      for (;;) {
        const cluster = JSON.parse((await request({ port: api.port }, "/cluster")).text);
        if (cluster.members.length === 3 && cluster.foreign === 1) return cluster;
      }
    };
    const { form, up, conflicts } = await within(heard(), "the heartbeats of all");
    assert.deepEqual([form, up, conflicts], ["sharded", true, []]);
  });

  test("what is sent while Redis is away arrives afterwards, once and in order", async () => {
    const downs = (node) => node.logged("bus").filter(({ state }) => state === "down").length;
    const before = [a, b].map(downs);
    const got = sockets.map(() => []);
    sockets.forEach((socket, i) => socket.on("kept", (n) => got[i].push(n)));
    await redis.kill();
    await a.until(() => downs(a) >= before[0] + 2);
    await b.until(() => downs(b) > before[1]);
    for (let n = 0; n < 50; n++) await ask(sockets[4], "emit", n % 2 ? { to: ["red"] } : {}, "kept", [n]);
    await redis.run();
    const all = [...Array(50).keys()];
    for (const [i, socket] of sockets.entries()) {
      const expected = [0, 7].includes(i) ? all : all.filter((n) => n % 2 === 0);
      while (got[i].length < expected.length) await next(socket, "kept");
      assert.deepEqual(got[i], expected, socket.server.name);
    }
  });
});

describe("servers in other modes", () => {
  let redis, c, js;

  before(async () => {
    redis = await Redis.start();
    [c, js] = await Promise.all([startNode("c", redis, sharded("--workers", "1")), startPeer("js", redis, ["--sharded=static", "--v2"])]);
    await settled(redis, 2);
  });
  after(async () => {
    for (const server of [c, js]) await server?.stop();
    await redis?.stop();
  });

  test("another subscription mode is named in the log", async () => {
    const [socket, other] = [await connect(c), await connect(js)];
    const got = next(socket, "news");
    await ask(socket, "join", "red");
    await ask(other, "emit", { to: ["red"] }, "news", []);
    await got;
    await warning(c, "another node has another redisSubscriptionMode");
    [socket, other].forEach((one) => one.disconnect());
  });
});

test("servers in classic mode with the same key are named in the log", async () => {
  const redis = await Redis.start();
  const js = await startPeer("js", redis);
  await members(redis, 1);
  const node = await startNode("c", redis, sharded("--workers", "1", "--heartbeat-interval", "100ms", "--heartbeat-timeout", "1s"));
  await warning(node, "servers with other channels use the same key");
  for (const server of [node, js]) await server.stop();
  await redis.stop();
});

test("a client of Socket.IO 2 at a Node.js server is reached by its id", async () => {
  const redis = await Redis.start();
  const [c, js] = await Promise.all([startNode("c", redis, sharded("--workers", "1")), startPeer("js", redis, ["--sharded=dynamic", "--v2"])]);
  await settled(redis, 2, "/team");
  const socket = await connect(c, { nsp: "/team" });
  const old = new WebSocket(`ws://127.0.0.1:${js.port}/socket.io/?EIO=3&transport=websocket`);
  const packets = [];
  const packet = async (pattern) => {
    for (;;) {
      const found = packets.find((one) => pattern.test(one));
      if (found) return found;
      await within(once(old, "message"), `a packet ${pattern}`);
    }
  };
  old.on("message", (data) => packets.push(String(data)));
  await packet(/^40$/);
  old.send("40/team,");
  await packet(/^40\/team/);
  const { sockets } = await ask(socket, "fetch", {});
  const { id } = sockets.find((one) => one.id !== socket.id);
  assert.match(id, /^\/team#.{20}$/);
  await ask(socket, "emit", { to: [id] }, "news", [1]);
  assert.equal(await packet(/news/), '42/team,["news",1]');
  old.close();
  socket.disconnect();
  for (const server of [c, js]) await server.stop();
  await redis.stop();
});

test("a Redis before version 7 is named in the log", async () => {
  const redis = await Redis.start(["--rename-command", "SSUBSCRIBE", ""]);
  const node = await startNode("c", redis, sharded("--workers", "1"));
  await warning(node, "sharded mode needs Redis 7 or later");
  await node.stop();
  await redis.stop();
});
