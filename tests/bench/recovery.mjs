// `make bench-recovery`: connection state recovery with two workers and their hub. It compares the cost of an idle
// client and of a broadcast with the same server without recovery, and measures how fast the clients of a killed worker return. The
// broadcast is also measured over Redis: with --redis-log and recovery, beside --redis alone.
//
// BENCH_RECOVERY_CLIENTS (10000), BENCH_RECOVERY_ROUNDS (3) and BENCH_RECOVERY_SECONDS (5) of the broadcasts.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nanoseconds } from "./lib/cluster_setups.mjs";
import { load } from "./lib/load.mjs";
import { build, here } from "./lib/paths.mjs";
import { demandFiles, end, freePort, launch, launchUntil, main } from "./lib/processes.mjs";
import { faultsOf, median } from "./lib/summary.mjs";
import { number } from "./lib/table.mjs";

const { WebSocket } = createRequire(path.join(here, "../package.json"))("ws");
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PATIENCE_MS = 120_000;
const CONNECTING = 256;
const PER_ADDRESS = 4000; // connections from one address, because its ports are limited
const AWAY = 3; // broadcasts while the clients are away
const RETRY_MS = 20;
const SETTLE_MS = 3000; // until memory is measured

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name}=${process.env[name]} is not a whole number above 0`);
  return value;
}

const clients = setting("BENCH_RECOVERY_CLIENTS", 10_000);
const rounds = setting("BENCH_RECOVERY_ROUNDS", 3);
const seconds = setting("BENCH_RECOVERY_SECONDS", 5);
const files = demandFiles(clients + 4096);

async function until(what, good) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await good())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`);
    await sleep(10);
  }
}

/** Resolves with the URL of a new Redis server, and its process. */
async function startRedis() {
  const port = await freePort();
  const argv = ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  return { url: `redis://127.0.0.1:${port}`, process: (await launchUntil(argv, /eady to accept connections/)).process };
}

/** Resolves with the server, and the process ids of its workers. `redis`: its URL. */
async function start(recovers, redis) {
  const admin = await freePort();
  const recovery = recovers ? ["--connection-state-recovery", ...(redis ? ["--redis-log"] : [])] : [];
  const argv = [path.join(build, "sockeye"), "--app", path.join(build, "apps/bench.so"), "--host", "127.0.0.1", "--port", "0", "--workers", "2", "--admin-port", String(admin), ...(redis ? ["--redis", redis] : []), ...recovery];
  const { process: server, match } = await launchUntil(argv, /event=listening address=127.0.0.1 port=(\d+)/, { files });
  const ready = () => new Map([...server.tail.matchAll(/event=worker_ready worker=(\d+) pid=(\d+)/g)].map(([, worker, pid]) => [Number(worker), Number(pid)]));
  await until("two workers", () => ready().size === 2);
  if (redis) await until("the bus", () => [...server.tail.matchAll(/event=bus .*state=up/g)].length >= 2);
  return { process: server, port: match[1], admin, workers: ready(), pid: server.pid };
}

async function clientsOf({ admin }) {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  return [...text.matchAll(/^sockeye_clients(?:\{[^}]*\})? (\S+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** The sum of what `measure` returns for a process and its descendants. */
function sumOf(pid, measure) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return children.reduce((sum, child) => sum + sumOf(child, measure), measure(pid));
}

/** Private memory of a process and its descendants, in bytes. */
const memory = (pid) => sumOf(pid, (one) => Number(/^Private_Dirty:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, "utf8"))[1]) * 1024);

/** A client that sends as little as possible. It comes back at once whenever it loses its connection. */
class Client {
  static count = 0;

  constructor(port) {
    this.url = `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
    this.address = `127.0.1.${1 + (Math.floor(Client.count++ / PER_ADDRESS) % 250)}`;
    this.got = [];
    this.recoveries = this.newcomings = 0;
  }

  connect() {
    return new Promise((resolve) => this.#connect(resolve));
  }

  #connect(connected) {
    const socket = (this.socket = new WebSocket(this.url, { perMessageDeflate: false, localAddress: this.address }));
    socket.on("message", (data) => this.#read(String(data), connected));
    socket.on("error", () => {});
    socket.on("close", () => this.ended || setTimeout(() => this.#connect(connected), this.joined ? 0 : RETRY_MS));
  }

  #read(text, connected) {
    if (text[0] === "0") {
      const { sid } = JSON.parse(text.slice(1));
      this.slot = ALPHABET.indexOf(sid[2]) * 64 + ALPHABET.indexOf(sid[3]);
      this.joined = false;
      this.socket.send(this.pid ? `40${JSON.stringify({ pid: this.pid, offset: this.offset })}` : "40");
    } else if (text.startsWith("40")) {
      const { pid } = JSON.parse(text.slice(2));
      if (this.pid) this[pid === this.pid ? "recoveries" : "newcomings"]++;
      this.pid = pid;
      this.joined = true;
      connected();
    } else if (text.startsWith("42")) {
      const [, n, offset] = JSON.parse(text.slice(2));
      this.got.push(n);
      this.offset = offset;
    } else if (text === "2") this.socket.send("3");
  }

  end() {
    this.ended = true;
    this.socket.close();
  }
}

/** Connects clients until `clients` of them are at the worker 0. */
async function gather(port) {
  const at = [];
  const one = async () => {
    while (at.length < clients) {
      const client = new Client(port);
      await client.connect();
      if (client.slot === 0 && at.length < clients) at.push(client);
      else client.end();
    }
  };
  await Promise.all(Array.from({ length: CONNECTING }, one));
  return at;
}

async function speaker(port) {
  for (;;) {
    const client = new Client(port);
    await client.connect();
    if (client.slot === 1) return client;
    client.end();
  }
}

/** Kills the worker that has all clients, and emits while they are away. */
async function storm() {
  const server = await start(true);
  const all = await gather(server.port);
  const from = await speaker(server.port);
  const say = (n) => from.socket.send(`42${JSON.stringify(["broadcast", n])}`);
  say(0);
  await until("the first broadcast", () => all.every(({ got }) => got.length === 1));
  // without the worker that dies, whose time cannot be read afterwards
  const cpu = { clients: process.cpuUsage(), servers: sumOf(server.pid, nanoseconds) - nanoseconds(server.workers.get(0)) };
  const killed = performance.now();
  process.kill(server.workers.get(0), "SIGKILL");
  for (let n = 1; n <= AWAY; n++) say(n);
  const back = (client) => client.joined && client.recoveries + client.newcomings > 0 && (client.newcomings > 0 || client.got.length > AWAY);
  await until("the clients are back", () => all.every(back));
  const took = (performance.now() - killed) / 1000;
  const { user, system } = process.cpuUsage(cpu.clients);
  const busy = { clients: (user + system) / 1e6, servers: (sumOf(server.pid, nanoseconds) - cpu.servers) / 1e9 };
  await sleep(1000); // a repeated event would arrive now
  const wanted = JSON.stringify([...Array(AWAY + 1).keys()]);
  const result = {
    took,
    busy,
    recovered: all.filter(({ recoveries, newcomings }) => recoveries > 0 && newcomings === 0).length,
    exact: all.filter(({ got }) => JSON.stringify(got) === wanted).length,
  };
  for (const client of [...all, from]) client.end();
  await end(server.process);
  return result;
}

async function idle(recovers) {
  const server = await start(recovers);
  await sleep(SETTLE_MS);
  const before = memory(server.pid);
  const tester = launch([path.join(build, "sockeye-load"), "idle", `http://127.0.0.1:${server.port}`, "--clients", String(clients), "--browser-headers", "--duration", "60m", "--quiet"], { files });
  await until(`${clients} clients`, async () => (await clientsOf(server)) >= clients);
  await sleep(SETTLE_MS);
  const bytes = (memory(server.pid) - before) / clients;
  await end(tester);
  await end(server.process);
  return bytes;
}

async function broadcasts(recovers, round, redis) {
  const server = await start(recovers, redis?.url);
  const report = await load("broadcast", { urls: [`http://127.0.0.1:${server.port}`], pids: [server.pid] },
    { clients: 1000, inFlight: 8, duration: seconds * 1000, warmUp: 1000 }, { files, name: `recovery-${redis ? "redis-" : ""}${recovers}-${round}` });
  await end(server.process);
  const faults = faultsOf(report);
  if (faults.length > 0) throw new Error(`broadcast: ${faults.join(", ")}`);
  return report.rates.deliveries;
}

/** Measures pairs of broadcasts, without and with recovery. Resolves with the deliveries per second of both, and their ratio. */
async function pairs(redis) {
  const rates = { true: [], false: [] }, ratios = [];
  for (let round = 0; round < rounds; round++) {
    for (const recovers of round % 2 ? [true, false] : [false, true]) rates[recovers].push(await broadcasts(recovers, round, redis));
    ratios.push(rates.true.at(-1) / rates.false.at(-1));
  }
  return { without: median(rates.false), with_: median(rates.true), ratio: median(ratios) };
}

await main(async () => {
  const { took, busy, recovered, exact } = await storm();
  const without = await idle(false), with_ = await idle(true);
  const hub = await pairs();
  const redis = await startRedis();
  const log = await pairs(redis);
  await end(redis.process);
  process.stdout.write([
    "Two workers and their hub, WebSocket clients, all processes and the clients on the same cores.",
    "",
    "| What | Measured | Wanted |",
    "|---|--:|--:|",
    `| ${number(clients)} clients back at once after the death of their worker, ${AWAY} events missed: all are back after | ${took.toFixed(1)} s | 5 s |`,
    `| processor time for that: servers, clients | ${busy.servers.toFixed(1)} s, ${busy.clients.toFixed(1)} s | |`,
    `| recovered | ${number(recovered)} | ${number(clients)} |`,
    `| got each missed event once and in order | ${number(exact)} | ${number(clients)} |`,
    `| memory of all processes per idle client: without, with recovery | ${number(without)} B, ${number(with_)} B | |`,
    `| difference | ${number(with_ - without)} B | 400 B |`,
    ...[["", hub, 0.85], [" over Redis", log, 0.6]].flatMap(([where, { without, with_, ratio }, wanted]) => [
      `| broadcast to 1,000${where}, 8 in flight, deliveries per second: without, with recovery (medians of ${rounds}) | ${number(without)}, ${number(with_)} | |`,
      `| ratio (median of the pairs) | ${ratio.toFixed(2)} | ${wanted} |`,
    ]),
    "",
  ].join("\n"));
  return recovered === clients && exact === clients ? 0 : 1;
});
