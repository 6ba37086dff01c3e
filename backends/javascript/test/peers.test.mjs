/* Several backends at one edge: the questions that they ask one another. */
import test from "node:test";
import assert from "node:assert/strict";
import { Server } from "./support/packages.mjs";
import { FakeEdge } from "./support/fake-edge.mjs";
import { join, turn } from "./support/setup.mjs";
import frame from "../lib/frame.js";
import backend from "../lib/index.js";

/* Makes `count` servers behind one fake edge, which passes PEER on. */
async function cluster(t, count) {
	const edge = await new FakeEdge().listen();
	const links = new Map();
	edge.peers = (instance) => [...links.keys(), instance];
	const members = [];
	for (let i = 0; i < count; i++) {
		const io = new Server();
		const [attachment, link] = await Promise.all([backend.attach(io, edge.address, { drainOnSigterm: false }), edge.link()]);
		const { instance } = link.hello;
		links.set(instance, link);
		const wake = link._onFrame.bind(link);
		link._onFrame = (received) => {
			if (received.type !== "PEER") return wake(received);
			const body = new frame.BodyReader(received.body, 0, received.body.length);
			const to = body.text();
			for (const [name, other] of links)
				if (name !== instance && (to === "" || to === name)) other.send("PEER", { texts: [instance], raw: received.body.subarray(body.at) });
		};
		members.push({ io, attachment, link, instance });
	}
	const tellPeers = () => {
		for (const link of links.values()) link.json("PEERS", [...links.keys()]);
	};
	tellPeers();
	t.after(async () => {
		for (const { io } of members) io.close();
		await edge.close();
	});
	while (await members[0].io.sockets.adapter.serverCount() < count) await turn();
	while (await members.at(-1).io.sockets.adapter.serverCount() < count) await turn();
	return { members, links, tellPeers };
}

test("fetchSockets, socketsJoin, socketsLeave, disconnectSockets over all backends", async (t) => {
	const { members } = await cluster(t, 3);
	const sockets = [];
	for (const [i, { io, link }] of members.entries()) sockets.push(await join(io, link, { sid: `s${i}` }));
	sockets[1].data.name = "ann";
	const [first] = members;
	const all = await first.io.fetchSockets();
	assert.deepEqual(all.map(({ id }) => id).sort(), ["s0", "s1", "s2"]);
	const remote = all.find(({ id }) => id === "s1");
	assert.deepEqual(remote.data, { name: "ann" });
	assert.equal(remote.handshake.address, "10.0.0.9");
	assert.equal((await first.io.local.fetchSockets()).length, 1);
	first.io.in("s2").socketsJoin(["a", 7]);
	while (!sockets[2].rooms.has(7)) await turn();
	await members[2].link.next("JOIN");
	assert.deepEqual((await members[1].io.in(7).fetchSockets()).map(({ id }) => id), ["s2"]);
	first.io.socketsLeave("a");
	while (sockets[2].rooms.has("a")) await turn();
	await members[2].link.next("LEAVE");
	assert.deepEqual([...(await first.io.allSockets())].sort(), ["s0", "s1", "s2"]);
	remote.disconnect();
	await members[1].link.next("LEAVE");
	assert.equal((await members[1].link.next("DISC")).handle, 2);
});

test("serverSideEmit, with and without answers, binary too", async (t) => {
	const { members } = await cluster(t, 3);
	const [a, b, c] = members.map(({ io }) => io);
	const heard = new Promise((resolve) => b.on("hello", (...args) => resolve(args)));
	a.serverSideEmit("hello", { bytes: Buffer.from("x") });
	assert.deepEqual(await heard, [{ bytes: Buffer.from("x") }]);
	b.on("ask", (x, answer) => answer(x + 1));
	c.on("ask", (x, answer) => answer(x + 2));
	assert.deepEqual((await a.serverSideEmitWithAck("ask", 1)).sort(), [2, 3]);
});

test("a question does not wait for a backend without the namespace", async (t) => {
	const { members } = await cluster(t, 2);
	members[0].io.of("/only-here");
	assert.deepEqual(await members[0].io.of("/only-here").fetchSockets(), []);
});

test("a question does not wait for a backend that leaves", async (t) => {
	const { members, links, tellPeers } = await cluster(t, 2);
	const [a, b] = members;
	b.io.on("ask", () => {});
	const answers = a.io.serverSideEmitWithAck("ask");
	await turn();
	links.delete(b.instance);
	tellPeers();
	assert.deepEqual(await answers, []);
});

test("backends in other languages are neither counted nor asked", async (t) => {
	const { members } = await cluster(t, 1);
	const [{ io, link, instance }] = members;
	link.json("PEERS", [instance, "py-1"]);
	await turn();
	assert.equal(await io.sockets.adapter.serverCount(), 1);
	assert.deepEqual(await io.fetchSockets(), []);
});
