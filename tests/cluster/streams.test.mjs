// A mixed cluster that shares Redis streams: two C nodes and two Node.js servers with
// @socket.io/redis-streams-adapter. Every operation is requested and checked on each side.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { collect, next, patiently, within } from "../clients/support/wait.mjs";
import { ask, connect, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { operations, settle } from "./support/operations.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];
const MODE = ["--redis-mode", "streams"];
const servers = {};
let redis, publisher;

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1", ...MODE]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1", ...MODE]);
  servers.js1 = await startPeer("js1", redis, ["--streams=1"]);
  servers.js2 = await startPeer("js2", redis, ["--streams=1"]);
  publisher = await redis.client().connect();
  await subscribers(redis, 4, "socket.io#/#");
  await subscribers(redis, 4, "socket.io#/team#");
});

after(async () => {
  await publisher?.disconnect();
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

// the adapter of Node.js servers has no allRooms()
const { sockets, everybody, reached } = operations(NAMES, servers, { asksRooms: ["c1", "c2"] });

test("a question that no server answers ends with the number of silent servers", async () => {
  await everybody();
  const mute = (timeout) => ask(sockets.c1, "serverAsk", "mute", 1, timeout);
  const { error, silent, answers } = await patiently(mute, ({ silent }) => silent === 3);
  assert.notEqual(error, null);
  assert.deepEqual([silent, answers], [3, []]);
});

test("a room that a Node.js server keeps as a number is reached by its name", async () => {
  await everybody();
  await ask(sockets.js1, "join", 123);
  await ask(sockets.js2, "join", "123");
  await ask(sockets.c2, "join", "123");
  const { names } = await reached(sockets.c1, () => ask(sockets.c1, "emit", { to: ["123"] }, "news", []));
  assert.deepEqual(names, ["c2", "js1", "js2"]);
});

test("the stream has the entries of both kinds of servers in the same form", async () => {
  await everybody();
  const before = await publisher.xLen("socket.io");
  for (const name of ["c1", "js1"])
    for (const [spec, args] of [
      [{}, [1, "two", { three: [3] }, 4.5]],
      [{ to: ["red", "ü"], except: ["green"] }, [null, true, "ü", []]],
      [{}, [Buffer.from([0, 1, 255]), { deep: [Buffer.alloc(0)] }, "", {}]],
    ])
      await ask(sockets[name], "emit", spec, "form", args);
  await ask(sockets.c1, "socketsJoin", { to: ["red"] }, "blue");
  await ask(sockets.js1, "socketsJoin", { to: ["red"] }, "blue");
  await settle(async () => assert.equal(await publisher.xLen("socket.io"), before + 8)); // the acknowledgement of a server does not wait for Redis
  const entries = (await publisher.xRange("socket.io", "-", "+")).slice(-8).map(({ message }) => Object.entries(message));
  const uids = [...new Set(entries.map(([[, uid]]) => uid))];
  const [c1, js1] = uids.map((uid) => entries.filter(([[, one]]) => one === uid).map((fields) => fields.slice(1)));
  assert.equal(c1.length, 4);
  assert.deepEqual(c1.map((fields) => fields.map(([key]) => key)), Array(4).fill(["nsp", "type", "data", "order"]));
  const numbers = c1.map((fields) => Number(fields.pop()[1]));
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i));
  assert.deepEqual(c1, js1);
});

describe("the emitter", () => {
  // as @socket.io/redis-streams-emitter 0.1 adds them
  const add = (type, data, nsp = "/") => publisher.xAdd("socket.io", "*", { uid: "emitter", nsp, type: String(type), data: JSON.stringify(data) });
  const emit = (opts, ...args) => add(3, { packet: { type: 2, data: args, nsp: "/" }, opts: { rooms: [], flags: {}, except: [], ...opts } });

  test("broadcasts with rooms and except", async () => {
    await everybody();
    await ask(sockets.c1, "join", "red");
    await ask(sockets.js1, "join", "red");
    for (const [opts, expected] of [
      [{}, NAMES],
      [{ rooms: ["red"] }, ["c1", "js1"]],
      [{ except: ["red"], flags: { compress: false } }, ["c2", "js2"]],
      [{ rooms: ["red", sockets.c2.id] }, ["c1", "c2", "js1"]],
    ]) {
      const got = NAMES.map((name) => collect(sockets[name], "news"));
      const marks = NAMES.map((name) => next(sockets[name], "marker"));
      await emit(opts, "news", 1);
      await emit({}, "marker");
      await Promise.all(marks);
      assert.deepEqual(NAMES.filter((_, i) => got[i].seen.length === 1), expected);
      got.forEach((one) => one.stop());
    }
  });

  test("commands: join, leave, disconnect, serverSideEmit", async () => {
    await everybody({ nsp: "/team" });
    const opts = { rooms: [], except: [], flags: {} };
    await add(4, { opts, rooms: ["green"] }, "/team");
    for (const name of NAMES) await settle(async () => assert.deepEqual(await ask(sockets[name], "rooms"), [sockets[name].id, "green"]));
    await add(5, { opts: { ...opts, rooms: [sockets.c1.id] }, rooms: ["green"] }, "/team");
    await settle(async () => assert.deepEqual(await ask(sockets.c1, "rooms"), [sockets.c1.id]));
    const notes = NAMES.map((name) => next(sockets[name], "note"));
    await add(9, { packet: ["note", { from: "emitter" }] }, "/team");
    for (const [, value] of await Promise.all(notes)) assert.deepEqual(value, { from: "emitter" });
    const gone = ["c2", "js1", "js2"].map((name) => next(sockets[name], "disconnect"));
    await add(6, { opts: { ...opts, rooms: ["green"] }, close: true }, "/team");
    await within(Promise.all(gone), "the members of the room to be disconnected");
    assert.equal(sockets.c1.connected, true);
  });
});

test("entries that are not messages are ignored", async () => {
  await everybody();
  for (const fields of [{ a: "b" }, { uid: "x", nsp: "/", type: "3", data: "{" }, { uid: "x", nsp: "/", type: "3", data: "%%%" }])
    await publisher.xAdd("socket.io", "*", fields);
  // a heartbeat, as earlier versions of the adapter add it
  await publisher.xAdd("socket.io", "*", { uid: "0123456789abcdef", nsp: "/", type: "2" });
  const { names } = await reached(sockets.c2, () => ask(sockets.c2, "emit", {}, "news", []), "news");
  assert.deepEqual(names, NAMES);
  assert.deepEqual(servers.c1.logged("cluster").filter(({ warning }) => /streams adapter/.test(warning ?? "")), []);
});
