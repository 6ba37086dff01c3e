"use strict";
/*
 * The arguments of events and acknowledgements: JSON text, with binary values as attachments (backends/PROTOCOL.md,
 * section 2, *args*).
 */
const { ProtocolError } = require("./frame");

function isBinary(value) {
	return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

/*
 * True if `value` contains binary values. Searches like socket.io-parser. A replacer of JSON.stringify() would come too
 * late: Buffer's toJSON() runs before it.
 */
function hasBinary(value, afterToJSON) {
	if (value === null || typeof value !== "object") return false;
	if (Array.isArray(value)) {
		for (let i = 0; i < value.length; i++) if (hasBinary(value[i])) return true;
		return false;
	}
	if (isBinary(value)) return true;
	if (typeof value.toJSON === "function" && !afterToJSON) return hasBinary(value.toJSON(), true);
	for (const key in value) if (Object.prototype.hasOwnProperty.call(value, key) && hasBinary(value[key])) return true;
	return false;
}

function toBuffer(value) {
	if (Buffer.isBuffer(value)) return value;
	if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
	return Buffer.from(value);
}

/* Copies `value`, moves binary values to `attachments`, and puts placeholders in their places. */
function strip(value, attachments, afterToJSON) {
	if (value === null || typeof value !== "object") return value;
	if (isBinary(value)) return { _placeholder: true, num: attachments.push(toBuffer(value)) - 1 };
	if (Array.isArray(value)) return value.map((item) => strip(item, attachments));
	if (typeof value.toJSON === "function" && !afterToJSON) return strip(value.toJSON(), attachments, true);
	const copy = {};
	for (const key in value)
		if (Object.prototype.hasOwnProperty.call(value, key)) copy[key] = strip(value[key], attachments);
	return copy;
}

/* Returns the JSON text, or {json, attachments} if `value` contains binary values. */
function encodeArgs(value) {
	if (!hasBinary(value)) return JSON.stringify(value);
	const attachments = [];
	return { json: JSON.stringify(strip(value, attachments)), attachments };
}

function fill(value, attachments) {
	if (value === null || typeof value !== "object") return value;
	if (Array.isArray(value)) {
		for (let i = 0; i < value.length; i++) value[i] = fill(value[i], attachments);
		return value;
	}
	if (value._placeholder === true) {
		if (!Number.isInteger(value.num) || value.num < 0 || value.num >= attachments.length)
			throw new ProtocolError("a placeholder without its attachment");
		return attachments[value.num];
	}
	for (const key of Object.keys(value)) value[key] = fill(value[key], attachments);
	return value;
}

function takeU32(bytes, at, end) {
	if (end - at < 4) throw new ProtocolError("args are too short");
	const n = bytes.readUInt32LE(at);
	return n;
}

/* Reads the args at bytes[start..end). Attachments are copied. */
function decodeArgs(withBinary, bytes, start, end) {
	if (!withBinary) return JSON.parse(bytes.utf8Slice(start, end));
	const n = takeU32(bytes, start, end);
	let at = start + 4 + n;
	if (at > end) throw new ProtocolError("args are too short");
	const value = JSON.parse(bytes.utf8Slice(start + 4, at));
	const attachments = [];
	while (at < end) {
		const size = takeU32(bytes, at, end);
		at += 4;
		if (end - at < size) throw new ProtocolError("an attachment is too short");
		attachments.push(Buffer.from(bytes.subarray(at, at + size)));
		at += size;
	}
	return fill(value, attachments);
}

module.exports = { encodeArgs, decodeArgs, hasBinary };
