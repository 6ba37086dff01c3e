// Records what the real streams adapter sends, as lines "name <TAB> stream or channel <TAB> hex": an XADD as the whole
// command in RESP, a PUBLISH as its payload. node tests/data/wire/streams.mjs > tests/data/wire/streams.txt
import { createRequire } from "node:module";
import { EventEmitter } from "node:events";

const require = createRequire(new URL("../../package.json", import.meta.url));
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { Server } = require("socket.io");

let name = "";
const show = (where, bytes) => process.stdout.write(`${name}\t${where}\t${Buffer.from(bytes).toString("hex")}\n`);
const resp = (args) => `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join("")}`;

/** A client like that of ioredis, which records commands instead of sending them. */
class Recorder extends EventEmitter {
  options = {};
  duplicate() {
    return new Recorder();
  }
  xread() {
    return new Promise(() => {});
  }
  xadd(args) {
    show(args[0], resp(["XADD", ...args]));
    return Promise.resolve("1700000000000-0");
  }
  publish(channel, payload) {
    show(channel, payload);
    return Promise.resolve(1);
  }
  send_command(command, [, channel], answer) {
    answer(null, [channel, 3]);
  }
  subscribe() {}
  disconnect() {}
}

const io = new Server({ adapter: createAdapter(new Recorder()) });
const nsp = io.of("/n s");
const record = async (what, run) => {
  name = what;
  try {
    await run();
  } catch {} // questions without an answer
  await new Promise(setImmediate);
};

await record("broadcast", () => io.emit("news", 1, "two", { three: [3] }));
await record("broadcast-binary", () => io.emit("bin", Buffer.from([0, 1, 255]), { deep: [Buffer.alloc(0), "s"] }));
await record("broadcast-rooms", () => io.to(["red", "blue#1", "ü"]).except("green").emit("news", "x"));
await record("broadcast-flags", () => io.volatile.compress(false).emit("news"));
await record("broadcast-nsp", () => nsp.emit("news"));
await record("broadcast-ack", () => io.timeout(10).to("red").emit("ask", 1, () => {}));
await record("join", () => io.to("red").except("blue").socketsJoin(["a", "b"]));
await record("leave", () => io.socketsLeave("a"));
await record("disconnect", () => io.to("red").disconnectSockets(true));
await record("server-emit", () => io.serverSideEmit("hello", 1, { two: "ü" }));
await record("server-emit-ack", () => void io.serverSideEmit("hello", 1, () => {}));
await record("fetch", () => io.timeout(10).in("red").fetchSockets());
process.exit(0);
