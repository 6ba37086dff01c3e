"use strict";
/*
 * `io.engine` behind an edge. It counts the clients of this backend and offers the hooks of engine.io's server: use(),
 * allowRequest, and the events initial_headers, headers and connection_error. If there are hooks for handshakes, the
 * edge asks before each one (REQUEST).
 */
const EventEmitter = require("node:events");
const { randomBytes } = require("node:crypto");
const { makeRequest, CapturedResponse } = require("./requests");

const BAD_REQUEST = 3; // engine.io's error codes
const FORBIDDEN = 4;

class BackendEngine extends EventEmitter {
	constructor(opts = {}) {
		super();
		this.opts = opts;
		this.middlewares = [];
		this.clientsCount = 0;
		this.isClosed = false;
		this.onHook = null; // called when a hook is added
		this.on("newListener", (event) => {
			if (event === "initial_headers" || event === "headers" || event === "connection_error") this.onHook?.();
		});
	}

	/* Takes over the middlewares and listeners of the engine that `io` had before. */
	adopt(engine) {
		if (!engine || engine === this) return;
		if (Array.isArray(engine.middlewares)) this.middlewares.push(...engine.middlewares);
		for (const event of engine.eventNames?.() ?? []) {
			if (event === "newListener" || event === "close") continue;
			for (const listener of engine.listeners(event)) if (listener.name !== "bound onconnection") this.on(event, listener);
		}
		this.opts = { ...engine.opts, ...this.opts };
		engine.handleRequest = this.handleRequest;
		engine.handleUpgrade = this.handleUpgrade;
	}

	use(middleware) {
		this.middlewares.push(middleware);
		this.onHook?.();
	}

	get hooks() {
		return {
			request:
				this.middlewares.length > 0 ||
				typeof this.opts.allowRequest === "function" ||
				this.listenerCount("initial_headers") > 0 ||
				this.listenerCount("headers") > 0,
			errors: this.listenerCount("connection_error") > 0,
		};
	}

	get clients() {
		const clients = {};
		for (const connection of this.backend?.connections() ?? []) clients[connection.id] = connection;
		return clients;
	}

	/*
	 * Handles REQUEST. Calls answer({allow, …}) once. `keep` stores the request object for the session that
	 * follows.
	 */
	onRequest(about, keep, answer) {
		const request = makeRequest(about);
		let allowed = false;
		const response = new CapturedResponse(request, (result) => {
			if (allowed) answer({ allow: true, headers: result.headers });
			else answer({ allow: false, ...result });
		});
		request.res = response;
		this._run(request, response, () => {
			this._mayEnter(request, (refusal) => {
				if (refusal !== undefined) return this._refuse(request, response, FORBIDDEN, "Forbidden", { message: refusal });
				keep(request);
				const headers = {};
				if (this.listenerCount("initial_headers") > 0) this.emit("initial_headers", headers, request);
				if (this.listenerCount("headers") > 0) this.emit("headers", headers, request);
				for (const name of Object.keys(headers)) response.setHeader(name, headers[name]);
				allowed = true;
				response.writeHead(200);
				response.end();
			});
		});
	}

	/*
	 * Runs the middlewares for a session that another backend let in, so that they fill its request. Their response
	 * is discarded.
	 */
	replay(request, done) {
		const response = new CapturedResponse(request, () => done());
		request.res = response;
		this._run(request, response, () => {
			response.writeHead(200);
			response.end();
		});
	}

	_run(request, response, done) {
		const middlewares = this.middlewares;
		const run = (i) => {
			if (i >= middlewares.length) return done();
			middlewares[i](request, response, (error) => {
				if (!error) return run(i + 1);
				this._refuse(request, response, BAD_REQUEST, "Bad request", { name: "MIDDLEWARE_FAILURE" });
			});
		};
		run(0);
	}

	_mayEnter(request, done) {
		if (typeof this.opts.allowRequest !== "function") return done();
		this.opts.allowRequest(request, (message, allow) => done(allow ? undefined : (message ?? "Forbidden")));
	}

	_refuse(request, response, code, message, context) {
		this.emit("connection_error", { req: request, code, message, context });
		if (!response.headersSent) {
			response.statusCode = code === FORBIDDEN ? 403 : 400;
			response.setHeader("Content-Type", "application/json");
		}
		response.end(JSON.stringify({ code, message: context.message ?? message }));
	}

	/* Handles CONNERR. */
	onConnectionError(about) {
		const { code, message } = about;
		const req = makeRequest(about);
		this.emit("connection_error", { req, code, message, context: contextOf(code, req, about.context) });
	}

	/*
	 * A program may pass requests to engine.io's server itself. They are refused, because clients connect to the
	 * edge.
	 */
	handleRequest(_request, response) {
		response.writeHead?.(503, { "Content-Type": "text/plain" });
		response.end("Connect to the edge of this server.\n");
	}

	handleUpgrade(_request, socket) {
		socket.destroy();
	}

	attach() {
		return this;
	}

	/* Not used for clients: the edge makes their ids, which name the worker that a client belongs to. */
	generateId() {
		return randomBytes(15).toString("base64url");
	}

	close() {
		this.isClosed = true;
		this.emit("close");
		return this;
	}
}

/* The context that engine.io reports with each error code. */
function contextOf(code, { method, _query }, word) {
	switch (code) {
		case 0:
			return { transport: _query.transport };
		case 1:
			return { sid: _query.sid };
		case 2:
			return { method };
		case FORBIDDEN:
			return { message: word };
		case 5:
			return { protocol: Number.parseInt(_query.EIO, 10) };
		default:
			return { name: word };
	}
}

module.exports = { BackendEngine };
