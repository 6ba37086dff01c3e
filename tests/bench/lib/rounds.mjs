// Measures the rows of a benchmark, round by round. A run that fails becomes a run without a figure, whose reason is kept, and the others
// go on. Only the end of the whole benchmark by a signal ends it.
//
// `work` is { measureOnce(row, id, options), watchOthers(), present(id), isEnding(), say(text), keep(results) }. `keep` gets the results so
// far after each round, with the row under way as the last one.
import { QUIET_PERCENT } from "./others.mjs";
import { failedRun, isSettled, summarise } from "./summary.mjs";
import { number } from "./table.mjs";
import { servers } from "./servers.mjs";

const WARM_UP_MS = 1000;
export const TRIES = 3; // of a run that other programs of the machine disturb

async function attempt(row, id, options, work) {
  try {
    return await work.measureOnce(row, id, options);
  } catch (error) {
    if (work.isEnding()) throw error;
    if (error.details) work.say(`${error.message}\n${error.details}`);
    return failedRun(error);
  }
}

/** Measures once. Repeats a run that other programs have disturbed, whatever its result. */
async function measure(row, id, options, work) {
  for (let tries = 1; ; tries++) {
    const watched = work.watchOthers();
    const run = await attempt(row, id, options, work);
    const others = row.anyTime ? 0 : watched();
    if (others <= QUIET_PERCENT || tries === TRIES) return { ...run, others };
    work.say(`  ${row.id}, ${servers[id].title}: others used ${number(others)} % of the machine; measuring again`);
  }
}

function tell(row, id, round, run, say) {
  const notes = [run.testerBound ? "the tester is the limit" : "", ...run.faults].filter(Boolean).join(", ");
  const value = run.failed ? `failed: ${run.failed}` : `${number(run.value)} ${row.unit}`;
  say(`  ${row.id}, round ${round + 1}, ${servers[id].title}: ${value}${notes ? ` (${notes})` : ""}`);
}

/** The options of a row, or why there are none: they may depend on the figure of a row before that has failed. */
function optionsOf(row, seconds, results) {
  const before = results.find((result) => result.id === row.after);
  const why = { leftOut: `because row ${row.after} has no figure` };
  if (row.after && (!before || before.leftOut)) return why;
  const own = typeof row.options === "function" ? row.options(before?.medians) : row.options;
  return Object.values(own).some(Number.isNaN) ? why : { options: { warmUp: WARM_UP_MS, duration: seconds * 1000, ...own } };
}

async function measureRow(row, { rounds, mostRounds, seconds, leftOut }, results, work) {
  const ids = row.servers.filter(work.present);
  const runs = Object.fromEntries(ids.map((id) => [id, []]));
  const why = leftOut(row);
  const { options, leftOut: reason } = why ? { leftOut: why } : optionsOf(row, seconds, results);
  if (reason) {
    work.say(`  ${row.id} is left out, ${reason}`);
    return summarise(row, runs, reason);
  }
  for (let round = 0; round < rounds || (round < mostRounds && !isSettled(row, runs)); round++) {
    for (const id of round % 2 === 0 ? ids : [...ids].reverse()) {
      const run = await measure(row, id, options, work);
      tell(row, id, round, run, work.say);
      runs[id].push(run);
    }
    work.keep([...results, summarise(row, runs)]);
  }
  return summarise(row, runs);
}

/**
 * Measures all rows. `plan` is { rounds, mostRounds, seconds, leftOut(row) }, the last of which gives a reason or nothing. A row is
 * measured in `rounds` rounds, and in up to `mostRounds` while they disagree.
 */
export async function measureRows(rows, plan, work) {
  const results = [];
  for (const row of rows) {
    work.say(row.title);
    results.push(await measureRow(row, plan, results, work));
    work.keep(results);
  }
  return results;
}
