// A backend written by hand from backends/PROTOCOL.md, without the packages, and an edge for it. The tests of this folder and
// the tests of the packages use it.
import { createHmac } from "node:crypto";
import net from "node:net";
import path from "node:path";
import os from "node:os";
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { freePort } from "../clients/support/port.mjs";
import { Server } from "../clients/support/server.mjs";
import { within } from "../clients/support/wait.mjs";

export const TYPES = [
  "CHALLENGE", "HELLO", "WELCOME", "NSP", "NSPASK", "NSPANSWER", "SESSION", "OPEN", "ACCEPT", "REFUSE", "EVENT", "ACK",
  "EMIT", "ACKED", "CAST", "CASTED", "JOIN", "LEAVE", "DISC", "CLOSED", "DATA", "TRANSPORT", "PEER", "PEERS", "REQUEST",
  "RESPONSE", "CONNERR", "PING", "PONG", "WINDOW", "DRAIN", "HANDOFF", "BYE", "ENDED",
  "CATCHUP", "HISTORY", "FORGET", "PAST", "PRESENCE", "USER", "WHO", "PRESENT", "CHANGE",
];
const TYPE = Object.fromEntries(TYPES.map((name, i) => [name, i]));
export const FLAG = {
  ACK: 0x01, REATTACH: 0x02, WIDE: 0x02, RECOVERED: 0x04, VOLATILE: 0x04, BIN: 0x08, NOCOMPRESS: 0x10, CLOSE: 0x20, TIMED: 0x40, LAST: 0x40,
};
const HEAD = 16;
const UNCOUNTED = new Set(["CHALLENGE", "WELCOME", "WINDOW", "PING", "PONG", "BYE"]);

/* ------------------------------------------------------------------ edges */

const folders = [];
process.on("exit", () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder for sockets that is removed with this process. */
export function scratch() {
  const folder = mkdtempSync(path.join(os.tmpdir(), "backends-"));
  folders.push(folder);
  return folder;
}

/**
 * `sockeye --backend unix://…` with one worker, and without a drain time, unless `args` say otherwise.
 * `edge.url` is for clients, `edge.address` for backends, `edge.socket` the path of the latter.
 */
export async function startEdge(args = [], env = {}) {
  const socket = path.join(scratch(), "backend.sock");
  const defaults = ["--workers", "1", "--drain-time", "0"];
  const wanted = [];
  for (let i = 0; i < defaults.length; i += 2)
    if (!args.includes(defaults[i])) wanted.push(defaults[i], defaults[i + 1]);
  const edge = new Server(
    "sockeye", ["--port", String(await freePort()), "--host", "127.0.0.1", "--backend", `unix://${socket}`, ...wanted, ...args], env);
  const listening = await edge.line((fields) => fields.event === "listening");
  edge.port = Number(listening.port);
  edge.url = `http://127.0.0.1:${edge.port}`;
  edge.socket = socket;
  edge.address = `unix://${socket}`;
  return edge;
}

/* ----------------------------------------------------------------- frames */

const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16LE(n); return b; };
export const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
export const text = (t) => Buffer.concat([u32(Buffer.byteLength(t)), Buffer.from(t)]);
export const rooms = (list) =>
  Buffer.concat([u16(list.length), ...list.flatMap((room) => [u16(Buffer.byteLength(room)), Buffer.from(room)])]);

export function frame(type, { flags = 0, nsp = 0, handle = 0, id = 0 } = {}, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(body.length, 0);
  head[4] = typeof type === "number" ? type : TYPE[type];
  head[5] = flags;
  head.writeUInt16LE(nsp, 6);
  head.writeUInt32LE(handle, 8);
  head.writeUInt32LE(id, 12);
  return Buffer.concat([head, body]);
}

/** Cuts parts off the front of a body. */
export class Body {
  constructor(bytes) { this.bytes = bytes; }
  take(n) { const part = this.bytes.subarray(0, n); this.bytes = this.bytes.subarray(n); return part; }
  u16() { return this.take(2).readUInt16LE(); }
  u32() { return this.take(4).readUInt32LE(); }
  text() { return this.take(this.u32()).toString(); }
  rooms() { return Array.from({ length: this.u16() }, () => this.take(this.u16()).toString()); }
  rest() { return this.take(this.bytes.length).toString(); }
  /** Parses args. Each attachment replaces its placeholder. */
  args(flags) {
    if (!(flags & FLAG.BIN)) return JSON.parse(this.rest());
    const json = this.text();
    const attachments = [];
    while (this.bytes.length > 0) attachments.push(Buffer.from(this.take(this.u32())));
    return JSON.parse(json, (key, value) => (value?._placeholder === true ? attachments[value.num] : value));
  }
}

/* --------------------------------------------------------------- backends */

let instances = 0;

/** A link has ended before the frame came that the test waits for. */
export class LinkEnded extends Error {}

/** For patiently(): resolves with the error of a link that has ended, because on a busy machine an edge may take any link for silent. */
export const orEnded = (result) =>
  result.catch((error) => {
    if (error instanceof LinkEnded) return error;
    throw error;
  });

/**
 * One link of a backend. For each frame it emits "frame" and the name of the frame's type, both with the frame; at the end it emits
 * "close". `frames` holds all frames that have arrived. The link answers OPEN by ACCEPT and PING by PONG, and returns windows.
 * Options: `accept: false`, `pong: false` and `windows: false` turn these answers off; `hello: {…}` changes the HELLO frame,
 * `hello: null` omits it; `secret` is the secret of the edge; `connect` returns the stream to use.
 */
export class Link extends EventEmitter {
  frames = [];
  sockets = new Map(); // by handle: {sid, nsp, session, auth, rooms, data, again}
  names = ["/"];
  #rest = Buffer.alloc(0);
  #unreturned = 0;
  #unsent = [];
  #numbers = new Map([["/", 0]]);

  constructor(address, options = {}) {
    super();
    this.options = options;
    this.instance = options.hello?.instance ?? `test-${process.pid}-${instances++}`;
    this.socket = options.connect?.() ?? net.connect(address.replace(/^unix:\/\//, ""));
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.emit("close"));
    this.socket.on("data", (chunk) => this.#feed(chunk));
  }

  /** Resolves when the link is ready. */
  static async open(edge, options) {
    const link = new Link(edge.address ?? edge, options);
    await link.got("WELCOME");
    await link.got("PEERS");
    return link;
  }

  #feed(chunk) {
    this.#rest = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (this.#rest.length >= HEAD) {
      const n = HEAD + this.#rest.readUInt32LE(0);
      if (this.#rest.length < n) break;
      const bytes = this.#rest.subarray(0, n);
      this.#rest = this.#rest.subarray(n);
      this.#handle({
        type: TYPES[bytes[4]], flags: bytes[5], nsp: bytes.readUInt16LE(6), handle: bytes.readUInt32LE(8),
        id: bytes.readUInt32LE(12), bytes: Buffer.from(bytes.subarray(HEAD)),
      });
      if (!UNCOUNTED.has(TYPES[bytes[4]])) this.#unreturned += n;
    }
    if (this.#unreturned > 0 && this.options.windows !== false) this.giveWindow();
  }

  /** Resolves with all bytes that have arrived. */
  giveWindow() {
    this.send("WINDOW", { id: this.#unreturned });
    this.#unreturned = 0;
  }

  #handle(f) {
    f.body = new Body(f.bytes);
    if (f.type === "CHALLENGE") this.#hello(f);
    if (f.type === "WELCOME") this.welcome = JSON.parse(f.bytes);
    if (f.type === "PING" && this.options.pong !== false) this.send("PONG", { id: f.id });
    if (f.type === "NSP") this.names[f.nsp] = f.body.rest();
    if (f.type === "OPEN") this.#open(f);
    if (f.type === "EVENT") {
      f.ackId = f.flags & FLAG.WIDE ? (f.body.u32() * 2 ** 32 + f.id) : f.id;
      f.args = f.body.args(f.flags);
    }
    if (f.type === "ACKED" || (f.type === "CASTED" && f.flags & FLAG.ACK)) f.args = f.body.args(f.flags);
    if (f.type === "CLOSED" || f.type === "BYE") f.reason = f.bytes.toString();
    if (f.type === "CLOSED") this.sockets.delete(f.handle);
    this.frames.push(f);
    this.emit(f.type, f);
    this.emit("frame", f);
  }

  #hello(f) {
    this.challenge = JSON.parse(f.bytes);
    if (this.options.hello === null) return;
    const { secret } = this.options;
    const message = `${this.challenge.nonce}\n${this.instance}`;
    const proof = secret === undefined ? undefined : createHmac("sha256", secret).update(message).digest("hex");
    this.send("HELLO", {}, JSON.stringify({ v: [1], instance: this.instance, worker: 0, proof, ...this.options.hello }));
  }

  #open(f) {
    const again = (f.flags & FLAG.REATTACH) !== 0;
    f.open = { handle: f.handle, session: f.id, nsp: this.names[f.nsp], sid: f.body.text(), auth: JSON.parse(f.body.text()), again };
    if (again) {
      f.open.rooms = f.body.rooms();
      f.open.data = f.body.text();
    }
    this.sockets.set(f.handle, f.open);
    if (this.options.accept !== false) this.send("ACCEPT", { handle: f.handle });
  }

  /** Handles one chunk. All frames that its handlers send leave in one write. */
  send(type, fields, ...parts) {
    if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
    this.#unsent.push(frame(type, fields, ...parts));
  }

  #flush() {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(this.#unsent));
    this.#unsent = [];
  }

  /** The number of a namespace in frames to the edge. */
  nsp(name) {
    if (!this.#numbers.has(name)) {
      this.#numbers.set(name, this.#numbers.size);
      this.send("NSP", { nsp: this.#numbers.get(name) }, name);
    }
    return this.#numbers.get(name);
  }

  emitTo(handle, args, fields = {}) {
    this.send("EMIT", { handle, ...fields }, JSON.stringify(args));
  }

  ack(event, args) {
    this.send("ACK", { handle: event.handle, id: event.id }, JSON.stringify(args));
  }

  cast(args, { nsp = "/", to = [], except = [], flags = 0, id = 0, timeout } = {}) {
    const timed = timeout === undefined ? [] : [u32(timeout)];
    this.send("CAST", { nsp: this.nsp(nsp), flags: flags | (timed.length ? FLAG.TIMED : 0), id }, ...timed, rooms(to),
      rooms(except), JSON.stringify(args));
  }

  /** Echoes "echo", and answers each event that asks for an acknowledgement with the event's arguments. */
  serveEcho() {
    const serve = (f) => {
      const [name, ...args] = f.args;
      if (f.flags & FLAG.ACK) this.ack(f, args);
      else if (name === "echo") this.emitTo(f.handle, ["echo", ...args]);
    };
    this.frames.filter(({ type }) => type === "EVENT").forEach(serve); // they can come together with those that open() waits for
    this.on("EVENT", serve);
    return this;
  }

  /** The first frame of that type (now or later) that satisfies the predicate. */
  got(type, predicate = () => true) {
    const before = this.frames.find((f) => f.type === type && predicate(f));
    if (before) return Promise.resolve(before);
    return within(
      new Promise((resolve, reject) => {
        const look = (f) => {
          if (!predicate(f)) return;
          this.off(type, look);
          this.off("close", over);
          resolve(f);
        };
        const over = () => reject(new LinkEnded(`the link ended before ${type} came (${this.frames.at(-1)?.type})`));
        this.on(type, look);
        this.once("close", over);
      }),
      type,
    );
  }

  /** Closes the link at once, like a process that is killed. */
  kill() {
    this.socket.destroy();
    return this.closed;
  }
}
