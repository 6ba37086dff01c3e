/* The handshake of one link, with an edge that stops answering. */
import test from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import frame from "../lib/frame.js";
import links from "../lib/link.js";

const { T, FrameWriter } = frame;
const { EdgeLink } = links;

/* Collects the timers that begin from now on, in place of starting them. */
function holdTimers(t) {
	const timers = [];
	t.mock.method(globalThis, "setTimeout", (callback, delay) => {
		const timer = { callback, delay, unref: () => timer };
		timers.push(timer);
		return timer;
	});
	t.mock.method(globalThis, "clearTimeout", (timer) => timer && (timer.cleared = true));
	return timers;
}

/* Accepts one link at a unix socket. Resolves to its path, and to a promise that onConnection(socket, resolve) resolves. */
async function listen(t, onConnection) {
	const folder = mkdtempSync(join(tmpdir(), "sockeye-link-"));
	const path = join(folder, "edge.sock");
	const server = createServer();
	const promise = new Promise((resolve) => {
		server.once("connection", (socket) => {
			socket.on("error", () => {});
			t.after(() => socket.destroy());
			onConnection(socket, resolve);
		});
	});
	t.after(() => {
		server.close();
		rmSync(folder, { recursive: true, force: true });
	});
	server.listen(path);
	await once(server, "listening");
	return { path, promise };
}

function challenge(socket) {
	const writer = new FrameWriter();
	writer.begin(T.CHALLENGE, 0, 0, 0, 0);
	writer.utf8('{"v":[1],"edge":"e1","nonce":"00112233"}');
	writer.end();
	socket.write(writer.view());
}

for (const step of ["CHALLENGE", "WELCOME"])
	test(`a link is lost when ${step} has not come within 5 seconds`, async (t) => {
		const timers = holdTimers(t);
		const lost = [];
		const owner = { hello: () => ({ v: [1], instance: "x" }), isLinked: () => false, dirty: () => {}, onLost: (link, reason) => lost.push(reason) };
		const { promise, path } = await listen(t, (socket, resolve) => {
			if (step === "CHALLENGE") return resolve();
			socket.once("data", resolve); // HELLO
			challenge(socket);
		});
		const link = new EdgeLink(owner, { path }, 0);
		await promise;
		assert.equal(link.state, step === "CHALLENGE" ? "dialling" : "greeting");
		assert.deepEqual(timers.map(({ delay }) => delay), [5000]);
		timers[0].callback();
		assert.deepEqual(lost, ["timeout"]);
	});
