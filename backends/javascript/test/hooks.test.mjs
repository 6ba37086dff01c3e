/* The hooks of io.engine: middlewares written for Node's HTTP server, allowRequest, header events, connection_error. */
import test from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { behind, join } from "./support/setup.mjs";
import { Server } from "./support/packages.mjs";
import { FakeEdge } from "./support/fake-edge.mjs";
import backend from "../lib/index.js";

const require = createRequire(new URL("../../../tests/package.json", import.meta.url));
const session = require("express-session");
const passport = require("passport");
const helmet = require("helmet");

const REQUEST = { method: "GET", url: "/socket.io/?EIO=4&transport=polling", httpVersion: "1.1", headers: ["Host", "x"], address: "10.0.0.9", secure: false };

async function ask(link, id, about = {}) {
	link.json("REQUEST", { ...REQUEST, ...about }, { id });
	const response = await link.next("RESPONSE");
	assert.equal(response.id, id);
	return JSON.parse(response.body);
}

const field = (answer, name) => answer.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

test("without hooks the backend asks for no REQUEST", async (t) => {
	const { link } = await behind(t);
	assert.deepEqual(link.hello.hooks, { request: false, errors: false });
});

test("helmet's fields come into the response of the handshake", async (t) => {
	const { link } = await behind(t, { prepare: (io) => prepareEngine(io, (engine) => engine.use(helmet())) });
	assert.equal(link.hello.hooks.request, true);
	const answer = await ask(link, 1);
	assert.equal(answer.allow, true);
	assert.deepEqual(field(answer, "x-content-type-options"), ["nosniff"]);
	assert.deepEqual(field(answer, "x-powered-by"), []);
});

/* io.engine exists once an HTTP server is given, which need not listen. */
function prepareEngine(io, hang) {
	io.attach(createServer());
	hang(io.engine);
}

test("express-session: a cookie is set, and req.session is the socket's", async (t) => {
	const store = new session.MemoryStore();
	const middleware = session({ secret: "s", resave: true, saveUninitialized: true, store });
	const { io, link } = await behind(t, { prepare: (io) => prepareEngine(io, (engine) => engine.use(middleware)) });
	const answer = await ask(link, 7);
	const [cookie] = field(answer, "set-cookie");
	assert.match(cookie, /^connect\.sid=/);
	const socket = await join(io, link, { about: { request: 7 } });
	assert.equal(socket.request.sessionID, socket.request.session.id);
	socket.request.session.count = 1;
	await new Promise((resolve) => socket.request.session.save(resolve));
	// The same client again, with its cookie.
	await ask(link, 8, { headers: ["Cookie", cookie.split(";")[0]] });
	const again = await join(io, link, { session: 5, handle: 6, about: { request: 8 } });
	assert.equal(again.request.session.count, 1);
});

test("passport: req.user is there, and a client that is not logged in is refused", async (t) => {
	const authenticator = new passport.Passport();
	authenticator.serializeUser((user, done) => done(null, user.id));
	authenticator.deserializeUser((id, done) => done(null, { id, name: "ann" }));
	const store = new session.MemoryStore();
	const middleware = session({ secret: "s", resave: false, saveUninitialized: false, store, genid: () => "fixed" });
	const { io, link } = await behind(t, {
		prepare: (io) =>
			prepareEngine(io, (engine) => {
				engine.use(middleware);
				engine.use(authenticator.session());
				engine.use((req, res, next) => {
					if (req.user) return next();
					res.writeHead(401);
					res.end("log in first");
				});
			}),
	});
	const denied = await ask(link, 1);
	assert.deepEqual([denied.allow, denied.status, denied.body], [false, 401, "log in first"]);
	await new Promise((resolve) => store.set("fixed", { cookie: {}, passport: { user: 42 } }, resolve));
	const signed = "s:fixed." + require("node:crypto").createHmac("sha256", "s").update("fixed").digest("base64").replace(/=+$/, "");
	const allowed = await ask(link, 2, { headers: ["Cookie", `connect.sid=${encodeURIComponent(signed)}`] });
	assert.equal(allowed.allow, true);
	const socket = await join(io, link, { about: { request: 2 } });
	assert.deepEqual(socket.request.user, { id: 42, name: "ann" });
});

test("allowRequest: 403 with its message, and connection_error", async (t) => {
	const { io, link } = await behind(t, {
		server: { allowRequest: (req, done) => done("too early", req.headers["x-key"] === "k") },
	});
	const failed = once(io.engine, "connection_error");
	const answer = await ask(link, 1);
	assert.deepEqual([answer.allow, answer.status, JSON.parse(answer.body)], [false, 403, { code: 4, message: "too early" }]);
	const [error] = await failed;
	assert.deepEqual([error.code, error.message, error.context], [4, "Forbidden", { message: "too early" }]);
	assert.equal(error.req.url, REQUEST.url);
	assert.equal((await ask(link, 2, { headers: ["X-Key", "k"] })).allow, true);
});

test("initial_headers and headers add fields", async (t) => {
	const { link } = await behind(t, {
		prepare: (io) =>
			prepareEngine(io, (engine) => {
				engine.on("initial_headers", (headers) => (headers["X-First"] = "1"));
				engine.on("headers", (headers, req) => (headers["X-Url"] = req.url));
			}),
	});
	const answer = await ask(link, 1);
	assert.deepEqual([field(answer, "x-first"), field(answer, "x-url")], [["1"], [REQUEST.url]]);
});

test("a middleware that fails: 400 and connection_error", async (t) => {
	const { io, link } = await behind(t, { prepare: (io) => prepareEngine(io, (engine) => engine.use((req, res, next) => next(new Error("no")))) });
	const failed = once(io.engine, "connection_error");
	const answer = await ask(link, 1);
	assert.deepEqual([answer.allow, answer.status], [false, 400]);
	assert.equal((await failed)[0].context.name, "MIDDLEWARE_FAILURE");
});

test("connection_error of requests that the edge refused", async (t) => {
	const { io, link } = await behind(t, { prepare: (io) => prepareEngine(io, (engine) => engine.on("connection_error", () => {})) });
	assert.equal(link.hello.hooks.errors, true);
	const CASES = [
		[0, "/?transport=foo", "UNKNOWN_TRANSPORT", { transport: "foo" }],
		[1, "/?sid=x", "UNKNOWN_SID", { sid: "x" }],
		[2, "/", "BAD_HANDSHAKE_METHOD", { method: "GET" }],
		[3, "/", "TRANSPORT_MISMATCH", { name: "TRANSPORT_MISMATCH" }],
		[5, "/?EIO=9", "UNSUPPORTED_PROTOCOL_VERSION", { protocol: 9 }],
	];
	for (const [code, url, word, context] of CASES) {
		const failed = once(io.engine, "connection_error");
		link.json("CONNERR", { code, message: "why", context: word, method: "GET", url, address: "10.0.0.9" });
		const [error] = await failed;
		assert.deepEqual([error.code, error.message, error.req.url, error.context], [code, "why", url, context]);
	}
});

test("a session that another backend admitted: the middlewares fill its request first", async (t) => {
	const seen = [];
	const { io, link } = await behind(t, {
		prepare: (io) =>
			prepareEngine(io, (engine) =>
				engine.use((req, res, next) => {
					seen.push(req.url);
					res.setHeader("x", "y");
					setImmediate(() => ((req.user = "ann"), next()));
				}),
			),
	});
	const socket = await join(io, link, { again: {} });
	assert.equal(socket.request.user, "ann");
	assert.equal(seen.length, 1);
});

test("a hook that is added late is announced to the edge while there are no clients", async (t) => {
	const { edge, io, link } = await behind(t);
	assert.equal(link.hello.hooks.request, false);
	io.engine.use((req, res, next) => next());
	const second = await edge.link();
	assert.equal(second.hello.hooks.request, true);
});

test("middlewares for socket.request in io.use(), as tutorials write it", async (t) => {
	const { io, link } = await behind(t);
	const middleware = session({ secret: "s", resave: true, saveUninitialized: true });
	io.use((socket, next) => middleware(socket.request, {}, next));
	io.use((socket, next) => next(socket.request.session ? undefined : new Error("no session")));
	await join(io, link);
});

test("the former engine of an HTTP server serves no more clients", async (t) => {
	const edge = await new FakeEdge().listen();
	const httpServer = createServer((req, res) => res.end("page"));
	const io = new Server(httpServer);
	await new Promise((resolve) => httpServer.listen(0, resolve));
	await backend.attach(io, edge.address, { drainOnSigterm: false });
	const url = `http://localhost:${httpServer.address().port}`;
	t.after(() => edge.close());
	assert.equal(await (await fetch(`${url}/`)).text(), "page");
	assert.equal((await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).status, 503);
	assert.equal((await fetch(`${url}/socket.io/socket.io.js`)).status, 200);
	httpServer.on("request", (req, res) => req.url === "/own" && io.engine.handleRequest(req, res));
	httpServer.on("upgrade", (req, socket, head) => io.engine.handleUpgrade(req, socket, head));
	assert.match(io.engine.generateId(), /^[\w-]{20}$/);
	await new Promise((resolve) => io.close(resolve));
	assert.equal(httpServer.listening, false);
});
