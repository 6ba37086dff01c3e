// Computes medians, ratios and verdicts from the reports of single runs. Pure code.

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The failures of a run: "3 lost", ... */
export function faultsOf({ clients, messages = {}, errors = {} }) {
  const counts = { ...errors, left: clients.left };
  for (const kind of ["lost", "duplicated", "reordered", "unanswered"]) counts[kind] = messages[kind];
  if (clients.joined < clients.wanted) counts["not joined"] = clients.wanted - clients.joined;
  return Object.entries(counts).filter(([, n]) => n > 0).map(([kind, n]) => `${n} ${kind}`);
}

/** The server's processor time in microseconds per delivery, or per client if nothing is delivered. */
function costOf(row, { server, clients }) {
  if (row.scenario === "idle" || row.beside || !server) return NaN; // with `beside`, the server spends most of its time on other messages
  if (row.scenario === "connect") return ((server.userSeconds + server.systemSeconds) * 1e6) / clients.joined;
  return server.cpuMicrosecondsPerDelivery;
}

const MAX_REASON = 200; // characters
const FOLDERS = /(^|[\s('"])(?:file:\/\/)?\/(?:[^\s/'"]+\/)+/g; // of an absolute path
const OWN_URL = /\b(https?|redis):\/\/127\.0\.0\.1:\d+/g;

/** The reason of a failed run, as one short line of Markdown. Ports and folders are removed, so runs that fail alike have equal lines. */
export function reasonOf(error) {
  const line = String(error?.message ?? error).replace(OWN_URL, "the server").replace(FOLDERS, "$1").replace(/[\s\p{Cc}]+/gu, " ").replace(/[<>|`]/g, "'").trim();
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)} ...` : line;
}

/** A run without a figure. */
export const failedRun = (error, faults = []) => ({ value: NaN, also: NaN, cost: NaN, p50: NaN, p99: NaN, testerBound: false, faults, failed: reasonOf(error) });

/** The values of one run that enter the table. A run without a figure above 0 has measured nothing, and counts as failed. */
export function runOf(row, report) {
  const run = valuesOf(row, report);
  return run.value > 0 ? run : failedRun("nothing was measured", run.faults);
}

const valuesOf = (row, report) => ({
  value: row.value(report),
  also: row.also?.value(report),
  cost: costOf(row, report),
  p50: report.latency?.count > 0 ? report.latency.p50 : NaN,
  p99: report.latency?.count > 0 ? report.latency.p99 : NaN,
  testerBound: report.tester.bottleneck,
  faults: faultsOf(report),
});

const ratio = (row, ours, theirs) => (row.lessIsBetter ? theirs / ours : ours / theirs);

/**
 * The ratio to another server in each round. The machine may be fast in one round and slow in the next, so that only runs
 * of the same round are compared.
 */
const ratiosOf = (row, runs, id) => (runs[id] ?? []).slice(0, runs.sockeye.length).map((run, round) => ratio(row, runs.sockeye[round].value, run.value));

function verdictOf(row, target, medians, ratios) {
  const ours = target.of === "also" ? medians.sockeye.also : medians.sockeye.value;
  if (target.most !== undefined) return { ...target, measured: ours, met: ours <= target.most };
  if (target.medianOf) {
    const limit = medians[target.medianOf]?.p50 ?? NaN;
    return { ...target, measured: Number.isFinite(limit) ? ours : NaN, met: ours <= limit };
  }
  const theirs = medians[target.of]?.value ?? NaN;
  if (target.above !== undefined) return { ...target, measured: ours - theirs, met: ours - theirs < target.above };
  const measured = ratios[target.of] ?? NaN;
  return { ...target, measured, byProcessor: medians[target.of]?.cost / medians.sockeye.cost, met: measured >= target.times };
}

const COMPARED = ["node", "bunEngine", "floor", "floorPerTurn"]; // whose ratios the table shows
const NEAR = 0.1;

/** Whether the two neighbours of the median are near it, so that one more round would hardly move it. */
function isNear(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = median(sorted);
  const around = sorted.slice(Math.max(0, (sorted.length - 3) >> 1), (sorted.length >> 1) + 2);
  return around.every((value) => Math.abs(value - middle) <= NEAR * Math.abs(middle));
}

/**
 * Returns true if the rounds so far agree, so that a repeat of the benchmark would show nearly the same ratios. If no other server has
 * a figure, Sockeye's own values decide.
 */
export function isSettled(row, runs) {
  const ratios = COMPARED.map((id) => ratiosOf(row, runs, id).filter(Number.isFinite)).filter((each) => each.length > 0);
  return ratios.length > 0 ? ratios.every(isNear) : isNear(runs.sockeye.map((run) => run.value));
}

function failuresOf(runs) {
  const failed = runs.filter((run) => run.failed);
  return { runs: runs.length, failed: failed.length, reasons: [...new Set(failed.map((run) => run.failed))] };
}

const range = (values) => {
  const known = values.filter(Number.isFinite);
  return known.length === 0 ? [NaN, NaN] : [Math.min(...known), Math.max(...known)];
};

/** The medians for each server: `runs` is { server: [run] }. Runs that have failed do not count. */
function mediansOf(runs) {
  const medians = {};
  for (const [id, of] of Object.entries(runs)) {
    const pick = (what) => median(of.map((run) => run[what]));
    const [least, most] = range(of.map((run) => run.value));
    medians[id] = {
      value: pick("value"), also: pick("also"), cost: pick("cost"), p50: pick("p50"), p99: pick("p99"), least, most,
      testerBound: of.filter((run) => run.testerBound).length * 2 > of.length,
      faults: of.flatMap((run) => run.faults),
      others: of.map((run) => run.others).filter(Number.isFinite),
      ...failuresOf(of),
    };
  }
  return medians;
}

/** One row of the result. `leftOut`: the reason why the row was not measured; `runs` is empty then. */
export function summarise(row, runs, leftOut) {
  const medians = mediansOf(runs);
  const ratios = {};
  const spreads = {};
  for (const id of Object.keys(medians).filter((other) => other !== "sockeye")) {
    const each = ratiosOf(row, runs, id);
    ratios[id] = median(each);
    spreads[id] = range(each);
  }
  return {
    id: row.id, title: row.title, unit: row.unit, alsoUnit: row.also?.unit, leftOut, medians, ratios, spreads,
    verdicts: row.targets.map((target) => verdictOf(row, target, medians, ratios)),
  };
}

/** How many runs of Sockeye have failed. */
export const ownFailures = (results) => results.reduce((sum, { medians }) => sum + medians.sockeye.failed, 0);
