"use strict";
/*
 * An attached server: connects the frames of all links with the namespaces and sockets of socket.io.
 *
 * From OPEN to CLOSED, `link.opened` maps a handle to its socket: first to an Opening, while the namespace is looked up,
 * then to the Socket. A frame for an unknown handle is late and ignored.
 */
const EventEmitter = require("node:events");
const { randomBytes } = require("node:crypto");
const { T, F, U32, ProtocolError, BodyReader } = require("./frame");
const { decodeArgs } = require("./args");
const { EdgeSet } = require("./edges");
const { About } = require("./about");
const { Connection } = require("./connection");
const { Peers, PREFIX } = require("./peers");
const { History } = require("./history");
const { Presence } = require("./presence");
const { checkEdgeOptions } = require("./options");
const { EVENT, ACK } = require("./socket");
const { drain } = require("./drain");

/* Events that only socket.io itself emits. */
const RESERVED = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);
const REMEMBER_REQUEST = 60000;
const FORMER_MS = 5000; // for which a socket that comes back waits until its former socket has left

class Opening {
	constructor(link, handle, connection) {
		this.link = link;
		this.handle = handle;
		this.connection = connection;
		this.gone = false;
		this.rooms = [];
	}

	/* The rooms have changed before the socket was made. */
	change(joined, rooms) {
		this.rooms = joined ? this.rooms.concat(rooms) : this.rooms.filter((room) => !rooms.includes(room));
	}
}

/* Events: "edge" ({id, worker, state, reason}) and "warning" (text). */
class Backend extends EventEmitter {
	constructor(io, addresses, options, engine, Socket) {
		super();
		this.io = io;
		this.serverOptions = io.opts ?? {};
		this.options = options;
		this.engine = engine;
		this.Socket = Socket;
		this.secret = options.secret;
		this.tls = options.tls;
		this.maxQueued = options.maxQueued;
		this.instance = PREFIX + randomBytes(9).toString("hex");
		this.ids = 0; // numbers of events and broadcasts with acknowledgements
		this.casts = new Map(); // number of a broadcast -> state of its answers
		this.numbers = new Map([["/", 0]]); // namespace -> its number in our frames
		this.nextNumber = 1;
		this.sessionCount = 0;
		this.dirtyLinks = [];
		this.touched = new Set(); // sockets whose data may have changed
		this.successors = new Map(); // socket -> functions that open sockets of the same id when it has left
		this.flushing = false;
		this.hasRead = false; // bytes were read, and nothing was written since
		this.flush = this.flush.bind(this);
		this.flushRead = this._flushRead.bind(this);
		this.showsPackets = false; // a listener for "packetCreate" exists
		this.closed = false;
		this.draining = null;
		this.peers = new Peers(this);
		this.history = new History(this);
		this.presence = new Presence(this);
		this.edges = new EdgeSet(this, addresses);
	}

	/* ------------------------------------------------------------ links */

	hello(worker) {
		const { options } = this;
		const names = options.namespaces;
		this.announcedHooks = this.engine.hooks;
		return {
			v: [1],
			instance: this.instance,
			worker,
			group: options.group,
			namespaces: names && names.every((name) => typeof name === "string") ? names : null,
			weight: options.weight,
			hooks: this.announcedHooks,
			onLoss: options.onBackendLoss,
			upstream: options.upstream?.(),
			pid: process.pid,
			app: options.app,
			language: "node",
			recovery: true,
		};
	}

	isLinked(edge, worker) {
		return this.edges.isLinked(edge, worker);
	}

	onReady(link) {
		const { edgeOptions } = this.options;
		const differences = edgeOptions === "ignore" ? [] : checkEdgeOptions(this.serverOptions, link.options);
		for (const text of differences) {
			if (edgeOptions === "strict") {
				link.fatal = true;
				return link.bye("shutdown", new Error(text));
			}
			this.warn(text);
		}
		// A recovered socket must have its data, whatever has happened to this process.
		if (link.options.connectionStateRecovery) this.options.mirrorData ??= true;
		this.edges.onReady(link);
		this.presence.onReady(link);
		this._say(link, "ready");
	}

	onDrained(link) {
		this._say(link, "draining");
	}

	onLost(link, reason, error) {
		this.edges.onLost(link, reason);
		for (const socket of [...link.opened.values()]) this._closeSocket(link, socket, "transport close");
		for (const connection of link.sessions.values()) this._closeSession(connection, "transport close");
		link.opened.clear();
		link.sessions.clear();
		for (const id of this.casts.keys()) this._castLinkDone(id, link);
		this.history.onLost(link);
		this.presence.onLost(link);
		this.peers.onChange();
		if (link.fatal) this.emit("fatal", error ?? new Error(fatalText(reason)));
		this._say(link, "closed", reason);
	}

	onTrouble(text) {
		this.emit("trouble", text);
	}

	_say(link, state, reason) {
		this.emit("edge", { id: link.edge, worker: link.worker, state, reason });
	}

	warn(text) {
		if (this.listenerCount("warning") > 0) this.emit("warning", text);
		else warnOnce(text);
	}

	/*
	 * Each link gets one write per turn of the event loop. If the handlers of one read write to a single link only,
	 * that write leaves as soon as they have run, so that an idle process need not wait for setImmediate(). Later
	 * writes of the turn wait for its end.
	 */
	dirty(link) {
		this.dirtyLinks.push(link);
		if (this.flushing) return;
		if (!this.hasRead || this.options.mirrorData) return this._flushSoon();
		this.hasRead = false;
		this.flushing = true;
		process.nextTick(this.flushRead);
	}

	_flushRead() {
		if (this.dirtyLinks.length > 1) setImmediate(this.flush);
		else this.flush();
	}

	_flushSoon() {
		if (this.flushing) return;
		this.flushing = true;
		setImmediate(this.flush);
	}

	flush() {
		this.flushing = false;
		if (this.touched.size > 0) this._mirror();
		const links = this.dirtyLinks;
		this.dirtyLinks = [];
		for (let i = 0; i < links.length; i++) links[i].flush();
	}

	/*
	 * With `mirrorData: true`, changed data is sent to the edge before the packet that tells the client of it, because this
	 * process may end right after. The data is compared again at the end of the turn, because the handler that sends this
	 * packet may change it later in the turn.
	 */
	beforePacket(socket) {
		if (this.options.mirrorData) this._touch(socket);
		if (this.options.mirrorData === true) socket._mirror();
	}

	/*
	 * For `mirrorData`: marks a socket whose data may have changed. Its JSON is compared later, because a proxy
	 * would miss nested writes.
	 */
	_touch(socket) {
		this.touched.add(socket);
		this._flushSoon();
	}

	_mirror() {
		const every = this.options.mirrorData;
		const now = performance.now();
		if (every !== true && now - (this.mirroredAt ?? -Infinity) < every) {
			this.mirrorTimer ??= setTimeout(() => {
				this.mirrorTimer = undefined;
				this._flushSoon();
			}, every).unref();
			return;
		}
		this.mirroredAt = now;
		for (const socket of this.touched) socket._mirror();
		this.touched.clear();
	}

	/* ------------------------------------------------------------ frames */

	onFrame(link, type, flags, nsp, handle, id, bytes, start, end) {
		try {
			this._onFrame(link, type, flags, nsp, handle, id, bytes, start, end);
		} catch (error) {
			if (error instanceof ProtocolError) throw error;
			// An exception of the application stays uncaught, as without an edge, but the frames after this one
			// are still read.
			process.nextTick(() => {
				throw error;
			});
		}
	}

	_onFrame(link, type, flags, nsp, handle, id, bytes, start, end) {
		switch (type) {
			case T.EVENT:
				return this._onEvent(link, flags, handle, id, bytes, start, end);
			case T.ACKED:
				return this._onAcked(link, flags, handle, id, bytes, start, end);
			case T.CASTED:
				return this._onCasted(link, flags, id, bytes, start, end);
			case T.SESSION:
				return this._onSession(link, handle, flags & F.EIO3 ? 3 : 4, new About(bytes, start, end));
			case T.OPEN:
				return this._onOpen(link, flags, nsp, handle, id, new BodyReader(bytes, start, end));
			case T.CLOSED:
				return this._onClosed(link, handle, bytes.utf8Slice(start, end));
			case T.NSP:
				link.namespaces[nsp] = bytes.utf8Slice(start, end);
				return;
			case T.NSPASK:
				return this._onNamespaceAsked(link, id, new BodyReader(bytes, start, end));
			case T.JOIN:
			case T.LEAVE:
				return this._onRooms(link, type, handle, new BodyReader(bytes, start, end));
			case T.TRANSPORT:
				return link.sessions.get(handle)?._onTransport(bytes.utf8Slice(start, end));
			case T.PEER:
				return this.peers.onMessage(bytes, start, end);
			case T.PEERS:
				return this.peers.onChange();
			case T.REQUEST:
				return this._onRequest(link, id, json(bytes, start, end));
			case T.ENDED:
				return this._onSessionEnded(link, nsp, new BodyReader(bytes, start, end));
			case T.PAST:
				return this.history.onPast(link, flags, id, bytes, start, end);
			case T.PRESENT:
				return this.presence.onPresent(link, flags, id, new BodyReader(bytes, start, end));
			case T.CHANGE:
				return this.presence.onChange(link, nsp, id, new BodyReader(bytes, start, end));
			case T.CONNERR:
				return this.engine.onConnectionError(json(bytes, start, end));
			default:
				throw new ProtocolError(`a frame of type ${type} from an edge`);
		}
	}

	_onEvent(link, flags, handle, id, bytes, start, end) {
		const socket = link.opened.get(handle);
		if (socket === undefined || !socket.connected) return;
		if (flags & F.WIDE) {
			if (end - start < 4) throw new ProtocolError("a body is too short");
			id += bytes.readUInt32LE(start) * U32;
			start += 4;
		}
		const data = decodeArgs((flags & F.BIN) !== 0, bytes, start, end);
		if (!Array.isArray(data) || RESERVED.has(data[0])) return;
		if (this.options.mirrorData) this._touch(socket);
		socket._onpacket({ type: EVENT, id: flags & F.ACK ? id : undefined, data });
	}

	_onAcked(link, flags, handle, id, bytes, start, end) {
		const socket = link.opened.get(handle);
		if (socket === undefined || !socket.connected) return;
		const data = decodeArgs((flags & F.BIN) !== 0, bytes, start, end);
		if (this.options.mirrorData) this._touch(socket);
		// socket.io dispatches the events before this frame by nextTick, so the acknowledgement must wait for them.
		process.nextTick(() => socket._onpacket({ type: ACK, id, data }));
	}

	/* ------------------------------------------------------------ sessions and sockets */

	_onSession(link, handle, protocol, about) {
		const connection = new Connection(this, link, handle, protocol, about);
		link.sessions.set(handle, connection);
		this.sessionCount++;
		this.engine.clientsCount++;
		if (this.announcedHooks.request) this._restoreRequest(link, connection);
		if (this.engine.listenerCount("connection") > 0) this.engine.emit("connection", connection);
	}

	/* Restores the request object to which the middlewares of the engine have added fields. */
	_restoreRequest(link, connection) {
		const number = connection._session.request;
		const request = number === undefined ? undefined : link.requests?.get(number);
		if (request !== undefined) {
			link.requests.delete(number);
			connection.request = request;
		} else if (this.engine.middlewares.length > 0) {
			connection._ready = new Promise((resolve) => this.engine.replay(connection.request, resolve));
		}
	}

	_onOpen(link, flags, nsp, handle, sessionHandle, body) {
		const connection = link.sessions.get(sessionHandle);
		const name = link.namespaces[nsp];
		if (connection === undefined || name === undefined) throw new ProtocolError("OPEN without its SESSION or NSP");
		const opening = new Opening(link, handle, connection);
		opening.sid = body.text();
		opening.auth = body.text();
		opening.again = (flags & F.REATTACH) !== 0;
		if (opening.again) {
			opening.rooms = body.rooms();
			opening.data = body.text();
		}
		opening.recovered = (flags & F.RECOVERED) !== 0;
		link.opened.set(handle, opening);
		if (connection._ready) connection._ready.then(() => this._open(name, opening));
		else this._open(name, opening);
	}

	_open(name, opening) {
		if (opening.gone) return;
		const former = opening.recovered ? this.io._nsps.get(name)?.adapter.find(opening.sid) : undefined;
		if (former !== undefined) return this._openAfter(former, name, opening);
		// Most clients send no auth. null stands for an empty object, which is made on first use.
		const auth = opening.auth === "" || opening.auth === "{}" ? null : JSON.parse(opening.auth);
		this._lookUp(name, auth, (nsp) => {
			if (opening.gone) return;
			if (nsp !== undefined) return this._connect(nsp, auth, opening);
			const { link, handle } = opening;
			link.begin(T.REFUSE, 0, 0, handle, 0);
			link.writer.utf8('{"message":"Invalid namespace"}');
			link.end();
			link.opened.delete(handle);
		});
	}

	/*
	 * A client may come back before its loss is noticed, and by another worker. Then its former socket may still be here: the
	 * edge has sent CLOSED first, but by another link, which is read later. The former socket must leave first, because the
	 * rooms belong to the id. A link that is silent must not keep the client out.
	 */
	_openAfter(former, name, opening) {
		const timer = setTimeout(() => {
			this._closeSocket(former._link, former, "transport close");
			setImmediate(() => this.successors.has(former) && former._cleanup()); // its listener of "disconnecting" has thrown
		}, FORMER_MS).unref();
		const open = () => {
			clearTimeout(timer);
			this._open(name, opening);
		};
		if (!this.successors.has(former)) this.successors.set(former, []);
		this.successors.get(former).push(open);
	}

	/* The namespace no longer knows the socket. Its listeners for "disconnect" are called in this turn, before the successors open. */
	onLeft(socket) {
		const waiting = this.successors.get(socket);
		if (waiting === undefined) return;
		this.successors.delete(socket);
		for (const open of waiting) process.nextTick(open);
	}

	/* Calls done(namespace), or done() if the namespace does not exist. */
	_lookUp(name, auth, done) {
		const nsp = this.io._nsps.get(name);
		if (nsp !== undefined) return done(nsp);
		const { namespaces } = this.options;
		if (namespaces && !namespaces.some((allowed) => (typeof allowed === "string" ? allowed === name : allowed.test(name)))) return done();
		this.io._checkNamespace(name, auth ?? {}, (allowed) => done(allowed ? this.io.of(name) : undefined));
	}

	_connect(nsp, auth, opening) {
		const { link, handle, connection } = opening;
		const socket = new this.Socket(nsp, connection, auth, opening);
		const { adapter } = nsp;
		link.opened.set(handle, socket);
		adapter.opening.set(socket.id, socket);
		nsp._preConnectSockets?.set(socket.id, socket);
		if (opening.again) {
			adapter.restore(socket.id, [socket.id, ...opening.rooms]);
			if (opening.data !== "") socket.data = JSON.parse(opening.data);
			socket._mirrored = opening.data || "{}";
			socket.recovered = true;
		}
		const finish = (error) => {
			adapter.opening.delete(socket.id);
			if (socket._handle === 0) return; // CLOSED has come
			if (error) {
				socket._cleanup();
				return socket._error({ message: error.message, data: error.data });
			}
			nsp._doConnect(socket, () => connection._addSocket(socket));
			if (this.options.mirrorData) this._touch(socket);
		};
		if (opening.again && !this._runsMiddlewares(opening)) return process.nextTick(finish);
		nsp.run(socket, (error) => process.nextTick(finish, error));
	}

	/* The edge's option decides for a client that was lost and comes back; ours for a client that has noticed nothing. */
	_runsMiddlewares({ link, recovered }) {
		if (!recovered) return this.options.reattachMiddlewares;
		return link.options.connectionStateRecovery?.skipMiddlewares === false;
	}

	/* The session of a lost client has ended: the client cannot come back as the same socket. */
	_onSessionEnded(link, number, body) {
		const nsp = link.namespaces[number];
		if (nsp === undefined) throw new ProtocolError("ENDED without its NSP");
		const session = { nsp, id: body.text(), reason: body.text() };
		const data = body.text();
		session.data = data === "" ? {} : JSON.parse(data);
		process.nextTick(() => {
			this.emit("session_ended", session);
			this.io._nsps.get(nsp)?.emitReserved("session_ended", session);
		});
	}

	_onClosed(link, handle, reason) {
		const entry = link.opened.get(handle);
		if (entry !== undefined) return this._closeSocket(link, entry, reason);
		const connection = link.sessions.get(handle);
		if (connection === undefined) return;
		link.sessions.delete(handle);
		this._closeSession(connection, reason);
	}

	_closeSession(connection, reason) {
		this.sessionCount--;
		this.engine.clientsCount--;
		if (connection.readyState === "open") connection.readyState = "closing";
		process.nextTick(() => connection._onClosed(reason));
	}

	_closeSocket(link, entry, reason) {
		if (entry instanceof Opening) {
			link.opened.delete(entry.handle);
			entry.gone = true;
			return;
		}
		const socket = entry;
		const { adapter } = socket.nsp;
		if (adapter.opening.has(socket.id)) {
			socket._forget();
			adapter.opening.delete(socket.id);
			socket.client._onSocketClosed(reason);
			return socket._cleanup();
		}
		// The events of the same turn are dispatched by nextTick, so the end must wait for them.
		process.nextTick(() => {
			if (socket._handle !== 0) socket._forget();
			socket.client._onSocketClosed(reason);
			if (!socket._handedOff) socket._onclose(reason);
		});
	}

	_onRooms(link, type, handle, body) {
		const socket = link.opened.get(handle);
		const rooms = body.rooms();
		if (socket instanceof Opening) return socket.change(type === T.JOIN, rooms);
		if (socket === undefined || socket._handedOff) return;
		if (type === T.JOIN) socket.adapter.restore(socket.id, rooms);
		else socket.adapter.removeRooms(socket.id, rooms);
	}

	_onNamespaceAsked(link, id, body) {
		const name = body.text();
		const auth = body.text();
		this._lookUp(name, auth === "" ? null : JSON.parse(auth), (nsp) => {
			if (link.state !== "closed") link.send(T.NSPANSWER, nsp === undefined ? 0 : F.ACK, 0, 0, id);
		});
	}

	*connections() {
		for (const link of this.edges.ready) yield* link.sessions.values();
	}

	/* ------------------------------------------------------------ broadcasts */

	/* The links that a broadcast leaves on. */
	castLinks() {
		return this.edges.casting;
	}

	/* Our number for a namespace. Announces it on each of the links that does not know it yet. */
	numberOf(name, links) {
		let number = this.numbers.get(name);
		if (number === undefined) {
			// After 65,535 dynamic namespaces the oldest numbers are used again; NSP announces the new
			// meaning.
			number = this.nextNumber;
			this.nextNumber = (number % 0xffff) + 1;
			for (const [other, taken] of this.numbers) if (taken === number) this.numbers.delete(other);
			for (const link of this.edges.ready) link.ownNamespaces.delete(number);
			this.numbers.set(name, number);
		}
		for (const link of links) {
			if (link.ownNamespaces.has(number)) continue;
			link.ownNamespaces.add(number);
			link.begin(T.NSP, 0, number, 0, 0);
			link.writer.utf8(name);
			link.end();
		}
		return number;
	}

	expectAnswers(id, timeout, report, onAnswer) {
		const cast = { links: new Set(this.castLinks()), counted: new Set(), receivers: 0, report, onAnswer };
		cast.timer = setTimeout(() => this.casts.delete(id), (timeout | 0) + 1000).unref();
		this.casts.set(id, cast);
	}

	/* Reports the number of receivers of broadcast `id` once every worker has reported its own. */
	countAnswers(id) {
		const cast = this.casts.get(id);
		if (!cast?.report || cast.counted.size < cast.links.size) return;
		const { report } = cast;
		cast.report = null;
		report(cast.receivers);
	}

	_onCasted(link, flags, id, bytes, start, end) {
		const cast = this.casts.get(id);
		if (cast === undefined) return;
		if (flags & F.ACK) cast.onAnswer(decodeArgs((flags & F.BIN) !== 0, bytes, start, end)[0]);
		else if (flags & F.LAST) this._castLinkDone(id, link);
		else {
			cast.receivers += new BodyReader(bytes, start, end).u32();
			cast.counted.add(link);
			this.countAnswers(id);
		}
	}

	_castLinkDone(id, link) {
		const cast = this.casts.get(id);
		if (!cast.links.delete(link)) return;
		cast.counted.delete(link);
		this.countAnswers(id);
		if (cast.links.size > 0) return;
		clearTimeout(cast.timer);
		this.casts.delete(id);
	}

	/* ------------------------------------------------------------ hooks */

	_onRequest(link, id, about) {
		const keep = (request) => {
			link.requests ??= new Map();
			link.requests.set(id, request);
			setTimeout(() => link.requests.delete(id), REMEMBER_REQUEST).unref();
		};
		this.engine.onRequest(about, keep, (answer) => {
			if (link.state === "closed") return;
			link.begin(T.RESPONSE, 0, 0, 0, id);
			link.writer.utf8(JSON.stringify(answer));
			link.endOrWarn("The answer to a handshake");
		});
	}

	/* A hook was added after HELLO. Links without clients can be renewed at no cost, with a new HELLO. */
	onHook() {
		if (!this.announcedHooks || this.closed) return;
		const { request, errors } = this.engine.hooks;
		if ((this.announcedHooks.request || !request) && (this.announcedHooks.errors || !errors)) return;
		if (this.sessionCount > 0)
			return this.warn("A hook of io.engine was added while clients are connected, so only new links to edges use it: add it before attach()");
		this.announcedHooks = undefined;
		for (const { link } of this.slots()) link?.bye("shutdown");
	}

	*slots() {
		for (const place of this.edges.places.values()) for (const slot of place.slots) if (slot) yield slot;
	}

	/* ------------------------------------------------------------ the end */

	drain() {
		this.draining ??= drain(this);
		return this.draining;
	}

	/* Called by io.close(). Disconnects the clients, unless a drain hands them to other backends. */
	async close() {
		if (this.closed) return;
		this.closed = true;
		if (this.draining) return this.draining;
		for (const connection of this.connections()) connection.close();
		this.flush();
		this.edges.close("shutdown");
		this.emit("close");
	}
}

function json(bytes, start, end) {
	try {
		return JSON.parse(bytes.utf8Slice(start, end));
	} catch {
		throw new ProtocolError("a body that is not JSON");
	}
}

function fatalText(reason) {
	if (reason === "secret") return "The edge rejects the secret: set the option `secret` of attach() to the content of the edge's --backend-secret-file";
	return "The edge and this version of @sockeye/backend speak different versions of the backend protocol";
}

const warned = new Set();
function warnOnce(text) {
	if (warned.has(text)) return;
	warned.add(text);
	process.emitWarning(text, "SockeyeWarning");
}

module.exports = { Backend };
