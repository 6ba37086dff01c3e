/*
 * Broadcasts for workers that had clients before they had a link: each one arrives once, and only if it is newer than
 * the clients.
 */
import test from "node:test";
import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import { Server } from "./support/packages.mjs";
import { FakeEdge, argsOf, targetsOf } from "./support/fake-edge.mjs";
import backend from "../lib/index.js";
import casts from "../lib/recent-casts.js";

const { RecentCasts } = casts;
const NO_ROOMS = new Set();

/* Replaces the clock of the casts; the test moves it. */
function clockOf(t) {
	const clock = { now: performance.now() };
	t.mock.method(performance, "now", () => clock.now);
	return clock;
}

async function edgeOf(t, options) {
	const edge = await new FakeEdge(options).listen();
	t.after(() => edge.close());
	return edge;
}

async function attached(t, addresses) {
	const io = new Server();
	t.after(() => io.close());
	const attachment = await backend.attach(io, addresses, { drainOnSigterm: false });
	return { io, attachment, edges: attachment._backend.edges };
}

const gets = async (link, ...names) => {
	for (const name of names) assert.deepEqual(argsOf(await link.next("CAST")), [name]);
};

const ready = (attachment) => attachment.edges.filter(({ state }) => state === "ready").length;
async function untilReady(attachment, count) {
	while (ready(attachment) !== count) await once(attachment, "edge");
}

test("an edge that joins a DNS name later gets the broadcasts sent since it began", async (t) => {
	const clock = clockOf(t);
	const first = await edgeOf(t, { name: "e1", host: "127.0.0.1" });
	const second = await edgeOf(t, { name: "e2", host: "127.0.0.2", port: first.port, workers: 2, up: 1000 });
	const found = [{ address: "127.0.0.1", family: 4 }];
	t.mock.method(dns, "lookup", (name, options, callback) => setImmediate(callback, null, [...found]));
	const { io } = await attached(t, `tcp://edge.test:${first.port}`);
	io.emit("before it began");
	clock.now += 5000;
	io.to("r").emit("since then");
	found.push({ address: "127.0.0.2", family: 4 });
	const links = [await second.link(), await second.link()];
	io.emit("after");
	for (const link of links) {
		const cast = await link.next("CAST");
		assert.deepEqual([argsOf(cast), targetsOf(cast).to], [["since then"], ["r"]]);
		await gets(link, "after");
	}
	await gets(await first.link(), "before it began", "since then", "after");
});

test("an edge that restarts after a long time gets the broadcasts sent since its restart", async (t) => {
	const clock = clockOf(t);
	const first = await edgeOf(t, { name: "e1" });
	const second = await edgeOf(t, { name: "e2", up: 1900 });
	const { io, attachment } = await attached(t, [first.address, second.address]);
	const links = [await first.link(), await second.link()];
	await untilReady(attachment, 2);
	io.emit("to both");
	await gets(links[1], "to both");
	second.stop();
	await untilReady(attachment, 1);
	io.emit("while it is away");
	clock.now += 60000;
	io.emit("a moment before it began");
	clock.now += 2000;
	io.emit("a moment after");
	await second.listen();
	const again = await second.link();
	await untilReady(attachment, 2);
	io.emit("linked");
	await gets(again, "a moment after", "linked");
	await gets(links[0], "to both", "while it is away", "a moment before it began", "a moment after", "linked");
});

test("two addresses of one worker: one link, and no broadcast is repeated when a link by the other address replaces it", async (t) => {
	const first = await edgeOf(t, { name: "e1" });
	const other = await edgeOf(t, { name: "e1" });
	let hellos = 0;
	other.late = () => void hellos++;
	const { io, attachment, edges } = await attached(t, [first.address, other.address, `unix://${first.path}.absent`]);
	const link = await first.link();
	while (!edges.places.get(other.path).slots[0].twice) await once(attachment, "edge");
	assert.equal(edges.keepsCasts, true, "one edge has not answered yet");
	io.emit("one");
	await gets(link, "one");
	assert.equal(hellos, 0);
	first.stop();
	await untilReady(attachment, 0);
	io.emit("two");
	const second = await other.link();
	io.emit("three");
	await gets(second, "two", "three");
});

test("a second address of a worker that stops answering may later lead to another edge", async (t) => {
	const first = await edgeOf(t, { name: "e1" });
	const other = await edgeOf(t, { name: "e1" });
	other.stop();
	const { io, attachment, edges } = await attached(t, [first.address, other.address]);
	await other.listen();
	const slot = edges.places.get(other.path).slots[0];
	while (!slot.twice) await once(attachment, "edge");
	assert.equal(edges.keepsCasts, false);
	other.stop();
	while (slot.twice) await once(attachment, "edge");
	io.emit("one");
	other.name = "e2";
	await other.listen();
	await gets(await other.link(), "one");
	await gets(await first.link(), "one");
});

test("no broadcasts are kept while every worker has a link, or with a broker", async (t) => {
	const edge = await edgeOf(t, { workers: 2 });
	const { io, attachment, edges } = await attached(t, edge.address);
	await untilReady(attachment, 2);
	io.emit("one");
	assert.equal(edges.recent.casts.length, 0);
	(await edge.link()).socket.destroy();
	await untilReady(attachment, 1);
	io.emit("two");
	assert.equal(edges.recent.casts.length, 1);
	await untilReady(attachment, 2);
	assert.equal(edges.recent.casts.length, 0);

	const bus = await edgeOf(t, { options: { fanout: "bus" } });
	const other = await attached(t, [bus.address, `unix://${bus.path}.absent`]);
	other.io.emit("one");
	assert.equal(other.edges.recent.casts.length, 0);
});

test("casts are dropped by age and by bytes, the oldest first", (t) => {
	const clock = clockOf(t);
	const recent = new RecentCasts();
	const add = (args) => recent.add("/", 0, NO_ROOMS, NO_ROOMS, args);
	const kept = (worker = 0, since = 0) => recent.missedBy("e1", worker, since).map(({ args }) => (typeof args === "string" ? args[0] : args));
	add("a");
	clock.now += 9999;
	add("b");
	assert.deepEqual(kept(), ["a", "b"]);
	assert.deepEqual(kept(0, clock.now), ["b"]);
	clock.now += 2;
	assert.deepEqual(kept(), ["b"]);

	add("c".repeat(600000));
	add("d".repeat(400000));
	assert.deepEqual(kept(), ["b", "c", "d"]);
	add("e".repeat(100000));
	assert.deepEqual(kept(), ["d", "e"]);
	add("f".repeat(1 << 20));
	assert.deepEqual(kept(), ["d", "e"], "a cast that is too large displaces no other");
	assert.throws(() => recent.add("/", 0, new Set(["x".repeat(65536)]), NO_ROOMS, "g"), RangeError);

	recent.onLost("e1", 0);
	add("h");
	assert.deepEqual(kept(), ["h"]);
	assert.deepEqual(kept(1), ["d", "e", "h"]);
	clock.now += 10001;
	for (let worker = 0; worker < 1000; worker++) recent.onLost("e2", worker);
	assert.equal(recent.left.size, 0, "the position of a worker is forgotten when all its casts are dropped");
	assert.deepEqual([recent.bytes, recent.casts.length], [0, 0]);

	for (let i = 0; i < 100000; i++) add("i");
	assert.ok(recent.casts.length < 20000 && recent.bytes <= 1 << 20, `${recent.casts.length} casts`);
});

test("bytes that an application writes to after emit() are kept as they were", () => {
	const recent = new RecentCasts();
	const bytes = Buffer.from("one");
	recent.add("/", 0, NO_ROOMS, NO_ROOMS, { json: "[]", attachments: [bytes] });
	bytes.write("two");
	assert.deepEqual(recent.missedBy("e1", 0, 0)[0].args.attachments, [Buffer.from("one")]);
});
