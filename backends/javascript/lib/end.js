"use strict";
/*
 * How a process with an attached server ends: what it said last is sent, and on SIGTERM its clients go to other backends first.
 */

/* While a drain runs, close() of `server` waits for it. What undoes this is returned. */
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
 * SIGTERM: this listener stands before the application's own, which decide when to exit. Those that close the Server or its
 * HTTP server, as graceful ends are written, go on when the clients are in other hands.
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

/* process.exit() and exceptions end the turn before flush() is due. */
function flushOnExit(backend) {
	process.on("exit", backend.flush);
	backend.once("close", () => process.removeListener("exit", backend.flush));
}

module.exports = { drainOnSigterm, flushOnExit };
