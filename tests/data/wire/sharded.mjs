// Records what createShardedAdapter publishes, as lines "name <TAB> channel <TAB> hex": node tests/data/wire/sharded.mjs > tests/data/wire/sharded.txt
import { createRequire } from "node:module";

const require = createRequire(new URL("../../package.json", import.meta.url));
const { createShardedAdapter } = require("@socket.io/redis-adapter");
const { Server } = require("socket.io");

let name = "";

/** A client that records instead of sending. */
class Recorder {
  handlers = new Map();

  sPublish(channel, payload) {
    process.stdout.write(`${name}\t${channel}\t${Buffer.from(payload).toString("hex")}\n`);
    return Promise.resolve(1);
  }
  sSubscribe(channel, handler) {
    this.handlers.set(channel, handler);
  }
  sUnsubscribe(channel) {
    this.handlers.delete(channel);
  }
  sendCommand([, , channel]) {
    return Promise.resolve([channel, 3]);
  }
  receive(channel, message) {
    this.handlers.get(channel)(Buffer.from(JSON.stringify(message)), Buffer.from(channel));
  }
}

const subscriber = new Recorder();
const servers = {};
for (const subscriptionMode of ["dynamic", "dynamic-private", "static"])
  servers[subscriptionMode] = new Server({ adapter: createShardedAdapter(new Recorder(), subscriber, { subscriptionMode }) });
const io = servers.dynamic;
for (const server of Object.values(servers)) for (const nsp of ["/", "/n s"]) server.of(nsp).adapter.uid = "0123456789abcdef";
const record = async (what, run) => {
  name = what;
  await run();
  await new Promise(setImmediate);
};

const id = "aaaaaaaaaaaaaaaaaaaa";
const bytes = Buffer.from([0, 1, 255]);
await record("broadcast", () => io.emit("news", 1, "two", { three: [3] }));
await record("broadcast-binary", () => io.emit("bin", bytes, { deep: [Buffer.alloc(0), "s"] }));
await record("broadcast-room", () => io.to("red").emit("news"));
await record("broadcast-room-binary", () => io.to("red").emit("bin", bytes));
await record("broadcast-id", () => io.to(id).emit("news"));
await record("broadcast-wide", () => io.to("ü🐟".repeat(6) + "ab").emit("news")); // 20 UTF-16 code units
await record("broadcast-rooms", () => io.to(["red", "blue#1", "ü"]).except("green").emit("news", "x"));
await record("broadcast-flags", () => io.volatile.compress(false).emit("news"));
await record("broadcast-nsp", () => io.of("/n s").to("red").emit("news"));
await record("broadcast-undefined", () => io.emit("news", undefined, { u: undefined, n: NaN }, new Date(1e12)));
await record("private-room", () => servers["dynamic-private"].to("red").emit("news"));
await record("private-id", () => servers["dynamic-private"].to(id).emit("news"));
await record("static-room", () => servers.static.to("red").emit("news"));
await record("broadcast-ack", () => io.timeout(10).to("red").emit("ask", 1, () => {}));
await record("broadcast-ack-binary", () => io.timeout(10).emit("ask", bytes, () => {}));
await record("join", () => io.to("red").except("blue").socketsJoin(["a", "b"]));
await record("leave", () => io.socketsLeave("a"));
await record("disconnect", () => io.to("red").disconnectSockets(true));
await record("server-emit", () => io.serverSideEmit("hello", 1, { two: "ü" }));
await record("server-emit-binary", () => io.serverSideEmit("hello", bytes));
await record("server-emit-ack", () => io.serverSideEmit("hello", 1, () => {}));
await record("fetch", () => void io.to("red").fetchSockets());

// answers to the questions of another node
const answerer = servers.static; // the last one to subscribe
const ask = (type, data) => subscriber.receive("socket.io#/#", { type, data, uid: "fedcba9876543210", nsp: "/" });
const opts = { rooms: [], except: [], flags: {} };
const requestId = "1111222233334444";
answerer.on("plain", (answer) => answer({ ok: [1] }));
answerer.on("binary", (answer) => answer(bytes));
answerer.on("nothing", (answer) => answer());
await record("server-emit-answer", () => ask(9, { requestId, packet: ["plain"] }));
await record("server-emit-answer-binary", () => ask(9, { requestId, packet: ["binary"] }));
await record("server-emit-answer-undefined", () => ask(9, { requestId, packet: ["nothing"] }));
await record("count-answer", () => ask(3, { packet: { type: 2, data: ["q"] }, requestId, opts }));
await record("fetch-answer", () => ask(7, { opts, requestId }));
const { adapter } = answerer.of("/");
const respond = (type, data) => adapter.publishResponse("fedcba9876543210", { type, data });
await record("ack-answer", () => respond(12, { requestId, packet: { ok: true } }));
await record("ack-answer-binary", () => respond(12, { requestId, packet: bytes }));
await record("ack-answer-undefined", () => respond(12, { requestId, packet: undefined }));
await record("fetch-answer-sockets", () => respond(8, { requestId, sockets: [{ id, handshake: { query: {} }, rooms: [id, "red"], data: { n: 1 } }] }));
await record("fetch-answer-binary", () => respond(8, { requestId, sockets: [{ id, handshake: {}, rooms: [], data: { b: bytes } }] }));
process.exit(0);
