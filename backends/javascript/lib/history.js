"use strict";
/*
 * The history of rooms, which the edge keeps (docs/history.md): joining a room with its last events, reading events and
 * removing them. A question waits in `questions` until PAST with LAST answers it, or its link is lost. The edge answers
 * each question within a few seconds.
 */
const { T, F, BodyReader, ProtocolError, roomName } = require("./frame");
const { decodeArgs } = require("./args");

const MAX_QUESTIONS = 10000;
const MAX_READS = 16; // unanswered HISTORY questions that the edge accepts on a link; the others wait here
const MAX_U32 = 0xffffffff;
const MAX_ID = 64; // characters of the id of an event
const OLD_EDGE = "the edge does not support history, because it is older than this package";
const NO_HISTORY = 'the edge keeps no history: start it with --history, for example --history "room:*=50/1h"';

/* What the edge's words mean for history(), historyRemove() and historyClear(). */
const FAULTS = {
	"argument": "the id of an event is not valid",
	"not-found": "no rule of the edge's --history matches this room",
	"too-big": "the name of the room is too long",
	"too-many": "too many questions or answers wait",
	"state": "the server is closing",
	"timeout": "no answer in time",
	"refused": "Redis does not allow the edge to do this; the edge's log says why",
	"lost": "the link to the edge was lost before the answer came",
	"system": "the edge is out of memory",
};
/* What they mean for join(). */
const JOIN_FAULTS = {
	"argument": "the name of the room is not valid",
	"too-big": "the name of the room is too long",
	"too-many": "too many joins wait, the socket is in too many rooms, or more events came meanwhile than can be held",
	"state": "the socket is not connected yet, or has left the room; it got no history",
	"timeout": "the history could not be read in time; the socket is in the room",
	"refused": "Redis does not allow the edge to read the history, and the edge's log says why; the socket is in the room",
	"system": "the edge is out of memory",
};

const offered = new WeakSet(); // the functions that offer() has added

/* Marks a rejection as handled. A client may leave at any time, and Node.js ends at an unhandled rejection. */
function quietly(promise) {
	promise.catch(() => {});
	return promise;
}

function fault(what, code, text) {
	return Object.assign(new Error(`${what}: ${text ?? code}`), { code });
}

/* 0 stands for all events that the edge keeps. */
function countOf(history) {
	if (history === true) return 0;
	if (Number.isInteger(history) && history > 0) return Math.min(history, MAX_U32);
	throw new TypeError(`join(): \`history\` must be true or a whole number above 0, not ${history}`);
}

function isId(id) {
	return typeof id === "string" && id !== "" && id.length <= MAX_ID;
}

function optionsOf({ limit, before, after } = {}) {
	if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) throw new TypeError(`history(): \`limit\` must be a whole number above 0, not ${limit}`);
	if ((before !== undefined && !isId(before)) || (after !== undefined && !isId(after))) throw new TypeError("history(): `before` and `after` must be ids of events");
	return { count: Math.min(limit ?? 0, MAX_U32), before: before ?? "", after: after ?? "" };
}

/* Adds functions to a Server or Namespace, unless the application uses these names. */
function offer(target, methods) {
	for (const [name, value] of Object.entries(methods)) {
		if (name in target && !offered.has(target[name])) continue;
		offered.add(value);
		Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
	}
}

class History {
	constructor(backend) {
		this.backend = backend;
		this.ids = 0;
		this.questions = new Map(); // id -> {link, events, done(error, count, events)}
		this.reads = 0; // questions that are HISTORY
		this.waiting = []; // functions that let the next HISTORY be sent, oldest first
		const own = this;
		this.methods = {
			history(room, options) {
				return own.read(this.name, room, options);
			},
			historyRemove(room, id) {
				if (!isId(id)) throw new TypeError("historyRemove() needs the id of an event");
				return own.remove(this.name, room, id);
			},
			historyClear(room) {
				return own.remove(this.name, room, "");
			},
		};
	}

	/* Adds history(), historyRemove() and historyClear() to a namespace. */
	offer(nsp) {
		offer(nsp, this.methods);
	}

	/* Adds the same functions to the Server, for the namespace "/". */
	offerServer(io) {
		const methods = {};
		for (const name of Object.keys(this.methods)) methods[name] = (...args) => io.sockets[name](...args);
		offer(io, methods);
	}

	/* ------------------------------------------------------------ joining */

	/*
	 * Resolves with the number of events that were sent to the client. The socket is in the rooms when this returns. A
	 * socket that has been in a room all the time, although this process is new or its client was lost, has missed
	 * nothing and gets nothing.
	 */
	join(socket, rooms, history) {
		const count = countOf(history);
		const { adapter, id } = socket;
		const link = socket._link;
		const names = new Set(Array.isArray(rooms) ? rooms : [rooms]);
		const missing = missingAt(link);
		for (const room of names) roomName(room); // may throw
		if (socket._handle === 0 || socket._handedOff || missing) {
			adapter.addAll(id, names);
			return missing ? quietly(Promise.reject(fault("join() with history", "unsupported", missing))) : Promise.resolve(0);
		}
		const known = socket.recovered ? adapter.sids.get(id) : undefined;
		const asked = [...names].filter((room) => room !== id && !known?.has(room));
		if (adapter.opening.has(id)) {
			adapter.enter(id, names);
			(socket._early ??= []).push(...asked.map((room) => ({ room, count })));
			return Promise.resolve(0);
		}
		adapter.enter(id, names);
		return quietly(Promise.all(asked.map((room) => this._catchUp(socket, room, count))).then((sent) => sent.reduce((sum, n) => sum + n, 0)));
	}

	_catchUp(socket, room, count) {
		return new Promise((resolve, reject) => {
			const settle = (error, sent) => {
				// a client that has left needs no history
				if (error === "" || error === "lost" || (error === "state" && socket._handle === 0)) resolve(sent);
				else reject(fault(`join() with the history of ${room}`, error, JOIN_FAULTS[error]));
			};
			const done = (error, sent) => process.nextTick(settle, error, sent); // a CLOSED that came before the answer takes effect first
			if (this.questions.size >= MAX_QUESTIONS) socket.adapter.tell(socket, [room]); // _ask() will refuse the CATCHUP
			this._ask(socket._link, T.CATCHUP, 0, socket._handle, done, (writer) => {
				writer.u32(count);
				writer.text(roomName(room));
			});
		});
	}

	/* ACCEPT has been sent. Asks for the history of the rooms that middlewares joined. */
	onAccept(socket) {
		const early = socket._early;
		if (early === undefined) return;
		socket._early = undefined;
		for (const { room, count } of early) if (socket.rooms.has(room)) quietly(this._catchUp(socket, room, count));
	}

	/* ------------------------------------------------------------ reading and removing */

	/* Resolves with the events, oldest first: [{id, time, event, args}]. */
	read(name, room, given) {
		const { count, before, after } = optionsOf(given);
		const ask = () => this._question("history", T.HISTORY, name, room, (writer) => {
			writer.u32(count);
			writer.text(roomName(room));
			writer.text(before);
			writer.text(after);
		}).then(({ events }) => events);
		return this._inTurn(ask, `history of ${room}`);
	}

	/* Sends a HISTORY when fewer than MAX_READS are unanswered. */
	async _inTurn(ask, what) {
		if (this.reads >= MAX_READS) {
			if (this.waiting.length >= MAX_QUESTIONS) throw fault(what, "too-many", FAULTS["too-many"]);
			await new Promise((resolve) => this.waiting.push(resolve)); // a HISTORY that is answered passes its turn on
		} else this.reads++;
		try {
			return await ask();
		} finally {
			const next = this.waiting.shift();
			if (next === undefined) this.reads--;
			else next();
		}
	}

	/* Resolves with the number of removed events. */
	remove(name, room, id) {
		return this._question("the removal of history", T.FORGET, name, room, (writer) => {
			writer.text(roomName(room));
			writer.text(id);
		}).then(({ count }) => count);
	}

	/* Any edge can answer, because the edges of a cluster share the history. */
	_question(what, type, name, room, write) {
		return new Promise((resolve, reject) => {
			const link = this.backend.edges.ready[0];
			const missing = link === undefined ? "no edge is attached" : missingAt(link);
			if (missing) return reject(fault(what, "unsupported", missing));
			const done = (error, count, events) => {
				if (error === "") resolve({ count, events });
				else reject(fault(`${what} of ${room}`, error, FAULTS[error]));
			};
			this._ask(link, type, this.backend.numberOf(name, [link]), 0, done, write);
		});
	}

	/* ------------------------------------------------------------ questions and answers */

	_ask(link, type, nsp, handle, done, write) {
		const { questions } = this;
		if (questions.size >= MAX_QUESTIONS) return done("too-many", 0, []);
		do this.ids = (this.ids + 1) % (MAX_U32 + 1);
		while (questions.has(this.ids));
		link.begin(type, 0, nsp, handle, this.ids);
		try {
			write(link.writer);
		} catch (error) {
			link.drop();
			throw error;
		}
		questions.set(this.ids, { link, events: [], done });
		if (link.tryEnd()) return;
		questions.delete(this.ids);
		done("too-big", 0, []);
	}

	onPast(link, flags, id, bytes, start, end) {
		const question = this.questions.get(id);
		const body = new BodyReader(bytes, start, end);
		if (question?.link !== link) return;
		if (flags & F.LAST) {
			const count = body.u32();
			const error = body.text();
			this.questions.delete(id);
			return question.done(error, count, question.events);
		}
		const event = body.text();
		const time = body.u32() + body.u32() * (MAX_U32 + 1);
		const args = decodeArgs((flags & F.BIN) !== 0, bytes, body.at, end);
		if (!Array.isArray(args) || args.length === 0) throw new ProtocolError("an event of a history without a name");
		question.events.push({ id: event, time, event: args.shift(), args });
	}

	onLost(link) {
		for (const [id, question] of this.questions) {
			if (question.link !== link) continue;
			this.questions.delete(id);
			question.done("lost", 0, []);
		}
	}
}

/* What an edge lacks to answer questions, or undefined. */
function missingAt(link) {
	if (link.options.history === undefined) return OLD_EDGE;
	return link.options.history === false ? NO_HISTORY : undefined;
}

module.exports = { History, fault, offer };
