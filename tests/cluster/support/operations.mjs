// Tests of the adapters' operations in a cluster of C nodes and Node.js servers. Each operation is requested and checked on both
// sides.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { collect, next, patiently, WAIT_MS } from "../../clients/support/wait.mjs";
import { ask, connect } from "./cluster.mjs";

export const settle = async (check) => {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
};

/**
 * Defines the tests. `servers` maps each of the names c1, c2, js1 and js2 to a server; it is filled before the tests
 * run. `asksRooms` names the servers that can ask for all rooms; the cluster adapter of Node.js cannot. Returns the clients by
 * name, and functions for further tests.
 */
export function operations(NAMES, servers, { asksRooms = NAMES } = {}) {
  const sockets = {};

  afterEach(() => {
    for (const [name, socket] of Object.entries(sockets)) {
      socket.disconnect();
      delete sockets[name];
    }
  });

  /** Connects one client to each server. */
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
        const partial = await patiently((timeout) => ask(sockets[side], "ask", { timeout }, "how", Buffer.from("b")), ({ answers }) => answers.length === NAMES.length - 1);
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

      test("allRooms", { skip: !asksRooms.includes(side) }, async () => {
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

  return { sockets, everybody, reached };
}
