/* How links begin, end and are dialled again, and the effect on sockets. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createHmac } from "node:crypto";
import { Server, stockParser } from "./support/packages.mjs";
import { FakeEdge, F, argsOf, targetsOf } from "./support/fake-edge.mjs";
import { behind, join, turn } from "./support/setup.mjs";
import backend from "../lib/index.js";

test("a socket that comes from another backend: id, rooms, data, recovered, no middlewares", async (t) => {
	const { io, link } = await behind(t);
	io.use(() => assert.fail("middleware"));
	const socket = await join(io, link, { sid: "old", again: { rooms: ["lobby", "7"], data: '{"user":"ann"}' } });
	assert.equal(socket.id, "old");
	assert.equal(socket.recovered, true);
	assert.deepEqual(socket.data, { user: "ann" });
	assert.deepEqual([...socket.rooms].sort(), ["7", 7, "lobby", "old"]);
	assert.equal((await io.in(7).fetchSockets()).length, 1);
	socket.leave(7);
	assert.deepEqual([...socket.rooms].sort(), ["lobby", "old"]);
	assert.equal((await link.next("LEAVE")).handle, 2);
});

test("reattachMiddlewares: the middlewares run, and may refuse", async (t) => {
	const { io, link } = await behind(t, { reattachMiddlewares: true });
	io.use((socket, next) => next(socket.data.banned ? new Error("banned") : undefined));
	await join(io, link, { again: { data: "{}" } });
	await link.client({ handle: 3, again: { data: '{"banned":true}' } });
	assert.equal((await link.next("REFUSE")).handle, 3);
});

test("a link that is cut: sockets leave with transport close, and a new link is dialled", async (t) => {
	const { edge, io, link, attachment } = await behind(t);
	const socket = await join(io, link);
	const left = once(socket, "disconnect");
	link.socket.destroy();
	assert.equal((await left)[0], "transport close");
	assert.equal(attachment.sessions, 0);
	const second = await edge.link();
	assert.equal(second.hello.instance, link.hello.instance);
	const again = await join(io, second, { sid: "sid2", again: { rooms: [] } });
	assert.equal(again.id, socket.id);
});

test("one link to each worker; broadcasts go to all, socket emits to one", async (t) => {
	const { edge, io, link, attachment } = await behind(t, { edge: { workers: 3 } });
	const links = [link, await edge.link(), await edge.link()];
	assert.deepEqual(links.map(({ worker }) => worker).sort(), [0, 1, 2]);
	while (attachment.edges.some(({ state }) => state !== "ready")) await once(attachment, "edge");
	const socket = await join(io, links[2]);
	io.emit("all");
	socket.emit("one");
	for (const each of links) assert.deepEqual(argsOf(await each.next("CAST")), ["all"]);
	assert.deepEqual(argsOf(await links[2].next("EMIT")), ["one"]);
	const answers = io.timeout(10000).emitWithAck("ask");
	for (const each of links) {
		const { id } = await each.next("CAST");
		each.send("CASTED", { id, u32: each === links[2] ? 1 : 0 });
		if (each === links[2]) each.send("CASTED", { id, flags: F.ACK, args: ["yes"] });
	}
	assert.deepEqual(await answers, ["yes"]);
});

test("fanout bus: a broadcast leaves on one link", async (t) => {
	const { edge, io, link, attachment } = await behind(t, { edge: { workers: 2, options: { fanout: "bus" } } });
	const other = await edge.link();
	while (attachment.edges.some(({ state }) => state !== "ready")) await once(attachment, "edge");
	io.emit("all");
	const worker0 = link.worker === 0 ? link : other;
	await worker0.next("CAST");
	await turn();
	assert.equal((link.worker === 0 ? other : link).frames.length, 0);
});

test("broadcasts during a dial are kept until the link is ready, whether it is new or replaces a cut one", async (t) => {
	const { edge, io, link, attachment } = await behind(t, { edge: { workers: 2 } });
	if (link.worker === 1) edge.links.unshift(link);
	const other = await edge.link();
	while (attachment.edges.some(({ state }) => state !== "ready")) await once(attachment, "edge");
	const late = new Promise((resolve) => (edge.late = (greeted) => (resolve(greeted), true)));
	other.socket.destroy();
	while (attachment.edges.every(({ state }) => state === "ready")) await once(attachment, "edge");
	io.emit("one");
	io.of("/named").emit("two");
	io.volatile.emit("volatile");
	await late;
	io.to("r").emit("three");
	(await late).welcome();
	const again = await edge.link();
	io.emit("four");
	assert.deepEqual(argsOf(await again.next("CAST")), ["one"]);
	const named = await again.next("NSP");
	assert.equal(String(named.body), "/named");
	const two = await again.next("CAST");
	assert.deepEqual([two.nsp, argsOf(two)], [named.nsp, ["two"]]);
	const three = await again.next("CAST");
	assert.deepEqual([three.nsp, argsOf(three), targetsOf(three).to], [0, ["three"], ["r"]]);
	assert.deepEqual(argsOf(await again.next("CAST")), ["four"]);
});

test("a broadcast with answers survives a worker that dies", async (t) => {
	const { edge, io, link, attachment } = await behind(t, { edge: { workers: 2 } });
	const other = await edge.link();
	while (attachment.edges.some(({ state }) => state !== "ready")) await once(attachment, "edge");
	const answers = io.timeout(10000).emitWithAck("ask");
	const { id } = await link.next("CAST");
	await other.next("CAST");
	link.send("CASTED", { id, u32: 1 });
	link.send("CASTED", { id, flags: F.ACK, args: [1] });
	other.socket.destroy();
	assert.deepEqual(await answers, [1]);
});

test("the secret is proved; a wrong one is an error of attach()", async (t) => {
	const { link } = await behind(t, { secret: "open sesame" });
	const expected = createHmac("sha256", "open sesame").update(`00112233\n${link.hello.instance}`).digest("hex");
	assert.equal(link.hello.proof, expected);
	const edge = await new FakeEdge().listen();
	t.after(() => edge.close());
	edge.refuse = "secret";
	await assert.rejects(backend.attach(new Server(), edge.address, { secret: "x" }), /secret/);
});

test("an edge of another version is an error of attach()", async (t) => {
	const edge = await new FakeEdge({ versions: [2] }).listen();
	t.after(() => edge.close());
	await assert.rejects(backend.attach(new Server(), edge.address), /speaks version 2/);
});

test("unsupported options and calls are refused with a sentence", async () => {
	const attach = (opts, prepare) => {
		const io = new Server(opts);
		prepare?.(io);
		return backend.attach(io, "unix:///nowhere.sock");
	};
	class Other extends (new Server().adapter()) {}
	await assert.rejects(attach({ parser: { Encoder: class {}, Decoder: class {} } }), /custom parser/);
	await assert.rejects(attach({}, (io) => io.adapter(Other)), /adapter/);
	await assert.rejects(backend.attach(new Server(), "http://x"), /unix:\/\/\/path/);
	await assert.rejects(backend.attach(new Server(), "unix://relative"), /absolute/);
	await assert.rejects(backend.attach(new Server(), "unix:///x", { wait: 1 }), /no option `wait`/);
	await assert.rejects(backend.attach({}, "unix:///x"), /Server of socket.io/);
});

test("the stock parser may be passed explicitly", async (t) => {
	class Derived extends Server {}
	for (const Kind of [Server, Derived]) {
		const edge = await new FakeEdge().listen();
		t.after(() => edge.close());
		const io = new Kind({ parser: stockParser });
		const attachment = await backend.attach(io, edge.address, { drainOnSigterm: false });
		assert.equal(attachment.io, io);
		io.close();
	}
	class Encoder extends stockParser.Encoder {}
	await assert.rejects(backend.attach(new Server({ parser: { ...stockParser, Encoder } }), "unix:///nowhere.sock"), /custom parser/);
});

test("each option that differs from the edge's gives a warning, or an error", async (t) => {
	const options = { fanout: "direct", pingInterval: 25000, path: "/socket.io/", transports: ["polling", "websocket"], cors: false };
	const warnings = [];
	const onWarning = (warning) => warnings.push(warning.message);
	process.on("warning", onWarning);
	t.after(() => process.removeListener("warning", onWarning));
	await behind(t, { edge: { options }, server: { pingInterval: 5000, path: "/socket.io", transports: ["websocket", "polling"] } });
	await turn();
	await behind(t, { edge: { options: { ...options, cors: true } }, server: { cors: { origin: "*" } } });
	await behind(t, { edge: { options }, server: { connectTimeout: 1, maxHttpBufferSize: 1, pingInterval: 1 }, edgeOptions: "ignore" });
	await turn();
	assert.deepEqual(warnings, ["The Server's option pingInterval is 5000, but the edge uses 25000: start the edge with --ping-interval"]);
	const edge = await new FakeEdge({ options }).listen();
	t.after(() => edge.close());
	const strict = (server) => backend.attach(new Server(server), edge.address, { edgeOptions: "strict" });
	await assert.rejects(strict({ pingInterval: 5000 }), /pingInterval/);
	await assert.rejects(strict({ cors: { origin: "*" } }), /--cors-origin/);
	const modern = await new FakeEdge({ options: { ...options, allowEIO3: false } }).listen();
	t.after(() => modern.close());
	await assert.rejects(backend.attach(new Server({ allowEIO3: true }), modern.address, { edgeOptions: "strict" }), /--allow-eio3/);
});

test("connectionStateRecovery of the Server: the edge recovers, and a difference gives a warning, or an error", async (t) => {
	const warnings = [];
	const onWarning = (warning) => warnings.push(warning.message);
	process.on("warning", onWarning);
	t.after(() => process.removeListener("warning", onWarning));
	const edge = { options: { fanout: "bus", connectionStateRecovery: { maxDisconnectionDuration: 120000, skipMiddlewares: true } } };
	const server = { connectionStateRecovery: { maxDisconnectionDuration: 120000 } };
	const { io, link } = await behind(t, { edge, server });
	const socket = await join(io, link);
	assert.equal(socket.pid, undefined);
	socket.emit("one", 1);
	assert.deepEqual(argsOf(await link.next("EMIT")), ["one", 1]);
	const back = await join(io, link, { handle: 2, sid: "lost", again: { rooms: ["lobby"], data: '{"user":"ann"}' } });
	assert.deepEqual([back.recovered, back.id, back.data, back.rooms.has("lobby")], [true, "lost", { user: "ann" }, true]);
	assert.equal(server.connectionStateRecovery.maxDisconnectionDuration, 120000);
	await behind(t, { edge, server: { connectionStateRecovery: {} } });
	await behind(t, { server: { connectionStateRecovery: {} }, edgeOptions: "ignore" });
	await turn();
	assert.deepEqual(warnings, []);
	await behind(t, { edge, server: { connectionStateRecovery: { maxDisconnectionDuration: 1000, skipMiddlewares: false } } });
	await behind(t, { server: { connectionStateRecovery: {} } });
	await turn();
	assert.deepEqual(warnings, [
		"The Server's option connectionStateRecovery.maxDisconnectionDuration is 1000, but the edge uses 120000: start the edge with --max-disconnection-duration",
		"The Server's option connectionStateRecovery.skipMiddlewares is false, but the edge uses true: start the edge with --skip-middlewares",
		"The Server has the option connectionStateRecovery, but the edge keeps no sessions: start the edge with --connection-state-recovery",
	]);
	const plain = await new FakeEdge().listen();
	t.after(() => plain.close());
	await assert.rejects(backend.attach(new Server({ connectionStateRecovery: {} }), plain.address, { edgeOptions: "strict" }), /--connection-state-recovery/);
});

test("windows: processed bytes are given back, and frames that do not fit wait", async (t) => {
	const { io, link } = await behind(t, { edge: { window: 4096 } });
	const socket = await join(io, link);
	for (let i = 0; i < 12; i++) {
		link.send("EVENT", { handle: 2, args: ["e", "x".repeat(400)] });
		await once(socket, "e");
	}
	await turn();
	await turn();
	assert.ok(link.returned >= 2048, `${link.returned}`);
	const text = "y".repeat(1000);
	for (let i = 0; i < 10; i++) socket.emit("big", i, text);
	for (let i = 0; i < 10; i++) socket.volatile.emit("may be dropped");
	const got = [];
	while (got.length < 3) got.push(argsOf(await link.next("EMIT"))[1]);
	await turn();
	assert.equal(link.frames.length, 0);
	while (got.length < 10) {
		link.send("WINDOW", { id: 2100 });
		got.push(argsOf(await link.next("EMIT"))[1]);
		got.push(argsOf(await link.next("EMIT"))[1]);
		if (got.length === 9) link.send("WINDOW", { id: 2100 }), got.push(argsOf(await link.next("EMIT"))[1]);
	}
	assert.deepEqual(got, [...Array(10).keys()]);
});

test("the link ends when more than maxQueued bytes wait for an edge that does not read", async (t) => {
	const { io, link } = await behind(t, { edge: { window: 100 }, maxQueued: 5000 });
	const socket = await join(io, link);
	for (let i = 0; i < 10; i++) socket.emit("big", "y".repeat(1000));
	await once(socket, "disconnect");
	assert.equal(String((await link.next("BYE")).body), "full");
});

test("the link to a silent edge is closed", async (t) => {
	const { edge, io, link } = await behind(t, { edge: { ping: 100 } });
	const socket = await join(io, link);
	edge.mute = true;
	await once(socket, "disconnect");
	edge.mute = false;
	assert.equal(String((await link.next("BYE")).body), "timeout");
	await edge.link();
});

test("malformed args from an edge end the link", async (t) => {
	const { edge, link } = await behind(t);
	link.send("EVENT", { handle: 99, args: "[" }); // unknown handle: ignored
	link.send("ACCEPT", { handle: 1 });
	assert.equal(String((await link.next("BYE")).body), "protocol");
	await edge.link();
});

test("a client is back by another worker, whose link is read first: the former socket leaves first", async (t) => {
	const { edge, io, link } = await behind(t, { edge: { workers: 2 } });
	const second = await edge.link();
	const seen = [];
	io.on("connection", (socket) => {
		seen.push(`${socket.id} ${socket.recovered}`);
		socket.on("disconnect", (reason) => seen.push(reason));
		socket.on("e", (n) => seen.push(n));
	});
	const former = await join(io, link, { sid: "ada" });
	former.join("lobby");
	await link.next("JOIN");
	await second.client({ sid: "ada", again: { rooms: ["lobby"], recovered: true } });
	await second.client({ session: 3, handle: 4, sid: "bob" });
	assert.equal((await second.next("ACCEPT")).handle, 4); // ada waits
	link.send("EVENT", { handle: 2, args: ["e", 1] });
	link.send("CLOSED", { handle: 2, rest: "transport close" });
	assert.equal((await second.next("ACCEPT")).handle, 2);
	assert.deepEqual(seen, ["ada false", "bob false", 1, "transport close", "ada true"]);
	const socket = io.sockets.sockets.get("ada");
	assert.deepEqual([...socket.rooms], ["ada", "lobby"]);
	socket.join("attic");
	await second.next("JOIN"); // without a LEAVE before it
	assert.equal(link.frames.length, 0);

	const late = async (handle, sid) => {
		const due = [];
		const { setTimeout } = globalThis;
		const timers = t.mock.method(globalThis, "setTimeout", (done, ms, ...args) =>
			ms === 5000 ? (due.push(done), { unref() {} }) : setTimeout(done, ms, ...args));
		await link.client({ session: handle - 1, handle, sid: "ada", again: { recovered: true } });
		await link.client({ session: handle + 1, handle: handle + 2, sid });
		assert.equal((await link.next("ACCEPT")).handle, handle + 2);
		timers.mock.restore();
		assert.equal(due.length, 1);
		due[0]();
		assert.equal((await link.next("ACCEPT")).handle, handle);
		return seen.splice(0);
	};
	seen.length = 0;
	assert.deepEqual(await late(6, "eve"), ["eve false", "transport close", "ada true"], "a worker that is silent");
	io.sockets.sockets.get("ada")._onclose = () => {}; // does not go on if a listener of "disconnecting" throws
	assert.deepEqual(await late(10, "kim"), ["kim false", "ada true"]);
	assert.deepEqual([...io.sockets.sockets.get("ada").rooms], ["ada"]);
});

test("mirrorData: changed data is sent at the end of the turn", async (t) => {
	const { io, link } = await behind(t, { mirrorData: true });
	io.on("connection", (socket) => {
		socket.data.user = "ann";
		socket.on("set", (value) => (socket.data.nested.push(value), (socket.data.n = 1)));
		socket.on("look", (answer) => answer());
	});
	await link.client();
	await link.next("ACCEPT");
	assert.equal(String((await link.next("DATA")).body), '{"user":"ann"}');
	for (const socket of io.sockets.sockets.values()) socket.data.nested = [];
	link.send("EVENT", { handle: 2, args: ["set", 5] });
	assert.equal(String((await link.next("DATA")).body), '{"user":"ann","nested":[5],"n":1}');
	link.send("EVENT", { handle: 2, args: ["look"], flags: F.ACK, id: 1 });
	await link.next("ACK");
	await turn();
	assert.equal(link.frames.length, 0);
});

test("mirrorData: data that JSON cannot express stays at the edge as it was, with a warning", async (t) => {
	const { io, link } = await behind(t, { mirrorData: true });
	const socket = await join(io, link);
	socket.data.n = 1n;
	const [[warning]] = await Promise.all([once(process, "warning"), socket.emit("e")]);
	assert.match(warning.message, /^A change of socket.data is not kept at the edge: .*BigInt/);
	await link.next("EMIT");
	socket.data.n = 2;
	socket.emit("e");
	assert.equal(String((await link.next("DATA")).body), '{"n":2}');
});

test("mirrorData: data is at the edge before the client hears of it", async (t) => {
	const { io, link } = await behind(t, { mirrorData: true });
	io.use((socket, next) => {
		socket.data.step = "middleware";
		next();
	});
	io.on("connection", (socket) => {
		socket.on("set", async (answer) => {
			await turn();
			socket.data.step = "emit";
			socket.emit("own");
			await turn();
			socket.data.step = "answer";
			answer();
			socket.data.step = "after";
		});
	});
	await link.client();
	const kept = async () => JSON.parse((await link.next("DATA")).body).step;
	assert.equal(await kept(), "middleware");
	await link.next("ACCEPT");
	link.send("EVENT", { handle: 2, args: ["set"], flags: F.ACK, id: 1 });
	assert.equal(await kept(), "emit");
	await link.next("EMIT");
	assert.equal(await kept(), "answer");
	await link.next("ACK");
	assert.equal(await kept(), "after");
});

test("drain: waits for acknowledgements, hands sessions over with their data, sends BYE", async (t) => {
	const { io, link, attachment } = await behind(t, { drainGrace: 3000 });
	let answer;
	const socket = await join(io, link);
	const asked = new Promise((resolve) => socket.on("slow", (done) => resolve((answer = done))));
	socket.on("disconnect", () => assert.fail("the client has not left"));
	socket.data.user = "ann";
	link.send("EVENT", { handle: 2, args: ["slow"], flags: F.ACK, id: 3 });
	await asked;
	await join(io, link, { session: 5, handle: 6 });
	const drained = attachment.drain();
	await link.next("DRAIN");
	link.send("DRAIN");
	const first = await link.next("HANDOFF");
	assert.equal(first.handle, 5);
	answer("done");
	assert.deepEqual(argsOf(await link.next("ACK")), ["done"]);
	assert.equal(String((await link.next("DATA")).body), '{"user":"ann"}');
	assert.equal((await link.next("HANDOFF")).handle, 1);
	assert.equal(io.sockets.sockets.size, 0);
	socket.emit("under way"); // still carried out
	await link.next("EMIT");
	assert.equal(String((await link.next("BYE")).body), "shutdown");
	await drained;
});

test("drain: the links that are not ready yet are given up", async (t) => {
	const edge = await new FakeEdge({ workers: 3 }).listen();
	t.after(() => edge.close());
	const asked = [];
	const both = new Promise((resolve) => {
		edge.late = (link) => {
			if (link.worker === 0) return false;
			if (asked.push(link) === 2) resolve();
			return true;
		};
	});
	const io = new Server();
	t.after(() => io.close());
	const attachment = await backend.attach(io, edge.address, { drainOnSigterm: false, drainGrace: 100 });
	const first = await edge.link();
	await both;
	const drained = attachment.drain();
	assert.deepEqual(attachment.edges.map(({ state }) => state), ["ready", "closed", "closed"]);
	for (const link of asked) await link.ended();
	await first.next("DRAIN");
	first.send("DRAIN");
	await drained;
});

test("drain and mirrorData: a clock that is set back delays nothing", async (t) => {
	const { io, link, attachment } = await behind(t, { drainGrace: 200, mirrorData: 10 });
	const socket = await join(io, link);
	socket.data.n = 1;
	link.send("EVENT", { handle: 2, args: ["x"] });
	assert.equal(String((await link.next("DATA")).body), '{"n":1}');
	const drained = attachment.drain();
	t.mock.method(Date, "now", () => 0);
	socket.data.n = 2;
	link.send("EVENT", { handle: 2, args: ["x"] });
	assert.equal((await link.next("DRAIN")).type, "DRAIN");
	assert.equal(String((await link.next("DATA")).body), '{"n":2}');
	await link.next("HANDOFF");
	await drained;
});

test("io.close(): sockets end, clients are disconnected, the callback is called once; attach() works again", async (t) => {
	const { edge, io, link } = await behind(t);
	const socket = await join(io, link);
	const left = once(socket, "disconnect");
	let calls = 0;
	io.close((error) => {
		assert.equal(error, undefined);
		calls++;
	});
	assert.equal((await left)[0], "server shutting down");
	const disc = await link.next("DISC");
	assert.deepEqual([disc.handle, disc.flags], [1, F.CLOSE]);
	assert.equal(String((await link.next("BYE")).body), "shutdown");
	await link.ended();
	assert.equal(calls, 1);
	const [, again] = await Promise.all([backend.attach(io, edge.address, { drainOnSigterm: false }), edge.link()]);
	await join(io, again);
});

test("attach() that fails leaves no listener of the process behind", async (t) => {
	const edge = await new FakeEdge().listen();
	t.after(() => edge.close());
	edge.refuse = "secret";
	const before = process.listenerCount("exit");
	await assert.rejects(backend.attach(new Server(), edge.address));
	assert.equal(process.listenerCount("exit"), before);
});
