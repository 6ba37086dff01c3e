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

/** The values of one run that enter the table. */
export const runOf = (row, report) => ({
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
  if (target.medianOf) return { ...target, measured: ours, met: ours <= (medians[target.medianOf]?.p50 ?? NaN) };
  const theirs = medians[target.of]?.value ?? NaN;
  if (target.above !== undefined) return { ...target, measured: ours - theirs, met: ours - theirs < target.above };
  const measured = ratios[target.of] ?? NaN;
  return { ...target, measured, byProcessor: medians[target.of]?.cost / medians.sockeye.cost, met: measured >= target.times };
}

/** The medians for each server: `runs` is { server: [run] }. */
function mediansOf(runs) {
  const medians = {};
  for (const [id, of] of Object.entries(runs)) {
    const pick = (what) => median(of.map((run) => run[what]));
    medians[id] = {
      value: pick("value"), also: pick("also"), cost: pick("cost"), p50: pick("p50"), p99: pick("p99"),
      least: Math.min(...of.map((run) => run.value)), most: Math.max(...of.map((run) => run.value)),
      testerBound: of.filter((run) => run.testerBound).length * 2 > of.length,
      faults: of.flatMap((run) => run.faults),
      others: of.map((run) => run.others),
    };
  }
  return medians;
}

/** One row of the result. */
export function summarise(row, runs) {
  const medians = mediansOf(runs);
  const ratios = {};
  const spreads = {};
  for (const id of Object.keys(medians).filter((other) => other !== "sockeye")) {
    const each = ratiosOf(row, runs, id);
    ratios[id] = median(each);
    spreads[id] = [Math.min(...each), Math.max(...each)];
  }
  return {
    id: row.id, title: row.title, unit: row.unit, alsoUnit: row.also?.unit, medians, ratios, spreads,
    verdicts: row.targets.map((target) => verdictOf(row, target, medians, ratios)),
  };
}
