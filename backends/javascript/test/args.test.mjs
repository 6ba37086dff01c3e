import test from "node:test";
import assert from "node:assert/strict";
import codec from "../lib/args.js";
import frame from "../lib/frame.js";

const { encodeArgs, decodeArgs } = codec;

function roundTrip(value) {
	const encoded = encodeArgs(value);
	const writer = new frame.FrameWriter(1);
	writer.args(encoded);
	return decodeArgs(typeof encoded !== "string", writer.view(), 0, writer.n);
}

test("plain values are plain JSON", () => {
	const value = ["e", 1, "ü", null, { a: [true, { b: "👋" }] }];
	assert.equal(encodeArgs(value), JSON.stringify(value));
	assert.deepEqual(roundTrip(value), value);
});

test("binary values may be nested anywhere", () => {
	const bytes = Buffer.from([1, 2, 3]);
	const value = ["e", bytes, { deep: [{ er: bytes }] }, [[bytes]]];
	assert.deepEqual(roundTrip(value), value);
});

test("typed arrays, views and ArrayBuffers arrive as Buffers that hold only their own bytes", () => {
	const backing = new Uint8Array([0, 1, 2, 3, 4, 5]).buffer;
	const value = ["e", backing, new Uint8Array(backing, 1, 2), new DataView(backing, 4)];
	assert.deepEqual(roundTrip(value), ["e", Buffer.from(backing), Buffer.from([1, 2]), Buffer.from([4, 5])]);
});

test("toJSON() is called once, and may return something binary", () => {
	let calls = 0;
	const nested = { toJSON: () => ({ bytes: Buffer.from("x") }) };
	const dated = { toJSON: () => (calls++, { when: "now" }) };
	assert.deepEqual(roundTrip(["e", nested]), ["e", { bytes: Buffer.from("x") }]);
	assert.deepEqual(roundTrip(["e", new Date(0), dated]), ["e", "1970-01-01T00:00:00.000Z", { when: "now" }]);
	assert.deepEqual(roundTrip(["e", new Date(0), Buffer.from("x")]), ["e", "1970-01-01T00:00:00.000Z", Buffer.from("x")]);
});

test("an object that only looks like a placeholder arrives unchanged", () => {
	assert.deepEqual(roundTrip(["e", { _placeholder: true, num: 0 }]), ["e", { _placeholder: true, num: 0 }]);
});

test("attachments are copied out of the buffer that was read", () => {
	const encoded = encodeArgs(["e", Buffer.from("abc")]);
	const writer = new frame.FrameWriter();
	writer.args(encoded);
	const read = Buffer.from(writer.view());
	const [, bytes] = decodeArgs(true, read, 0, read.length);
	read.fill(0);
	assert.equal(bytes.toString(), "abc");
});

test("placeholders without attachment are refused", () => {
	const writer = new frame.FrameWriter();
	writer.args({ json: '["e",{"_placeholder":true,"num":1}]', attachments: [Buffer.from("x")] });
	assert.throws(() => decodeArgs(true, writer.view(), 0, writer.n), frame.ProtocolError);
});
