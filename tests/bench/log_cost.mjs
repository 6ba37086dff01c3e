// What a recorded broadcast (--redis-log) costs Redis, beside a plain one: the processor time of redis-server for each message.
// The subscribers stand for workers. One redis-server, one sender, messages of 200 bytes. Each number is the
// median of several runs.
//
//   make bench-log
import net from "node:net";
import { once } from "node:events";
import { Redis } from "../cluster/support/redis.mjs";

const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 50_000);
const RUNS = 3;
const LENGTH = 10_000; // the default of --redis-log-length
const CHANNEL = "socket.io#/#room#";
const MESSAGE = Buffer.concat([Buffer.from([0x94]), Buffer.alloc(199, "m")]);
const BATCH = 16; // LOG_BATCH_MAX of bus_log_internal.h
const STAMP = "1732838400000-0/aasenderofbench/12345678";
const STAMPED = Buffer.concat([MESSAGE, Buffer.from([0xd9, STAMP.length]), Buffer.from(STAMP)]);

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

/**
 * Sends `commands` commands, `ahead` in each write; resolves with the server's seconds. Every answer has `lines` lines. `next` returns
 * the bytes of a write and gets the last answers.
 */
async function run(redis, next, commands, ahead, lines) {
  const socket = await dial(redis.port);
  const before = await cpu(redis);
  let sent = 0;
  let answered = 0; // lines
  await new Promise((resolve, reject) => {
    const send = (answers) => {
      sent += ahead;
      socket.write(next(answers));
    };
    socket.on("data", (chunk) => {
      if (chunk[0] === "-".charCodeAt()) reject(new Error(String(chunk)));
      for (const byte of chunk) answered += byte === 10;
      if (answered === commands * lines) resolve();
      else if (answered === sent * lines) send(chunk);
    });
    send();
  });
  socket.destroy();
  return (await cpu(redis)) - before;
}

const plain = (n) => {
  const bytes = Buffer.concat(Array(n).fill(command("PUBLISH", CHANNEL, MESSAGE)));
  return () => bytes;
};

/** Transactions as bus_log_write.c sends them, with `n` messages each. Their answers have 7 + 2 n lines. */
function recorded(n) {
  const record = Buffer.concat([Buffer.from(`${CHANNEL.length} ${STAMPED.length}\n${CHANNEL}`), STAMPED]);
  const records = Buffer.concat(Array(n).fill(record));
  const publishes = Buffer.concat([...Array(n).fill(command("PUBLISH", CHANNEL, STAMPED)), command("INCRBY", "{socket.io-log}-count", String(n)), command("EXEC")]);
  const write = (kept) => Buffer.concat([command("MULTI"), command("XADD", "socket.io-log", "MINID", "~", kept, "*", "m", records), publishes]);
  const marks = []; // positions, one for each LENGTH / 32 messages
  let bytes = write("0-0");
  let since = 0;
  return (answers) => {
    since += n;
    if (since >= LENGTH / 32 && answers) {
      marks.push(/\d+-\d+/.exec(answers.toString("latin1"))?.[0] ?? marks.at(-1) ?? "0-0");
      if (marks.length > 32) bytes = write(marks.shift());
      since = 0;
    }
    return bytes;
  };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const redis = await Redis.start();
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
    const messages = MESSAGES - (MESSAGES % batch);
    const [plains, logs] = [[], []];
    for (let i = 0; i < RUNS; i++) {
      plains.push((await run(redis, plain(ahead), messages, ahead, 1)) / messages);
      logs.push((await run(redis, recorded(batch), messages / batch, 1, 7 + 2 * batch)) / messages);
    }
    const [base, log] = [median(plains), median(logs)];
    console.log(`${String(count).padStart(11)}  ${name.padEnd(12)} ${(base * 1e6).toFixed(1).padStart(10)} ${(log * 1e6).toFixed(1).padStart(13)} ${(log / base).toFixed(1).padStart(7)}`);
  }
}
subscribers.forEach((socket) => socket.destroy());
await redis.stop();
process.exit(0);
