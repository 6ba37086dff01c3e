"use strict";
/*
 * Messages between the Node.js backends of one edge (PEER). A message is a byte that says whether attachments follow,
 * then a JSON array [number, op, namespace, …]. `number` is 0, or the number of a question; the receiver answers a
 * question with "answer" or "nothing".
 */
const { T } = require("./frame");
const { encodeArgs, decodeArgs } = require("./args");
const { BodyReader } = require("./frame");

const PREFIX = "js-"; // prefix of instances that understand these messages
const DEFAULT_TIMEOUT = 5000;
const JSON_ONLY = Buffer.from([0]);
const WITH_ATTACHMENTS = Buffer.from([1]);

class Peers {
	constructor(backend) {
		this.backend = backend;
		this.questions = new Map();
		this.asked = 0;
	}

	_link() {
		return this.backend.edges.ready[0];
	}

	/* The other backends, according to the link that messages leave on. */
	list() {
		const own = this.backend.instance;
		return this._link()?.instances.filter((instance) => instance !== own && instance.startsWith(PREFIX)) ?? [];
	}

	get count() {
		const link = this._link();
		if (link === undefined || link.instances.length <= 1) return 0;
		return this.list().length;
	}

	_send(to, message) {
		const link = this._link();
		if (link === undefined) return;
		const args = encodeArgs(message);
		link.begin(T.PEER, 0, 0, 0, 0);
		link.writer.text(to);
		link.writer.raw(typeof args === "string" ? JSON_ONLY : WITH_ATTACHMENTS);
		link.writer.args(args);
		link.endOrWarn("A message to other backends");
	}

	tell(message) {
		if (this.count > 0) this._send("", [0, ...message]);
	}

	/*
	 * Resolves to {answers, asked, missing}. `missing` is the number of backends that still exist but did not
	 * answer in time.
	 */
	ask(message, timeout = DEFAULT_TIMEOUT) {
		const missing = new Set(this.list());
		const number = ++this.asked;
		this._send("", [number, ...message]);
		return new Promise((resolve) => {
			const question = { missing, answers: [], asked: missing.size };
			question.done = () => {
				clearTimeout(question.timer);
				this.questions.delete(number);
				resolve({ answers: question.answers, asked: question.asked, missing: missing.size });
			};
			question.timer = setTimeout(question.done, timeout);
			this.questions.set(number, question);
		});
	}

	/* Called when PEERS has come or a link was lost. Stops waiting for backends that are gone. */
	onChange() {
		if (this.questions.size === 0) return;
		const there = new Set(this.list());
		for (const question of this.questions.values()) {
			for (const instance of question.missing) if (!there.has(instance)) question.missing.delete(instance);
			if (question.missing.size === 0) question.done();
		}
	}

	onMessage(bytes, start, end) {
		const body = new BodyReader(bytes, start, end);
		const from = body.text();
		if (!from.startsWith(PREFIX) || body.at >= end) return;
		const [number, op, ...rest] = decodeArgs(bytes[body.at] === 1, bytes, body.at + 1, end);
		if (op === "answer" || op === "nothing") return this._onAnswer(number, from, op, rest[0]);
		const nsp = this.backend.io._nsps.get(rest[0]);
		if (nsp === undefined) {
			if (number > 0) this._send(from, [number, "nothing"]);
			return;
		}
		let answered = false;
		const answer = (value) => {
			if (answered) return;
			answered = true;
			this._send(from, [number, "answer", value]);
		};
		nsp.adapter.onPeer(op, rest.slice(1), number > 0 ? answer : undefined);
	}

	_onAnswer(number, from, op, value) {
		const question = this.questions.get(number);
		if (!question?.missing.delete(from)) return;
		if (op === "answer") question.answers.push(value);
		if (question.missing.size === 0) question.done();
	}
}

module.exports = { Peers, PREFIX };
