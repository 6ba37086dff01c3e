// What a recorded broadcast (--redis-log) costs Redis, beside a plain one: processor time of the server for each message,
// with subscribers as workers are. One redis-server, one sender, messages of 200 bytes.
//
//   make bench-log
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { once } from "node:events";
import { Redis } from "../cluster/support/redis.mjs";
import { root } from "../clients/support/server.mjs";

const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 200_000);
const CHANNEL = "socket.io#/#room#";
const MESSAGE = Buffer.concat([Buffer.from([0x94]), Buffer.alloc(199, "m")]);
const BATCH = 16; // of bus_log.c

/** The script that publishes, out of the C source. */
function script() {
  const source = readFileSync(path.join(root, "broker/bus_log_scripts.c"), "utf8");
  const literals = (text) => [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))).join("");
  const complete = literals(/#define COMPLETE([\s\S]*?)\n\n/.exec(source)[1]);
  return complete + literals(/static const char publish\[\] =\s+COMPLETE([\s\S]*?);\n\n/.exec(source)[1]);
}

const command = (...args) => Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...args.flatMap((arg) => [Buffer.from(`$${Buffer.byteLength(arg)}\r\n`), Buffer.from(arg), Buffer.from("\r\n")])]);

async function dial(port) {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.setNoDelay(true);
  return socket;
}

const cpu = async (redis) => {
  const info = String(await redis.command("INFO", "cpu"));
  return ["used_cpu_user", "used_cpu_sys"].reduce((sum, key) => sum + Number(new RegExp(`${key}:([\\d.]+)`).exec(info)[1]), 0);
};

/** Sends `commands` commands, `ahead` in each write; resolves with the server's seconds. Every answer has `lines` lines. */
async function run(redis, bytes, commands, ahead, lines) {
  const socket = await dial(redis.port);
  const before = await cpu(redis);
  let sent = 0;
  let answered = 0; // lines
  await new Promise((resolve, reject) => {
    const send = () => {
      const n = Math.min(commands - sent, ahead);
      sent += n;
      socket.write(Buffer.concat(Array(n).fill(bytes)));
    };
    socket.on("data", (chunk) => {
      if (chunk[0] === "-".charCodeAt()) reject(new Error(String(chunk)));
      for (const byte of chunk) answered += byte === 10;
      if (answered === commands * lines) resolve();
      else if (answered === sent * lines) send();
    });
    send();
  });
  socket.destroy();
  return (await cpu(redis)) - before;
}

const redis = await Redis.start();
const sha = await redis.command("SCRIPT", "LOAD", script());
const one = [CHANNEL, MESSAGE, "asenderofbench/1"];
const recorded = (n) => command("EVALSHA", sha, "2", "socket.io-log", "{socket.io-log}-fence#sender", "10000", "1", ...Array(n).fill(one).flat());
const subscribers = [];
console.log("subscribers  sent            plain us   recorded us   times");
for (const count of [0, 2, 4, 16]) {
  while (subscribers.length < count) {
    const socket = await dial(redis.port);
    socket.write(command("SUBSCRIBE", CHANNEL));
    await once(socket, "data");
    socket.resume();
    subscribers.push(socket);
  }
  for (const [name, ahead, batch] of [["one by one", 1, 1], ["in bursts", BATCH, BATCH]]) {
    const messages = MESSAGES;
    const plain = (await run(redis, command("PUBLISH", CHANNEL, MESSAGE), messages, ahead, 1)) / messages;
    const log = (await run(redis, recorded(batch), messages / batch, 1, 2)) / messages;
    console.log(`${String(count).padStart(11)}  ${name.padEnd(12)} ${(plain * 1e6).toFixed(1).padStart(10)} ${(log * 1e6).toFixed(1).padStart(13)} ${(log / plain).toFixed(1).padStart(7)}`);
  }
}
subscribers.forEach((socket) => socket.destroy());
await redis.stop();
process.exit(0);
