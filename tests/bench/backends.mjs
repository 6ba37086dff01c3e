// `make bench-backends`: a Socket.IO application on plain Node.js, and the same one behind an edge. It compares the
// processor time and the memory of Node.js. Node.js has core 0; the edge and the load tester share core 1.
//
// BENCH_ROUNDS (3), BENCH_SECONDS (4). BENCH_ROWS=echo,ack measures some rows only, which are printed and not
// written.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { filesOf, rows } from "./lib/backend_rows.mjs";
import { start } from "./lib/backend_servers.mjs";
import { load } from "./lib/load.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { demandFiles, main } from "./lib/processes.mjs";
import { writeSection } from "./lib/results.mjs";
import { faultsOf, median } from "./lib/summary.mjs";
import { align, number } from "./lib/table.mjs";

const LOAD_CORE = 1;
const HEAP_AT_MS = 5500; // at this time all clients are connected and none has left
const TICK_MICROSECONDS = 10_000; // the ticks of /proc have this length on every Linux
const IDS = ["node", "edge"];
const say = (text) => process.stderr.write(`${text}\n`);

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!(value > 0)) throw new Error(`${name}=${process.env[name]} is not a number above 0`);
  return value;
}

function microseconds(pids) {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS;
  }, 0);
}

async function heapRun(row, setup, options, extra) {
  const before = await setup.heap();
  const running = load(row.scenario, setup, options, extra);
  await sleep(HEAP_AT_MS);
  const during = await setup.heap();
  const report = await running;
  return { report, heap: (during - before) / options.clients };
}

async function measure(row, id, options, files) {
  const setup = await start(id, files);
  const extra = { core: LOAD_CORE, files, name: `backend-${row.id}-${id}` };
  try {
    const edgeBefore = microseconds(setup.edgePids);
    const { report, heap } = row.heap ? await heapRun(row, setup, options, extra) : { report: await load(row.scenario, setup, options, extra) };
    const { server, clients, messages, latency } = report;
    const cpu = (server.userSeconds + server.systemSeconds) * 1e6;
    const count = row.per === "client" ? clients.joined : messages?.sent;
    const seconds = options.duration / 1000;
    const done = row.per === "client" ? count : report.rates.messages * seconds;
    return {
      value: row.value?.(report), heap, cost: cpu / done, edge: (microseconds(setup.edgePids) - edgeBefore) / done,
      p50: latency?.p50, p99: latency?.p99, faults: faultsOf(report),
    };
  } finally {
    await setup.stop();
  }
}

async function measureRow(row, { rounds, seconds, files }) {
  const options = { warmUp: 1000, duration: seconds * 1000, ...row.options };
  const runs = { node: [], edge: [] };
  for (let round = 0; round < rounds; round++) {
    for (const id of IDS) {
      const run = await measure(row, id, options, files);
      say(`  ${row.id}, round ${round + 1}, ${id}: ${number(run.value)} ${row.unit ?? ""} ${number(run.cost)} us ${run.faults.join(", ")}`);
      runs[id].push(run);
    }
  }
  const of = (id) => Object.fromEntries(["value", "heap", "cost", "edge", "p50", "p99"].map((what) => [what, median(runs[id].map((run) => run[what]))]));
  return { ...row, node: of("node"), edge: of("edge"), faults: IDS.flatMap((id) => runs[id].flatMap((run) => run.faults.map((fault) => `${row.title}, ${id}: ${fault}`))) };
}

const times = (a, b) => (Number.isFinite(a / b) ? `${number(a / b)} x` : "");
const target = (row) => (row.least ? `at least ${row.least} x` : row.later ? `at most ${row.later} ms later` : "");

function cellsOf(row) {
  const { node, edge } = row;
  if (row.latency) return [row.title, "ms", number(node.p50), number(edge.p50), `${number(edge.p50 - node.p50)} ms later`, target(row), "", "", ""];
  if (row.heap) return [row.title, "bytes", number(node.heap), number(edge.heap), times(node.heap, edge.heap), target(row), "", "", ""];
  return [row.title, `us a ${row.per}`, number(node.cost), number(edge.cost), times(node.cost, edge.cost), target(row), number(node.value), number(edge.value), number(edge.edge)];
}

function textOf(results, { rounds, seconds }) {
  const faults = results.flatMap((row) => row.faults);
  return [
    "## An application behind the edge",
    `\`make bench-backends\`, medians of ${rounds} rounds of ${seconds} s: processor time and heap of the Node.js process, which has one core. One edge worker and the load ` +
      "tester share the other core, which limits the rates in the two right columns.",
    machineLines(machine()),
    align(
      [
        ["work", "unit", "Node.js alone", "behind the edge", "compared", "target", "alone, a second", "behind, a second", "edge, us"],
        ...results.map(cellsOf),
      ],
      2,
    ),
    ...(faults.length > 0 ? ["### What went wrong in single runs", faults.map((fault) => `- ${fault}`).join("\n")] : []),
  ].join("\n\n");
}

await main(async () => {
  const only = (process.env.BENCH_ROWS ?? "").split(",").filter(Boolean);
  const wanted = rows.filter((row) => only.length === 0 || only.includes(row.id));
  const plan = { rounds: setting("BENCH_ROUNDS", 3), seconds: setting("BENCH_SECONDS", 4), files: demandFiles(Math.max(...wanted.map(filesOf))) };
  const results = [];
  for (const row of wanted) {
    say(row.title);
    results.push(await measureRow(row, plan));
  }
  const text = textOf(results, plan);
  process.stdout.write(`${text}\n`);
  if (only.length === 0) writeSection("backends", text);
  return 0;
});
