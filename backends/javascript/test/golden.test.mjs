/* The codec, tested with the frames that C, JavaScript and Python share. */
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import frame from "../lib/frame.js";
import argsCodec from "../lib/args.js";

const { T, F, HEAD, FrameReader, FrameWriter, BodyReader, ProtocolError } = frame;
const golden = JSON.parse(readFileSync(new URL("../../golden/frames.json", import.meta.url)));

function write({ type, flags, nsp, handle, id, parts }) {
	const writer = new FrameWriter(16);
	writer.begin(type, flags, nsp, handle, id);
	for (const part of parts) {
		if (part.rest !== undefined) writer.utf8(part.rest);
		else if (part.restHex !== undefined) writer.raw(Buffer.from(part.restHex, "hex"));
		else if (part.text !== undefined) writer.text(part.text);
		else if (part.u32 !== undefined) writer.u32(part.u32);
		else if (part.rooms !== undefined) writer.rooms(part.rooms, part.rooms.length);
		else if (part.args !== undefined) writer.args(part.args);
		else if (part.sizedArgs !== undefined) writer.text(part.sizedArgs);
		else for (const hex of part.attachments) {
			writer.u32(hex.length / 2);
			writer.raw(Buffer.from(hex, "hex"));
		}
	}
	writer.end();
	return writer.view().toString("hex");
}

function read(maxFrame = 1 << 24) {
	const frames = [];
	const reader = new FrameReader((type, flags, nsp, handle, id, source, start, end) => {
		frames.push({ type, flags, nsp, handle, id, body: Buffer.from(source.subarray(start, end)) });
	}, maxFrame);
	return { frames, reader, push: (part) => reader.push(part, part.length) };
}

function checkBody(parts, body, flags) {
	const reader = new BodyReader(body, 0, body.length);
	for (const part of parts) {
		if (part.text !== undefined) assert.equal(reader.text(), part.text);
		else if (part.u32 !== undefined) assert.equal(reader.u32(), part.u32);
		else if (part.rooms !== undefined) assert.deepEqual(reader.rooms(), part.rooms);
		else if (part.rest !== undefined) assert.equal(reader.rest(), part.rest);
		else if (part.args !== undefined) assert.deepEqual(argsCodec.decodeArgs(false, body, reader.at, body.length), JSON.parse(part.args));
		else if (part.sizedArgs !== undefined) {
			const value = argsCodec.decodeArgs(true, body, reader.at, body.length);
			const again = argsCodec.encodeArgs(value);
			assert.ok(flags & F.BIN);
			assert.equal(again.json, part.sizedArgs);
			assert.deepEqual(again.attachments.map((bytes) => bytes.toString("hex")), parts.at(-1).attachments);
			return;
		}
	}
}

for (const golden_frame of golden.frames) {
	test(`writes and reads: ${golden_frame.name}`, () => {
		assert.equal(write(golden_frame), golden_frame.hex);
		const { frames, push } = read();
		push(Buffer.from(golden_frame.hex, "hex"));
		if (golden_frame.typeName === null || golden_frame.typeName === undefined) return assert.equal(frames.length, 0);
		const [got] = frames;
		assert.equal(T[golden_frame.typeName], golden_frame.type);
		for (const field of ["type", "flags", "nsp", "handle", "id"]) assert.equal(got[field], golden_frame[field], field);
		checkBody(golden_frame.parts, got.body, got.flags);
	});
}

test("reads a stream that is cut into pieces of any size", () => {
	const all = Buffer.from(golden.frames.map(({ hex }) => hex).join(""), "hex");
	const known = golden.frames.filter(({ type }) => Object.values(T).includes(type));
	for (const size of [1, 7, 16, 17, 100, all.length]) {
		const { frames, push } = read();
		for (let at = 0; at < all.length; at += size) push(Buffer.from(all.subarray(at, at + size)));
		assert.deepEqual(frames.map(({ type }) => type), known.map(({ type }) => type), `in pieces of ${size}`);
		frames.forEach(({ body }, i) => assert.equal(body.toString("hex"), known[i].hex.slice(HEAD * 2)));
	}
});

for (const bad of golden.malformed) {
	test(`refuses: ${bad.name}`, () => {
		const bytes = Buffer.from(bad.hex, "hex");
		const { frames, push } = read(bad.maxFrame);
		if (bad.what !== "body") return assert.throws(() => push(bytes), ProtocolError);
		push(bytes);
		const [{ type, flags, body }] = frames;
		const reader = new BodyReader(body, 0, body.length);
		const walk = () => {
			if (type === T.OPEN) return [reader.text(), reader.text()];
			if (type === T.JOIN || type === T.CAST) {
				reader.rooms();
				if (type === T.CAST) reader.rooms();
				if (type === T.JOIN && reader.at < reader.end) throw new ProtocolError("bytes behind the rooms");
				return;
			}
			if (type === T.CATCHUP || type === T.HISTORY || type === T.FORGET) {
				if (type !== T.FORGET) reader.u32();
				for (let texts = { [T.CATCHUP]: 1, [T.HISTORY]: 3, [T.FORGET]: 2 }[type]; texts > 0; texts--) reader.text();
				if (reader.at < reader.end) throw new ProtocolError("bytes behind the texts");
				return;
			}
			if (type === T.PRESENCE || type === T.USER || type === T.WHO) {
				if (type === T.WHO) reader.u32();
				for (let texts = type === T.USER ? 1 : 2; texts > 0; texts--) reader.text();
				if (reader.at < reader.end) throw new ProtocolError("bytes behind the texts");
				return;
			}
			if (flags & F.TIMED) reader.u32();
			argsCodec.decodeArgs((flags & F.BIN) !== 0, body, reader.at, body.length);
		};
		assert.throws(walk, ProtocolError);
	});
}
