/* Sockets, their events, acknowledgements and rooms, against a fake edge. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { behind, join, turn } from "./support/setup.mjs";
import { F, argsOf, roomsOf, targetsOf } from "./support/fake-edge.mjs";

test("HELLO describes the backend", async (t) => {
	const { link } = await behind(t, { group: "shop", namespaces: ["/", "admin"], weight: 3, onBackendLoss: "reconnect" });
	const { hello } = link;
	assert.deepEqual(hello.v, [1]);
	assert.match(hello.instance, /^js-[\w.-]+$/);
	assert.equal(hello.group, "shop");
	assert.deepEqual(hello.namespaces, ["/", "/admin"]);
	assert.equal(hello.weight, 3);
	assert.equal(hello.onLoss, "reconnect");
	assert.deepEqual(hello.hooks, { request: false, errors: false });
	assert.equal(hello.pid, process.pid);
});

test("a socket has the edge's id, its handshake and its request", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link, { sid: "abc", auth: { token: "x" } });
	assert.equal(socket.id, "abc");
	assert.deepEqual([...socket.rooms], ["abc"]);
	assert.equal(socket.recovered, false);
	const { handshake } = socket;
	assert.deepEqual(handshake.auth, { token: "x" });
	assert.equal(handshake.address, "10.0.0.9");
	assert.equal(handshake.secure, true);
	assert.equal(handshake.issued, 1700000000000);
	assert.equal(handshake.query.x, "1");
	assert.equal(handshake.headers.cookie, "a=1; b=2");
	assert.equal(handshake.headers["x-many"], "1, 2");
	assert.equal(socket.request.url, handshake.url);
	assert.equal(socket.request.connection.encrypted, true);
	assert.equal(socket.conn.transport.name, "websocket");
	assert.equal(socket.conn.id, "eio1");
	assert.equal(socket.client.id, "eio1");
	assert.equal(io.engine.clientsCount, 1);
});

test("emits of a connection handler follow ACCEPT and precede a later broadcast", async (t) => {
	const { io, link } = await behind(t);
	io.on("connection", (socket) => {
		socket.emit("welcome", 1);
		io.emit("news", 2);
		socket.broadcast.emit("joined");
	});
	await link.client();
	await link.next("ACCEPT");
	assert.deepEqual(argsOf(await link.next("EMIT")), ["welcome", 1]);
	const cast = await link.next("CAST");
	assert.deepEqual([argsOf(cast), targetsOf(cast)], [["news", 2], { to: [], except: [] }]);
	assert.deepEqual(targetsOf(await link.next("CAST")), { to: [], except: ["sid2"] });
});

test("events arrive in order, with acknowledgements of wide numbers", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	const got = [];
	socket.onAny((name) => got.push(name));
	socket.on("ask", (a, answer) => answer("got", a));
	link.send("EVENT", { handle: 2, args: ["one"] });
	link.send("EVENT", { handle: 2, args: ["ask", 7], flags: F.ACK, id: 5 });
	const ack = await link.next("ACK");
	assert.deepEqual([ack.handle, ack.id, ack.flags, argsOf(ack)], [2, 5, 0, ["got", 7]]);
	link.send("EVENT", { handle: 2, u32: 3, args: ["ask", 8], flags: F.ACK | F.WIDE, id: 4 });
	const wide = await link.next("ACK");
	assert.deepEqual([wide.id, wide.flags, wide.body.readUInt32LE(0), argsOf(wide)], [4, F.WIDE, 3, ["got", 8]]);
	assert.deepEqual(got, ["one", "ask", "ask"]);
});

test("events with reserved names, or with args that are not an array, are ignored", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	let ended = 0;
	socket.on("disconnect", () => ended++);
	link.send("EVENT", { handle: 2, args: ["disconnect", "x"] });
	link.send("EVENT", { handle: 2, args: '{"0":"x"}' });
	link.send("EVENT", { handle: 2, args: ["last"] });
	await once(socket, "last");
	assert.equal(ended, 0);
});

test("binary goes both ways, nested", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	socket.on("file", (file, answer) => answer({ back: [file.bytes] }));
	const args = { json: '["file",{"bytes":{"_placeholder":true,"num":0}}]', attachments: [Buffer.from("abc")] };
	link.send("EVENT", { handle: 2, id: 1, flags: F.ACK | F.BIN, args });
	const ack = await link.next("ACK");
	assert.equal(ack.flags, F.BIN);
	assert.deepEqual(argsOf(ack), [{ back: [{ _placeholder: true, num: 0 }] }]);
	assert.equal(ack.body.subarray(-3).toString(), "abc");
});

test("flags of emits: volatile, compress, timeout", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	socket.volatile.emit("a");
	socket.compress(false).emit("b");
	socket.timeout(60000).emit("c", () => {});
	io.volatile.compress(false).to("r").emit("d");
	assert.equal((await link.next("EMIT")).flags, F.VOLATILE);
	assert.equal((await link.next("EMIT")).flags, F.NOCOMPRESS);
	const timed = await link.next("EMIT");
	assert.equal(timed.flags, F.ACK | F.TIMED);
	assert.equal(timed.body.readUInt32LE(0), 60000);
	assert.equal((await link.next("CAST")).flags, F.VOLATILE | F.NOCOMPRESS);
	link.send("ACKED", { handle: 2, id: timed.id, args: [] }); // ends the timer
	await turn();
});

test("acknowledgement numbers are unique over namespaces and broadcasts", async (t) => {
	const { io, link } = await behind(t, { prepare: (io) => io.of("/b") });
	const a = await join(io, link);
	link.send("NSP", { nsp: 9, rest: "/b" });
	const b = await join(io, link, { handle: 3, nsp: 9 }, "/b");
	const answers = [];
	a.emit("x", (x) => answers.push(["a", x]));
	b.emit("x", (x) => answers.push(["b", x]));
	const all = io.timeout(10000).emitWithAck("x");
	const first = await link.next("EMIT");
	const second = await link.next("EMIT");
	const cast = await link.next("CAST");
	assert.equal(new Set([first.id, second.id, cast.id]).size, 3);
	link.send("ACKED", { handle: 3, id: second.id, args: [2] });
	link.send("ACKED", { handle: 2, id: first.id, args: [1] });
	link.send("CASTED", { id: cast.id, u32: 2 });
	link.send("CASTED", { id: cast.id, flags: F.ACK, args: ["p"] });
	link.send("CASTED", { id: cast.id, flags: F.ACK, args: ["q"] });
	link.send("CASTED", { id: cast.id, flags: F.LAST });
	assert.deepEqual(await all, ["p", "q"]);
	assert.deepEqual(answers, [["b", 2], ["a", 1]]);
});

test("a broadcast reports the answers that came in time", async (t) => {
	const { io, link } = await behind(t);
	const late = assert.rejects(io.timeout(2000).emitWithAck("x"), (error) => {
		assert.deepEqual(error.responses, ["p"]);
		return true;
	});
	const cast = await link.next("CAST");
	link.send("CASTED", { id: cast.id, u32: 2 });
	link.send("CASTED", { id: cast.id, flags: F.ACK, args: ["p"] });
	await late;
	const nobody = io.timeout(10000).emitWithAck("nobody");
	link.send("CASTED", { id: (await link.next("CAST")).id, u32: 0 });
	assert.deepEqual(await nobody, []);
});

test("rooms: JOIN before the broadcast, LEAVE before it, each once", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	socket.join(["a", "b"]);
	socket.join("a");
	socket.join(7);
	io.to("a").except("c").emit("x");
	socket.leave("a");
	socket.leave(7);
	assert.deepEqual(roomsOf(await link.next("JOIN")), ["a", "b"]);
	assert.deepEqual(roomsOf(await link.next("JOIN")), ["7"]);
	assert.deepEqual(targetsOf(await link.next("CAST")), { to: ["a"], except: ["c"] });
	assert.deepEqual(roomsOf(await link.next("LEAVE")), ["a"]);
	assert.deepEqual(roomsOf(await link.next("LEAVE")), ["7"]);
	assert.deepEqual([...socket.rooms], ["sid2", "b"]);
});

test("changes of rooms that the edge reports are applied, and not sent back", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	link.send("JOIN", { handle: 2, rooms: ["x", "y"] });
	link.send("LEAVE", { handle: 2, rooms: ["y"] });
	link.send("EVENT", { handle: 2, args: ["now"] });
	await once(socket, "now");
	assert.deepEqual([...socket.rooms], ["sid2", "x"]);
	assert.deepEqual((await io.in("x").fetchSockets()).map(({ id }) => id), ["sid2"]);
	socket.emit("end");
	await link.next("EMIT");
});

test("middlewares refuse, with data", async (t) => {
	const { io, link } = await behind(t);
	io.use((socket, next) => {
		socket.join("early");
		const error = new Error("Unauthorized");
		error.data = { code: 7 };
		next(socket.handshake.auth.token === "good" ? undefined : error);
	});
	await link.client({ auth: { token: "bad" } });
	await link.next("JOIN");
	const refusal = await link.next("REFUSE");
	assert.deepEqual([refusal.handle, JSON.parse(refusal.body)], [2, { message: "Unauthorized", data: { code: 7 } }]);
	assert.equal(io.sockets.adapter.rooms.size, 0);
	await link.client({ handle: 3, auth: { token: "good" } });
	await link.next("JOIN");
	await link.next("ACCEPT");
	assert.ok(io.sockets.adapter.rooms.get("early").has("sid3"));
});

test("a client that goes while a middleware runs is forgotten", async (t) => {
	const { io, link } = await behind(t);
	let go;
	const asked = new Promise((resolve) => io.use((socket, next) => resolve((go = next))));
	io.on("connection", () => assert.fail("the client was admitted"));
	await link.client();
	await asked;
	link.send("CLOSED", { handle: 2, rest: "transport close" });
	link.send("CLOSED", { handle: 1, rest: "transport close" });
	while (io.engine.clientsCount > 0) await turn();
	go();
	await turn();
	assert.equal(io.sockets.sockets.size, 0);
	assert.equal(io.sockets.adapter.sids.size, 0);
});

test("CLOSED: earlier events are still handled, and the socket gets the reason", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	const got = [];
	socket.on("last", () => got.push("last"));
	socket.on("disconnect", (reason) => got.push(reason, socket.conn.readyState));
	const closed = once(socket.conn, "close");
	link.send("EVENT", { handle: 2, args: ["last"] });
	link.send("CLOSED", { handle: 2, rest: "ping timeout" });
	link.send("CLOSED", { handle: 1, rest: "ping timeout" });
	assert.deepEqual(await closed, ["ping timeout"]);
	assert.deepEqual(got, ["last", "ping timeout", "closed"]);
	assert.equal(io.engine.clientsCount, 0);
	assert.equal(io.sockets.sockets.size, 0);
	link.send("EVENT", { handle: 2, args: ["late"] }); // ignored
	socket.emit("late");
	await turn();
	assert.equal(link.frames.length, 0);
});

test("disconnect() of one namespace and of all", async (t) => {
	const { io, link } = await behind(t, { prepare: (io) => io.of("/b") });
	link.send("NSP", { nsp: 1, rest: "/b" });
	const a = await join(io, link);
	const b = await join(io, link, { handle: 3, nsp: 1 }, "/b");
	let reason;
	b.on("disconnect", (why) => (reason = why));
	b.disconnect();
	const one = await link.next("DISC");
	assert.deepEqual([one.handle, one.flags, reason], [3, 0, "server namespace disconnect"]);
	a.disconnect(true);
	const all = await link.next("DISC");
	assert.deepEqual([all.handle, all.flags], [2, F.CLOSE]);
	const c = await join(io, link, { session: 10, handle: 11 });
	c.conn.close();
	const connection = await link.next("DISC");
	assert.deepEqual([connection.handle, connection.flags], [10, F.CLOSE]);
});

test("namespaces: fixed, by pattern, by function, and those that do not exist", async (t) => {
	const { io, link } = await behind(t);
	io.of("/fixed");
	io.of(/^\/room-\d+$/);
	io.of((name, auth, next) => next(null, auth.key === "k" && name.startsWith("/f-")));
	const ask = async (name, auth = {}) => {
		link.send("NSPASK", { id: 9, texts: [name, JSON.stringify(auth)] });
		return (await link.next("NSPANSWER")).flags === F.ACK;
	};
	assert.equal(await ask("/fixed"), true);
	assert.equal(await ask("/room-12"), true);
	assert.equal(await ask("/room-x"), false);
	assert.equal(await ask("/f-1"), false);
	assert.equal(await ask("/f-1", { key: "k" }), true);
	link.send("NSP", { nsp: 4, rest: "/room-99" });
	const socket = await join(io, link, { nsp: 4 }, "/room-99");
	io.of("/room-99").emit("x");
	const nsp = await link.next("NSP");
	assert.equal(String(nsp.body), "/room-99");
	assert.equal((await link.next("CAST")).nsp, nsp.nsp);
	assert.equal(socket.nsp.name, "/room-99");
	link.send("NSP", { nsp: 5, rest: "/none" });
	await link.client({ handle: 8, nsp: 5 });
	assert.equal(JSON.parse((await link.next("REFUSE")).body).message, "Invalid namespace");
});

test("an exception in a listener does not lose the frames behind it", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	const thrown = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
	t.after(() => process.setUncaughtExceptionCaptureCallback(null));
	io.use(() => {
		throw new Error("application");
	});
	link.send("OPEN", { handle: 5, id: 1, texts: ["sid5", "{}"] });
	link.send("EVENT", { handle: 2, args: ["after"] });
	const [error] = await Promise.all([thrown, once(socket, "after")]);
	assert.equal(error.message, "application");
});

test("TRANSPORT: the upgrade event", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link, { about: { transport: "polling" } });
	assert.equal(socket.conn.transport.name, "polling");
	assert.equal(socket.conn.upgraded, false);
	const upgraded = once(socket.conn, "upgrade");
	link.send("TRANSPORT", { handle: 1, rest: "websocket" });
	const [transport] = await upgraded;
	assert.equal(transport.name, "websocket");
	assert.equal(socket.conn.transport.name, "websocket");
	assert.equal(socket.conn.upgraded, true);
});

test("packetCreate shows outgoing packets in the form that engine.io would send", async (t) => {
	const { io, link } = await behind(t, { prepare: (io) => io.of("/b") });
	link.send("NSP", { nsp: 1, rest: "/b" });
	const socket = await join(io, link, { nsp: 1 }, "/b");
	const shown = [];
	socket.conn.on("packetCreate", ({ type, data, options }) => shown.push([type, data, options.compress]));
	socket.emit("a", 1);
	socket.compress(false).emit("b", Buffer.from("x"));
	io.of("/b").emit("c");
	io.of("/b").except(socket.id).emit("d");
	assert.deepEqual(shown, [
		["message", '2/b,["a",1]', true],
		["message", '51-/b,["b",{"_placeholder":true,"num":0}]', false],
		["message", Buffer.from("x"), false],
		["message", '2/b,["c"]', true],
	]);
});

test("io.local reaches this backend's sockets only, by EMIT; onAnyOutgoing hears broadcasts", async (t) => {
	const { io, link } = await behind(t);
	const a = await join(io, link);
	await join(io, link, { handle: 3 });
	a.join("r");
	await link.next("JOIN");
	const heard = [];
	a.onAnyOutgoing((name) => heard.push(name));
	io.local.emit("l");
	assert.deepEqual([(await link.next("EMIT")).handle, (await link.next("EMIT")).handle], [2, 3]);
	io.local.to("r").emit("r");
	assert.equal((await link.next("EMIT")).handle, 2);
	io.emit("all");
	io.except("r").emit("others");
	a.emit("own");
	assert.deepEqual(heard, ["l", "r", "all", "own"]);
	const answered = io.local.timeout(1000).emitWithAck("q");
	for (const type of ["CAST", "CAST", "EMIT"]) await link.next(type);
	for (const handle of [2, 3]) {
		const emit = await link.next("EMIT");
		link.send("ACKED", { handle, id: emit.id, args: [handle] });
	}
	assert.deepEqual(await answered, [2, 3]);
});

test("emits of an event's handler leave before the end of the turn, and later emits at its end", async (t) => {
	const { io, link } = await behind(t);
	const socket = await join(io, link);
	const { writer } = socket._link;
	const waiting = [];
	socket.on("ask", () => {
		socket.emit("first");
		socket.emit("second");
		waiting.push(writer.n > 0);
		process.nextTick(() => {
			waiting.push(writer.n > 0);
			socket.emit("third");
			process.nextTick(() => waiting.push(writer.n > 0));
		});
	});
	link.send("EVENT", { handle: socket._handle, args: ["ask"] });
	for (const name of ["first", "second", "third"]) assert.deepEqual(argsOf(await link.next("EMIT")), [name]);
	assert.deepEqual(waiting, [true, false, true]);
});
