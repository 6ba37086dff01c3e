// How the benchmark evaluates reports: medians, ratios, verdicts, tables, sections.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { allTicks, ownTicks } from "./lib/others.mjs";
import { barsOf, chart } from "./lib/chart.mjs";
import { flags } from "./lib/load.mjs";
import { replaced } from "./lib/results.mjs";
import { rows } from "./lib/rows.mjs";
import { servers } from "./lib/servers.mjs";
import { median, runOf, summarise } from "./lib/summary.mjs";
import { costTable, faultLines, latencyTable, number, spreadTable, targetTable, valueTable } from "./lib/table.mjs";

const report = (changes = {}) => ({
  rates: { messages: 100, deliveries: 200, connects: 50 },
  clients: { wanted: 10, joined: 10, left: 0 },
  messages: { lost: 0, duplicated: 0, reordered: 0, unanswered: 0 },
  errors: {},
  latency: { count: 5, p50: 1, p99: 2 },
  server: { userSeconds: 1, systemSeconds: 1, cpuMicrosecondsPerDelivery: 7, memoryPerClient: 1000, memoryBefore: 0, memoryAfter: 2048 },
  tester: { bottleneck: false },
  ...changes,
});
const rowOf = (id) => rows.find((row) => row.id === id);
const echo = (messages, changes) => runOf(rowOf("echo"), report({ rates: { messages }, ...changes }));

test("an outlier does not change the median", () => {
  assert.equal(median([1, 1000, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test("servers are compared round by round, and a target is met when its value is reached", () => {
  const result = summarise(rowOf("echo"), {
    sockeye: [echo(90), echo(190), echo(95)], node: [echo(20), echo(50), echo(25)], floor: [echo(94), echo(200), echo(1)], floorPerTurn: [echo(100)],
  });
  assert.equal(result.ratios.node, 3.8); // the median of the ratios, although the medians of the two servers are 95 and 25
  assert.deepEqual(result.spreads.node, [3.8, 4.5]);
  assert.deepEqual(result.verdicts.map(({ of, met }) => [of, met]), [["floor", true], ["node", false]]);
});

test("less memory is better, and memory kept after the clients have left has its own target", () => {
  const row = rowOf("idle-5000");
  const run = (memoryPerClient, memoryAfter) => runOf(row, report({ server: { memoryPerClient, memoryBefore: 1024, memoryAfter } }));
  const result = summarise(row, { sockeye: [run(1500, 1026 * 1024)], node: [run(6000, 1024)] });
  assert.equal(result.ratios.node, 4);
  assert.deepEqual(result.verdicts.map(({ met }) => met), [true, false]);
});

test("the open loop is judged by the distance to the floor", () => {
  const row = rowOf("open-loop");
  const run = (p99) => runOf(row, report({ latency: { count: 1, p50: 1, p99 } }));
  const met = (ours) => summarise(row, { sockeye: [run(ours)], floorPerTurn: [run(2)] }).verdicts[0].met;
  assert.equal(met(6.9), true);
  assert.equal(met(7), false);
  assert.equal(row.options({ sockeye: { value: 400_000 } }).messageRate, 200);
});

test("the latency to the other node is judged by the median of the other server", () => {
  const row = rowOf("cluster-latency");
  const run = (p50, p99) => runOf(row, report({ latency: { count: 1, p50, p99 } }));
  const met = (ours) => summarise(row, { sockeye: [run(0.1, ours)], node: [run(0.4, 9)] }).verdicts[0].met;
  assert.equal(met(0.4), true);
  assert.equal(met(0.41), false);
  assert.equal(row.options({ node: { value: 100_000 } }).messageRate, 500);
  assert.match(targetTable([summarise(row, { sockeye: [run(0.1, 1)], node: [run(0.4, 9)] })]), /at most the median of Node\.js, 0\.40 ms/);
});

test("failures are listed: losses, errors, clients that did not connect", () => {
  const bad = echo(1, { errors: { closed: 2 }, messages: { lost: 3 }, clients: { wanted: 10, joined: 8, left: 0 } });
  const result = summarise(rowOf("echo"), { sockeye: [echo(1), bad] });
  assert.deepEqual(faultLines([result]), ["- echo, 100 clients, Sockeye: 2 closed, 3 lost, 2 not joined"]);
});

test("a target that compares with a missing server is not met", () => {
  assert.deepEqual(summarise(rowOf("tls"), { sockeye: [echo(9)] }).verdicts.map(({ met }) => met), [false, false]);
});

test("the tables have a cell for each server, a mark where the tester was the limit", () => {
  const full = echo(100, { tester: { bottleneck: true } });
  const result = summarise(rowOf("echo"), { sockeye: [echo(90)], node: [echo(10)], bunEngine: [echo(45)], floor: [full], floorPerTurn: [full] });
  for (const table of [valueTable([result]), targetTable([result]), costTable([result]), latencyTable([result]), spreadTable([result])]) {
    const pipes = table.split("\n").map((line) => line.split("|").length);
    assert.equal(new Set(pipes).size, 1, table);
  }
  assert.match(valueTable([result]), /\| +90 \| +10 \| +45 \| +\| +100\* \| +100\* \| +9 x \| +2 x \| +0\.90 x \|/);
});

test("numbers have three digits", () => {
  assert.deepEqual([0.123, 12.34, 1234.5, 5, NaN].map(number), ["0.12", "12.3", "1,235", "5", ""]);
});

test("ownTicks() counts the processor time of children that have ended", () => {
  const before = { own: ownTicks(), all: allTicks() };
  spawnSync(process.execPath, ["-e", "while (process.cpuUsage().user < 500_000);"]);
  assert.ok(ownTicks() - before.own >= 45, "half a second in ticks of 10 ms");
  assert.ok(allTicks() - before.all >= 45);
});

test("options become flags", () => {
  assert.deepEqual(flags({ inFlight: 8, noVerify: true }), ["--in-flight", "8", "--no-verify"]);
});

test("a new section replaces the old one with its heading and leaves the others", () => {
  const first = replaced(replaced("", "idle", "I"), "peers", "P");
  assert.ok(first.indexOf("P") < first.indexOf("\nI\n"));
  assert.equal(replaced(replaced(first, "idle", "J"), "idle", "I"), first);
});

test("the chart has a bar for each row that Node.js took part in, and a mark for its target", () => {
  const results = ["echo", "ack", "open-loop"].map((id) =>
    summarise(rowOf(id), { sockeye: [echo(90)], ...(id === "open-loop" ? { floorPerTurn: [echo(1)] } : { node: [echo(10)] }) }));
  const svg = chart(barsOf(results), "a < b");
  assert.equal(svg.match(/class="bar"/g).length, 2);
  assert.equal(svg.match(/class="target"/g).length, 1);
  assert.ok(svg.includes("a &lt; b") && svg.includes("9.0 ×"));
});

test("every row names existing servers once each, and its target compares only servers of the row", () => {
  assert.equal(new Set(rows.map((row) => row.id)).size, rows.length);
  for (const row of rows) {
    assert.ok(row.servers.every((id) => servers[id]), row.id);
    assert.ok(row.targets.every(({ of }) => of === undefined || of === "also" || row.servers.includes(of)), row.id);
  }
});
