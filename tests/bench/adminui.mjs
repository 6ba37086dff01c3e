// `make bench-adminui`: what the Admin UI costs a worker with many sockets, without an admin and with one. The admin
// is a stock client of /admin. The figures are of the worker alone: processor time in user and kernel mode together.
//
// BENCH_ADMINUI_CLIENTS (10000), BENCH_ADMINUI_SECONDS (10) of each measurement, BENCH_ADMINUI_RATE (2000) echoes per second.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nanoseconds } from "./lib/cluster_setups.mjs";
import { load } from "./lib/load.mjs";
import { build, here } from "./lib/paths.mjs";
import { demandFiles, end, freePort, launch, launchUntil, main } from "./lib/processes.mjs";
import { number } from "./lib/table.mjs";

const { io } = createRequire(path.join(here, "../package.json"))("socket.io-client");
const PATIENCE_MS = 120_000;
const RESERVE = 1024; // file descriptors for everything else
const ECHO_CLIENTS = 50;

const states = [
  { name: "off", args: [] },
  { name: "production, nobody looks", args: ["--admin-ui", "--admin-ui-mode", "production"] },
  { name: "development, nobody looks", args: ["--admin-ui", "--admin-ui-mode", "development"] },
  { name: "production, an admin looks", args: ["--admin-ui", "--admin-ui-mode", "production"], looks: true },
  { name: "development, an admin looks", args: ["--admin-ui", "--admin-ui-mode", "development"], looks: true, lists: true },
];

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name}=${process.env[name]} is not a whole number above 0`);
  return value;
}

const clients = setting("BENCH_ADMINUI_CLIENTS", 10_000);
const seconds = setting("BENCH_ADMINUI_SECONDS", 10);
const rate = setting("BENCH_ADMINUI_RATE", 2000);
const files = demandFiles(clients + RESERVE);

async function until(what, predicate) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await predicate())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`);
    await sleep(50);
  }
}

const memory = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

/** Metrics, summed over their labels. */
async function metrics(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const sum = (name) => [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce((total, [, value]) => total + Number(value), 0);
  return { clients: sum("sockeye_clients"), dropped: sum("sockeye_admin_ui_events_dropped_total") };
}

/** Connects an admin. `listed` has the ids of the sockets that the server has reported to it. */
async function look(port) {
  const admin = io(`http://127.0.0.1:${port}/admin`, { transports: ["websocket"], forceNew: true, reconnection: false });
  admin.listed = new Set();
  admin.events = 0;
  admin.on("all_sockets", (sockets) => sockets.forEach(({ id }) => admin.listed.add(id)));
  admin.on("socket_connected", ({ id }) => admin.listed.add(id));
  admin.onAny(() => admin.events++);
  await once(admin, "connect");
  return admin;
}

async function measure(state) {
  const adminPort = await freePort();
  const argv = [
    path.join(build, "sockeye"), "--app", path.join(build, "apps/bench.so"), "--host", "127.0.0.1", "--port", "0", "--workers", "1",
    "--admin-port", String(adminPort), ...state.args, ...(state.args.length > 0 ? ["--admin-ui-auth", "none"] : []),
  ];
  const { process: server, match } = await launchUntil(argv, /event=listening.* port=(\d+)/, { files });
  const url = `http://127.0.0.1:${match[1]}`;
  const holder = launch([path.join(build, "sockeye-load"), "idle", url, "--clients", String(clients), "--browser-headers", "--duration", "60m", "--quiet"], { files });
  await until(`${clients} clients`, async () => (await metrics(adminPort)).clients >= clients);
  await sleep(1000);
  const row = { name: state.name };
  const base = memory(server.pid);
  let admin;
  if (state.looks) {
    const cpu = nanoseconds(server.pid);
    const from = Date.now();
    admin = await look(match[1]);
    if (state.lists) {
      await until("the list of sockets", () => admin.listed.size >= clients);
      row.list = { seconds: (Date.now() - from) / 1000, cpu: (nanoseconds(server.pid) - cpu) / 1e6 };
    }
  }
  const quiet = nanoseconds(server.pid);
  await sleep(seconds * 1000);
  row.quiet = (nanoseconds(server.pid) - quiet) / 1e6 / seconds; // ms per second
  const before = await metrics(adminPort);
  const busy = nanoseconds(server.pid);
  const seen = admin?.events;
  const report = await load("echo", { urls: [url], pids: [server.pid] }, { clients: ECHO_CLIENTS, messageRate: rate, duration: seconds * 1000, warmUp: 500 }, { files, name: "adminui" });
  row.busy = (nanoseconds(server.pid) - busy) / 1e6 / seconds;
  row.p99 = report.latency.p99;
  const after = await metrics(adminPort);
  row.dropped = after.dropped - before.dropped;
  row.events = admin ? admin.events - seen : 0;
  row.memory = memory(server.pid) - base;
  admin?.disconnect();
  await end(holder);
  await end(server);
  return row;
}

const text = (rows) => [
  `${number(clients)} WebSocket clients, one worker. "busy": ${ECHO_CLIENTS} of further clients send ${number(rate)} echoes per second for ${seconds} s.`,
  "",
  "| Admin UI | quiet: ms of processor time per second | busy: ms of processor time per second | echo, p99 | events to the admin | events not shown | memory since the clients came |",
  "|---|--:|--:|--:|--:|--:|--:|",
  ...rows.map((r) => `| ${r.name} | ${r.quiet.toFixed(2)} | ${number(r.busy)} | ${r.p99.toFixed(1)} ms | ${number(r.events)} | ${number(r.dropped)} | ${number(r.memory / 1024)} KiB |`),
  "",
  ...rows.filter((r) => r.list).map((r) => `The list of all sockets took ${r.list.seconds.toFixed(1)} s and ${number(r.list.cpu)} ms of processor time.`),
].join("\n");

await main(async () => {
  const rows = [];
  for (const state of states) rows.push(await measure(state));
  process.stdout.write(`${text(rows)}\n`);
  return 0;
});
