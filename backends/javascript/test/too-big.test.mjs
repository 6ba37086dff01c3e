/* Messages that are larger than a frame to the edge can be. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { behind, join, turn } from "./support/setup.mjs";
import { F, argsOf } from "./support/fake-edge.mjs";

const EDGE = { maxFrame: 1000 };
const BIG = "x".repeat(2000);

async function warningOf(call) {
	const [[warning]] = await Promise.all([once(process, "warning"), call()]);
	return warning.message;
}

const notSent = (what) => new RegExp(`^${what} of 2\\d\\d\\d bytes is not sent: .*at most 1000 bytes \\(--backend-max-frame\\)`);

test("an event or a broadcast that is too large is dropped with a warning, and ends no program", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	assert.match(await warningOf(() => socket.emit("e", BIG)), notSent("An event"));
	assert.match(await warningOf(() => io.to("a").emit("e", BIG)), notSent("A broadcast"));
	const more = t.mock.fn();
	process.on("warning", more);
	t.after(() => process.off("warning", more));
	socket.volatile.emit("e", BIG);
	io.volatile.emit("e", BIG);
	await assert.rejects(socket.timeout(10).emitWithAck("e", BIG), /timed out/);
	await assert.rejects(io.timeout(10).emitWithAck("e", BIG), /timed out/);
	assert.equal(socket.acks.size, 0);
	assert.equal(more.mock.callCount(), 0, "one warning a minute of each kind");
	socket.emit("e", 1);
	assert.deepEqual(argsOf(await link.next("EMIT")), ["e", 1]);
});

test("a room whose name is too large is not joined", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	assert.throws(() => socket.join(BIG), { name: "RangeError", message: /^A message of 2\d\d\d bytes is not sent/ });
	assert.deepEqual([...socket.rooms], ["sid2"]);
});

test("an acknowledgement that is too large is dropped with a warning", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	socket.on("ask", (answer) => answer(BIG));
	assert.match(await warningOf(() => link.send("EVENT", { handle: 2, args: ["ask"], flags: F.ACK, id: 5 })), notSent("An acknowledgement"));
	socket.emit("e", 1);
	assert.deepEqual(argsOf(await link.next("EMIT")), ["e", 1]);
});

test("a message to the other backends that is too large is dropped with a warning", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	link.json("PEERS", [link.hello.instance, "js-other"]);
	while ((await io.sockets.adapter.serverCount()) < 2) await turn();
	assert.match(await warningOf(() => io.serverSideEmit("e", BIG)), notSent("A message to other backends"));
});

test("a client is refused without data that is too large", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	io.use((socket, next) => next(Object.assign(new Error("no"), { data: BIG })));
	const [[warning]] = await Promise.all([once(process, "warning"), link.client()]);
	assert.match(warning.message, /The data of a connect_error of 2\d\d\d bytes is not sent/);
	assert.deepEqual(JSON.parse((await link.next("REFUSE")).body), { message: "no" });
});

test("data that is too large stays as it was at the edge, with a warning", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE, mirrorData: true });
	const socket = await join(io, link);
	const warned = once(process, "warning");
	socket.data.text = BIG;
	socket.emit("e", 1);
	assert.match((await warned)[0].message, /A change of socket\.data of 2\d\d\d bytes is not sent/);
	assert.deepEqual(argsOf(await link.next("EMIT")), ["e", 1]);
	socket.data.text = "small";
	socket.emit("e", 2);
	assert.equal(String((await link.next("DATA")).body), '{"text":"small"}');
});
