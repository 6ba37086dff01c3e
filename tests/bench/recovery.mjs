// `make bench-recovery`: connection state recovery with two workers and their hub. It compares the cost of an idle
// client and of a broadcast with the same server without recovery, and measures how fast the clients of a killed worker return. The
// broadcast is also measured over Redis: with --redis-log and recovery, beside --redis alone.
// BENCH_RECOVERY_CLIENTS (10000) that come back, BENCH_RECOVERY_ROUNDS (3) of each measurement except memory, and
// BENCH_RECOVERY_SECONDS (5) of the broadcasts. BENCH_ROWS=storm,memory,hub,redis measures some rows only.
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nanoseconds } from "./lib/cluster_setups.mjs";
import { load } from "./lib/load.mjs";
import { build, output } from "./lib/paths.mjs";
import { demandFiles, end, freePort, launch, launchUntil, main } from "./lib/processes.mjs";
import { faultsOf, median } from "./lib/summary.mjs";
import { number } from "./lib/table.mjs";

const PATIENCE_MS = 120_000;
const PER_SECOND = 3; // broadcasts while the clients are away
const AWAY_MS = 1000; // until they come back, all at once
const AFTER_MS = 1500; // a repeated event would arrive in this time
const SETTLE_MS = 3000; // until memory is measured

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name}=${process.env[name]} is not a whole number above 0`);
  return value;
}

const clients = setting("BENCH_RECOVERY_CLIENTS", 10_000);
const rounds = setting("BENCH_RECOVERY_ROUNDS", 3);
const seconds = setting("BENCH_RECOVERY_SECONDS", 5);
const halves = Math.ceil(clients * 2.04); // two workers share these clients, so that each has at least `clients`
const files = demandFiles(Math.ceil(clients * 1.55) + 4096); // one process may get half of the clients, and they come back at the other worker

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

const metricsOf = async ({ admin }) => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();

async function clientsOf(server) {
  const text = await metricsOf(server);
  return [...text.matchAll(/^sockeye_clients(?:\{[^}]*\})? (\S+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** The sum of what `measure` returns for a process and its descendants. */
function sumOf(pid, measure) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return children.reduce((sum, child) => sum + sumOf(child, measure), measure(pid));
}

/** Private memory of a process and its descendants, in bytes. */
const memory = (pid) => sumOf(pid, (one) => Number(/^Private_Dirty:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, "utf8"))[1]) * 1024);

/** The number of the worker without the sender: it has sent no broadcast to the other worker. */
async function listenersOf(server) {
  const sent = [...(await metricsOf(server)).matchAll(/^sockeye_broker_broadcasts_out_total\{worker="(\d+)"\} (\S+)/gm)];
  return Number(sent.find(([, , n]) => Number(n) === 0)?.[1]);
}

/**
 * Kills the worker that does not have the sender. Its clients come back all at once a second later, while the others go on.
 * Resolves with the load tester's report, and the processor time that servers and tester used meanwhile.
 */
async function storm(round) {
  mkdirSync(output, { recursive: true });
  const server = await start(true);
  const json = path.join(output, `recovery-storm-${round}.json`);
  const argv = [path.join(build, "sockeye-load"), "broadcast", `http://127.0.0.1:${server.port}`, "--clients", String(halves),
    "--processes", "2", "--connecting", String(halves), "--recover", "--reconnection-delay", String(AWAY_MS), "--no-randomization",
    "--message-rate", String(PER_SECOND), "--warm-up", "0", "--duration", "60m", "--settle", "10s", "--timeout", "60s", "--json", json];
  const { process: tester } = await launchUntil(argv, /^run +[1-9].*clients/m, { files });
  await until(`${halves} clients`, async () => (await clientsOf(server)) >= halves);
  const worker = await listenersOf(server);
  if (!server.workers.has(worker)) throw new Error("no worker has only listeners");
  const cpu = { clients: sumOf(tester.pid, nanoseconds), servers: sumOf(server.pid, nanoseconds) - nanoseconds(server.workers.get(worker)) };
  process.kill(server.workers.get(worker), "SIGKILL");
  await until("the clients are back", () => {
    const [, joined, errors] = [...tester.tail.matchAll(/^run .* clients (\d+) .* errors (\d+)$/gm)].at(-1);
    return Number(errors) > 0 && Number(joined) === halves;
  });
  await sleep(AFTER_MS);
  const busy = { clients: (sumOf(tester.pid, nanoseconds) - cpu.clients) / 1e9, servers: (sumOf(server.pid, nanoseconds) - cpu.servers) / 1e9 };
  tester.child.kill("SIGINT");
  const [code] = await tester.ended;
  if (code !== 0) throw new Error(`the load tester ended with code ${code}\n${tester.tail}`);
  await end(server.process);
  return { ...JSON.parse(readFileSync(json, "utf8")), busy };
}

/** The faults in the return of the clients, as texts. */
const stormFaults = ({ recovery, clients: { left }, messages }) =>
  Object.entries({ "not recovered": left - recovery.recovered, lost: messages.lost, duplicated: messages.duplicated, reordered: messages.reordered })
    .filter(([, n]) => n > 0).map(([kind, n]) => `${number(n)} ${kind}`);

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
  return { without: median(rates.false), with_: median(rates.true), ratio: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/* ---------------------------------------------------------------------------------------------------- rows */

async function stormRows() {
  const storms = [];
  for (let round = 0; round < rounds; round++) storms.push(await storm(round));
  const faults = storms.flatMap(stormFaults);
  const times = storms.map(({ recovery }) => recovery.seconds);
  const middle = (pick) => median(storms.map(pick));
  const left = number(middle(({ clients }) => clients.left));
  return { faults, lines: [
    `| ${left} clients back at once, ${AWAY_MS / 1000} s after the death of their worker, ${PER_SECOND} events a second: all are back after (median of ${rounds}) | ${median(times).toFixed(1)} s | 5 s |`,
    `| the same, least and most | ${Math.min(...times).toFixed(1)} s, ${Math.max(...times).toFixed(1)} s | |`,
    `| processor time for that: servers, clients | ${middle(({ busy }) => busy.servers).toFixed(1)} s, ${middle(({ busy }) => busy.clients).toFixed(1)} s | |`,
    `| recovered | ${number(middle(({ recovery }) => recovery.recovered))} | ${left} |`,
    `| missed events for each of them | ${middle(({ recovery }) => recovery.replayed / recovery.recovered).toFixed(1)} | |`,
    `| lost, duplicated or reordered events, clients not recovered | ${faults.join(", ") || "0"} | 0 |`,
  ] };
}

async function memoryRows() {
  const without = await idle(false), with_ = await idle(true);
  return { lines: [
    `| memory of all processes per idle client: without, with recovery | ${number(without)} B, ${number(with_)} B | |`,
    `| difference | ${number(with_ - without)} B | 400 B |`,
  ] };
}

async function broadcastRows(where, wanted, redis) {
  const { without, with_, ratio, least, most } = await pairs(redis);
  return { lines: [
    `| broadcast to 1,000${where}, 8 in flight, deliveries per second: without, with recovery (medians of ${rounds}) | ${number(without)}, ${number(with_)} | |`,
    `| ratio (median of the pairs; least and most) | ${ratio.toFixed(2)}; ${least.toFixed(2)} and ${most.toFixed(2)} | ${wanted} |`,
  ] };
}

async function redisRows() {
  const redis = await startRedis();
  const result = await broadcastRows(" over Redis", 0.6, redis);
  await end(redis.process);
  return result;
}

const rows = { storm: stormRows, memory: memoryRows, hub: () => broadcastRows("", 0.85), redis: redisRows };

await main(async () => {
  const wanted = (process.env.BENCH_ROWS ?? "").split(",").filter(Boolean);
  const unknown = wanted.find((name) => !rows[name]);
  if (unknown) throw new Error(`BENCH_ROWS: there is no row ${unknown}; the rows are ${Object.keys(rows).join(",")}`);
  const results = [];
  for (const [name, measure] of Object.entries(rows)) if (wanted.length === 0 || wanted.includes(name)) results.push(await measure());
  const lines = results.flatMap((result) => result.lines);
  process.stdout.write(`Two workers and their hub, WebSocket clients, all processes and the clients on the same cores.\n\n| What | Measured | Wanted |\n|---|--:|--:|\n${lines.join("\n")}\n`);
  return results.some(({ faults = [] }) => faults.length > 0) ? 1 : 0;
});
