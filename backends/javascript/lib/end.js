"use strict";
/*
 * The end of a process with an attached server: its last messages are sent, and on SIGTERM its clients first go to
 * other backends.
 */

/* Makes close() of `server` wait for a running drain. Returns a function that undoes this. */
function closeAfterDrain(backend, server) {
	const { close } = server;
	const own = Object.prototype.hasOwnProperty.call(server, "close");
	const held = function (...args) {
		if (!backend.draining) return close.apply(server, args);
		const closed = backend.draining.then(() => close.apply(server, args));
		return server === backend.io ? closed : server;
	};
	server.close = held;
	return () => {
		if (server.close !== held) return;
		if (own) server.close = close;
		else delete server.close;
	};
}

/*
 * Adds a SIGTERM listener before the listeners of the application, which decide when to exit. An application that closes the
 * Server or its HTTP server on SIGTERM, as graceful shutdowns do, goes on when other backends have its clients.
 */
function drainOnSigterm(backend) {
	const { io } = backend;
	const undo = [io, io.httpServer].filter((server) => typeof server?.close === "function").map((server) => closeAfterDrain(backend, server));
	const onSigterm = () => {
		const alone = process.listenerCount("SIGTERM") === 1;
		backend.drain().then(() => {
			process.removeListener("SIGTERM", onSigterm);
			if (alone) process.exit(0);
		});
	};
	process.prependListener("SIGTERM", onSigterm);
	backend.once("close", () => {
		for (const step of undo) step();
		if (!backend.draining) process.removeListener("SIGTERM", onSigterm);
	});
}

/* process.exit() and uncaught exceptions end the process before the flush() of the turn. */
function flushOnExit(backend) {
	process.on("exit", backend.flush);
	backend.once("close", () => process.removeListener("exit", backend.flush));
}

module.exports = { drainOnSigterm, flushOnExit };
