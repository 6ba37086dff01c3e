// A mixed cluster: two C nodes, two Node.js servers with @socket.io/redis-adapter, and the emitter. Every operation
// of the adapter is requested and checked on each side.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { collect, next, patiently, within } from "../clients/support/wait.mjs";
import { ask, members, startNode, startPeer } from "./support/cluster.mjs";
import { operations, settle } from "./support/operations.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];
const servers = {};
let redis, publisher;

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1"]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1"]);
  servers.js1 = await startPeer("js1", redis);
  servers.js2 = await startPeer("js2", redis, ["--specific"]);
  publisher = await redis.client().connect();
  await members(redis, 4);
  await members(redis, 4, "/team");
});

after(async () => {
  await publisher?.disconnect();
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

const { sockets, everybody, reached } = operations(NAMES, servers);

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
  for (const [spec, expected] of [
    [{ to: ["123"] }, ["c2", "js1", "js2"]],
    [{ except: ["123"] }, ["c1"]],
  ]) {
    const { names } = await reached(sockets.c1, () => ask(sockets.c1, "emit", spec, "news", []));
    assert.deepEqual(names, expected);
  }
  const { sockets: found } = await ask(sockets.c1, "fetch", { to: ["123"] });
  assert.equal(found.length, 3);
  await ask(sockets.c1, "socketsLeave", {}, "123");
  for (const name of ["c2", "js1", "js2"]) await settle(async () => assert.deepEqual(await ask(sockets[name], "rooms"), [sockets[name].id]));
});

describe("the emitter", () => {
  test("broadcasts with rooms, except and binary", async () => {
    await everybody();
    const emitter = new Emitter(publisher);
    await ask(sockets.c1, "join", "red");
    await ask(sockets.js1, "join", "red");
    for (const [act, expected] of [
      [() => emitter.emit("news", "all", Buffer.from([1, 2])), NAMES],
      [() => emitter.to("red").emit("news", 1), ["c1", "js1"]],
      [() => emitter.except("red").emit("news", 1), ["c2", "js2"]],
      [() => emitter.to(sockets.c2.id).volatile.compress(false).emit("news", 1), ["c2"]],
      [() => emitter.to(["red", sockets.c2.id]).emit("news", new Date(0)), ["c1", "c2", "js1"]],
    ]) {
      const got = NAMES.map((name) => collect(sockets[name], "news"));
      const marks = NAMES.map((name) => next(sockets[name], "marker"));
      act();
      emitter.emit("marker");
      await Promise.all(marks);
      assert.deepEqual(NAMES.filter((_, i) => got[i].seen.length === 1), expected);
      assert.ok(got.every((one) => one.seen.length <= 1));
      got.forEach((one) => one.stop());
    }
    const dates = NAMES.map((name) => next(sockets[name], "news"));
    emitter.emit("news", new Date(0), { buffer: Buffer.from("x") });
    for (const args of await Promise.all(dates)) assert.deepEqual(args, ["1970-01-01T00:00:00.000Z", { buffer: Buffer.from("x") }]);
  });

  test("commands: join, leave, disconnect, serverSideEmit, other namespaces", async () => {
    await everybody({ nsp: "/team" });
    const emitter = new Emitter(publisher).of("/team");
    emitter.socketsJoin("green");
    for (const name of NAMES) await settle(async () => assert.deepEqual(await ask(sockets[name], "rooms"), [sockets[name].id, "green"]));
    emitter.in(sockets.c1.id).socketsLeave("green");
    await settle(async () => assert.deepEqual(await ask(sockets.c1, "rooms"), [sockets.c1.id]));
    const notes = NAMES.map((name) => next(sockets[name], "note"));
    emitter.serverSideEmit("note", { from: "emitter" });
    for (const [, value] of await Promise.all(notes)) assert.deepEqual(value, { from: "emitter" });
    const gone = ["c2", "js1", "js2"].map((name) => next(sockets[name], "disconnect"));
    emitter.in("green").disconnectSockets(true);
    await within(Promise.all(gone), "the members of the room to be disconnected");
    assert.equal(sockets.c1.connected, true);
  });
});
