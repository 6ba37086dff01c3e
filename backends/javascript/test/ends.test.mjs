/* How programs end: their last messages arrive, and closing the server on SIGTERM disconnects no client. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { argsOf, F } from "./support/fake-edge.mjs";
import { PORT, fakeEdge, start } from "./support/program.mjs";

const LAST_WORDS = {
	"process.exit()": "process.exit(1);",
	"an exception": 'throw new Error("oops");',
	"a rejected promise": 'Promise.reject(new Error("oops"));',
};

for (const [name, end] of Object.entries(LAST_WORDS)) {
	test(`messages emitted before ${name} ended the program are sent`, async (t) => {
		const edge = await fakeEdge(t);
		const text = `const io = require("socket.io")(${PORT});
			io.on("connection", (socket) => socket.on("die", (answer) => { answer("dying"); io.emit("last"); ${end} }));`;
		start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
		const link = await edge.link();
		await link.client();
		await link.next("ACCEPT");
		link.send("EVENT", { handle: 2, id: 5, flags: F.ACK, args: ["die"] });
		assert.deepEqual(argsOf(await link.next("ACK")), ["dying"]);
		assert.deepEqual(argsOf(await link.next("CAST")), ["last"]);
		await link.ended();
	});
}

const GRACEFUL = {
	"io.close(callback)": "io.close(() => process.exit(0));",
	"await io.close()": "io.close().then(() => process.exit(0));",
	"server.close(callback)": "server.close(() => process.exit(0));",
	"all of them, twice": "io.close(); server.close(); io.close(() => process.exit(0));",
};

for (const [name, end] of Object.entries(GRACEFUL)) {
	test(`SIGTERM in a program that ends by ${name}: it sends the answers that it owes and hands its clients over`, async (t) => {
		const edge = await fakeEdge(t);
		const text = `const server = require("http").createServer(); const { Server } = require("socket.io"); const io = new Server(server);
			io.on("connection", (socket) => {
				socket.on("slow", (answer) => { process.once("SIGTERM", () => setTimeout(answer, 50, "done")); console.log("asked"); });
				socket.on("disconnect", () => io.emit("left"));
			});
			server.listen(${PORT});
			process.on("SIGTERM", () => { ${end} });`;
		const { child, line } = start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
		const link = await edge.link();
		await link.client();
		await link.next("ACCEPT");
		link.send("EVENT", { handle: 2, id: 5, flags: F.ACK, args: ["slow"] });
		await line(/asked/);
		child.kill("SIGTERM");
		await link.next("DRAIN");
		link.send("DRAIN", { flags: F.ACK });
		assert.deepEqual(argsOf(await link.next("ACK")), ["done"]);
		assert.equal((await link.next("HANDOFF")).handle, 1);
		assert.equal((await once(child, "exit"))[0], 0);
		await link.ended();
		assert.deepEqual(link.frames.map(({ type }) => type), ["BYE"]);
	});
}

test("the SIGTERM listener is there before the first client, even if a client comes at once", async (t) => {
	const edge = await fakeEdge(t);
	edge.late = (link) => {
		link.socket.cork();
		link.welcome();
		link.client();
		link.socket.uncork();
		return true;
	};
	const text = `const io = require("socket.io")(${PORT});
		io.use((socket, next) => { io.emit("listeners", process.listenerCount("SIGTERM")); next(); });`;
	start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
	const link = await edge.link();
	assert.deepEqual(argsOf(await link.next("CAST")), ["listeners", 1]);
});
