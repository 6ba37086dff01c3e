"use strict";
/*
 * The planned end of a backend (backends/PROTOCOL.md, section 8). No new sessions come. Each session goes to another
 * backend as soon as this one has no work under way for it. Then the links end.
 */
const { setTimeout: pause } = require("node:timers/promises");
const { T } = require("./frame");

const LOOK_EVERY = 10;
const LINGER = 1000; // ms in which handlers of events without acknowledgements may still emit

/* True while acknowledgements are due in either direction, or middlewares run. */
function isBusy(link, connection) {
	for (const socket of connection._list()) if (socket._owed > 0 || socket.acks.size > 0) return true;
	for (const entry of link.opened.values()) {
		const owner = entry.client ?? entry.connection;
		if (owner === connection && entry.connected !== true) return true;
	}
	return false;
}

function handOff(link, connection) {
	for (const socket of connection._list()) socket._handOff();
	connection._handedOff = true;
	link.send(T.HANDOFF, 0, 0, connection._handle, 0);
}

async function drain(backend) {
	const { drainGrace } = backend.options;
	const until = performance.now() + drainGrace;
	const { edges } = backend;
	edges.stopDialling();
	for (const link of edges.ready) link.drain();
	await new Promise(setImmediate);
	for (;;) {
		const late = performance.now() >= until;
		let left = 0;
		for (const link of edges.ready) {
			if (link.state !== "draining" && !late) {
				left += link.sessions.size;
				continue;
			}
			for (const connection of link.sessions.values()) {
				if (connection._handedOff) continue;
				if (late || !isBusy(link, connection)) handOff(link, connection);
				else left++;
			}
		}
		if (left === 0) break;
		await pause(LOOK_EVERY);
	}
	backend.flush();
	await pause(Math.min(LINGER, drainGrace));
	backend.closed = true;
	backend.flush();
	edges.close("shutdown");
	backend.emit("close");
}

module.exports = { drain };
