// 10,000 values, encoded by notepack.io in the stock client, go through the server and back. Each must return as the value
// that JavaScript's own JSON would have made of it, with its bytes. The values are the same in each run.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const VALUES = 10_000;
const AT_ONCE = 200;
const BINARY_MAX = 64; // of one packet
const WIDTHS = [0, 1, 7, 8, 15, 16, 31, 32, 33, 127, 128, 255, 256, 257]; // around the limits of the forms of MessagePack

/** A generator of pseudo-random integers below n (mulberry32). */
function generator(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const characters = ["a", "\"", "\\", "\u0000", "\u001f", "/", "é", "߿", "ࠀ", "€", "\uffff", "😀", "\u2028"];

class Values {
  constructor(seed) {
    this.below = generator(seed);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  length() {
    return this.below(5) === 0 ? this.pick([65_535, 65_536]) : this.pick(WIDTHS);
  }

  /** The number of elements of a container inside a value. */
  count() {
    return this.below(60) === 0 ? this.pick([15, 16, 17]) : this.below(6);
  }

  text(n) {
    const repeated = this.pick(characters);
    return repeated.repeat(Math.max(0, n - 1)) + (n > 0 ? this.pick(characters) : "");
  }

  integer() {
    const edge = 2 ** this.pick([0, 5, 6, 7, 8, 15, 16, 31, 32, 52, 53, 62, 63]);
    return this.pick([1, -1]) * (edge + (edge < 2 ** 52 ? this.below(3) - 1 : 0)) || 0;
  }

  // without integers of 2^64 and more, which notepack.io encodes as 0
  fraction() {
    return this.pick([0.5, -0.1, -2.5e-300, 5e-324, 1 / 3, 2 ** 31 + 0.5, this.below(2 ** 31) / 1000]);
  }

  bytes() {
    this.binary++;
    const bytes = Buffer.alloc(this.pick(WIDTHS), this.below(256));
    return this.pick([() => bytes, () => new Uint8Array(bytes).buffer, () => new Uint8Array(bytes)])();
  }

  scalar() {
    switch (this.below(this.binary < BINARY_MAX ? 9 : 8)) {
      case 0: return null;
      case 1: return this.pick([true, false]);
      case 2: case 3: return this.integer();
      case 4: return this.fraction();
      case 5: return this.text(this.pick(WIDTHS));
      case 6: return this.pick([undefined, NaN, Infinity, -Infinity]);
      case 7: return new Date(this.pick([0, -1, 1, 86_400_000, -62_167_219_200_001, 8.64e15, this.below(2 ** 31) * 1000]));
      default: return this.bytes();
    }
  }

  value(depth = 0) {
    const kind = depth < 5 ? this.below(8) : 0;
    if (kind === 6) return Array.from({ length: this.count() }, () => this.value(depth + 1 + this.below(3)));
    if (kind === 7)
      return Object.fromEntries(Array.from({ length: this.count() }, (_, i) => [`${i}${this.text(this.below(40))}`, this.value(depth + 1 + this.below(3))]));
    return this.scalar();
  }

  /** A whole value for one packet. */
  next() {
    this.binary = 0;
    if (this.below(100) !== 0) return this.value();
    return this.pick([() => this.text(this.length()), () => Array(this.length()).fill(this.below(300)), () => Buffer.alloc(this.length(), 7)])();
  }
}

/** Returns the value as it comes out of JSON with attachments. */
function expected(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return Buffer.from(value);
  if (value instanceof Date) return value.toJSON();
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, expected(one)]));
  return value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? null : value;
}

let server, socket;

before(async () => {
  server = await startSockeye("protocol");
  socket = io(server.url, { parser, transports: ["websocket"], reconnection: false });
  await next(socket, "connect");
});
after(async () => {
  socket.disconnect();
  await server.stop();
});

test("the values of notepack.io survive the way through the server", async () => {
  const values = new Values(20261129);
  for (let done = 0; done < VALUES; done += AT_ONCE) {
    const sent = Array.from({ length: AT_ONCE }, () => values.next());
    const back = sent.map((value) => new Promise((resolve) => socket.emit("message-with-ack", value, resolve)));
    const got = await within(Promise.all(back), `the values from ${done}`);
    got.forEach((one, i) => assert.deepEqual(one, expected(sent[i]), `value ${done + i}`));
  }
});
