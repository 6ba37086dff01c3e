// A run that fails leaves a gap and a reason; the other runs count.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { endAll, endWithThis, failure, launchUntil, reasonIn } from "./lib/processes.mjs";
import { repeatText, withBefore } from "./lib/repeat.mjs";
import { measureRows } from "./lib/rounds.mjs";
import { rows } from "./lib/rows.mjs";
import { failedRun, ownFailures, reasonOf, runOf, summarise } from "./lib/summary.mjs";
import { againLines, merged, wholeRun } from "./lib/whole.mjs";
import { costTable, faultLines, latencyTable, spreadTable, targetTable, valueTable } from "./lib/table.mjs";

endWithThis();
test.after(endAll);

const rowOf = (id) => rows.find((row) => row.id === id);
const good = (value) => ({ value, cost: 1, p50: 1, p99: 2, testerBound: false, faults: [] });

/** Runs rows without servers: `measureOnce` gives the result of each run. */
async function measured(ids, measureOnce, changes = {}) {
  const kept = [];
  const said = [];
  const work = {
    measureOnce, watchOthers: () => () => 0, present: (id) => id === "sockeye" || id === "node", isEnding: () => false,
    say: (text) => said.push(text), keep: (results) => kept.push(structuredClone(results)), ...changes,
  };
  const results = await measureRows(ids.map(rowOf), { rounds: 3, seconds: 1, leftOut: () => undefined, ...changes.plan }, work);
  return { results, kept, said };
}

const nodeFails = async (row, id) => {
  if (id === "node") throw failure("the load tester ended with code 1: no client could join http://127.0.0.1:4242: not joined", "the output");
  return good(90);
};

test("a peer whose runs all fail leaves a gap and its reason once, and no failure of Sockeye", async () => {
  const { results, said } = await measured(["beside", "echo"], nodeFails);
  assert.match(valueTable(results), /p99 of an echo beside .* \| +90 \| +failed \|/);
  assert.match(valueTable(results), /echo, 100 clients .* \| +90 \| +failed \|/);
  assert.ok(!valueTable(results).includes(" x |"));
  assert.equal(faultLines(results)[0],
    "- p99 of an echo beside 4 broadcasts a second to 15,000, Node.js: 3 of 3 runs failed: the load tester ended with code 1: no client could join the server: not joined");
  assert.equal(ownFailures(results), 0);
  assert.ok(said.some((text) => text.includes("the output")));
});

test("a single run that fails is marked, and the ratio is that of the other rounds", async () => {
  let runs = 0;
  const { results } = await measured(["echo"], async (row, id) => {
    if (id === "sockeye" && runs++ === 1) throw new Error("sockeye ended with SIGSEGV: boom");
    return good(id === "sockeye" ? 90 : 30);
  });
  assert.equal(ownFailures(results), 1);
  assert.match(valueTable(results), /\| +90† \| +30 \|.* 3 x \|/);
  assert.deepEqual(results[0].spreads.node, [3, 3]);
  assert.equal(results[0].medians.sockeye.least, 90);
  assert.deepEqual(faultLines(results), ["- echo, 100 clients, Sockeye: 1 of 3 runs failed: sockeye ended with SIGSEGV: boom"]);
});

test("results are kept after each round, and a signal ends the rows without a false failure", async () => {
  const { kept } = await measured(["echo"], nodeFails);
  assert.deepEqual(kept.map((results) => results.at(-1).medians.sockeye.runs), [1, 2, 3, 3]);
  const ended = [];
  const keep = (results) => ended.push(results);
  await assert.rejects(measured(["echo"], nodeFails, { isEnding: () => true, keep }), /no client could join/);
  assert.equal(ended.length, 0);
});

test("a row gets more rounds while its ratios lie apart, and no more than the most", async () => {
  const plan = { rounds: 3, mostRounds: 9 };
  const roundsOf = async (values) => {
    let round = 0;
    const { results } = await measured(["echo"], async (row, id) => good(id === "node" ? 10 : values[round++ % values.length]), { plan });
    return results[0].medians.sockeye.runs;
  };
  assert.equal(await roundsOf([100, 105, 95]), 3);
  assert.equal(await roundsOf([50, 100, 200, 101, 99]), 5);
  assert.equal(await roundsOf([10, 100, 1000, 20, 200, 2000, 40, 400, 4000]), 9);
});

test("rows that are measured again replace those of the last whole run, which says so", async () => {
  const whole = wholeRun((await measured(["echo", "tls"], async (row) => good(row.id === "echo" ? 1 : 2))).results, { commit: "a" }, { rounds: 3, mostRounds: 3, seconds: 5 });
  const again = async (measureOnce) => wholeRun((await measured(["tls"], measureOnce)).results, { date: "2026-12-01", commit: "b" }, { rounds: 5, mostRounds: 5, seconds: 2 });
  const both = merged(JSON.parse(JSON.stringify(whole)), await again(async () => good(3)));
  assert.deepEqual(both.results.map(({ medians }) => medians.sockeye.value), [1, 3]);
  assert.equal(both.on.commit, "a");
  assert.equal(againLines(both), "Measured again later (2026-12-01, commit b, medians of 5 rounds of 2 s): echo by TLS, 100 clients.");
  assert.equal(merged(whole, await again(nodeFails)).results[1].medians.sockeye.value, 90);
  assert.equal(merged(whole, await again(async () => good(NaN))).results[1].medians.sockeye.value, 2);
});

test("a repeat is compared with the run before, by rates and by processor time, if machine and peers are the same", async () => {
  const whole = async (on, sockeye, node, cost) =>
    wholeRun((await measured(["echo", "tls", "beside"], async (row, id) => (row.id === "beside" && id === "node" ? failedRun("gone") : { ...good(id === "node" ? node : sockeye), cost: id === "node" ? cost : 1 }))).results, on, { rounds: 3 });
  const before = JSON.parse(JSON.stringify(await whole({ date: "2026-12-01", commit: "a", peer: "P" }, 30, 10, 3)));
  const now = await whole({ date: "2026-12-02", commit: "b", peer: "P" }, 36, 10, 3.15);
  const text = repeatText(withBefore(now, before));
  assert.match(text, /^The table compares the ratios of 3 rows with those of the run before \(2026-12-01, commit a\)\. They differ by at most 10 % in 0 of 2 cases, and by processor time in 2 of 2\./);
  assert.match(text, /\| echo, 100 clients +\| +20(\.0)? % \| +\| +\| +\| +5(\.00)? % \|/);
  assert.equal(new Set(text.split("\n").slice(2).map((line) => line.split("|").length)).size, 1, text);
  assert.ok(!/NaN|Infinity|undefined/.test(text), text);
  assert.equal(repeatText(withBefore({ ...now, on: { ...now.on, peer: "Q" } }, before)), "");
  assert.equal(repeatText(withBefore(now, undefined)), "");
  const both = merged(before, { ...now, results: now.results.slice(0, 1) });
  assert.match(repeatText(both.results), /^The table compares the ratios of a row with those of the run before \(2026-12-01, commit a\)/);
  assert.match(repeatText(merged(both, now).results), /\(2026-12-02, commit b; 2026-12-01, commit a\)/);
});

test("a row that depends on a row without a figure is left out", async () => {
  const { results } = await measured(["cluster", "cluster-latency"], nodeFails);
  assert.equal(results[1].medians.sockeye.runs, 0);
  assert.equal(faultLines(results).at(-1), "- p99 to the other node at a tenth of Node.js's rate: left out, because row cluster has no figure");
  assert.equal(ownFailures(results), 0);
});

test("a row that this machine cannot measure is left out, with the rows after it", async () => {
  const plan = { leftOut: (row) => (row.id === "cluster" ? "because there is no redis-server" : undefined) };
  const { results } = await measured(["cluster", "cluster-latency", "echo"], async () => good(9), { plan });
  assert.deepEqual(results.map(({ leftOut }) => leftOut), ["because there is no redis-server", "because row cluster has no figure", undefined]);
});

test("a disturbed run that fails is measured again", async () => {
  let runs = 0;
  const { results } = await measured(["echo"], async () => {
    if (runs++ === 0) throw new Error("late");
    return good(5);
  }, { watchOthers: () => () => (runs === 1 ? 50 : 0) });
  assert.equal(ownFailures(results), 0);
});

test("a run without a figure has measured nothing: a latency of nobody is not 0 ms", () => {
  const report = { clients: { wanted: 20, joined: 1, left: 0 }, errors: { handshake: 19 }, latency: { count: 0, p50: 0, p99: 0 }, tester: { bottleneck: false } };
  const run = runOf(rowOf("beside"), report);
  assert.equal(run.failed, "nothing was measured");
  assert.deepEqual(run.faults, ["19 handshake", "19 not joined"]);
});

test("tables keep their form, and a target says that it was not measured", () => {
  const failed = failedRun("gone");
  for (const row of rows) {
    const runs = Object.fromEntries(row.servers.map((id) => [id, [failed]]));
    const tables = [valueTable, targetTable, costTable, latencyTable, spreadTable].map((table) => table([summarise(row, runs)]));
    for (const table of tables) {
      assert.equal(new Set(table.split("\n").map((line) => line.split("|").length)).size, 1, table);
      assert.ok(!/NaN|Infinity|undefined/.test(table), table);
    }
    assert.ok(row.targets.length === 0 || tables[1].includes("not measured"), tables[1]);
  }
});

test("a reason is one short line, whatever the error is", () => {
  assert.equal(reasonOf(new Error("a\n<b> | `c` redis://127.0.0.1:1/")), "a 'b' ' 'c' the server/");
  assert.equal(reasonOf("cannot run /a/b-c/floor from 'file:///x/y.mjs' of io/z"), "cannot run floor from 'y.mjs' of io/z");
  assert.ok(reasonOf("x".repeat(5000)).length < 210);
  assert.equal(reasonIn("file:///a\nError [ERR_X]: no such package: y\n  code: 'ERR_X'\n\nNode.js v20\n"), "Error [ERR_X]: no such package: y");
  assert.equal(reasonIn("errors   20\nsockeye-load: no client could join\n\n"), "sockeye-load: no client could join");
});

test("a server that does not start gives its reason, and one that is late is ended", { timeout: 60_000 }, async () => {
  const node = (code) => [process.execPath, "-e", code];
  await assert.rejects(launchUntil(node("console.error('Error: port in use: 1'); process.exit(3)"), /never/), /^Error: node ended with code 3: Error: port in use: 1$/);
  await assert.rejects(launchUntil(["/absent/server"], /never/), /ENOENT/);
  await assert.rejects(launchUntil(node("setInterval(() => {}, 1000)"), /never/, { patience: 1 }), /did not start within 0\.001 s/);
  while (readFileSync(`/proc/self/task/${process.pid}/children`, "utf8") !== "") await sleep(10);
});
