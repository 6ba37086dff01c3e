/* The history of rooms, against a fake edge. */
import test from "node:test";
import assert from "node:assert/strict";
import { behind, join, turn } from "./support/setup.mjs";
import { F } from "./support/fake-edge.mjs";
import frame from "../lib/frame.js";

const { BodyReader } = frame;
const EDGE = { options: { fanout: "direct", history: true } };
const reader = ({ body }) => new BodyReader(body, 0, body.length);

function catchup(received) {
	const body = reader(received);
	return { handle: received.handle, count: body.u32(), room: body.text(), rest: body.rest() };
}

/* Ends an answer. */
function last(link, { id }, count, error = "") {
	link.send("PAST", { flags: F.LAST, id, u32: count, texts: [error] });
}

function event(link, { id }, name, ms, args) {
	const raw = Buffer.alloc(8);
	raw.writeBigUInt64LE(BigInt(ms));
	const flags = args.json ? F.BIN : 0;
	const text = args.json ? "" : JSON.stringify(args);
	if (!args.json) return link.send("PAST", { id, texts: [name], raw: Buffer.concat([raw, Buffer.from(text)]) });
	const sized = (bytes) => Buffer.concat([Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]);
	return link.send("PAST", { id, flags, texts: [name], raw: Buffer.concat([raw, sized(Buffer.from(args.json)), ...args.attachments.map(sized)]) });
}

test("join() with history sends CATCHUP instead of JOIN, and resolves with the number of events", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	const joined = socket.join(["a", "b"], { history: 50 });
	assert.deepEqual([...socket.rooms], ["sid2", "a", "b"]);
	const [a, b] = [await link.next("CATCHUP"), await link.next("CATCHUP")];
	assert.deepEqual(catchup(a), { handle: 2, count: 50, room: "a", rest: "" });
	assert.deepEqual(catchup(b), { handle: 2, count: 50, room: "b", rest: "" });
	last(link, b, 7);
	last(link, a, 3);
	assert.equal(await joined, 10);
	socket.join("c", { history: true });
	assert.equal(catchup(await link.next("CATCHUP")).count, 0);
	socket.join("d", { history: false });
	socket.join("e", {});
	assert.equal((await link.next("JOIN")).handle, 2);
	for (const wrong of [0, -1, 1.5, "50", null]) assert.throws(() => socket.join("f", { history: wrong }), /`history` must be true or a whole number/);
	assert.throws(() => socket.join("x".repeat(65536), { history: true }), /65,535/);
});

test("what a middleware joins with history follows ACCEPT, unless it is left before", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	io.use((socket, next) => {
		assert.ok(socket.join(["a", "b"], { history: 5 }) instanceof Promise);
		assert.deepEqual([...socket.rooms], ["a", "b"]);
		socket.leave("b");
		next();
	});
	await link.client();
	const frames = [];
	for (const type of ["LEAVE", "ACCEPT", "CATCHUP"]) frames.push(await link.next(type));
	assert.deepEqual(catchup(frames[2]), { handle: 2, count: 5, room: "a", rest: "" });
});

test("a socket that comes back has missed nothing in its rooms", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link, { again: { rooms: ["a"] } });
	assert.equal(await socket.join("a", { history: true }), 0);
	socket.join(["a", "b"], { history: true });
	assert.equal(catchup(await link.next("CATCHUP")).room, "b");
});

test("errors reject, but a client that has left needs no history", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	const joined = socket.join("a", { history: true });
	last(link, await link.next("CATCHUP"), 0, "timeout");
	await assert.rejects(joined, { code: "timeout", message: /the history of a: the history could not be read in time; the socket is in the room/ });
	socket.join("b", { history: true }); // ignores the rejection
	last(link, await link.next("CATCHUP"), 0, "too-many");
	const late = socket.join("c", { history: true });
	const asked = await link.next("CATCHUP");
	link.send("CLOSED", { handle: 2, rest: "transport close" });
	last(link, asked, 0, "state");
	assert.equal(await late, 0);
	assert.equal(await socket.join?.("d", { history: true }), undefined);
});

test("while too many questions wait, a join is refused, and the socket is in the room", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	const waiting = Promise.allSettled(Array.from({ length: 10000 }, () => io.historyClear("a")));
	const joined = socket.join("b", { history: true });
	for (let i = 0; i < 10000; i++) await link.next("FORGET");
	const { handle, body } = await link.next("JOIN");
	assert.deepEqual([handle, reader({ body }).rooms()], [2, ["b"]]);
	await assert.rejects(joined, { code: "too-many" });
	await assert.rejects(io.history("a"), { code: "too-many" });
	link.socket.destroy();
	await waiting;
});

test("a question that is too long for the edge fails at once", async (t) => {
	const { io, link } = await behind(t, { edge: { ...EDGE, maxFrame: 1000 } });
	const socket = await join(io, link);
	const room = "x".repeat(1000);
	for (const asked of [io.history(room), io.historyRemove(room, "5-0"), io.historyClear(room), socket.join(room, { history: true })])
		await assert.rejects(asked, { code: "too-big", message: /the name of the room is too long/ });
	const cleared = io.historyClear("a");
	last(link, await link.next("FORGET"), 2);
	assert.equal(await cleared, 2);
});

test("history() reads events with binary arguments, historyRemove() and historyClear() remove them", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const found = io.history("a", { limit: 20, before: "5-0" });
	const asked = await link.next("HISTORY");
	const body = reader(asked);
	assert.deepEqual([asked.nsp, body.u32(), body.text(), body.text(), body.text(), body.rest()], [0, 20, "a", "5-0", "", ""]);
	event(link, asked, "1700000000000-1", 1700000000000, ["news", "grüß", 2]);
	event(link, asked, "1700000000001-0", 1700000000001, { json: '["img",{"_placeholder":true,"num":0}]', attachments: [Buffer.from("abc")] });
	last(link, asked, 2);
	assert.deepEqual(await found, [
		{ id: "1700000000000-1", time: 1700000000000, event: "news", args: ["grüß", 2] },
		{ id: "1700000000001-0", time: 1700000000001, event: "img", args: [Buffer.from("abc")] },
	]);
	const none = io.of("/b").history(7);
	assert.equal((await link.next("NSP")).body.toString(), "/b");
	const second = await link.next("HISTORY");
	assert.deepEqual([second.nsp, reader(second).u32()], [1, 0]);
	last(link, second, 0, "not-found");
	await assert.rejects(none, { code: "not-found", message: /no rule of the edge's --history matches/ });

	const removed = io.historyRemove("a", "5-0");
	const forget = await link.next("FORGET");
	const parts = reader(forget);
	assert.deepEqual([parts.text(), parts.text(), parts.rest()], ["a", "5-0", ""]);
	last(link, forget, 1);
	assert.equal(await removed, 1);
	const cleared = io.of("/b").historyClear("a");
	const all = await link.next("FORGET");
	assert.deepEqual([all.nsp, all.body.length], [1, 9]);
	last(link, all, 12);
	assert.equal(await cleared, 12);
	assert.throws(() => io.historyRemove("a"), /needs the id of an event/);
	assert.throws(() => io.history("a", { limit: 0 }), /`limit`/);
	assert.throws(() => io.history("a", { after: 3 }), /ids of events/);
});

test("an edge without history, and an older one, say so; the socket is in the room", async (t) => {
	for (const [options, pattern] of [[{ fanout: "direct", history: false }, /start it with --history/], [{ fanout: "direct" }, /older than this package/]]) {
		const { io, link } = await behind(t, { edge: { options } });
		const socket = await join(io, link);
		const joined = socket.join("a", { history: true });
		await link.next("JOIN");
		await assert.rejects(joined, { code: "unsupported", message: pattern });
		await assert.rejects(io.history("a"), { code: "unsupported", message: pattern });
	}
});

test("a lost link answers all questions, and answers to other questions are ignored", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	const found = io.history("a");
	const joined = socket.join("a", { history: true });
	await link.next("HISTORY");
	await link.next("CATCHUP");
	last(link, { id: 4711 }, 1);
	event(link, { id: 4711 }, "1-0", 1, ["x"]);
	await turn();
	link.socket.destroy();
	await assert.rejects(found, { code: "lost" });
	assert.equal(await joined, 0);
});

test("a malformed answer ends the link", async (t) => {
	for (const parts of [{ flags: F.LAST, u32: 1 }, { texts: ["1-0"] }, { texts: ["1-0"], raw: Buffer.from("00000000[]") }]) {
		const { io, link } = await behind(t, { edge: EDGE });
		const lost = assert.rejects(io.history("a"), { code: "lost" });
		link.send("PAST", { id: (await link.next("HISTORY")).id, ...parts });
		assert.equal((await link.next("BYE")).body.toString(), "protocol");
		await lost;
	}
});

test("names that the application uses stay its own", async (t) => {
	const { io } = await behind(t, { edge: EDGE, prepare: (io) => ((io.history = ["own"]), (io.of("/b").historyClear = 7)) });
	assert.deepEqual(io.history, ["own"]);
	assert.equal(io.of("/b").historyClear, 7);
	assert.equal(typeof io.historyClear, "function");
	assert.deepEqual(Object.keys(io.of("/b")).filter((key) => key === "history"), []);
});

test("at most 16 histories are read at the same time; the others wait for their turn", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const found = Array.from({ length: 20 }, (_, i) => io.history(`room${i}`));
	const removed = io.historyRemove("a", "5-0");
	const asked = [];
	for (let i = 0; i < 16; i++) asked.push(await link.next("HISTORY"));
	last(link, await link.next("FORGET"), 1); // is sent before the other four
	assert.equal(await removed, 1);
	last(link, asked[3], 0, "refused");
	await assert.rejects(found[3], { code: "refused", message: /Redis does not allow/ });
	const next = await link.next("HISTORY");
	const body = reader(next);
	body.u32();
	assert.equal(body.text(), "room16");
	link.socket.destroy();
	const ends = await Promise.allSettled(found);
	assert.deepEqual(ends.map(({ reason }) => reason.code), [...Array(3).fill("lost"), "refused", ...Array(13).fill("lost"), ...Array(3).fill("unsupported")]);
});
