"use strict";
/*
 * The broadcasts of the last seconds, for workers that have clients before they have a link to this backend
 * (backends/PROTOCOL.md, section 6). After WELCOME a worker gets the broadcasts that it missed, without those that have
 * left on an earlier link to it; `left` records these. An entry refers to the encoded arguments of emit(); a frame is
 * made only when a worker needs it.
 */
const { roomName } = require("./frame");

const LONGEST = 10000; // milliseconds
const MOST_BYTES = 1 << 20;
const ENTRY_BYTES = 150; // memory of an entry beside its texts
const NONE = [];

const namesOf = (rooms) => (rooms.size === 0 ? NONE : Array.from(rooms, roomName));

class RecentCasts {
	constructor() {
		this.casts = []; // oldest first; the first `dropped` of them are undefined
		this.dropped = 0;
		this.bytes = 0;
		this.next = 0; // number of the next cast
		this.left = new Map(); // "edge worker" -> number of the first cast that has not left on a link to this worker
	}

	/*
	 * `rooms` and `except` are Sets, `args` is a result of encodeArgs(). Throws RangeError if the name of a room is
	 * too long.
	 */
	add(name, bits, rooms, except, args) {
		const cast = { at: performance.now(), bytes: 0, name, bits, rooms: namesOf(rooms), except: namesOf(except), args };
		cast.bytes = sizeOf(cast);
		if (cast.bytes > MOST_BYTES) return;
		this._dropOld(cast.at, MOST_BYTES - cast.bytes);
		// The application may change its buffers as soon as emit() has returned.
		if (typeof args !== "string") cast.args = { json: args.json, attachments: args.attachments.map((bytes) => Buffer.from(bytes)) };
		this.casts.push(cast);
		this.bytes += cast.bytes;
		this.next++;
	}

	_dropOld(now, bytes) {
		const { casts } = this;
		while (this.dropped < casts.length && (this.bytes > bytes || now - casts[this.dropped].at > LONGEST)) {
			this.bytes -= casts[this.dropped].bytes;
			casts[this.dropped++] = undefined;
		}
		if (this.dropped * 2 <= casts.length) return;
		this.casts = casts.slice(this.dropped);
		this.dropped = 0;
	}

	clear() {
		this.casts = [];
		this.dropped = 0;
		this.bytes = 0;
	}

	/* The link to this worker has ended: all casts so far have left on it, or are older than its clients. */
	onLost(edge, worker) {
		this._dropOld(performance.now(), MOST_BYTES);
		const oldest = this.next - this.casts.length + this.dropped;
		for (const [key, next] of this.left) if (next <= oldest) this.left.delete(key);
		if (this.next > oldest) this.left.set(`${edge} ${worker}`, this.next);
	}

	/* The casts that a worker has missed if its oldest client connected at `since`. */
	missedBy(edge, worker, since) {
		this._dropOld(performance.now(), MOST_BYTES);
		const left = this.left.get(`${edge} ${worker}`) ?? 0;
		const from = Math.max(left - (this.next - this.casts.length), this.dropped);
		return this.casts.slice(from).filter(({ at }) => at >= since);
	}
}

function sizeOf({ rooms, except, args }) {
	let bytes = ENTRY_BYTES + (typeof args === "string" ? args : args.json).length;
	for (const name of rooms) bytes += name.length;
	for (const name of except) bytes += name.length;
	if (typeof args !== "string") for (const { length } of args.attachments) bytes += length;
	return bytes;
}

module.exports = { RecentCasts };
