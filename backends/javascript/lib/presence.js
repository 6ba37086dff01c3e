"use strict";
/*
 * Presence, which the edge keeps (docs/presence.md): who is in a room, on all servers. The option `presence` turns it on
 * for namespaces; each worker learns the settings when its link becomes ready, before the ACCEPT of any client. A question
 * waits in `questions` until PRESENT with LAST answers it, or its link is lost. Only the questions of presence() are limited,
 * because the settings must reach each link, and there are few of them.
 *
 * Every worker knows all changes, so one link reports them for `onChange`. When this link is lost, another one does;
 * changes in between are not reported.
 */
const { T, F, BodyReader, ProtocolError, roomName } = require("./frame");
const { fault, offer } = require("./history");

const MAX_QUESTIONS = 10000;
const MAX_U32 = 0xffffffff;
const MAX_USER = 256; // bytes
const MAX_DATA = 4096; // bytes of JSON
const KINDS = ["joined", "changed", "left"]; // by the `id` of CHANGE
const OLD_EDGE = "the edge does not support presence, because it is older than this package";

/* What the edge's words mean for presence() and for the settings. */
const FAULTS = {
	"argument": "the name of a room, user or event is not valid",
	"not-found": "the namespace has no presence: name it in the option `presence` of attach()",
	"too-big": "the name of the room is longer than 65,535 bytes, or another name is too long",
	"too-many": "the edge has presence in too many namespaces",
	"state": "the namespace has presence with other settings, or belongs to an application at the edge; restart the edge to change them",
	"lost": "the link to the edge was lost before the answer came",
	"system": "the edge is out of memory",
};

const WAITING = `${MAX_QUESTIONS} calls of presence() wait for their answers`;

/* Returns the JSON of a user's data, "" for none. Throws if it is too long. */
function dataOf(data) {
	const json = data === undefined || data === null ? "" : JSON.stringify(data) ?? "";
	if (Buffer.byteLength(json) > MAX_DATA) throw new RangeError(`setPresent(): the data has more than ${MAX_DATA} bytes as JSON`);
	return json;
}

function userOf(user) {
	if (typeof user !== "string" || user.includes("\0") || Buffer.byteLength(user) > MAX_USER) throw new TypeError(`a user's name must be a string of at most ${MAX_USER} bytes`);
	return user;
}

function parse(json) {
	if (json === "") return null;
	try {
		return JSON.parse(json);
	} catch {
		throw new ProtocolError("a user's data is not JSON");
	}
}

class Presence {
	/* `backend.options.presence`: Map of namespace -> {rooms, event, onChange} */
	constructor(backend) {
		this.backend = backend;
		this.settings = backend.options.presence ?? new Map();
		this.ids = 0;
		this.questions = new Map(); // id -> {link, type, users, done(error, count, users)}
		this.reads = 0; // questions that are WHO
		this.reporter = undefined; // the link that reports changes
		const own = this;
		this.methods = {
			presence(room, options) {
				return own.read(this.name, room, options);
			},
		};
	}

	/* Adds presence() to a namespace. */
	offer(nsp) {
		offer(nsp, this.methods);
	}

	/* Adds presence() to the Server, for the namespace "/". */
	offerServer(io) {
		offer(io, { presence: (...args) => io.sockets.presence(...args) });
	}

	/* ------------------------------------------------------------ settings */

	onReady(link) {
		if (this.settings.size === 0) return;
		if (link.options.presence !== true) return this.backend.warn(`presence: ${OLD_EDGE}`);
		this.reporter ??= link;
		for (const name of this.settings.keys()) this._start(link, name);
	}

	_start(link, name) {
		const { rooms, event, onChange } = this.settings.get(name);
		const done = (error) => {
			if (error !== "" && error !== "lost") this.backend.warn(`presence in ${name}: ${FAULTS[error] ?? error}`);
		};
		this._ask(link, T.PRESENCE, onChange && link === this.reporter ? F.ACK : 0, name, done, (writer) => {
			writer.text(rooms);
			writer.text(event);
		});
	}

	/* ------------------------------------------------------------ users */

	set(socket, user, data) {
		const name = user === null || user === undefined ? "" : userOf(user);
		const json = name === "" ? "" : dataOf(data);
		if (!this.settings.has(socket.nsp.name)) throw fault("setPresent()", "not-found", FAULTS["not-found"]);
		if (socket._handle === 0 || socket._handedOff) return;
		const link = socket._link;
		if (link.options.presence !== true) return; // onReady() has warned
		link.begin(T.USER, 0, 0, socket._handle, 0);
		link.writer.text(name);
		link.writer.utf8(json);
		link.end();
	}

	/* Resolves with {count, users: [{user, data}]}. */
	read(name, room, { limit, user } = {}) {
		if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0)) throw new TypeError(`presence(): \`limit\` must be a whole number, 0 or more, not ${limit}`);
		const wanted = user === undefined ? "" : userOf(user);
		if (user === "") return Promise.resolve({ count: 0, users: [] }); // the edge would list all users
		return new Promise((resolve, reject) => {
			const link = this.reporter ?? this.backend.edges.ready[0];
			if (link === undefined) return reject(fault("presence()", "unsupported", "no edge is attached"));
			if (link.options.presence !== true) return reject(fault("presence()", "unsupported", OLD_EDGE));
			if (this.reads >= MAX_QUESTIONS) return reject(fault(`the presence in ${room}`, "too-many", WAITING));
			const done = (error, count, users) => {
				if (error === "") resolve({ count, users });
				else reject(fault(`the presence in ${room}`, error, FAULTS[error]));
			};
			this._ask(link, T.WHO, 0, name, done, (writer) => {
				writer.u32(Math.min(limit ?? MAX_U32, MAX_U32));
				writer.text(roomName(room));
				writer.text(wanted);
			});
		});
	}

	/* ------------------------------------------------------------ questions and answers */

	_ask(link, type, flags, name, done, write) {
		const { questions } = this;
		const number = this.backend.numberOf(name, [link]);
		do this.ids = (this.ids + 1) % (MAX_U32 + 1);
		while (questions.has(this.ids));
		link.begin(type, flags, number, 0, this.ids);
		try {
			write(link.writer);
		} catch (error) {
			link.drop();
			throw error;
		}
		questions.set(this.ids, { link, type, users: [], done });
		if (type === T.WHO) this.reads++;
		if (!link.tryEnd()) this._answer(this.ids, "too-big");
	}

	_answer(id, error, count = 0) {
		const { type, users, done } = this.questions.get(id);
		this.questions.delete(id);
		if (type === T.WHO) this.reads--;
		done(error, count, users);
	}

	onPresent(link, flags, id, body) {
		const question = this.questions.get(id);
		if (question?.link !== link) return;
		if (flags & F.LAST) {
			const count = body.u32();
			return this._answer(id, body.text(), count);
		}
		const user = body.text();
		question.users.push({ user, data: parse(body.rest()) });
	}

	onChange(link, number, kind, body) {
		const nsp = link.namespaces[number];
		if (nsp === undefined || KINDS[kind] === undefined) throw new ProtocolError("CHANGE without its NSP, or of an unknown kind");
		const change = { change: KINDS[kind], room: body.text(), user: body.text() };
		change.data = parse(body.rest());
		if (link === this.reporter) this.settings.get(nsp)?.onChange?.(change);
	}

	onLost(link) {
		for (const [id, question] of this.questions) if (question.link === link) this._answer(id, "lost");
		if (this.reporter !== link) return;
		this.reporter = this.backend.edges.ready.find((other) => other !== link && other.options.presence === true);
		if (this.reporter === undefined) return;
		for (const [name, { onChange }] of this.settings) if (onChange) this._start(this.reporter, name);
	}
}

module.exports = { Presence };
