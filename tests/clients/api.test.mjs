// Every part of sockeye.h as a stock client sees it, over polling and over WebSocket. The application is tests/clients/app/everything.c.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { build, startSockeye } from "./support/server.mjs";
import { collect, next, patiently, within } from "./support/wait.mjs";

const sockets = new Set();
let server;

before(async () => {
  server = await startSockeye(path.join(build, "tests/everything.so"));
});
afterEach(() => {
  for (const socket of sockets) socket.disconnect();
  sockets.clear();
});
after(() => server.stop());

const ask = (socket, event, ...args) =>
  within(new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))), `an answer to "${event}"`);

for (const transport of ["polling", "websocket"]) {
  describe(transport, () => {
    function connect(nsp = "/", options = {}) {
      const socket = io(server.url + nsp, { transports: [transport], forceNew: true, reconnection: false, ...options });
      sockets.add(socket);
      return socket;
    }

    async function connected(nsp, options) {
      const socket = connect(nsp, options);
      await next(socket, "connect");
      return socket;
    }

    const three = () => Promise.all([connected(), connected(), connected()]);

    /**
     * Client `a` emits; asserts which sockets received it, exactly once. A marker to all proves that nothing else is
     * under way.
     */
    async function reaches(all, a, spec, expected) {
      const got = all.map((socket) => collect(socket, "news"));
      const done = all.map((socket) => next(socket, "marker"));
      assert.deepEqual(await ask(a, "emit", spec, "news", { n: 1 }), [0]);
      await ask(a, "emit", { from: "all" }, "marker", null);
      await Promise.all(done);
      assert.deepEqual(got.map((c) => c.seen.length), all.map((socket) => (expected.includes(socket) ? 1 : 0)), JSON.stringify(spec));
      got.forEach((c) => c.stop());
    }

    test("rooms and targets", async () => {
      const all = await three();
      const [a, b, c] = all;
      const room = (name) => `${transport}-${name}`;
      assert.deepEqual(await ask(a, "join", room("x")), [true]);
      await ask(b, "join", room("x"));
      await ask(b, "join", room("y"));
      await ask(c, "join", room("y"));
      await reaches(all, a, { from: "everyone" }, all);
      await reaches(all, a, { from: "others" }, [b, c]);
      await reaches(all, a, { from: "only" }, [a]);
      await reaches(all, a, { to: [room("x")] }, [a, b]);
      await reaches(all, a, { to: [room("x"), room("y")] }, all);
      await reaches(all, a, { from: "others", to: [room("x")] }, [b]);
      await reaches(all, a, { to: [room("x"), room("y")], except: [room("y")] }, [a]);
      await reaches(all, a, { except: [room("y")] }, [a]);
      await reaches(all, a, { to: [b.id] }, [b]);
      await reaches(all, a, { to: ["nobody"] }, []);
      await reaches(all, a, { local: true, compress: false }, all);
      assert.deepEqual(await ask(b, "leave", room("x")), [false]);
      await reaches(all, a, { to: [room("x")] }, [a]);
      const rooms = collect(b, "room");
      assert.deepEqual(await ask(b, "rooms"), [2]);
      assert.deepEqual((await rooms.take(2)).flat().sort(), [b.id, room("y")].sort());
    });

    test("volatile packets are dropped while the transport is busy, other packets never are", async () => {
      const a = await connected();
      const got = collect(a, "tick");
      await ask(a, "emit", { from: "only", volatile: true, times: 500 }, "tick", 1);
      assert.ok(got.seen.length <= 1, `${got.seen.length} of 500 volatile packets of one turn`);
      const sure = collect(a, "tock");
      await ask(a, "emit", { from: "only", times: 500 }, "tock", 1);
      await sure.take(500);
    });

    test("reserved names cannot be emitted", async () => {
      const a = await connected();
      assert.deepEqual(await ask(a, "emit", { from: "only" }, "disconnect", 1), [-101]);
    });

    test("acknowledgements from one client, from many, and too late", async () => {
      const all = await three();
      const [a, b, c] = all;
      for (const socket of all) socket.on("question", (data, reply) => reply({ who: socket.id, data }, "second"));
      const answers = collect(a, "answer");
      assert.deepEqual(await ask(a, "ask", { from: "only" }, [1]), [{ error: 0, count: 2, silent: 0, missing: 0 }]);
      assert.deepEqual((await answers.take(2)).flat(), [{ who: a.id, data: [1] }, "second"]);

      await Promise.all(all.map((socket) => ask(socket, "join", `${transport}-acks`)));
      assert.deepEqual(await ask(a, "ask", { to: [`${transport}-acks`], timeout: 5000 }, "q"), [{ error: 0, count: 3, silent: 0, missing: 0 }]);
      assert.deepEqual((await answers.take(5)).slice(2).map(([v]) => v.who).sort(), all.map((s) => s.id).sort());

      c.off("question");
      const partial = await patiently((timeout) => ask(a, "ask", { to: [`${transport}-acks`], timeout }, "q"), ([{ count }]) => count === 2);
      assert.deepEqual(partial, [{ error: -13, count: 2, silent: 0, missing: 1 }]);
      b.off("question");
      assert.deepEqual(await ask(b, "ask", { from: "only", timeout: 200 }, "q"), [{ error: -13, count: 0, silent: 0, missing: 0 }]);
      assert.deepEqual(await ask(a, "ask", { to: ["nobody"], timeout: 5000 }, "q"), [{ error: 0, count: 0, silent: 0, missing: 0 }]);
    });

    test("binary answers", async () => {
      const a = await connected();
      a.on("question", (data, reply) => reply(Buffer.concat([data, Buffer.from([9])])));
      const answers = collect(a, "answer");
      await ask(a, "ask", { from: "only" }, Buffer.from([1, 2]));
      assert.deepEqual(Buffer.from((await answers.take(1))[0][0]), Buffer.from([1, 2, 9]));
    });

    test("fetchSockets, data, socketsJoin, socketsLeave, disconnectSockets", async () => {
      const [a, b, c] = await three();
      const room = `${transport}-fetch`;
      for (const socket of [b, c]) await ask(socket, "join", room);
      assert.deepEqual(await ask(b, "data", { name: "b", deep: [1, { x: null }] }), [{ name: "b", deep: [1, { x: null }] }]);
      const fetched = collect(a, "fetched");
      assert.deepEqual(await ask(a, "fetch", { to: [room] }), [{ error: 0, count: 2, silent: 0 }]);
      const infos = Object.fromEntries((await fetched.take(2)).map(([info]) => [info.id, info]));
      assert.equal(infos[b.id].rooms, 2);
      assert.deepEqual(infos[b.id].data, { name: "b", deep: [1, { x: null }] });
      for (const key of ["headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"])
        assert.ok(key in infos[b.id].handshake, key);
      assert.equal(infos[b.id].handshake.query.EIO, "4");
      assert.equal(infos[b.id].handshake.headers.host, `127.0.0.1:${server.port}`);

      assert.deepEqual(await ask(a, "sockets join", { to: [room] }, `${room}-2`), [0]);
      await reaches([a, b, c], a, { to: [`${room}-2`] }, [b, c]);
      assert.deepEqual(await ask(a, "sockets leave", { to: [room], except: [c.id] }, `${room}-2`), [0]);
      await reaches([a, b, c], a, { to: [`${room}-2`] }, [c]);
      const gone = [next(b, "disconnect"), next(c, "disconnect")];
      a.emit("disconnect sockets", { to: [room] }, false);
      for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
    });

    test("a standalone server lists its own rooms, and its events for other servers reach no server", async () => {
      const [a, b] = await three();
      await ask(a, "join", `${transport}-known`);
      const known = collect(a, "known room");
      const [{ error, count, silent }] = await ask(a, "all rooms");
      assert.deepEqual([error, silent], [0, 0]);
      const names = (await known.take(count)).map(([name]) => name);
      for (const name of [`${transport}-known`, a.id, b.id]) assert.ok(names.includes(name), name);
      const note = collect(b, "note");
      assert.deepEqual(await ask(a, "server emit", "note", 1), [0]);
      assert.deepEqual(await ask(a, "server emit", "connection", 1), [-101]);
      assert.deepEqual(await ask(a, "server ask", "question", 1), [{ error: 0, count: 0, silent: 0, missing: 0 }]);
      assert.equal(note.seen.length, 0);
    });

    test("rooms that are created and deleted", async () => {
      const [a, b] = await three();
      await ask(a, "join", "room watchers");
      const room = `${transport}-coming`;
      const id = b.id; // the socket loses its id when it leaves
      const ours = new EventEmitter(); // clients of the previous test may still be leaving
      a.on("room change", (...change) => [room, id].includes(change[1]) && ours.emit("change", ...change));
      const changes = collect(ours, "change");
      await ask(b, "join", room);
      await ask(b, "join", room);
      await ask(a, "join", room);
      await ask(b, "leave", room);
      b.disconnect();
      await ask(a, "leave", room);
      const told = await changes.take(8);
      const of = (name) => told.filter(([, changed]) => changed === name);
      assert.deepEqual(of(room), [[0, room, null], [2, room, id], [2, room, a.id], [3, room, id], [3, room, a.id], [1, room, null]]);
      assert.deepEqual(of(id), [[3, id, id], [1, id, null]]);
    });

    test("the handshake", async () => {
      const a = await connected("/?q=a%20b%2B%C3%BC", { auth: { token: "t" }, extraHeaders: { "X-Test": "value", Origin: "http://elsewhere" } });
      const [h] = await ask(a, "handshake");
      assert.deepEqual([h.header, h.query, h.auth, h.secure, h.xdomain, h.transport], ["value", "a b+ü", { token: "t" }, false, true, transport]);
      assert.match(h.address, /127\.0\.0\.1$/);
      assert.match(h.url, /^\/socket\.io\/\?.*EIO=4/);
      assert.ok(Math.abs(Date.now() - h.issued) < 60_000);
    });

    test("a query value that contains NUL is absent; a name that contains NUL is a different name", async () => {
      const a = await connected("/?q=value%00junk", { auth: { "token\0x": 1 } });
      const [h] = await ask(a, "handshake");
      assert.deepEqual([h.query, h.auth], [null, { "token\0x": 1 }]);
      const b = await connected("/?ban=you%00junk"); // the application refuses every client whose query has "ban"
      b.disconnect();
    });

    test("kinds of values, and MessagePack", async () => {
      const a = await connected();
      const members = collect(a, "member");
      const value = { nul: null, yes: true, n: 1.5, s: "ü\u{1F600}", list: [1, 2], o: { a: 1 }, bin: Buffer.from("abc") };
      const [same, packed] = await ask(a, "types", value);
      for (const got of [same, packed]) assert.deepEqual({ ...got, bin: Buffer.from(got.bin) }, value);
      const kinds = Object.fromEntries((await members.take(7)).map(([key, kind, n]) => [key, [kind, n]]));
      assert.deepEqual([kinds.nul[0], kinds.yes[0], kinds.n[0], kinds.list, kinds.o, kinds.bin], [1, 2, 3, [6, 2], [7, 1], [5, 3]]);
      assert.equal(kinds.s[0], 4);
    });

    test("acknowledged later", async () => {
      const a = await connected();
      const [text, bytes] = await ask(a, "answer later", "x", Buffer.from([7]));
      assert.equal(text, "x");
      assert.deepEqual(Buffer.from(bytes), Buffer.from([7]));
      a.emit("answer later", "nobody waits for this one", () => {});
      a.disconnect();
      await connected();
    });

    test("middlewares of a namespace refuse with data or admit later; a client may leave meanwhile", async () => {
      const refused = connect("/guarded", { auth: { what: "refuse" } });
      const [error] = await next(refused, "connect_error");
      assert.equal(error.message, "Refused");
      assert.deepEqual(error.data, { code: 42, why: "auth said so" });
      const late = connect("/guarded", { auth: { what: "late" } });
      assert.deepEqual(await next(late, "hello"), [late.id, "/guarded"]);
      const leaver = connect("/guarded", { auth: { what: "late" } });
      leaver.io.on("open", () => setImmediate(() => leaver.io.engine.close()));
      await next(leaver.io, "close");
      await connected("/guarded");
    });

    test("middlewares of events", async () => {
      const a = await connected();
      const seen = next(a, "error seen");
      a.emit("forbidden", 1);
      assert.deepEqual(await seen, ["Forbidden"]);
      assert.deepEqual(await ask(a, "held", 1, "two"), [1, "two"]);
    });

    test("catch-all listeners count incoming and outgoing events", async () => {
      const a = await connected("/counted");
      const [in0, out0] = await ask(a, "counts");
      const got = collect(a, "x");
      await ask(a, "emit", { from: "everyone", times: 3 }, "x", 1);
      await got.take(3);
      const [in1, out1] = await ask(a, "counts");
      assert.deepEqual([in1 - in0, out1 - out0], [2, 3]);
    });

    test("namespaces by pattern and by function", async () => {
      const one = await connected("/room-1");
      const two = await connected("/room-2");
      const other = collect(two, "news");
      await reaches([one], one, { from: "everyone" }, [one]);
      await reaches([two], two, { from: "everyone" }, [two]);
      assert.equal(other.seen.length, 1);
    });

    test("a namespace is unknown, refused by a function, or admitted later by one", async () => {
      for (const nsp of ["/room-x", "/other"]) {
        const refused = connect(nsp);
        assert.equal((await next(refused, "connect_error"))[0].message, "Invalid namespace");
      }
      const late = connect("/late-1");
      assert.deepEqual(await next(late, "hello"), [late.id, "/late-1"]);
    });

    test("a `disconnecting` listener sees the socket's rooms, a `disconnect` listener does not; each is called once with the reason", async () => {
      const a = await connected();
      const first = collect(a, "leaving");
      const second = collect(a, "gone");
      const b = await connected();
      await ask(b, "join", "watched");
      const id = b.id;
      b.disconnect();
      assert.deepEqual((await first.take(1))[0], [id, "client namespace disconnect", true]);
      assert.deepEqual((await second.take(1))[0], [id, "client namespace disconnect", false]);

      for (const close of [false, true]) {
        const c = await connected();
        const [bye, gone] = [next(c, "bye"), next(c, "disconnect")];
        c.on("too late", () => assert.fail("sent after disconnect"));
        c.emit("kick", close);
        await bye;
        assert.equal((await gone)[0], "io server disconnect");
      }
      const reasons = (await second.take(3)).map(([, reason]) => reason);
      assert.deepEqual(reasons.slice(1), ["server namespace disconnect", "server namespace disconnect"]);
      assert.equal(first.seen.length, 3);
    });

    test("generateId makes the engine's id; a repeated or malformed one is refused", async () => {
      const id = transport.padEnd(16, "-_0aZ9");
      const a = await connected(`/?session-id=${id}`);
      assert.equal(a.io.engine.id, `AAAA${id}`);
      assert.deepEqual(await ask(a, "handshake").then(([h]) => h.query), null);
      for (const bad of [id, "short", `${id}x`, "a+b/c+d/a+b/c+d/"]) {
        const refused = connect(`/?session-id=${encodeURIComponent(bad)}`);
        await next(refused, "connect_error");
        await server.line((fields) => fields.event === "refused" && fields.context === "ID_GENERATION_ERROR" && fields.message === "Bad request" && fields.url.includes(`=${encodeURIComponent(bad)}&`) && fields.url.includes(`=${transport}`));
      }
      assert.ok(server.output.includes("event=id_refused"), server.output);
      assert.deepEqual(await ask(a, "held", 1, "two"), [1, "two"]);
      assert.match((await connected()).io.engine.id, /^AAAA[\w-]{16}$/);
    });

    test("allowRequest, headers and connection_error", async () => {
      const banned = connect("/?ban=not%20today");
      await next(banned, "connect_error");
      const refused = await server.line((fields) => fields.event === "refused" && fields.url.includes("ban=") && fields.url.includes(`=${transport}`));
      assert.equal(refused.message, "not today");
      assert.match(refused.address, /^(::ffff:)?127\.0\.0\.1$|^::1$/);
      const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
      assert.equal(response.headers.get("x-initial"), "yes");
      assert.equal(response.headers.get("x-every"), "yes");
    });
  });
}
