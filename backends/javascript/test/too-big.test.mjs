/* Messages that are larger than a frame to the edge can be. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { behind, join, turn } from "./support/setup.mjs";
import { F, argsOf } from "./support/fake-edge.mjs";

const EDGE = { maxFrame: 1000 };
const BIG = "x".repeat(2000);
const TOO_BIG = { name: "RangeError", message: /of 2\d\d\d bytes is not sent: .*at most 1000 bytes \(--backend-max-frame\)/ };

test("a call whose message is too large throws", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	assert.throws(() => socket.emit("e", BIG), TOO_BIG);
	assert.throws(() => socket.volatile.emit("e", BIG), TOO_BIG);
	assert.throws(() => io.to("a").emit("e", BIG), TOO_BIG);
	assert.throws(() => socket.join(BIG), TOO_BIG);
	assert.deepEqual([...socket.rooms], ["sid2"]);
	assert.throws(() => socket.emit("e", BIG, () => assert.fail("there is no answer")), TOO_BIG);
	assert.equal(socket.acks.size, 0);
	await assert.rejects(socket.timeout(10).emitWithAck("e", BIG), TOO_BIG);
	await assert.rejects(io.timeout(10).emitWithAck("e", BIG), TOO_BIG);
	socket.emit("e", 1);
	assert.deepEqual(argsOf(await link.next("EMIT")), ["e", 1]);
});

test("an acknowledgement that is too large can be replaced by a smaller one", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	const socket = await join(io, link);
	socket.on("ask", (answer) => {
		assert.throws(() => answer(BIG), TOO_BIG);
		answer("small");
	});
	link.send("EVENT", { handle: 2, args: ["ask"], flags: F.ACK, id: 5 });
	assert.deepEqual(argsOf(await link.next("ACK")), ["small"]);
});

test("a message to the other backends that is too large throws", async (t) => {
	const { io, link } = await behind(t, { edge: EDGE });
	link.json("PEERS", [link.hello.instance, "js-other"]);
	while ((await io.sockets.adapter.serverCount()) < 2) await turn();
	assert.throws(() => io.serverSideEmit("e", BIG), TOO_BIG);
	assert.throws(() => io.serverSideEmit("e", BIG, () => assert.fail("there is no answer")), TOO_BIG);
	assert.throws(() => io.socketsJoin(BIG), TOO_BIG);
	await assert.rejects(io.in(BIG).fetchSockets(), TOO_BIG);
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
