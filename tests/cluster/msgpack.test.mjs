// Clients of the MessagePack parser on C nodes, in one cluster with clients of the JSON parser, a Node.js server and an
// emitter.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import parser from "socket.io-msgpack-parser";
import { collect, next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const servers = {};
const sockets = {};
let redis, publisher;

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1"]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1"]);
  servers.js = await startPeer("js", redis);
  publisher = await redis.client().connect();
  await members(redis, 3);
  sockets.c1 = await connect(servers.c1, { parser });
  sockets.c1json = await connect(servers.c1);
  sockets.c2 = await connect(servers.c2, { parser, transports: ["polling"] });
  sockets.js = await connect(servers.js);
});

after(async () => {
  for (const socket of Object.values(sockets)) socket.disconnect();
  await publisher?.disconnect();
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

const names = () => Object.keys(sockets);
const bytes = Buffer.from([0, 1, 255]);

test("broadcasts with binary reach all clients, from each of them, and in order", async () => {
  const args = [{ deep: [bytes, 1.5, "é"] }, Buffer.alloc(70_000, 7), 2 ** 40, null];
  for (const name of names()) await ask(sockets[name], "join", "room");
  for (const from of names()) {
    const got = names().map((name) => next(sockets[name], "news"));
    await ask(sockets[from], "emit", { to: ["room"] }, "news", args);
    assert.deepEqual(await Promise.all(got), names().map(() => args), `from ${from}`);
    const ticks = names().map((name) => collect(sockets[name], "tick"));
    await ask(sockets[from], "emit", { times: 100 }, "tick", []);
    for (const one of ticks) {
      assert.deepEqual((await one.take(100)).map(([i]) => i), Array.from({ length: 100 }, (_, i) => i));
      one.stop();
    }
  }
});

test("acknowledgements with binary come from all clients", async () => {
  for (const name of names()) sockets[name].on("how", (value, ack) => ack({ of: name, value }));
  for (const from of names()) {
    const { error, answers } = await ask(sockets[from], "ask", { timeout: 20_000 }, "how", bytes);
    assert.equal(error, null);
    assert.deepEqual(answers.map((one) => one.of).sort(), names().sort());
    for (const one of answers) assert.deepEqual(Buffer.from(one.value), bytes);
  }
});

test("what an emitter sends as a Date, undefined or typed array means the same to clients of both parsers", async () => {
  const got = [sockets.c1, sockets.c1json, sockets.c2].map((socket) => next(socket, "values"));
  new Emitter(publisher).emit("values", new Date(0), undefined, { at: new Date(1.5e12), gone: undefined, bytes }, -1, 2 ** 53);
  for (const one of await Promise.all(got))
    assert.deepEqual(one, ["1970-01-01T00:00:00.000Z", null, { at: "2017-07-14T02:40:00.000Z", bytes }, -1, 2 ** 53]);
});

test("a client is fetched, reached by its id and disconnected from another server", async () => {
  const { sockets: found } = await ask(sockets.js, "fetch", {});
  assert.ok(found.some((one) => one.id === sockets.c2.id));
  const got = next(sockets.c2, "news");
  await ask(sockets.js, "emit", { to: [sockets.c2.id] }, "news", [bytes]);
  assert.deepEqual(await got, [bytes]);
  const gone = next(sockets.c2, "disconnect");
  await ask(sockets.js, "disconnectSockets", { to: [sockets.c2.id] }, false);
  assert.deepEqual((await gone)[0], "io server disconnect");
});
