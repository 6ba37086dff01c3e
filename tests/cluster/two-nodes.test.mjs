// Two servers as stock clients see them: first two processes with Redis in between, then two workers of one process
// with its hub. The application is tests/clients/app/everything.c.
import assert from "node:assert/strict";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { build, startSockeye } from "../clients/support/server.mjs";
import { collect, next, patiently, until, within } from "../clients/support/wait.mjs";
import { Redis } from "./support/redis.mjs";

const app = path.join(build, "tests/everything.so");
const ask = (socket, event, ...args) =>
  within(new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))), `an answer to "${event}"`);

/** Resolves when the bus of a server, or of each of its workers, is up. */
const up = (server, worker) => server.line((line) => line.event === "bus" && line.state === "up" && line.worker === worker);

const forms = {
  "two processes and Redis": async () => {
    const redis = await Redis.start();
    const servers = [];
    for (let i = 0; i < 2; i++) servers.push(await startSockeye(app, ["--redis", redis.url, "--node-id", String(i)]));
    for (const server of servers) await up(server);
    return { servers, stop: async () => (await Promise.all(servers.map((s) => s.stop())), await redis.stop()) };
  },
  "two workers and their hub": async () => {
    const server = await startSockeye(app, ["--workers", "2"]);
    for (const worker of ["0", "1"]) await up(server, worker);
    return { servers: [server], workers: 2, stop: () => server.stop() };
  },
};

/** The engine's sid names node and worker, and so the server that a client is on. */
const place = (socket) => socket.io.engine.id.slice(0, 4);

for (const [form, start] of Object.entries(forms)) {
  describe(form, () => {
    const sockets = new Set();
    let cluster;

    before(async () => (cluster = await start()));
    after(() => cluster?.stop());
    afterEach(() => {
      for (const socket of sockets) socket.disconnect();
      sockets.clear();
    });

    async function connect(server, transport) {
      const socket = io(server.url, { transports: [transport], forceNew: true, reconnection: false });
      sockets.add(socket);
      await next(socket, "connect");
      return socket;
    }

    /** Two clients of one server and two of the other, by each transport: [a, b, c, d]. */
    async function four() {
      const found = [[], []];
      if (cluster.servers.length === 2) {
        for (let i = 0; i < 2; i++) for (const transport of ["polling", "websocket"]) found[i].push(await connect(cluster.servers[i], transport));
        return found.flat();
      }
      const places = new Map(); // the kernel picks the worker
      for (let tries = 0; found.some((some) => some.length < 2); tries++) {
        assert.ok(tries < 100, "a hundred clients on one worker");
        const socket = await connect(cluster.servers[0], tries % 2 ? "websocket" : "polling");
        if (!places.has(place(socket))) places.set(place(socket), places.size);
        const some = found[places.get(place(socket))];
        if (some.length < 2) some.push(socket);
        else socket.disconnect();
      }
      const all = found.flat();
      // waits until no server counts the surplus clients
      await settle(async () => (await ask(all[1], "fetch", { from: "all" }))[0].count === 4);
      return all;
    }

    /** `from` emits; returns the clients that got it, each exactly once. A marker of the same sender follows. */
    async function reached(all, from, spec, value = 1) {
      const got = all.map((socket) => collect(socket, "news"));
      const marks = all.map((socket) => next(socket, "marker"));
      assert.deepEqual(await ask(from, "emit", spec, "news", value), [0]);
      await ask(from, "emit", { from: "all" }, "marker", null);
      await Promise.all(marks);
      for (const one of got) {
        one.stop();
        assert.ok(one.seen.length <= 1, `${one.seen.length} copies`);
        if (one.seen.length) assert.deepEqual(one.seen[0], [value]);
      }
      return all.map((_, i) => "abcd"[i]).filter((_, i) => got[i].seen.length === 1).join("");
    }

    /** Waits for a condition that has no event. */
    const settle = (check) => until(check, () => `${check}`);

    test("io.emit, socket.broadcast, rooms, except, local, binary", async () => {
      const all = await four();
      const [a, b, c, d] = all;
      for (const socket of [a, c]) await ask(socket, "join", "red");
      for (const [spec, expected] of [
        [{ from: "all" }, "abcd"],
        [{ from: "everyone" }, "abcd"],
        [{ from: "others" }, "bcd"],
        [{ from: "only" }, "a"],
        [{ from: "all", to: ["red"] }, "ac"],
        [{ from: "only", to: ["red"] }, "c"],
        [{ from: "all", except: ["red"] }, "bd"],
        [{ from: "all", to: ["red", d.id], except: [a.id] }, "cd"],
        [{ from: "all", to: [d.id] }, "d"],
        [{ from: "all", to: ["nobody"] }, ""],
        [{ from: "all", local: true }, "ab"],
        [{ from: "all", compress: false }, "abcd"],
      ])
        assert.equal(await reached(all, a, spec), expected, JSON.stringify(spec));
      const bytes = { deep: [Buffer.from([0, 1, 255]), { more: Buffer.alloc(5000, 7) }], text: "ünïcödé" };
      assert.equal(await reached(all, c, { from: "all" }, bytes), "abcd");
      assert.equal(await reached(all, b, { from: "others" }, null), "acd");
    });

    test("the messages of one sender keep their order", async () => {
      const all = await four();
      const got = all.map((socket) => collect(socket, "tick"));
      await ask(all[0], "emit", { from: "all", times: 1000 }, "tick", 1);
      await ask(all[0], "emit", { from: "all" }, "tick", "last");
      for (const one of got) assert.deepEqual((await one.take(1001)).at(-1), ["last"]);
    });

    test("acknowledgements come from the clients of both servers; silent clients are counted", async () => {
      const all = await four();
      for (const socket of all) socket.on("question", (value, reply) => reply({ id: socket.id, value }));
      const answers = collect(all[0], "answer");
      assert.deepEqual(await ask(all[0], "ask", { from: "all", timeout: 5000 }, [1]), [{ error: 0, count: 4, silent: 0, missing: 0 }]);
      assert.deepEqual((await answers.take(4)).map(([v]) => v.id).sort(), all.map((s) => s.id).sort());
      all[3].off("question");
      const binary = Buffer.from("binary");
      const partial = await patiently((timeout) => ask(all[0], "ask", { from: "all", timeout }, binary), ([{ count }]) => count === 3);
      assert.deepEqual(partial, [{ error: -13, count: 3, silent: 0, missing: 1 }]);
      for (const [answer] of (await answers.take(7)).slice(4)) assert.deepEqual(answer.value, binary);
      assert.deepEqual(await ask(all[0], "ask", { to: [all[2].id], timeout: 5000 }, "one"), [{ error: 0, count: 1, silent: 0, missing: 0 }]);
    });

    test("fetchSockets, socketsJoin, socketsLeave, disconnectSockets, rooms of both", async () => {
      const all = await four();
      const [a, , c, d] = all;
      await ask(c, "data", { name: "c", bytes: Buffer.from([1, 2]) });
      const fetched = collect(a, "fetched");
      const [{ error, count, silent }] = await ask(a, "fetch", { from: "all" });
      assert.deepEqual([error, silent], [0, 0]);
      const infos = Object.fromEntries((await fetched.take(count)).map(([info]) => [info.id, info]));
      for (const socket of all) assert.equal(infos[socket.id].handshake.query.EIO, "4");
      assert.deepEqual(infos[c.id].data, { name: "c", bytes: Buffer.from([1, 2]) });
      assert.deepEqual(infos[d.id].data, {});

      assert.deepEqual(await ask(a, "sockets join", { from: "all", except: [d.id] }, "green"), [0]);
      await settle(async () => (await ask(c, "rooms"))[0] === 2);
      assert.equal(await reached(all, d, { from: "all", to: ["green"] }), "abc");
      const known = collect(a, "known room");
      const [rooms] = await ask(a, "all rooms");
      const names = (await known.take(rooms.count)).map(([name]) => name);
      for (const name of ["green", ...all.map((s) => s.id)]) assert.equal(names.filter((n) => n === name).length, 1, name);
      assert.deepEqual(await ask(d, "sockets leave", { from: "all", to: [a.id] }, "green"), [0]);
      await settle(async () => (await ask(a, "rooms"))[0] === 1);
      const gone = [next(c, "disconnect"), next(d, "disconnect")];
      a.emit("disconnect sockets", { from: "all", to: [c.id, d.id] }, false);
      for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
      assert.ok(a.connected);
    });

    test("events between servers, with and without an answer", async () => {
      const all = await four();
      const notes = all.map((socket) => collect(socket, "note"));
      const told = all.slice(2).map((socket) => next(socket, "note"));
      assert.deepEqual(await ask(all[0], "server emit", "note", { n: Buffer.from("b") }), [0]);
      for (const args of await Promise.all(told)) assert.deepEqual(args, [{ n: Buffer.from("b") }]);
      const answers = collect(all[0], "answer");
      assert.deepEqual(await ask(all[0], "server ask", "question", [1]), [{ error: 0, count: 1, silent: 0, missing: 0 }]);
      assert.deepEqual((await answers.take(1))[0], [{ asked: [1] }]);
      assert.deepEqual(await ask(all[0], "server ask", "nobody listens", 1), [{ error: -13, count: 0, silent: 1, missing: 0 }]);
      assert.deepEqual(notes.map((note) => note.seen.length), [0, 0, 1, 1]);
    });
  });
}
