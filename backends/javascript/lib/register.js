"use strict";
/*
 * For `node --import @sockeye/backend/register server.js` (or --require), where server.js stays unchanged. The edge at
 * $SOCKEYE_BACKEND serves every server that the program gives to socket.io: new Server(httpServer), io.listen(3000),
 * io.attach(), require("socket.io")(3000). Without that variable this module does nothing.
 */
const Module = require("node:module");
const path = require("node:path");
const { attach } = require("./attach");
const { BackendEngine } = require("./engine");
const { optionsFromEnvironment } = require("./environment");
const listening = require("./listening");

const address = process.env.SOCKEYE_BACKEND;
const patched = new WeakSet();
let first = null; // the attached Server

function report(error) {
	process.nextTick(() => {
		throw error;
	});
}

/* Attaches when the HTTP server listens. Without an edge, clients could not connect earlier either. */
function attachWhenListening(io, httpServer) {
	const start = () => {
		if (io.engine?.isClosed) return;
		attach(io, address.split(","), { ...optionsFromEnvironment(), upstream: listening.upstream }).catch(report);
	};
	if (!httpServer || httpServer.listening) setImmediate(start);
	else httpServer.once("listening", start);
}

/* Does what Server#initEngine and Server#bind do, with the edge instead of an engine. */
function serveByEdge(io, httpServer, opts) {
	if (first !== null && first !== io && !first.engine.isClosed) {
		process.emitWarning("This program has two Socket.IO servers; the edge serves the clients of the first one", "SockeyeWarning");
		return false;
	}
	first = io;
	if (!(io.engine instanceof BackendEngine) || io.engine.isClosed) io.engine = io.eio = new BackendEngine(opts);
	attachWhenListening(io, httpServer);
	return true;
}

function patch(Server) {
	const { prototype } = Server;
	if (patched.has(prototype)) return;
	patched.add(prototype);
	const { initEngine, bind } = prototype;
	prototype.initEngine = function (httpServer, opts) {
		if (!serveByEdge(this, httpServer, opts)) return initEngine.call(this, httpServer, opts);
		if (this._serveClient) this.attachServe(httpServer);
		this.httpServer = httpServer;
	};
	prototype.attachApp = function (_app, opts = {}) {
		serveByEdge(this, undefined, Object.assign(opts, this.opts));
	};
	prototype.bind = function (engine) {
		if (!serveByEdge(this, undefined, this.opts)) return bind.call(this, engine);
		this.engine.adopt(engine);
		return this;
	};
}

function patchIfServer(exports) {
	const Server = exports?.Server;
	if (typeof Server === "function" && typeof Server.prototype?.initEngine === "function" && typeof Server.prototype._checkNamespace === "function") patch(Server);
}

/* Patches every copy of socket.io when it is loaded, by require() or by an import. */
function watchModules() {
	const load = Module._load;
	Module._load = function (request, ...rest) {
		const exports = load.call(this, request, ...rest);
		if (typeof request === "string" && request.includes("socket.io")) patchIfServer(exports);
		return exports;
	};
}

/* Patches the copy that the main program will load. */
function patchMain() {
	const main = process.argv[1];
	if (!main) return;
	try {
		patchIfServer(Module.createRequire(path.resolve(main))("socket.io"));
	} catch {
		// The program's own copy is patched when the program loads it.
	}
}

if (address) {
	listening.movePort(Number(process.env.SOCKEYE_PORT));
	watchModules();
	patchMain();
}
