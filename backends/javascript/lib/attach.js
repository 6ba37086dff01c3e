"use strict";
/*
 * attach(): puts a socket.io Server behind edges.
 */
const EventEmitter = require("node:events");
const fs = require("node:fs");
const path = require("node:path");
const { Backend } = require("./backend");
const { BackendEngine } = require("./engine");
const { makeAdapterClass, baseAdapterOf } = require("./adapter");
const { makeSocketClass } = require("./socket");
const { readOptions, checkServer } = require("./options");
const { drainOnSigterm, flushOnExit } = require("./end");

const attached = new WeakMap(); // a Server -> its Link
const socketClasses = new WeakMap(); // the Socket class of a copy of socket.io -> the class derived from it

/* The result of attach(). Events: "edge", "session_ended" and "close". */
class Link extends EventEmitter {
	constructor(backend) {
		super();
		this._backend = backend;
		backend.on("edge", (edge) => this.emit("edge", edge));
		backend.on("session_ended", (session) => this.emit("session_ended", session));
		backend.on("close", () => this.emit("close"));
	}

	get io() {
		return this._backend.io;
	}

	/* The number of clients of this backend. */
	get sessions() {
		return this._backend.sessionCount;
	}

	get edges() {
		return this._backend.edges.links().map(({ edge, worker, state }) => ({ id: edge, worker, state }));
	}

	drain() {
		return this._backend.drain();
	}
}

/* The Socket class of the copy of socket.io that `io` belongs to. Only a socket that a namespace makes leads to it. */
async function socketClassOf(io) {
	const nsp = io.sockets;
	const request = { headers: {}, connection: {}, url: "", _query: {} };
	const conn = { protocol: 4, remoteAddress: "", request };
	if (typeof nsp._createSocket !== "function" || typeof nsp._doConnect !== "function" || typeof io._checkNamespace !== "function")
		throw new Error("This version of socket.io is not supported: @sockeye/backend needs socket.io 4.6 or a later 4.x");
	const probe = await nsp._createSocket({ conn, request }, {});
	const Socket = probe.constructor;
	if (!socketClasses.has(Socket)) socketClasses.set(Socket, makeSocketClass(Socket));
	return socketClasses.get(Socket);
}

/*
 * True for the in-memory adapter, also in its form for connection state recovery, and for our own adapter, which a
 * server keeps after it was attached and closed.
 */
function isDefaultAdapter(io) {
	const adapter = io.adapter();
	const base = baseAdapterOf(io);
	if (adapter.ofBackend === true || adapter === base) return true;
	return adapter.name === "SessionAwareAdapter" && Object.getPrototypeOf(adapter) === base;
}

/*
 * The edge keeps the sessions, so socket.io must keep none. The options are copied, because the application may use
 * its object for another Server.
 */
function leaveRecoveryToEdge(io) {
	if (io.opts?.connectionStateRecovery) io.opts = { ...io.opts, connectionStateRecovery: undefined };
}

/* Makes a new adapter for each namespace, and moves the listeners of the old one to it. */
function replaceAdapters(io, Adapter) {
	const before = new Map();
	for (const [name, nsp] of io._nsps) before.set(name, nsp.adapter);
	io.adapter(Adapter);
	for (const [name, old] of before) {
		const { adapter } = io._nsps.get(name);
		for (const event of old.eventNames()) for (const listener of old.listeners(event)) adapter.on(event, listener);
	}
}

/* Returns a descriptor of the pipe to `sockeye --exec`. `pid` is the process that was started first, if it is known. */
function openReady(fd, pid) {
	try {
		if (fs.fstatSync(fd).isFIFO()) return fd;
	} catch {
		// npm passes the variable on but not the descriptor: only the process that was started first has it.
	}
	return pid === undefined ? fd : fs.openSync(`/proc/${pid}/fd/${fd}`, "w");
}

/* Reports this process as ready. `sockeye --exec` waits for this line before it ends the process that this one replaces. */
function sayReady() {
	const { SOCKEYE_READY_FD, SOCKEYE_EXEC_PID } = process.env;
	const number = Number(SOCKEYE_READY_FD);
	delete process.env.SOCKEYE_READY_FD;
	if (!Number.isInteger(number) || number < 3) return;
	try {
		const fd = openReady(number, SOCKEYE_EXEC_PID);
		fs.writeSync(fd, "ready\n");
		fs.closeSync(fd);
	} catch {
		// The parent process has closed its end of the pipe and expects no report.
	}
}

async function attach(io, edges, given) {
	if (typeof io?._nsps?.get !== "function" || typeof io.of !== "function") throw new TypeError("attach() needs a Server of socket.io");
	if (attached.has(io)) throw new Error("This Server is attached already: attach() takes a list of addresses");
	const options = readOptions({ app: appName(), ...given });
	checkServer(io);
	if (!isDefaultAdapter(io))
		throw new Error("The adapter of this Server cannot be used behind an edge: remove io.adapter(…). Broadcasts reach other nodes through the edges (sockeye --redis).");
	const engine = io.engine instanceof BackendEngine && !io.engine.isClosed ? io.engine : new BackendEngine(io.opts);
	const old = io.engine;
	const backend = new Backend(io, edges, options, engine, null);
	attached.set(io, null);
	try {
		engine.adopt(old);
		engine.backend = backend;
		engine.onHook = () => backend.onHook();
		engine.on("close", () => backend.close());
		backend.once("close", () => attached.delete(io));
		io.engine = io.eio = engine;
		leaveRecoveryToEdge(io);
		replaceAdapters(io, makeAdapterClass(baseAdapterOf(io), backend));
		backend.history.offerServer(io);
		backend.presence.offerServer(io);
		backend.Socket = await socketClassOf(io);
		const link = new Link(backend);
		attached.set(io, link);
		flushOnExit(backend);
		backend.edges.open();
		await firstReady(backend);
		whenComplete(backend, sayReady);
		return link;
	} catch (error) {
		attached.delete(io);
		backend.closed = true;
		backend.edges.close("shutdown");
		backend.emit("close");
		throw error;
	}
}

/* Resolves when the first link is ready. Handles SIGTERM from that moment on, because clients may follow at once. */
function firstReady(backend) {
	return new Promise((resolve, reject) => {
		const onEdge = ({ state }) => {
			if (state !== "ready") return;
			backend.removeListener("edge", onEdge);
			backend.removeListener("fatal", reject);
			backend.on("fatal", (error) => backend.warn(error.message));
			if (backend.options.drainOnSigterm) drainOnSigterm(backend);
			resolve();
		};
		backend.on("edge", onEdge);
		backend.once("fatal", reject);
		backend.once("close", () => reject(new Error("The server was closed before an edge answered")));
	});
}

function whenComplete(backend, done) {
	if (backend.edges.complete) return done();
	const onEdge = () => {
		if (!backend.edges.complete) return;
		backend.removeListener("edge", onEdge);
		done();
	};
	backend.on("edge", onEdge);
}

function appName() {
	return process.argv[1] ? path.basename(process.argv[1]) : undefined;
}

module.exports = { attach, Link };
