"use strict";
/*
 * Frames of the backend protocol (backends/PROTOCOL.md, section 2): from bytes to calls, and from calls to bytes. This
 * file uses neither a socket nor a clock.
 */

const HEAD = 16;
const U32 = 0x100000000;

const T = Object.freeze({
	CHALLENGE: 0,
	HELLO: 1,
	WELCOME: 2,
	NSP: 3,
	NSPASK: 4,
	NSPANSWER: 5,
	SESSION: 6,
	OPEN: 7,
	ACCEPT: 8,
	REFUSE: 9,
	EVENT: 10,
	ACK: 11,
	EMIT: 12,
	ACKED: 13,
	CAST: 14,
	CASTED: 15,
	JOIN: 16,
	LEAVE: 17,
	DISC: 18,
	CLOSED: 19,
	DATA: 20,
	TRANSPORT: 21,
	PEER: 22,
	PEERS: 23,
	REQUEST: 24,
	RESPONSE: 25,
	CONNERR: 26,
	PING: 27,
	PONG: 28,
	WINDOW: 29,
	DRAIN: 30,
	HANDOFF: 31,
	BYE: 32,
	ENDED: 33,
	CATCHUP: 34,
	HISTORY: 35,
	FORGET: 36,
	PAST: 37,
	PRESENCE: 38,
	USER: 39,
	WHO: 40,
	PRESENT: 41,
	CHANGE: 42,
});
const KNOWN_TYPES = 43;

const F = Object.freeze({
	ACK: 0x01,
	EIO3: 0x01, // in SESSION
	REATTACH: 0x02, // in OPEN
	WIDE: 0x02, // in EVENT, ACK
	RECOVERED: 0x04, // in OPEN
	VOLATILE: 0x04,
	BIN: 0x08,
	NOCOMPRESS: 0x10,
	CLOSE: 0x20,
	TIMED: 0x40, // in EMIT, CAST
	LAST: 0x40, // in CASTED, PAST, PRESENT
	OPTIONAL: 0x80,
});

/* PING, PONG, WINDOW and BYE need no window. */
function isFree(type) {
	return type === T.PING || type === T.PONG || type === T.WINDOW || type === T.BYE;
}

class ProtocolError extends Error {}

/*
 * Splits a stream into frames. push() calls onFrame(type, flags, nsp, handle, id, bytes, start, end) for each complete
 * frame. `bytes` may be overwritten once onFrame has returned. push() throws ProtocolError if the stream is malformed.
 */
class FrameReader {
	constructor(onFrame, maxFrame) {
		this.onFrame = onFrame;
		this.maxFrame = maxFrame;
		this.partial = null; // the beginning of a frame, with `have` bytes so far
		this.have = 0;
		this.stopped = false;
	}

	/* Stops the calls of onFrame, even for frames of the chunk that is being read. */
	stop() {
		this.stopped = true;
		this.partial = null;
	}

	push(bytes, n) {
		let at = 0;
		while (this.partial !== null && at < n) at = this._complete(bytes, at, n);
		while (n - at >= HEAD && !this.stopped) {
			const end = at + HEAD + this._length(bytes, at);
			if (end > n) break;
			this._frame(bytes, at, end);
			at = end;
		}
		if (at < n && !this.stopped) this._keep(bytes, at, n);
	}

	_length(bytes, at) {
		const length = bytes.readUInt32LE(at);
		if (length > this.maxFrame) throw new ProtocolError(`a frame of ${length} bytes; at most ${this.maxFrame} are allowed`);
		return length;
	}

	_frame(bytes, at, end) {
		const type = bytes[at + 4];
		const flags = bytes[at + 5];
		if (type >= KNOWN_TYPES) {
			if (flags & F.OPTIONAL) return;
			throw new ProtocolError(`a frame of unknown type ${type}`);
		}
		this.onFrame(
			type,
			flags,
			bytes.readUInt16LE(at + 6),
			bytes.readUInt32LE(at + 8),
			bytes.readUInt32LE(at + 12),
			bytes,
			at + HEAD,
			end,
		);
	}

	_keep(bytes, at, n) {
		const rest = n - at;
		const whole = rest >= HEAD ? HEAD + this._length(bytes, at) : HEAD;
		this.partial = Buffer.allocUnsafe(whole);
		bytes.copy(this.partial, 0, at, n);
		this.have = rest;
	}

	/* Adds bytes to the partial frame, and delivers it when it is complete. Returns the new position. */
	_complete(bytes, at, n) {
		const take = Math.min(this.partial.length - this.have, n - at);
		bytes.copy(this.partial, this.have, at, at + take);
		this.have += take;
		if (this.have < this.partial.length) return at + take;
		const whole = HEAD + this._length(this.partial, 0);
		if (whole > this.partial.length) {
			const bigger = Buffer.allocUnsafe(whole);
			this.partial.copy(bigger);
			this.partial = bigger;
		} else {
			const frame = this.partial;
			this.partial = null;
			if (!this.stopped) this._frame(frame, 0, whole);
		}
		return at + take;
	}
}

/* The name of a room as text. Throws RangeError if it is too long. */
function roomName(room) {
	const name = typeof room === "string" ? room : String(room);
	if (name.length > 21845 && Buffer.byteLength(name) > 65535)
		throw new RangeError("Behind an edge the name of a room can have at most 65,535 bytes");
	return name;
}

/*
 * A growing buffer of frames to send: begin(), the parts of the body, then end(), which returns the size of the frame.
 * drop() removes an unfinished or the last frame.
 */
class FrameWriter {
	constructor(size = 16384) {
		this.size = size;
		this.bytes = Buffer.allocUnsafeSlow(size);
		this.n = 0;
		this.start = 0;
	}

	_room(more) {
		const need = this.n + more;
		if (need <= this.bytes.length) return;
		const bigger = Buffer.allocUnsafeSlow(Math.max(need, this.bytes.length * 2));
		this.bytes.copy(bigger, 0, 0, this.n);
		this.bytes = bigger;
	}

	begin(type, flags, nsp, handle, id) {
		this._room(HEAD + 8);
		const { bytes, n } = this;
		this.start = n;
		bytes[n + 4] = type;
		bytes[n + 5] = flags;
		bytes.writeUInt16LE(nsp, n + 6);
		bytes.writeUInt32LE(handle, n + 8);
		bytes.writeUInt32LE(id, n + 12);
		this.n = n + HEAD;
	}

	u16(value) {
		this._room(2);
		this.n = this.bytes.writeUInt16LE(value, this.n);
	}

	u32(value) {
		this._room(4);
		this.n = this.bytes.writeUInt32LE(value, this.n);
	}

	utf8(string) {
		this._room(string.length > 65536 ? Buffer.byteLength(string) : string.length * 3);
		this.n += this.bytes.utf8Write(string, this.n);
	}

	raw(buffer) {
		this._room(buffer.length);
		this.bytes.set(buffer, this.n);
		this.n += buffer.length;
	}

	/* Writes u32 n and n bytes. */
	text(string) {
		this.u32(0);
		const at = this.n;
		this.utf8(string);
		this.bytes.writeUInt32LE(this.n - at, at - 4);
	}

	/* Writes u16 count, then for each room u16 n and n bytes. */
	rooms(rooms, count) {
		this.u16(count);
		for (const room of rooms) {
			const name = roomName(room);
			this.u16(0);
			const at = this.n;
			this.utf8(name);
			this.bytes.writeUInt16LE(this.n - at, at - 2);
		}
	}

	/* Writes the result of encodeArgs(). */
	args(encoded) {
		if (typeof encoded === "string") return this.utf8(encoded);
		this.text(encoded.json);
		for (const attachment of encoded.attachments) {
			this.u32(attachment.length);
			this.raw(attachment);
		}
	}

	end() {
		const length = this.n - this.start - HEAD;
		this.bytes.writeUInt32LE(length, this.start);
		return length + HEAD;
	}

	drop() {
		this.n = this.start;
	}

	/* The frames so far. Before writing more, the caller must call reuse() or renew(). */
	view() {
		return this.bytes.subarray(0, this.n);
	}

	reuse() {
		this.n = this.start = 0;
		if (this.bytes.length > 1 << 20) this.bytes = Buffer.allocUnsafeSlow(this.size);
	}

	renew() {
		this.n = this.start = 0;
		this.bytes = Buffer.allocUnsafeSlow(this.size);
	}
}

/* Reads the parts of a body from its front. Each method throws ProtocolError if its part is missing. */
class BodyReader {
	constructor(bytes, start, end) {
		this.bytes = bytes;
		this.at = start;
		this.end = end;
	}

	u32() {
		if (this.end - this.at < 4) throw new ProtocolError("a body is too short");
		const value = this.bytes.readUInt32LE(this.at);
		this.at += 4;
		return value;
	}

	u16() {
		if (this.end - this.at < 2) throw new ProtocolError("a body is too short");
		const value = this.bytes.readUInt16LE(this.at);
		this.at += 2;
		return value;
	}

	_string(n) {
		if (this.end - this.at < n) throw new ProtocolError("a body is too short");
		this.at += n;
		return this.bytes.utf8Slice(this.at - n, this.at);
	}

	text() {
		return this._string(this.u32());
	}

	rooms() {
		const rooms = [];
		for (let left = this.u16(); left > 0; left--) rooms.push(this._string(this.u16()));
		return rooms;
	}

	rest() {
		return this.bytes.utf8Slice(this.at, this.end);
	}
}

module.exports = { T, F, HEAD, U32, isFree, ProtocolError, FrameReader, FrameWriter, BodyReader, roomName };
