// A mixed cluster: two C nodes, two Node.js servers with @socket.io/redis-adapter, and the emitter. Every operation
// of the adapter is requested and checked on each side.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { collect, next, within } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];
const servers = {};
let redis, publisher;
let sockets = {};

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1"]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1"]);
  servers.js1 = await startPeer("js1", redis);
  servers.js2 = await startPeer("js2", redis, ["--specific"]);
  publisher = await createClient({ url: redis.url }).connect();
  await members(redis, 4);
  await members(redis, 4, "/team");
});

after(async () => {
  await publisher?.disconnect();
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

afterEach(() => {
  for (const socket of Object.values(sockets)) socket.disconnect();
  sockets = {};
});

/** One client on each server. */
async function everybody(options) {
  for (const name of NAMES) sockets[name] = await connect(servers[name], options);
  return Object.values(sockets);
}

/**
 * Runs `act`, then sends a marker to all from the same sender. Returns which clients got `event`, and with what
 * arguments; each got it once or never.
 */
async function reached(from, act, event = "news") {
  const all = Object.values(sockets);
  const got = all.map((socket) => collect(socket, event));
  const marks = all.map((socket) => next(socket, "marker"));
  await act();
  await ask(from, "emit", {}, "marker", []);
  await Promise.all(marks);
  const names = [];
  got.forEach((seen, i) => {
    seen.stop();
    assert.ok(seen.seen.length <= 1, `${NAMES[i]} got ${seen.seen.length} copies`);
    if (seen.seen.length === 1) names.push(NAMES[i]);
  });
  return { names, args: got.map((seen) => seen.seen[0]).filter(Boolean) };
}

const settle = async (check) => {
  const end = Date.now() + 5000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
};

for (const side of NAMES) {
  describe(`asked from ${side}`, () => {
    const others = NAMES.filter((name) => name !== side);

    test("broadcasts: all, others, rooms, except, one socket, once each", async () => {
      await everybody();
      const from = sockets[side];
      await ask(sockets.c1, "join", "red");
      await ask(sockets.js1, "join", "red");
      await ask(sockets.c2, "join", "blue");
      await ask(sockets.js1, "join", "blue");
      const cases = [
        [{}, NAMES],
        [{ from: "others" }, others],
        [{ to: ["red"] }, ["c1", "js1"]],
        [{ to: ["red", "blue"] }, ["c1", "c2", "js1"]],
        [{ to: ["red"], except: ["blue"] }, ["c1"]],
        [{ except: ["red"] }, ["c2", "js2"]],
        [{ to: ["nobody"] }, []],
        [{ local: true }, [side]],
        ...NAMES.map((name) => [{ to: [sockets[name].id] }, [name]]),
        [{ except: [sockets[others[0]].id] }, NAMES.filter((name) => name !== others[0])],
      ];
      for (const [spec, expected] of cases) {
        const { names } = await reached(from, () => ask(from, "emit", spec, "news", [1]));
        assert.deepEqual(names, expected, JSON.stringify(spec));
      }
    });

    test("every kind of value, binary too, arrives as it was sent", async () => {
      await everybody();
      const values = [0, -1, 127, 128, 65536, 2 ** 32, -(2 ** 31) - 1, 2 ** 53 - 1, 1.5, 2.5e-300, -0.001, true, false, null, "", "ünïcödé 🐟 \u0000 \u2028",
        "x".repeat(300), "y".repeat(70_000), [], {}, [[[]]], { a: { b: [{ c: null }] }, "": 1 }, Array.from({ length: 20 }, (_, i) => i)];
      const bytes = [Buffer.from([0, 255, 1]), Buffer.alloc(0), Buffer.alloc(70_000, 7)];
      const args = [values, bytes[0], { deep: [bytes[1], { deeper: bytes[2] }] }, "end"];
      const { names, args: got } = await reached(sockets[side], () => ask(sockets[side], "emit", {}, "news", args));
      assert.deepEqual(names, NAMES);
      for (const one of got) assert.deepEqual(one, args);
    });

    test("the messages of one sender keep their order", async () => {
      const all = await everybody();
      const got = all.map((socket) => collect(socket, "news"));
      await ask(sockets[side], "emit", { times: 500 }, "news", []);
      for (const one of got) assert.deepEqual((await one.take(500)).map(([i]) => i), Array.from({ length: 500 }, (_, i) => i));
      got.forEach((one) => one.stop());
    });

    test("acknowledgements of all clients; with a silent one, the time-out returns the answers so far", async () => {
      const all = await everybody();
      for (const socket of all) socket.on("how", (value, ack) => ack({ of: socket.server.name, value }));
      const { error, answers } = await ask(sockets[side], "ask", { timeout: 5000 }, "how", 7);
      assert.equal(error, null);
      assert.deepEqual(answers.map((a) => a.of).sort(), [...NAMES].sort());
      assert.ok(answers.every((a) => a.value === 7));
      sockets[others[0]].off("how");
      const partial = await ask(sockets[side], "ask", { timeout: 300 }, "how", Buffer.from("b"));
      assert.notEqual(partial.error, null);
      assert.deepEqual(partial.answers.map((a) => a.of).sort(), NAMES.filter((name) => name !== others[0]).sort());
      assert.ok(partial.answers.every((a) => Buffer.from("b").equals(a.value)));
    });

    test("fetchSockets: id, rooms, data and handshake of each", async () => {
      await everybody({ query: { q: "1" } });
      await ask(sockets.c1, "join", "red");
      await ask(sockets.js1, "join", "red");
      await ask(sockets.c2, "data", { node: "c2", deep: [1, { two: 2.5 }] });
      const { error, sockets: found } = await ask(sockets[side], "fetch", {});
      assert.equal(error, null);
      assert.deepEqual(found.map((s) => s.id).sort(), Object.values(sockets).map((s) => s.id).sort());
      for (const name of NAMES) {
        const one = found.find((s) => s.id === sockets[name].id);
        assert.deepEqual(one.rooms.sort(), ["c1", "js1"].includes(name) ? [one.id, "red"].sort() : [one.id], name);
        assert.deepEqual(one.data, name === "c2" ? { node: "c2", deep: [1, { two: 2.5 }] } : { node: name });
        assert.equal(one.query.q, "1");
      }
      const red = await ask(sockets[side], "fetch", { to: ["red"] });
      assert.deepEqual(red.sockets.map((s) => s.id).sort(), [sockets.c1.id, sockets.js1.id].sort());
      const many = await Promise.all(Array.from({ length: 50 }, () => ask(sockets[side], "fetch", {})));
      for (const one of many) assert.deepEqual([one.error, one.sockets.length], [null, 4]);
    });

    test("socketsJoin and socketsLeave", async () => {
      await everybody();
      await ask(sockets[side], "socketsJoin", { except: [sockets[others[1]].id] }, "green");
      for (const name of NAMES) {
        const expected = name === others[1] ? [sockets[name].id] : [sockets[name].id, "green"];
        await settle(async () => assert.deepEqual(await ask(sockets[name], "rooms"), expected));
      }
      await ask(sockets[side], "socketsLeave", { to: [sockets[others[0]].id] }, "green");
      await settle(async () => assert.deepEqual(await ask(sockets[others[0]], "rooms"), [sockets[others[0]].id]));
      const { names } = await reached(sockets[side], () => ask(sockets[side], "emit", { to: ["green"] }, "news", []));
      assert.deepEqual(names, NAMES.filter((name) => name !== others[0] && name !== others[1]));
    });

    test("disconnectSockets", async () => {
      await everybody();
      const gone = others.map((name) => next(sockets[name], "disconnect"));
      await ask(sockets[side], "disconnectSockets", { from: "others" }, false);
      for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
      assert.equal(sockets[side].connected, true);
    });

    test("serverSideEmit reaches the other servers, never the sender or servers without clients", async () => {
      await everybody();
      const { names, args } = await reached(sockets[side], async () => {
        const notes = others.map((name) => next(sockets[name], "note"));
        await ask(sockets[side], "serverEmit", "note", { n: 5 });
        await Promise.all(notes);
      }, "note");
      assert.deepEqual(names, others);
      for (const [, value] of args) assert.deepEqual(value, { n: 5 });
    });

    test("serverSideEmit with answers, one per other server; a silent one is reported", async () => {
      await everybody();
      const { error, answers } = await ask(sockets[side], "serverAsk", "question", [1, "two"]);
      assert.equal(error, null);
      assert.deepEqual(answers.map((a) => a.node).sort(), [...others].sort());
      assert.ok(answers.every((a) => JSON.stringify(a.value) === '[1,"two"]'));
    });

    test("allRooms", async () => {
      await everybody();
      await ask(sockets.c1, "join", "red");
      await ask(sockets.js2, "join", "blue");
      const rooms = await ask(sockets[side], "allRooms");
      assert.deepEqual(rooms.sort(), [...Object.values(sockets).map((s) => s.id), "red", "blue"].sort());
    });

    test("namespaces are separate", async () => {
      await everybody({ nsp: "/team" });
      const main = {};
      for (const name of NAMES) main[name] = collect((sockets[`main-${name}`] = await connect(servers[name])), "news");
      const team = NAMES.map((name) => next(sockets[name], "news"));
      await ask(sockets[side], "emit", {}, "news", ["team"]);
      assert.deepEqual(await Promise.all(team), NAMES.map(() => ["team"]));
      const marks = NAMES.map((name) => next(sockets[`main-${name}`], "marker"));
      await ask(sockets[`main-${side}`], "emit", {}, "marker", []);
      await Promise.all(marks);
      for (const name of NAMES) assert.equal(main[name].seen.length, 0);
    });
  });
}

test("a question that no server answers ends with the number of silent servers", async () => {
  await everybody();
  const { error, answers } = await ask(sockets.c1, "serverAsk", "mute", 1);
  assert.notEqual(error, null);
  assert.deepEqual(answers, []);
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
