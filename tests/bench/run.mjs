// `make bench`: Sockeye, Node.js and the floor (floor.c) side by side, in one run. The server is on core 0, the load on core 1.
// For each row the servers take turns, round by round, every other time in the opposite order. The medians count, and for ratios
// the median of the ratios of the rounds.
//
// BENCH_ROUNDS (3), BENCH_SECONDS (5) of each measurement. While the ratios of the rounds lie apart, a row gets more rounds, up to
// BENCH_MOST_ROUNDS (three times BENCH_ROUNDS). BENCH_ROWS=echo,tls measures some rows only: these are printed, and RESULTS.md stays as
// it is. With BENCH_MERGE=1 they replace the rows of the last whole run, and RESULTS.md says so.
//
// A failed run has no figure: the table shows a gap, and the reason is listed below it. The exit code is 1 if a run of Sockeye
// failed; failed runs of other servers do not change it. The results so far are written to the folder `bench` of the build after
// each round: to results.md and results.json, or to rows.md and rows.json if BENCH_ROWS is set. RESULTS.md is written at the end,
// unless no run of Sockeye gave a figure.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { barsOf, chart } from "./lib/chart.mjs";
import { load, loadBeside } from "./lib/load.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { here, output, root } from "./lib/paths.mjs";
import { QUIET_PERCENT, watchOthers } from "./lib/others.mjs";
import { filesPossible, has, isEnding, main } from "./lib/processes.mjs";
import { writeSection, writeWhole } from "./lib/results.mjs";
import { filesOf, rows } from "./lib/rows.mjs";
import { measureRows, TRIES } from "./lib/rounds.mjs";
import { present, servers, start } from "./lib/servers.mjs";
import { repeatText, withBefore } from "./lib/repeat.mjs";
import { ownFailures, runOf } from "./lib/summary.mjs";
import { costTable, faultLines, latencyTable, number, spreadTable, targetTable, valueTable } from "./lib/table.mjs";
import { againLines, file as wholeFile, merged, planText, readWhole, wholeRun } from "./lib/whole.mjs";

const LOAD_CORE = 1;

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
    beside?.demand();
    setup.demand();
    return runOf(row, report);
  } finally {
    await beside?.stop();
    await setup.stop();
  }
}

/** Why a row cannot be measured on this machine, if so. */
function leftOut(row) {
  if (row.needs && !has(row.needs)) return `because there is no ${row.needs}`;
  const [needed, possible] = [filesOf(row), filesPossible()];
  return needed > possible ? `because one process needs ${needed} file descriptors and may have ${possible}: run as root, or first: ulimit -Hn ${needed}` : undefined;
}

function othersText(results) {
  const all = results.flatMap(({ medians }) => Object.values(medians).flatMap((of) => of.others));
  if (all.length === 0) return "";
  const disturbed = all.filter((percent) => percent > QUIET_PERCENT).length;
  return `Other programs used more than ${QUIET_PERCENT} % of the machine during ${disturbed} of ${all.length} runs (at most ${number(Math.max(...all))} %). ` +
    `A disturbed run is measured up to ${TRIES} times.`;
}

const absentLines = () =>
  Object.entries(servers).filter(([id]) => !present(id)).map(([, { title, program }]) => `- ${title}: left out, because there is no ${path.relative(root, program)}`);

function textOf(run) {
  const { results, plan, on } = run;
  const faults = [...absentLines(), ...faultLines(results)];
  const repeated = repeatText(results);
  const any = (what) => results.some(({ medians }) => Object.values(medians).some(what));
  return [
    "## The peers side by side",
    `\`make bench\`, ${planText(plan)}; ratios of runs of the same round; server on one core, load on another; 64-byte payload unless the row names another size.`,
    machineLines(on),
    othersText(results),
    againLines(run),
    valueTable(results),
    any((of) => of.testerBound) ? "\\* the load tester's core was full: the server may be capable of more." : "",
    any((of) => of.failed > 0) ? "failed, †: all runs of this server, or some of them, gave no figure; the reasons are below." : "",
    "### Targets", targetTable(results),
    "### Microseconds of the server's processor for each delivery (for each client where they connect)", costTable(results),
    "### Latency, ms: p50 / p99", latencyTable(results),
    "### How far the rounds lie apart, and the ratios of single rounds", spreadTable(results),
    ...(repeated ? ["### How far a repeat lies apart", repeated] : []),
    ...(faults.length > 0 ? ["### What went wrong in single runs", faults.join("\n")] : []),
  ].filter(Boolean).join("\n\n");
}

function publish(run) {
  const { results, on: { date, processor, peer } } = run;
  writeSection("peers", textOf(run));
  writeFileSync(path.join(here, "ratios.svg"), chart(barsOf(results), `${date}; ${processor}; ${peer.split(", ").slice(0, 2).join(", ")}`));
  say(`Written: tests/bench/RESULTS.md, tests/bench/ratios.svg`);
}

/** Writes what is known so far, which also outlives a signal. */
function keep(run, name) {
  writeWhole(path.join(output, `${name}.json`), JSON.stringify(run, null, 2));
  writeWhole(path.join(output, `${name}.md`), `${textOf(run)}\n`);
}

function planOf() {
  const rounds = setting("BENCH_ROUNDS", 3);
  return { rounds, mostRounds: Math.max(rounds, setting("BENCH_MOST_ROUNDS", 3 * rounds)), seconds: setting("BENCH_SECONDS", 5), leftOut };
}

/** Whether this run replaces some rows of the last whole run. */
function isMerging(last) {
  if (process.env.BENCH_MERGE !== "1") return false;
  if (!process.env.BENCH_ROWS) throw new Error("BENCH_MERGE=1 needs BENCH_ROWS");
  if (!last) throw new Error(`BENCH_MERGE: there is no ${path.relative(root, wholeFile)}; run make bench without BENCH_ROWS first`);
  return true;
}

await main(async () => {
  const wanted = wantedRows();
  const last = readWhole();
  const merging = isMerging(last);
  for (const line of absentLines()) say(line);
  const files = Math.min(filesPossible(), Math.max(...wanted.map(filesOf)));
  const plan = planOf();
  const on = machine();
  const name = process.env.BENCH_ROWS ? "rows" : path.parse(wholeFile).name;
  mkdirSync(output, { recursive: true });
  say(`What is known so far, after each round: ${path.relative(root, output)}/${name}.md`);
  const results = await measureRows(wanted, plan, {
    measureOnce: (row, id, options) => measureOnce(row, id, options, files), watchOthers, present, isEnding, say,
    keep: (known) => keep(wholeRun(withBefore({ on, results: known }, last), on, plan), name),
  });
  const run = wholeRun(withBefore({ on, results }, last), on, plan);
  process.stdout.write(`${textOf(run)}\n`);
  const failed = ownFailures(results);
  if (merging) {
    const both = merged(last, run);
    keep(both, path.parse(wholeFile).name);
    publish(both);
  } else if (!process.env.BENCH_ROWS && results.some(({ medians }) => Number.isFinite(medians.sockeye.value))) publish(run);
  if (failed > 0) say(`bench: failed runs of Sockeye: ${failed}`);
  return failed > 0 ? 1 : 0;
});
