/* Presence, against a fake edge. */
import test from "node:test";
import assert from "node:assert/strict";
import { behind, join, turn } from "./support/setup.mjs";
import { F } from "./support/fake-edge.mjs";
import frame from "../lib/frame.js";
import options from "../lib/options.js";

const { BodyReader } = frame;
const EDGE = { options: { fanout: "direct", presence: true } };
const PRESENCE = { "/": { rooms: "room:", event: "presence" } };
const reader = ({ body }) => new BodyReader(body, 0, body.length);

/* Ends an answer. */
function last(link, { id }, count, error = "") {
	link.send("PRESENT", { flags: F.LAST, id, u32: count, texts: [error] });
}

/* The settings that a link gets first. */
async function settings(link) {
	const got = await link.next("PRESENCE");
	const body = reader(got);
	last(link, got, 0);
	return [got.flags, got.nsp, body.text(), body.text(), body.rest()];
}

test("each link gets the settings first; one of them reports changes", async (t) => {
	const changes = [];
	const presence = { "/": { rooms: "room:", event: "presence", onChange: (change) => changes.push(change) }, "chat": {} };
	const { edge, link } = await behind(t, { edge: { ...EDGE, workers: 2 }, presence });
	assert.deepEqual(await settings(link), [F.ACK, 0, "room:", "presence", ""]);
	assert.equal((await link.next("NSP")).body.toString(), "/chat");
	assert.deepEqual(await settings(link), [0, 1, "", "", ""]);
	const second = await edge.link();
	assert.deepEqual(await settings(second), [0, 0, "room:", "presence", ""]);
	await second.next("NSP");
	await settings(second);
	link.send("CHANGE", { texts: ["room:a", "ada"], rest: '{"n":1}' });
	second.send("CHANGE", { texts: ["room:a", "not asked for"] });
	link.send("CHANGE", { id: 2, texts: ["room:a", "ada"] });
	while (changes.length < 2) await turn();
	assert.deepEqual(changes, [{ change: "joined", room: "room:a", user: "ada", data: { n: 1 } }, { change: "left", room: "room:a", user: "ada", data: null }]);
	link.socket.destroy();
	assert.deepEqual(await settings(second), [F.ACK, 0, "room:", "presence", ""]);
	second.send("CHANGE", { id: 1, texts: ["room:a", "bob"], rest: "2" });
	while (changes.length < 3) await turn();
	assert.deepEqual(changes[2], { change: "changed", room: "room:a", user: "bob", data: 2 });
});

test("setPresent() names the user of a socket", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE, presence: PRESENCE });
	await settings(link);
	const socket = await join(io, link);
	socket.setPresent("grüß", { n: 1 });
	socket.setPresent("bob");
	socket.setPresent(null);
	for (const wanted of [["grüß", '{"n":1}'], ["bob", ""], ["", ""]]) {
		const got = await link.next("USER");
		const body = reader(got);
		assert.deepEqual([got.handle, body.text(), body.rest()], [2, ...wanted]);
	}
	for (const wrong of [7, "a\0", "x".repeat(257)]) assert.throws(() => socket.setPresent(wrong), /at most 256 bytes/);
	assert.throws(() => socket.setPresent("ada", "x".repeat(4095)), /4096 bytes/);
	link.send("CLOSED", { handle: 2, rest: "transport close" });
	while (socket.connected) await turn();
	socket.setPresent("ada"); // has left: nothing happens
});

test("presence() tells who is in a room", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE, presence: PRESENCE });
	await settings(link);
	const found = io.presence("room:a");
	const asked = await link.next("WHO");
	const body = reader(asked);
	assert.deepEqual([asked.nsp, body.u32(), body.text(), body.text(), body.rest()], [0, 0xffffffff, "room:a", "", ""]);
	link.send("PRESENT", { id: asked.id, texts: ["ada"], rest: '{"n":1}' });
	link.send("PRESENT", { id: asked.id, texts: ["bob"] });
	last(link, asked, 3);
	assert.deepEqual(await found, { count: 3, users: [{ user: "ada", data: { n: 1 } }, { user: "bob", data: null }] });
	const one = io.of("/b").presence(7, { limit: 0, user: "ada" });
	await link.next("NSP");
	const second = await link.next("WHO");
	const parts = reader(second);
	assert.deepEqual([second.nsp, parts.u32(), parts.text(), parts.text()], [1, 0, "7", "ada"]);
	last(link, second, 0, "not-found");
	await assert.rejects(one, { code: "not-found", message: /name it in the option `presence`/ });
	assert.deepEqual(await io.presence("room:a", { user: "" }), { count: 0, users: [] });
	assert.throws(() => io.presence("a", { limit: -1 }), /`limit`/);
	await assert.rejects(io.presence("x".repeat(65536)), /65,535/);
	const lost = io.presence("room:a");
	await link.next("WHO");
	link.socket.destroy();
	await assert.rejects(lost, { code: "lost" });
});

test("a question that is too long for the edge fails at once", async (t) => {
	const { io, link } = await behind(t, { edge: { ...EDGE, maxFrame: 1000 }, presence: PRESENCE });
	await settings(link);
	await assert.rejects(io.presence("x".repeat(1000)), { code: "too-big", message: /the name of the room is longer/ });
	const found = io.presence("a");
	last(link, await link.next("WHO"), 0);
	assert.deepEqual(await found, { count: 0, users: [] });
});

test("while too many questions wait, further ones fail, and the settings reach a link nevertheless", async (t) => {
	const changes = { "/": { ...PRESENCE["/"], onChange() {} } };
	const { edge, io, link } = await behind(t, { edge: { ...EDGE, workers: 2 }, presence: changes });
	await settings(link);
	const second = await edge.link();
	await settings(second);
	link.socket.destroy();
	assert.deepEqual(await settings(second), [F.ACK, 0, "room:", "presence", ""]);
	const waiting = Promise.allSettled(Array.from({ length: 10000 }, () => io.presence("a")));
	await assert.rejects(io.presence("a"), { code: "too-many", message: /10000 calls of presence\(\) wait for their answers/ });
	const third = await edge.link(); // the first worker again
	assert.deepEqual(await settings(third), [0, 0, "room:", "presence", ""]);
	second.socket.destroy();
	for (const { reason } of await waiting) assert.equal(reason.code, "lost");
	assert.deepEqual(await settings(third), [F.ACK, 0, "room:", "presence", ""]);
	const found = io.presence("a");
	last(third, await third.next("WHO"), 1);
	assert.equal((await found).count, 1);
});

test("without the option, setPresent() says what to do", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	assert.throws(() => socket.setPresent("ada"), { code: "not-found", message: /the option `presence` of attach/ });
});

test("an older edge, and settings that the edge refuses, are reported", async (t) => {
	const old = await behind(t, { edge: { options: { fanout: "direct" } }, presence: PRESENCE, edgeOptions: "ignore" });
	const socket = await join(old.io, old.link);
	socket.setPresent("ada");
	await assert.rejects(old.io.presence("room:a"), { code: "unsupported", message: /older than this package/ });

	const warned = new Promise((resolve) => process.once("warning", resolve));
	const { link } = await behind(t, { edge: EDGE, presence: { "/": { rooms: "other:" } } });
	last(link, await link.next("PRESENCE"), 0, "state");
	assert.match((await warned).message, /presence in \/: the namespace has presence with other settings/);
});

test("wrong settings are refused", () => {
	for (const presence of [null, 7, { "/": null }, { "/": "room:" }, { "/": { room: "a" } }, { "/": { rooms: 7 } }, { "/": { event: "x".repeat(513) } }, { "/": { onChange: 1 } }])
		assert.throws(() => options.readOptions({ presence }), /The option `presence`/);
});

test("a malformed answer or change ends the link", async (t) => {
	for (const [type, parts] of [["PRESENT", { flags: F.LAST, u32: 1 }], ["PRESENT", { texts: ["ada"], rest: "{" }], ["CHANGE", { id: 9, texts: ["a", "b"] }], ["CHANGE", { nsp: 5, texts: ["a", "b"] }], ["CHANGE", { texts: ["a"] }]]) {
		const { io, link } = await behind(t, { edge: EDGE, presence: PRESENCE });
		await settings(link);
		const lost = assert.rejects(io.presence("room:a"), { code: "lost" });
		link.send(type, { id: (await link.next("WHO")).id, ...parts });
		assert.equal((await link.next("BYE")).body.toString(), "protocol");
		await lost;
	}
});
