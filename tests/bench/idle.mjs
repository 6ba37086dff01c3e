// `make bench-idle`: a very large number of clients that do nothing but answer heartbeats, held by several workers. No client may
// be lost: the exit code is 1 if one is. RESULTS.md gets the figures in both cases. If the load tester fails, its reason is printed
// and RESULTS.md stays as it is. The default number of clients and the last other number each have a section there.
//
// BENCH_IDLE_CLIENTS (100000), BENCH_IDLE_MINUTES (10), BENCH_IDLE_RATE of connects per second (2000), BENCH_IDLE_PING_INTERVAL in
// seconds (25, the default of Socket.IO, or more if the cores are too few for so many heartbeats), BENCH_IDLE_WORKERS, and
// BENCH_IDLE_PROCESSES of the load tester (as many as cores, at least 2, and more if the limit of file descriptors requires it).
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { load } from "./lib/load.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { build } from "./lib/paths.mjs";
import { demandFiles, end, filesPossible, isRunning, launchUntil, main } from "./lib/processes.mjs";
import { writeSection } from "./lib/results.mjs";
import { faultsOf } from "./lib/summary.mjs";
import { number } from "./lib/table.mjs";

const LEFT_MS = 10_000; // until memory is measured again, and for each client
const LEFT_CLIENT_MS = 0.05; // the workers close their connections after the clients have gone
const CLIENTS = 100_000;
const CONNECT_RATE = 2000; // per second: both sides share the machine
const PING_INTERVAL_S = 25;
const HEARTBEATS_PER_CORE = 8000; // per second, with both sides on the core
const PATIENCE_MS = 180_000; // in addition to twice the time for connecting, and to the time for leaving
const LEAVE_MS = 1; // of each client, as sockeye-load allows
const UNEVEN = 1.1; // a worker may have this many times the mean
const RESERVE = 1024; // file descriptors for everything else
const KERNEL_BYTES_PER_CLIENT = 8192; // both sockets of a connection on one machine

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name}=${process.env[name]} is not a whole number above 0`);
  return value;
}

function settings() {
  const clients = setting("BENCH_IDLE_CLIENTS", CLIENTS);
  const cores = Math.max(2, os.availableParallelism());
  const possible = filesPossible() - RESERVE;
  // the kernel distributes connections over workers at random
  const workers = setting("BENCH_IDLE_WORKERS", Math.max(cores, Math.ceil((clients * UNEVEN) / possible)));
  const processes = setting("BENCH_IDLE_PROCESSES", Math.max(cores, Math.ceil(clients / possible)));
  const files = demandFiles(RESERVE + Math.ceil(Math.max((clients * UNEVEN) / workers, clients / processes)));
  const pingInterval = setting("BENCH_IDLE_PING_INTERVAL", Math.max(PING_INTERVAL_S, Math.ceil(clients / (cores * HEARTBEATS_PER_CORE))));
  return {
    clients, workers, processes, files, pingInterval, minutes: setting("BENCH_IDLE_MINUTES", 10),
    rate: setting("BENCH_IDLE_RATE", CONNECT_RATE),
  };
}

function demandMemory(clients) {
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))[1]) * 1024;
  const needed = clients * (KERNEL_BYTES_PER_CLIENT + 4096);
  if (available < needed) throw new Error(`${clients} clients need ${number(needed / 2 ** 20)} MiB of memory; ${number(available / 2 ** 20)} MiB are free`);
}

const TRIED = 64; // connections

function readNumber(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0; // the kernel cannot track connections
  }
}

const tracked = () => readNumber("/proc/sys/net/netfilter/nf_conntrack_count");

/** Whether a firewall tracks the connections of the loopback interface. */
async function isTracking() {
  const server = net.createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const before = tracked();
  const sockets = Array.from({ length: TRIED }, () => net.connect(server.address().port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const more = tracked() - before;
  for (const socket of sockets) socket.destroy();
  server.close();
  return more >= TRIED / 2;
}

/** A firewall that tracks connections drops the packets of those beyond its limit. */
async function demandTracking(clients) {
  const limit = readNumber("/proc/sys/net/netfilter/nf_conntrack_max"), needed = clients + tracked() + RESERVE;
  if (limit < needed && (await isTracking()))
    throw new Error(`the firewall tracks at most ${number(limit)} connections; for ${number(clients)} clients run: sysctl -w net.netfilter.nf_conntrack_max=${needed}`);
}

const startServer = ({ workers, files, pingInterval }) =>
  launchUntil(
    [
      path.join(build, "sockeye"), "--app", path.join(build, "apps/bench.so"), "--host", "127.0.0.1", "--port", "0", "--workers", String(workers),
      "--ping-interval", `${pingInterval}s`,
    ],
    /event=listening.* port=(\d+)/,
    { files },
  );

function textOf(report, { clients, minutes, workers, processes, pingInterval }, faults) {
  const { server = {}, kernel = {} } = report; // absent if the server has ended
  const mib = (bytes) => `${number(bytes / 2 ** 20)} MiB`;
  return [
    `## ${number(clients)} idle clients`,
    `\`make bench-idle\`: ${number(clients)} WebSocket clients with browser headers on ${workers} workers, held ${minutes} min with heartbeats ` +
      `every ${pingInterval} s, by ${processes} load processes on the same cores.`,
    machineLines(machine()),
    [
      "| what | value |",
      "| ---- | ----: |",
      `| clients at the end | ${number(report.clients.joined)} |`,
      `| lost | ${faults.length === 0 ? "none" : faults.join(", ")} |`,
      `| connects per second while they came | ${number(report.rates.connects)} |`,
      `| processor time of the server, all workers | ${number(server.cpuPercent)} % of a core |`,
      `| memory of the server, all workers | ${mib(server.memory)} |`,
      `| memory per client | ${number(server.memoryPerClient)} bytes |`,
      ...(Number.isFinite(server.memoryAfter) ? [`| kept when all have left | ${mib(server.memoryAfter - server.memoryBefore)} |`] : []),
      `| kernel's socket memory per client, both ends | ${number(kernel.socketBytesPerClient)} bytes |`,
    ].join("\n"),
  ].join("\n\n");
}

await main(async () => {
  const plan = settings();
  demandMemory(plan.clients);
  await demandTracking(plan.clients);
  const server = await startServer(plan);
  const options = {
    clients: plan.clients, processes: plan.processes, browserHeaders: true, connectRate: plan.rate,
    warmUp: 1000, duration: plan.minutes * 60_000, settle: LEFT_MS + Math.ceil(plan.clients * LEFT_CLIENT_MS),
  };
  const setup = { urls: [`http://127.0.0.1:${server.match[1]}`], pids: [server.process.pid] };
  const report = await load("idle", setup, options, { files: plan.files, name: "idle-many", patience: PATIENCE_MS + 2 * (plan.clients / plan.rate) * 1000 + plan.clients * LEAVE_MS, onText: (text) => process.stderr.write(text) });
  const faults = faultsOf(report);
  if (!isRunning(server.process)) faults.push("the server has ended");
  await end(server.process);
  const text = textOf(report, plan, faults);
  process.stdout.write(`${text}\n`);
  writeSection(plan.clients === CLIENTS ? "idle" : "idle-many", text);
  return faults.length === 0 ? 0 : 1;
});
