// How far a run lies from the one before it: whether a repeat shows the same ratios. Pure code.
import { align, number, ratioHeads, ratioIds } from "./table.mjs";

export const NEAR_PERCENT = 10;

/** The ratio of the processor times of another server and of Sockeye. */
const costRatio = (medians, id) => medians[id]?.cost / medians.sockeye.cost;

/** The ratios of a row, with the run that they come from. `from` is { date, commit }. */
function ratiosIn({ ratios, medians }, { date, commit }) {
  const of = (ratio) => Object.fromEntries(ratioIds.map((id) => [id, ratio(id)]).filter(([, value]) => value > 0 && value < Infinity));
  return { date, commit, ratios: of((id) => ratios[id]), costs: of((id) => costRatio(medians, id)) };
}

/** Whether two runs, { on }, had the same machine and the same peers, so that the second one repeats the first one. */
const isSame = (one, other) => ["processor", "system", "compiler", "libraries", "peer"].every((name) => one[name] === other[name]);

/**
 * The rows of a run with `before`, the ratios of the same row in the whole run before it. `whole` is that run (whole.mjs); without it,
 * or if it was made elsewhere, the rows stay as they are.
 */
export function withBefore({ on, results }, whole) {
  if (!whole || !isSame(whole.on, on)) return results;
  return results.map((row) => {
    const old = whole.results.find(({ id }) => id === row.id);
    const from = whole.again.findLast(({ titles }) => titles.includes(row.title)) ?? whole.on;
    return old ? { ...row, before: ratiosIn(old, from) } : row;
  });
}

/** [per cent] for each server: how far two sets of ratios lie apart. A server that only one of them has gives NaN. */
const apart = (before, now) => ratioIds.map((id) => (Math.abs(now[id] - before[id]) / before[id]) * 100);

function differencesOf(row) {
  const now = ratiosIn(row, {});
  return { rates: apart(row.before.ratios, now.ratios), costs: apart(row.before.costs, now.costs) };
}

function share(all) {
  const known = all.filter(Number.isFinite);
  return `${known.filter((percent) => percent <= NEAR_PERCENT).length} of ${known.length}`;
}

const percent = (value) => (Number.isFinite(value) ? `${number(value)} %` : "");

/** Two lines and a table that compare the rows with the run before. Returns "" if no row has one. */
export function repeatText(results) {
  const rows = results.filter(({ before }) => before).map((row) => ({ ...row, ...differencesOf(row) }));
  if (rows.length === 0) return "";
  const runs = [...new Set(rows.map(({ before: { date, commit } }) => `${date}, commit ${commit}`))];
  const all = (what) => rows.flatMap((row) => row[what]);
  return [
    `The table compares the ratios of ${rows.length === 1 ? "a row" : `${rows.length} rows`} with those of the run before (${runs.join("; ")}). They differ by at most ${NEAR_PERCENT} % in ` +
      `${share(all("rates"))} cases, and by processor time in ${share(all("costs"))}.`,
    align([
      ["work", ...ratioHeads, ...ratioHeads.map((head) => `${head}, by processor time`)],
      ...rows.map(({ title, rates, costs }) => [title, ...rates.map(percent), ...costs.map(percent)]),
    ], 1),
  ].join("\n\n");
}
