"use strict";
/*
 * Moves a program that listens on the edge's own port to a free port of 127.0.0.1. The edge sends it all paths other
 * than its own. The program still sees the port that it asked for.
 */
const http = require("node:http");
const https = require("node:https");
const net = require("node:net");

let moved = null; // the server that was moved

function portOf(args) {
	const [first] = args;
	if (typeof first === "number") return first;
	if (typeof first === "string" && first.trim() !== "" && Number.isInteger(Number(first))) return Number(first);
	if (typeof first === "object" && first !== null && first.port !== undefined && first.port !== null) return Number(first.port);
	return undefined;
}

/* The arguments of listen(), changed to a free port of 127.0.0.1. */
function movedArguments(args) {
	const callback = args.findLast ? args.findLast((arg) => typeof arg === "function") : [...args].reverse().find((arg) => typeof arg === "function");
	const options = typeof args[0] === "object" && args[0] !== null ? { ...args[0] } : {};
	return [{ ...options, port: 0, host: "127.0.0.1", path: undefined, exclusive: true }, ...(callback ? [callback] : [])];
}

function movePort(port) {
	if (!Number.isInteger(port) || port <= 0) return;
	const { listen } = net.Server.prototype;
	net.Server.prototype.listen = function (...args) {
		if (!(this instanceof http.Server) || portOf(args) !== port) {
			if (this instanceof https.Server && portOf(args) === port)
				process.emitWarning(`The edge listens on port ${port} and terminates TLS itself: use http.createServer() in this program`, "SockeyeWarning");
			return listen.apply(this, args);
		}
		moved = this;
		const { address } = this;
		this.address = function () {
			const own = address.call(this);
			return own && { ...own, port };
		};
		moved.realAddress = () => address.call(this);
		this.once("close", () => {
			delete this.address;
			if (moved === this) moved = null;
		});
		return listen.apply(this, movedArguments(args));
	};
}

/* For HELLO: the address where the edge finds the pages of this program. */
function upstream() {
	const own = moved?.realAddress();
	return own ? `http://127.0.0.1:${own.port}` : undefined;
}

module.exports = { movePort, upstream };
