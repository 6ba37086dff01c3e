/* The memory of an idle client, and the values that are made on first use. */
import test from "node:test";
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import aboutModule from "../lib/about.js";
import { behind, join } from "./support/setup.mjs";

const { About } = aboutModule;
setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

const FIELDS = ["Host", "127.0.0.1:3000", "Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version", "13", "User-Agent", "x".repeat(100)];

test("an idle client takes less than 1,500 bytes of the heap", async (t) => {
	const { io, link } = await behind(t);
	io.on("connection", (socket) => socket.on("echo", () => {}));
	const come = async (first, count) => {
		for (let i = first; i < first + count; i++) await link.client({ session: 2 * i + 1, handle: 2 * i + 2, sid: `AAAA${String(i).padStart(16, "x")}`, about: { headers: FIELDS } });
		for (let i = 0; i < count; i++) await link.next("ACCEPT");
		link.sessions.clear();
		gc();
		return process.memoryUsage().heapUsed;
	};
	const before = await come(0, 500);
	const each = ((await come(500, 3000)) - before) / 3000;
	assert.ok(each < 1500, `${Math.round(each)} bytes`);
});

test("the room of a socket's own id shows in every form of access, although it is made on first use", async (t) => {
	const { io, link } = await behind(t);
	const [a] = [await join(io, link, { sid: "a" }), await join(io, link, { sid: "b", session: 3, handle: 4 })];
	const { rooms, sids } = io.sockets.adapter;
	assert.equal(inspect(rooms), inspect(new Map([["a", new Set(["a"])], ["b", new Set(["b"])]])));
	assert.deepEqual([...sids], [["a", new Set(["a"])], ["b", new Set(["b"])]]);
	assert.deepEqual([...rooms.values()], [new Set(["a"]), new Set(["b"])]);
	const seen = [];
	rooms.forEach((members, room) => seen.push(room, ...members));
	assert.deepEqual(seen, ["a", "a", "b", "b"]);
	assert.deepEqual([rooms.size, rooms.has("a"), rooms.get("a"), rooms.get("x")], [2, true, new Set(["a"]), undefined]);
	assert.deepEqual([...a.rooms], ["a"]);
	a.join("lobby");
	assert.deepEqual([...a.rooms], ["a", "lobby"]);
	assert.deepEqual(rooms.get("lobby"), new Set(["a"]));
});

test("events of rooms come as in socket.io-adapter", async (t) => {
	const { io, link } = await behind(t);
	const seen = [];
	for (const name of ["create-room", "join-room", "leave-room", "delete-room"]) io.sockets.adapter.on(name, (...args) => seen.push([name, ...args]));
	const socket = await join(io, link, { sid: "a" });
	link.send("CLOSED", { handle: 2, rest: "transport close" });
	await new Promise((resolve) => socket.once("disconnect", resolve));
	assert.deepEqual(seen, [["create-room", "a"], ["join-room", "a", "a"], ["leave-room", "a", "a"], ["delete-room", "a"]]);
	assert.equal(io.sockets.adapter.rooms.size + io.sockets.adapter.sids.size, 0);
});

test("the content of SESSION comes back unchanged", () => {
	const key = "x3JJHMbDL1EzLkh9GBhXDw==";
	const CASES = [
		{ id: "a", headers: [] },
		{ id: "ü👋", headers: ["Sec-WebSocket-Key", key, "X", "ü👋"], request: 7 },
		{ headers: ["X", "1", "Sec-WebSocket-Key", key] },
		{ headers: ["X", '"Sec-WebSocket-Key","'.concat(key), "Sec-WebSocket-Key", "short="] },
		{ headers: ["X", "Sec-WebSocket-Key", "👋👋👋👋👋👋=", "Y"] },
		{ headers: ["Sec-WebSocket-Key", key, "Sec-WebSocket-Key", key.replace("x", "y")] },
		{ url: '/?"headers":[', id: "b" },
		{ headers: ["Long", "x".repeat(5000), "Sec-WebSocket-Key", key] },
	];
	for (let round = 0; round < 2; round++) {
		for (const value of CASES) {
			const bytes = Buffer.from(`..${JSON.stringify(value)}..`);
			assert.deepEqual(new About(bytes, 2, bytes.length - 2).read(), value);
		}
	}
	for (let i = 0; i < 1000; i++) {
		const value = { headers: ["X", String(i), "Sec-WebSocket-Key", key] };
		const bytes = Buffer.from(JSON.stringify(value));
		assert.deepEqual(new About(bytes, 0, bytes.length).read(), value);
	}
});
