// The application of node/apps/bench.c, written for Node.js's socket.io.
import { createRequire } from "node:module";

export const require = createRequire(new URL("../../package.json", import.meta.url));

export function serve(io) {
	io.on("connection", (socket) => {
		socket.on("echo", (...args) => socket.emit("echo", ...args));
		socket.on("broadcast", (...args) => io.emit("broadcast", ...args));
		socket.on("ack", (...args) => args.pop()(...args));
		socket.on("join", (room, done) => {
			socket.join(room);
			done();
		});
		socket.on("fetch", async (...args) => args.pop()((await io.local.fetchSockets()).length));
		socket.on("fetch all", async (...args) => args.pop()((await io.fetchSockets()).length));
		socket.on("room", (room, ...args) => io.to(room).emit("room", room, ...args));
	});
}
