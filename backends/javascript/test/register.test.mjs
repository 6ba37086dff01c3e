/* The register module, with unchanged programs. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { argsOf } from "./support/fake-edge.mjs";
import { PORT, fakeEdge, start } from "./support/program.mjs";

const EVENTS = 'io.on("connection", (socket) => { socket.emit("welcome"); console.log("joined"); });';

const PROGRAMS = {
	"new Server(httpServer), CommonJS": ["a.js", `const http = require("http"); const { Server } = require("socket.io");
		const server = http.createServer((req, res) => res.end("page")); const io = new Server(server); ${EVENTS}
		server.listen(${PORT}, () => console.log("listening on " + server.address().port));`],
	"new Server(httpServer), ES module": ["a.mjs", `import { createServer } from "http"; import { Server } from "socket.io";
		const server = createServer((req, res) => res.end("page")); const io = new Server(server); ${EVENTS}
		server.listen({ port: ${PORT}, host: "0.0.0.0" }, () => console.log("listening on " + server.address().port));`],
	"express, app.listen()": ["a.js", `const app = require("express")(); app.get("/", (req, res) => res.send("page"));
		const server = app.listen("${PORT}", () => console.log("listening on " + server.address().port));
		const io = require("socket.io")(server); ${EVENTS}`],
	"io.attach() after listen()": ["a.mjs", `import { createServer } from "http"; import { Server } from "socket.io";
		const server = createServer((req, res) => res.end("page")); const io = new Server(); ${EVENTS}
		server.listen(${PORT}, () => { console.log("listening on " + server.address().port); io.attach(server); });`],
};

for (const how of ["--import", "--require"]) {
	for (const [name, [file, text]] of Object.entries(PROGRAMS)) {
		test(`${name}, ${how}: the program is behind the edge, and its pages are where HELLO says`, async (t) => {
			const edge = await fakeEdge(t);
			const program = start(t, file, text, { how, env: { SOCKEYE_BACKEND: edge.address } });
			const link = await edge.link();
			assert.match(link.hello.upstream, /^http:\/\/127\.0\.0\.1:\d+$/);
			assert.equal((await program.line(/listening on (\d+)/))[1], String(PORT));
			assert.equal(await (await fetch(link.hello.upstream)).text(), "page");
			await link.client();
			await link.next("ACCEPT");
			assert.deepEqual(argsOf(await link.next("EMIT")), ["welcome"]);
		});
	}
}

for (const host of ["localhost", "::1", "::"])
	test(`a program that binds to ${host}: its pages are where HELLO says`, async (t) => {
		const edge = await fakeEdge(t);
		const text = `const server = require("http").createServer((req, res) => res.end("page")); const io = require("socket.io")(server);
			server.listen(${PORT}, "${host}");`;
		start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
		const link = await edge.link();
		assert.match(link.hello.upstream, /^http:\/\/127\.0\.0\.1:\d+$/);
		assert.equal(await (await fetch(link.hello.upstream)).text(), "page");
	});

for (const [name, text] of Object.entries({
	'require("socket.io")(port)': `const io = require("socket.io")(${PORT}); ${EVENTS}`,
	"io.listen(port)": `const { Server } = require("socket.io"); const io = new Server(); io.listen(${PORT}); ${EVENTS}`,
}))
	test(`${name}: the program sees the edge's port`, async (t) => {
		const edge = await fakeEdge(t);
		start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
		const link = await edge.link();
		await link.client();
		await link.next("ACCEPT");
	});

test("a program that listens on another port stays there", async (t) => {
	const edge = await fakeEdge(t);
	const text = `const server = require("http").createServer((req, res) => res.end("page")); const io = require("socket.io")(server); ${EVENTS}
		server.listen(0, () => console.log("listening on " + server.address().port));`;
	const program = start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
	const link = await edge.link();
	assert.equal(link.hello.upstream, undefined);
	const [, port] = await program.line(/listening on (\d+)/);
	assert.equal(await (await fetch(`http://localhost:${port}`)).text(), "page");
});

test("\"ready\" is written once all workers are attached", async (t) => {
	const edge = await fakeEdge(t, { workers: 2 });
	const program = start(t, "a.js", `const io = require("socket.io")(${PORT});`, { ready: true, env: { SOCKEYE_BACKEND: edge.address, SOCKEYE_READY_FD: "3" } });
	let said = "";
	program.child.stdio[3].setEncoding("utf8").on("data", (text) => (said += text));
	const ended = once(program.child.stdio[3], "end");
	await edge.link();
	await edge.link();
	await ended;
	assert.equal(said, "ready\n");
});

test("SIGTERM drains, then the program ends", async (t) => {
	const edge = await fakeEdge(t);
	const program = start(t, "a.js", `const io = require("socket.io")(${PORT}); ${EVENTS} io.sockets.once("connection", () => console.log("up"));`, { env: { SOCKEYE_BACKEND: edge.address } });
	const link = await edge.link();
	await link.client();
	await program.line(/up/);
	await link.next("ACCEPT");
	await link.next("EMIT");
	program.child.kill("SIGTERM");
	await link.next("DRAIN");
	link.send("DRAIN");
	await link.next("HANDOFF");
	const [code] = await once(program.child, "exit");
	assert.equal(code, 0);
});

test("without SOCKEYE_BACKEND the program runs as usual", async (t) => {
	const text = `const http = require("http"); const server = http.createServer(); const io = require("socket.io")(server);
		server.listen(0, () => console.log("listening on " + server.address().port));`;
	const program = start(t, "a.js", text);
	const [, port] = await program.line(/listening on (\d+)/);
	assert.equal((await fetch(`http://localhost:${port}/socket.io/?EIO=4&transport=polling`)).status, 200);
});

test("a server that cannot be attached ends the program with a sentence", async (t) => {
	const edge = await fakeEdge(t);
	const text = `const { Server } = require("socket.io"); new Server(${PORT}, { parser: { Encoder: class {}, Decoder: class {} } });`;
	const program = start(t, "a.js", text, { env: { SOCKEYE_BACKEND: edge.address } });
	const [code] = await once(program.child, "exit");
	assert.equal(code, 1);
	assert.match(program.output(), /A custom parser cannot be used/);
});
