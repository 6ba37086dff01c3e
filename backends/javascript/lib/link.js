"use strict";
/*
 * One connection to one worker of an edge: handshake, pings, windows, and frames in both directions
 * (backends/PROTOCOL.md, sections 1, 2 and 5).
 *
 *   state       event                         next
 *   dialling    connected, CHALLENGE          greeting: HELLO is sent
 *   greeting    WELCOME                       ready, owner.onReady(link)
 *   ready       DRAIN was sent and answered   draining, owner.onDrained(link)
 *   any         BYE, end, error, silence      closed, owner.onLost(link, reason)
 *
 * All frames of one turn of the event loop leave in one write: owner.dirty(link) asks for a flush() at its end.
 */
const net = require("node:net");
const tls = require("node:tls");
const { createHmac } = require("node:crypto");
const { T, F, HEAD, isFree, ProtocolError, FrameReader, FrameWriter } = require("./frame");

const GREETING_TIMEOUT = 5000; // from dialling to WELCOME
const MAX_GREETING = 65536;
const READ_SIZE = 65536;
const UNLIMITED = Number.MAX_SAFE_INTEGER;

class EdgeLink {
	/*
	 * owner: {hello(worker): object, isLinked(edge, worker), secret, tls, maxQueued, dirty, onReady, onFrame, onDrained, onLost}
	 * place: {path} or {host, port, servername}
	 */
	constructor(owner, place, worker) {
		this.owner = owner;
		this.place = place;
		this.worker = worker;
		this.state = "dialling";
		this.edge = "";
		this.workers = 0;
		this.since = 0; // earliest time (performance.now()) at which a client of this worker can have connected
		this.options = {};
		this.instances = []; // PEERS: all backends of this worker
		this.fatal = false; // a new link would fail, too
		this.opened = new Map(); // handle -> a socket of the application
		this.sessions = new Map(); // handle -> a client's connection
		this.namespaces = ["/"]; // namespaces of the edge's frames, by number
		this.ownNamespaces = new Set([0]); // numbers of our namespaces that the edge knows

		this.reader = new FrameReader(this._onFrame.bind(this), MAX_GREETING);
		this.writer = new FrameWriter();
		this.isDirty = false;
		this.maxFrame = MAX_GREETING;
		this.window = UNLIMITED; // bytes that may be on their way to the edge
		this.credit = UNLIMITED; // bytes of the window that are left
		this.held = []; // frames that wait for credit
		this.heldBytes = 0;
		this.owedBytes = 0; // processed bytes that WINDOW will give back
		this.ping = 0;
		this.heard = false;
		this.silentTicks = 0;
		this.said = false;
		this._dial();
	}

	_dial() {
		const { place } = this;
		const onread = { buffer: Buffer.allocUnsafeSlow(READ_SIZE), callback: (n, bytes) => this._onRead(bytes, n) };
		if (place.path !== undefined) this.socket = net.connect({ path: place.path, onread });
		else if (place.secure) {
			this.socket = tls.connect({ host: place.host, port: place.port, servername: place.servername, ...this.owner.tls });
			this.socket.on("data", (bytes) => this._onRead(bytes, bytes.length));
		} else this.socket = net.connect({ host: place.host, port: place.port, onread });
		this.socket.setNoDelay?.(true);
		this.socket.on("error", (error) => this._lost(error.code || error.message, error));
		this.socket.on("close", () => this._lost("closed"));
		this.timer = setTimeout(() => this._lost("timeout"), GREETING_TIMEOUT);
	}

	/* ------------------------------------------------------------ in */

	_onRead(bytes, n) {
		this.heard = true;
		try {
			this.reader.push(bytes, n);
		} catch (error) {
			if (!(error instanceof ProtocolError)) throw error;
			this.bye("protocol", error);
		}
		this.owner.hasRead = true; // the handlers of these frames run next
		return true;
	}

	_onFrame(type, flags, nsp, handle, id, bytes, start, end) {
		if (this.state === "ready" || this.state === "draining") {
			if (isFree(type)) return this._onOwnFrame(type, id, bytes, start, end);
			this.owedBytes += HEAD + end - start;
			if (this.owedBytes * 2 >= this.window) this._markDirty();
			if (type === T.DRAIN) return this._onDrain();
			if (type === T.PEERS) this.instances = parse(bytes, start, end);
			this.owner.onFrame(this, type, flags, nsp, handle, id, bytes, start, end);
		} else if (type === T.CHALLENGE && this.state === "dialling") this._onChallenge(parse(bytes, start, end));
		else if (type === T.WELCOME && this.state === "greeting") this._onWelcome(parse(bytes, start, end));
		else if (type === T.BYE) this._onBye(bytes.utf8Slice(start, end));
		else if (!isFree(type)) throw new ProtocolError(`a frame of type ${type} while ${this.state}`);
	}

	_onOwnFrame(type, id, bytes, start, end) {
		if (type === T.PING) {
			this.begin(T.PONG, 0, 0, 0, id);
			this.end();
		} else if (type === T.WINDOW) this._onWindow(id);
		else if (type === T.BYE) this._onBye(bytes.utf8Slice(start, end));
	}

	_onChallenge(challenge) {
		if (!challenge.v?.includes(1)) {
			this.fatal = true;
			return this._lost("version", new Error(`The edge speaks version ${challenge.v} of the backend protocol; this package speaks version 1`));
		}
		if (this.owner.isLinked(challenge.edge, this.worker)) return this._lost("duplicate");
		const hello = this.owner.hello(this.worker);
		if (this.owner.secret !== undefined)
			hello.proof = createHmac("sha256", this.owner.secret).update(`${challenge.nonce}\n${hello.instance}`).digest("hex");
		this.edge = challenge.edge;
		this.state = "greeting";
		this.asked = performance.now();
		this.begin(T.HELLO, 0, 0, 0, 0);
		this.writer.utf8(JSON.stringify(hello));
		this.endOrWarn("The description of this backend");
		this.flush();
	}

	/* True if the worker knows this link, or will know it when it has read HELLO. */
	get isGreeted() {
		return this.state !== "dialling" && this.state !== "closed";
	}

	_onWelcome(welcome) {
		clearTimeout(this.timer);
		this.edge = welcome.edge;
		this.worker = welcome.worker;
		this.workers = welcome.workers;
		this.options = welcome.options || {};
		this.since = this.asked - (welcome.up ?? Infinity);
		this.window = this.credit = welcome.window;
		this.maxFrame = this.reader.maxFrame = welcome.maxFrame;
		this.ping = welcome.ping;
		this.state = "ready";
		this.timer = setInterval(() => this._tick(), Math.max(this.ping / 2, 50));
		this.ticked = performance.now();
		this.owner.onReady(this);
	}

	_onDrain() {
		if (!this.drainSent) return; // the edge is about to end; a backend need not react
		this.state = "draining";
		this.owner.onDrained(this);
	}

	_onBye(reason) {
		this.fatal = reason === "secret" || reason === "version";
		this._lost(reason);
	}

	/*
	 * Runs twice in a ping interval. After a long pause of our own event loop, unread bytes may be waiting, so the
	 * edge is not yet considered silent.
	 */
	_tick() {
		const now = performance.now();
		const paused = now - this.ticked > this.ping;
		this.ticked = now;
		if (this.heard || paused) this.silentTicks = 0;
		else this.silentTicks++;
		this.heard = false;
		if (this.silentTicks >= 4) return this.bye("timeout");
		if (!this.said || this.silentTicks >= 2) {
			this.begin(T.PING, 0, 0, 0, 0);
			this.end();
		}
		this.said = false;
	}

	/* ------------------------------------------------------------ out */

	/* Begins a frame. Write its body to `writer`, then call end(), tryEnd(), endOrWarn() or drop(). */
	begin(type, flags, nsp, handle, id) {
		this.type = type;
		this.flags = flags;
		this.writer.begin(type, flags, nsp, handle, id);
	}

	drop() {
		this.writer.drop();
	}

	/* Throws RangeError if the frame is larger than the edge accepts. */
	end() {
		const dropped = this._end();
		if (dropped > 0) throw new RangeError(`A message ${tooBig(dropped, this.maxFrame)}`);
	}

	/* Returns false if the frame is dropped, because it is larger than the edge accepts. */
	tryEnd() {
		return this._end() === 0;
	}

	/*
	 * The same, with a warning. It is for messages whose size a client may decide, as where the application passes on what it has
	 * received: an error that nobody catches would end the program. `what` names the message.
	 */
	endOrWarn(what) {
		const dropped = this._end();
		if (dropped > 0) warnSometimes(what, tooBig(dropped, this.maxFrame));
		return dropped === 0;
	}

	/* Returns 0, or the size of a frame that is dropped because the edge does not accept it. */
	_end() {
		const size = this.writer.end();
		if (!isFree(this.type)) {
			if (size - HEAD > this.maxFrame) {
				this.writer.drop();
				return size;
			}
			if (this.held.length > 0 || !this._affords(size)) {
				this._hold(size);
				return 0;
			}
			this.credit -= size;
		}
		this._markDirty();
		return 0;
	}

	/* Sends a frame without a body. */
	send(type, flags, nsp, handle, id) {
		this.begin(type, flags, nsp, handle, id);
		this.end();
	}

	_affords(size) {
		return size <= this.credit || (size > this.window && this.credit === this.window);
	}

	_hold(size) {
		const { writer } = this;
		const volatile = this.flags & F.VOLATILE && (this.type === T.EMIT || this.type === T.CAST);
		if (!volatile) {
			this.held.push(Buffer.from(writer.bytes.subarray(writer.start, writer.n)));
			this.heldBytes += size;
		}
		writer.drop();
		if (this.heldBytes > this.owner.maxQueued) setImmediate(() => this.bye("full"));
	}

	_onWindow(bytes) {
		this.credit = Math.min(this.window, this.credit + bytes);
		let sent = 0;
		while (sent < this.held.length && this._affords(this.held[sent].length)) {
			const frame = this.held[sent++];
			this.credit -= frame.length;
			this.heldBytes -= frame.length;
			this.writer.raw(frame);
		}
		if (sent === 0) return;
		this.held.splice(0, sent);
		this._markDirty();
	}

	_markDirty() {
		if (this.isDirty) return;
		this.isDirty = true;
		this.owner.dirty(this);
	}

	/* Sends all frames of the turn in one write. */
	flush() {
		this.isDirty = false;
		if (this.state === "closed") return;
		if (this.owedBytes * 2 >= this.window) {
			this.writer.begin(T.WINDOW, 0, 0, 0, this.owedBytes);
			this.writer.end();
			this.owedBytes = 0;
		}
		if (this.writer.n === 0) return;
		this.said = true;
		this.socket.write(this.writer.view());
		// The kernel has taken everything at once, so the buffer can be used again.
		if (this.socket.writableLength === 0) this.writer.reuse();
		else this.writer.renew();
	}

	/* ------------------------------------------------------------ the end */

	drain() {
		this.drainSent = true;
		this.send(T.DRAIN, 0, 0, 0, 0);
	}

	bye(reason, error) {
		if (this.state === "closed") return;
		if (this.state !== "dialling") {
			this.begin(T.BYE, 0, 0, 0, 0);
			this.writer.utf8(reason);
			this.end();
			this.flush();
		}
		this._lost(reason, error);
	}

	_lost(reason, error) {
		if (this.state === "closed") return;
		this.state = "closed";
		clearTimeout(this.timer);
		this.reader.stop();
		this.held = [];
		this.socket.end();
		// An edge that no longer reads must not keep the process alive.
		const socket = this.socket;
		setTimeout(() => socket.destroy(), 1000).unref();
		this.owner.onLost(this, reason, error);
	}
}

function parse(bytes, start, end) {
	try {
		return JSON.parse(bytes.utf8Slice(start, end));
	} catch {
		throw new ProtocolError("a body that is not JSON");
	}
}

const WARN_EVERY = 60_000;
const warned = new Map(); // what: when, in ms

/* Warns of each kind of message at most once a minute: clients may cause many of them. `what` names the message. */
function warnSometimes(what, text) {
	const now = performance.now();
	if (now - (warned.get(what) ?? -Infinity) < WARN_EVERY) return;
	warned.set(what, now);
	process.emitWarning(`${what} ${text}`, "SockeyeWarning");
}

function tooBig(size, max) {
	return `of ${size} bytes is not sent: a frame to the edge can have at most ${max} bytes (--backend-max-frame)`;
}

module.exports = { EdgeLink, warnSometimes };
