// Records what the real adapter and emitter publish, as lines "name <TAB> channel <TAB> hex": node tests/data/wire/generate.mjs > tests/data/wire/vectors.txt
import { createRequire } from "node:module";
import { EventEmitter } from "node:events";

const require = createRequire(new URL("../../package.json", import.meta.url));
const { createAdapter } = require("@socket.io/redis-adapter");
const { Emitter } = require("@socket.io/redis-emitter");
const { Server } = require("socket.io");

let name = "";
const show = (channel, payload) => process.stdout.write(`${name}\t${channel}\t${Buffer.from(payload).toString("hex")}\n`);

/** A client that records instead of sending. */
class Recorder extends EventEmitter {
  publish(channel, payload) {
    show(channel, payload);
    return Promise.resolve(1);
  }
  pSubscribe() {}
  subscribe(channels, listener) {
    this.listener = listener;
  }
  send_command(command, [, channel], answer) {
    answer(null, [channel, 3]);
  }
}

const publisher = new Recorder();
const subscriber = new Recorder();
const io = new Server({ adapter: createAdapter(publisher, subscriber, { requestsTimeout: 50 }) });
const nsp = io.of("/n s");
const record = async (what, run) => {
  name = what;
  try {
    await run();
  } catch {} // questions without an answer
};

const values = [0, -1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -32, -33, -128, -129, -32768, -32769, -2147483649, 2 ** 53 - 1,
  1.5, -0.25, 2.5e-7, true, false, null, "", "ünïcödé 🐟", "x".repeat(31), "x".repeat(32), "y".repeat(256), [], {}, { a: { b: [1, { c: null }] } },
  Array.from({ length: 16 }, (_, i) => i)];
await record("broadcast", () => io.emit("news", 1, "two", { three: [3] }));
await record("broadcast-values", () => io.emit("values", values));
await record("broadcast-binary", () => io.emit("bin", Buffer.from([0, 1, 255]), { deep: [Buffer.alloc(0), "s"] }));
await record("broadcast-room", () => io.to("red").emit("news"));
await record("broadcast-rooms", () => io.to(["red", "blue#1", "ü"]).except("green").emit("news", "x"));
await record("broadcast-numeric", () => io.to(5).emit("news"));
await record("broadcast-flags", () => io.volatile.compress(false).emit("news"));
await record("broadcast-nsp", () => nsp.emit("news"));
await record("broadcast-number", () => io.emit(7, "numeric event"));
await record("broadcast-undefined", () => io.emit("news", undefined, { u: undefined, n: NaN }, new Date(1e12)));
await record("broadcast-ack", () => io.timeout(10).to("red").emit("ask", 1, () => {}));
await record("join", () => io.to("red").except("blue").socketsJoin(["a", "b"]));
await record("leave", () => io.socketsLeave("a"));
await record("disconnect", () => io.to("red").disconnectSockets(true));
await record("server-emit", () => io.serverSideEmit("hello", 1, { two: "ü" }));
await record("server-emit-ack", () => new Promise((resolve) => io.serverSideEmit("hello", 1, resolve)));
await record("fetch", () => io.to("red").fetchSockets());
await record("all-rooms", () => io.of("/").adapter.allRooms());

// answers to requests of other nodes
const ask = (request) => nsp.adapter.onrequest("socket.io-request#/n s#", Buffer.from(JSON.stringify(request)));
nsp.on("q", (value, ack) => ack({ got: value }));
nsp.on("u", (ack) => ack());
await record("reply-sockets", () => ask({ uid: "abcdef", requestId: "req001", type: 0, rooms: [] }));
await record("reply-all-rooms", () => ask({ uid: "abcdef", requestId: "req002", type: 1 }));
await record("reply-fetch", () => ask({ uid: "abcdef", requestId: "req003", type: 5, opts: { rooms: [], except: [] } }));
await record("reply-server-emit", () => ask({ uid: "abcdef", requestId: "req004", type: 6, data: ["q", 5] }));
await record("reply-server-emit-undefined", () => ask({ uid: "abcdef", requestId: "req005", type: 6, data: ["u"] }));
await record("reply-count", () => ask({ uid: "abcdef", requestId: "req006", type: 7, packet: { type: 2, data: ["x"], nsp: "/n s" }, opts: { rooms: [], except: [] } }));
name = "reply-ack";
nsp.adapter.publishResponse({ uid: "abcdef" }, nsp.adapter.parser.encode({ type: 9, requestId: "req007", packet: { ok: [1, Buffer.from("b")] } }));
name = "reply-ack-undefined";
nsp.adapter.publishResponse({ uid: "abcdef" }, nsp.adapter.parser.encode({ type: 9, requestId: "req008", packet: undefined }));

const emitter = new Emitter(publisher);
await record("emitter", () => emitter.emit("news", "x", Buffer.from("b")));
await record("emitter-rooms", () => emitter.to("red").except(["a", "b"]).volatile.emit("news"));
await record("emitter-nsp", () => emitter.of("team").to(["a", "b"]).emit("news", new Date(0)));
await record("emitter-join", () => emitter.in("red").socketsJoin(["a", "b"]));
await record("emitter-leave", () => emitter.socketsLeave("a"));
await record("emitter-disconnect", () => emitter.except("x").disconnectSockets());
await record("emitter-server-emit", () => emitter.serverSideEmit("hello", "w"));
process.exit(0);
