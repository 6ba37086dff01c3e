/*
 * An edge for tests. It accepts links at a unix socket, or at host and port, does its side of the handshake, and shows what
 * it receives. It has no clients: a test sends SESSION, OPEN and other frames itself.
 */
import { createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import frame from "../../lib/frame.js";

const { T, F, FrameReader, FrameWriter, BodyReader } = frame;
const NAMES = Object.fromEntries(Object.entries(T).map(([name, type]) => [type, name]));

export class FakeLink {
	constructor(edge, socket) {
		this.edge = edge;
		this.socket = socket;
		this.frames = []; // received frames that next() has not returned yet
		this.waiting = null;
		this.closed = false;
		const reader = new FrameReader((type, flags, nsp, handle, id, bytes, start, end) => {
			this._onFrame({ type: NAMES[type], flags, nsp, handle, id, body: Buffer.from(bytes.subarray(start, end)) });
		}, 1 << 24);
		socket.on("data", (bytes) => reader.push(bytes, bytes.length));
		socket.on("error", () => {});
		socket.on("close", () => {
			this.closed = true;
			this._wake();
		});
		this.json("CHALLENGE", { v: edge.versions, edge: edge.name, nonce: "00112233" });
	}

	_onFrame(received) {
		if (received.type === "WINDOW") this.returned = (this.returned ?? 0) + received.id;
		if (received.type === "HELLO") {
			this.hello = JSON.parse(received.body);
			this.worker = this.hello.worker;
			if (this.edge.refuse) {
				this.send("BYE", { rest: this.edge.refuse });
				this.socket.end();
			} else if (!this.edge.late?.(this)) this.welcome();
			return;
		}
		if (received.type === "PING" && !this.edge.mute) return this.send("PONG", { id: received.id });
		if (received.type === "WINDOW" || received.type === "PONG" || received.type === "PING") return;
		this.frames.push(received);
		this._wake();
	}

	_wake() {
		this.waiting?.();
		this.waiting = null;
	}

	welcome() {
		const { edge } = this;
		this.json("WELCOME", {
			v: 1,
			edge: edge.name,
			worker: this.worker,
			workers: edge.workers,
			up: edge.up,
			window: edge.window,
			maxFrame: edge.maxFrame,
			ping: edge.ping,
			options: edge.options,
		});
		this.json("PEERS", edge.peers(this.hello.instance));
		edge._onLink(this);
	}

	/* Sends a frame. `lateTexts` follow the rooms in the body, `rest` is text without a length, `raw` is bytes. */
	send(type, { flags = 0, nsp = 0, handle = 0, id = 0, u32, texts = [], rooms, lateTexts = [], args, rest, raw } = {}) {
		const writer = new FrameWriter();
		writer.begin(T[type], flags, nsp, handle, id);
		if (u32 !== undefined) writer.u32(u32);
		for (const text of texts) writer.text(text);
		if (rooms) writer.rooms(rooms, rooms.length);
		for (const text of lateTexts) writer.text(text);
		if (args !== undefined) writer.args(typeof args === "string" || args.json ? args : JSON.stringify(args));
		if (rest !== undefined) writer.utf8(rest);
		if (raw) writer.raw(raw);
		writer.end();
		this.socket.write(Buffer.from(writer.view()));
	}

	json(type, value, parts = {}) {
		this.send(type, { ...parts, rest: JSON.stringify(value) });
	}

	/* The next frame, which must be of this type. */
	async next(type) {
		while (this.frames.length === 0) {
			if (this.closed) throw new Error(`the link ended; ${type} was expected`);
			await new Promise((resolve) => (this.waiting = resolve));
		}
		const got = this.frames.shift();
		if (got.type !== type) throw new Error(`${type} was expected, ${got.type} came: ${got.body}`);
		return got;
	}

	async ended() {
		if (!this.closed) await once(this.socket, "close");
	}

	/* Opens a client in a namespace. Resolves when the backend has accepted it. */
	async client({ session = 1, handle = 2, sid = `sid${handle}`, auth = {}, nsp = 0, again, about = {} } = {}) {
		if (!this.sessions?.has(session)) {
			(this.sessions ??= new Set()).add(session);
			const defaults = {
				id: `eio${session}`,
				transport: "websocket",
				address: "10.0.0.9",
				secure: true,
				time: 1700000000000,
				method: "GET",
				url: "/socket.io/?EIO=4&transport=websocket&x=1",
				headers: ["Host", "localhost", "Cookie", "a=1", "Cookie", "b=2", "X-Many", "1", "X-Many", "2"],
			};
			this.json("SESSION", { ...defaults, ...about }, { handle: session });
		}
		const texts = [sid, JSON.stringify(auth)];
		const flags = again?.recovered ? F.REATTACH | F.RECOVERED : F.REATTACH;
		if (again) this.send("OPEN", { nsp, handle, id: session, texts, flags, rooms: again.rooms ?? [], lateTexts: [again.data ?? ""] });
		else this.send("OPEN", { nsp, handle, id: session, texts });
		return handle;
	}
}

export class FakeEdge {
	/* `up`: milliseconds for which the edge's workers have run */
	constructor({ name = "e1", workers = 1, up = 3600000, window = 1 << 22, maxFrame = 1 << 24, ping = 5000, options = { fanout: "direct" }, others = [], versions = [1], host, port = 0 } = {}) {
		Object.assign(this, { name, workers, up, window, maxFrame, ping, options, others, versions, host, port });
		this.links = [];
		this.waiting = [];
		this.folder = mkdtempSync(join(tmpdir(), "sockeye-fake-"));
		this.path = join(this.folder, "edge.sock");
		this.address = `unix://${this.path}`;
		this.sockets = new Set();
		this.server = createServer((socket) => {
			this.sockets.add(socket);
			socket.on("close", () => this.sockets.delete(socket));
			new FakeLink(this, socket);
		});
	}

	peers(instance) {
		return [instance, ...this.others];
	}

	async listen() {
		if (this.host) this.server.listen(this.port, this.host);
		else this.server.listen(this.path);
		await once(this.server, "listening");
		this.port = this.server.address().port;
		return this;
	}

	_onLink(link) {
		const waiter = this.waiting.shift();
		if (waiter) waiter(link);
		else this.links.push(link);
	}

	/* The next link that is ready. */
	link() {
		const link = this.links.shift();
		return link ? Promise.resolve(link) : new Promise((resolve) => this.waiting.push(resolve));
	}

	/* Ends the edge, like a program that exits. listen() starts it again. */
	stop() {
		for (const socket of this.sockets) socket.destroy();
		this.server.close();
	}

	async close() {
		this.stop();
		rmSync(this.folder, { recursive: true, force: true });
	}
}

/* The values in the args of a frame, without attachments. */
export function argsOf({ flags, body, type }) {
	let at = 0;
	if (flags & F.TIMED && (type === "EMIT" || type === "CAST")) at += 4;
	if (type === "CAST") {
		const reader = new BodyReader(body, at, body.length);
		reader.rooms();
		reader.rooms();
		at = reader.at;
	}
	if (type === "ACK" && flags & F.WIDE) at += 4;
	if (!(flags & F.BIN)) return JSON.parse(body.subarray(at));
	const n = body.readUInt32LE(at);
	return JSON.parse(body.subarray(at + 4, at + 4 + n));
}

export function targetsOf({ flags, body }) {
	const reader = new BodyReader(body, flags & F.TIMED ? 4 : 0, body.length);
	return { to: reader.rooms(), except: reader.rooms() };
}

export function roomsOf({ body }) {
	return new BodyReader(body, 0, body.length).rooms();
}

export { T, F };
