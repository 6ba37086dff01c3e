// `make bench`: Sockeye, Node.js and the floor (floor.c) side by side, in one run. The server is on core 0, the load on core 1.
// For each row the servers take turns, round by round, every other time in the opposite order. The medians count, and for ratios
// the median of the ratios of the rounds.
//
// BENCH_ROUNDS (3), BENCH_SECONDS (5) of each measurement. BENCH_ROWS=echo,tls measures some rows only: these are
// printed, and RESULTS.md stays as it is.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { barsOf, chart } from "./lib/chart.mjs";
import { load, loadBeside } from "./lib/load.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { here, output } from "./lib/paths.mjs";
import { QUIET_PERCENT, watchOthers } from "./lib/others.mjs";
import { demandFiles, has, main } from "./lib/processes.mjs";
import { writeSection } from "./lib/results.mjs";
import { filesOf, rows } from "./lib/rows.mjs";
import { present, servers, start } from "./lib/servers.mjs";
import { runOf, summarise } from "./lib/summary.mjs";
import { costTable, faultLines, latencyTable, number, spreadTable, targetTable, valueTable } from "./lib/table.mjs";

const LOAD_CORE = 1;
const WARM_UP_MS = 1000;
const TRIES = 3; // of a run that other programs of the machine disturb

const say = (text) => process.stderr.write(`${text}\n`);

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!(value > 0)) throw new Error(`${name}=${process.env[name]} is not a number above 0`);
  return value;
}

function wantedRows() {
  const wanted = (process.env.BENCH_ROWS ?? "").split(",").filter(Boolean);
  const unknown = wanted.find((id) => !rows.some((row) => row.id === id));
  if (unknown) throw new Error(`BENCH_ROWS: there is no row ${unknown}; the rows are ${rows.map((row) => row.id).join(",")}`);
  const needed = rows.filter((row) => wanted.includes(row.id)).map((row) => row.after);
  return wanted.length === 0 ? rows : rows.filter((row) => wanted.includes(row.id) || needed.includes(row.id));
}

async function measureOnce(row, id, options, files) {
  const setup = await start(row.kind ?? "alone", id, files);
  let beside;
  try {
    if (row.beside) beside = await loadBeside(row.beside.scenario, setup, row.beside.options, { core: LOAD_CORE, files });
    const report = await load(row.scenario, setup, options, { core: LOAD_CORE, files, name: `${row.id}-${id}` });
    return runOf(row, report);
  } finally {
    await beside?.stop();
    await setup.stop();
  }
}

/** Measures once. Repeats a run that other programs have disturbed, whatever its result. */
async function measure(row, id, options, files) {
  for (let tries = 1; ; tries++) {
    const watched = watchOthers();
    const run = await measureOnce(row, id, options, files);
    const others = row.anyTime ? 0 : watched();
    if (others <= QUIET_PERCENT || tries === TRIES) return { ...run, others };
    say(`  ${row.id}, ${servers[id].title}: others used ${number(others)} % of the machine; measuring again`);
  }
}

function tell(row, id, round, run) {
  const notes = [run.testerBound ? "the tester is the limit" : "", ...run.faults].filter(Boolean).join(", ");
  say(`  ${row.id}, round ${round + 1}, ${servers[id].title}: ${number(run.value)} ${row.unit}${notes ? ` (${notes})` : ""}`);
}

async function measureRow(row, { rounds, seconds, files }, results) {
  const before = results.find((result) => result.id === row.after)?.medians;
  const own = typeof row.options === "function" ? row.options(before) : row.options;
  const options = { warmUp: WARM_UP_MS, duration: seconds * 1000, ...own };
  const ids = row.servers.filter(present);
  const runs = Object.fromEntries(ids.map((id) => [id, []]));
  for (let round = 0; round < rounds; round++) {
    for (const id of round % 2 === 0 ? ids : [...ids].reverse()) {
      const run = await measure(row, id, options, files);
      tell(row, id, round, run);
      runs[id].push(run);
    }
  }
  return summarise(row, runs);
}

function othersText(results) {
  const all = results.flatMap(({ medians }) => Object.values(medians).flatMap((of) => of.others));
  const disturbed = all.filter((percent) => percent > QUIET_PERCENT).length;
  return `Other programs used more than ${QUIET_PERCENT} % of the machine during ${disturbed} of ${all.length} runs (at most ${number(Math.max(...all))} %). ` +
    `A disturbed run is measured up to ${TRIES} times.`;
}

function textOf(results, { rounds, seconds }) {
  const faults = faultLines(results);
  const full = results.some(({ medians }) => Object.values(medians).some((of) => of.testerBound));
  return [
    "## The peers side by side",
    `\`make bench\`, medians of ${rounds} rounds of ${seconds} s, ratios of runs of the same round; server on one core, load on another; 64-byte payload unless the row names another size.`,
    machineLines(machine()),
    othersText(results),
    valueTable(results),
    full ? "\\* the load tester's core was full: the server may be capable of more." : "",
    "### Targets", targetTable(results),
    "### Microseconds of the server's processor for each delivery (for each client where they connect)", costTable(results),
    "### Latency, ms: p50 / p99", latencyTable(results),
    "### How far the rounds lie apart, and the ratios of single rounds", spreadTable(results),
    ...(faults.length > 0 ? ["### What went wrong in single runs", faults.join("\n")] : []),
  ].filter(Boolean).join("\n\n");
}

function publish(text, results) {
  const { date, processor, peer } = machine();
  writeSection("peers", text);
  writeFileSync(path.join(here, "ratios.svg"), chart(barsOf(results), `${date}; ${processor}; ${peer.split(", ").slice(0, 2).join(", ")}`));
  say(`Written: tests/bench/RESULTS.md, tests/bench/ratios.svg`);
}

await main(async () => {
  const wanted = wantedRows().filter((row) => !row.needs || has(row.needs) || say(`${row.id} is left out: there is no ${row.needs}`));
  for (const [id, { title, program }] of Object.entries(servers)) if (!present(id)) say(`${title} is left out: there is no ${program}`);
  const files = demandFiles(Math.max(...wanted.map(filesOf)));
  const plan = { rounds: setting("BENCH_ROUNDS", 3), seconds: setting("BENCH_SECONDS", 5), files };
  const results = [];
  for (const row of wanted) {
    say(row.title);
    results.push(await measureRow(row, plan, results));
  }
  const text = textOf(results, plan);
  process.stdout.write(`${text}\n`);
  mkdirSync(output, { recursive: true });
  writeFileSync(path.join(output, "results.json"), JSON.stringify(results, null, 2));
  if (!process.env.BENCH_ROWS) publish(text, results);
  return 0;
});
