// The application of application.mjs as a backend behind an edge, or alone.
//
//     node --expose-gc backend.mjs [unix:///path]    # without an address the program listens itself
//
// On SIGUSR2 the program collects garbage and prints the size of its heap.
import http from "node:http";
import { require, serve } from "./application.mjs";

const { Server } = require("socket.io");
const edge = process.argv[2];

async function behind() {
	const { attach } = await import("../../../backends/javascript/lib/index.mjs");
	const io = new Server();
	serve(io);
	await attach(io, edge);
	process.stderr.write("event=attached\n");
}

function alone() {
	const server = http.createServer();
	serve(new Server(server, { serveClient: false, perMessageDeflate: false }));
	server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
		process.stderr.write(`event=listening port=${server.address().port}\n`);
	});
}

process.on("SIGUSR2", () => {
	globalThis.gc?.();
	process.stderr.write(`event=heap bytes=${process.memoryUsage().heapUsed}\n`);
});
await (edge ? behind() : alone());
