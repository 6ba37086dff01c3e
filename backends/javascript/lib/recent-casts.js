"use strict";
/*
 * The broadcasts of the last seconds, for workers of edges that have clients before they have a link to this backend
 * (backends/PROTOCOL.md, section 6). A worker gets those that it missed behind WELCOME, and none that has left on a link to it already:
 * `left` says how far those came. An entry refers to the encoded arguments of emit(); no frame is made before a worker needs it.
 */
const { roomName } = require("./frame");

const LONGEST = 10000; // milliseconds
const MOST_BYTES = 1 << 20;
const ENTRY_BYTES = 150; // what an entry takes beside its texts
const NONE = [];

const namesOf = (rooms) => (rooms.size === 0 ? NONE : Array.from(rooms, roomName));

class RecentCasts {
	constructor() {
		this.casts = []; // oldest first; the first `dropped` of them are undefined
		this.dropped = 0;
		this.bytes = 0;
		this.next = 0; // the number of the next cast
		this.left = new Map(); // "edge worker" -> the number of the first cast that has not left on a link to this worker
	}

	/* rooms, except: Sets; args: what encodeArgs() made. RangeError: the name of a room is too long. */
	add(name, bits, rooms, except, args) {
		const cast = { at: performance.now(), bytes: 0, name, bits, rooms: namesOf(rooms), except: namesOf(except), args };
		cast.bytes = sizeOf(cast);
		if (cast.bytes > MOST_BYTES) return;
		this._dropOld(cast.at, MOST_BYTES - cast.bytes);
		// The application may write to its buffers again as soon as emit() has returned.
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

	/* The link to this worker has ended: whatever is here has left on it, or came before its clients. */
	onLost(edge, worker) {
		this._dropOld(performance.now(), MOST_BYTES);
		const oldest = this.next - this.casts.length + this.dropped;
		for (const [key, next] of this.left) if (next <= oldest) this.left.delete(key);
		if (this.next > oldest) this.left.set(`${edge} ${worker}`, this.next);
	}

	/* What a worker must get that may have let in its oldest client at `since`. */
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
