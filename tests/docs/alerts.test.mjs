// The alert rules: each has a section that says what to do, uses metrics that the server has, and fires for the series that it is
// meant for. The last test needs Prometheus' promtool, which the Makefile fetches.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { build, root } from "../clients/support/server.mjs";

const read = (file) => readFileSync(path.join(root, file), "utf8");
const rules = parse(read("deploy/alerts.yml")).groups.flatMap((group) => group.rules);
const served = new Set([...execFileSync(path.join(build, "sockeye"), ["--help=metrics"], { encoding: "utf8" })
  .matchAll(/^\| `(\w+)` \| (\w+) /gm)].flatMap(([, name, type]) => (type === "histogram" ? [`${name}_bucket`] : [name])));

test("every alert has a heading in docs/monitoring.md, and every heading an alert", () => {
  const [, section] = read("docs/monitoring.md").split(/^## Alerts$/m);
  const headings = [...section.split(/^## /m)[0].matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual(headings, rules.map((rule) => rule.alert));
  assert.equal(new Set(headings).size, headings.length);
  for (const rule of rules) assert.equal(rule.annotations.runbook, `docs/monitoring.md#${rule.alert.toLowerCase()}`);
});

test("every alert is complete and uses metrics of the server", () => {
  assert.ok(rules.length > 10);
  for (const rule of rules) {
    assert.deepEqual(Object.keys(rule).sort(), ["alert", "annotations", "expr", "for", "labels"], rule.alert);
    assert.match(rule.labels.severity, /^(page|ticket)$/);
    assert.ok(rule.annotations.summary.length > 10);
    for (const [name] of rule.expr.matchAll(/\b(sockeye|process)_\w+/g)) assert.ok(served.has(name), `${rule.alert}: ${name}`);
  }
});

const promtool = [path.join(root, "build/promtool"), "promtool"].find((file) => existsSync(file) || !spawnSync(file, ["--version"]).error);
const needsPromtool = { skip: !promtool && "missing: promtool" };

test("Prometheus accepts the rules", needsPromtool, () => {
  execFileSync(promtool, ["check", "rules", path.join(root, "deploy/alerts.yml")]);
});

const of = (labels) => Object.entries({ instance: "n:9100", ...labels }).map(([name, value]) => `${name}="${value}"`).join(",");
const buckets = (name, labels, counts) => Object.fromEntries(Object.entries(counts).map(([le, per]) => [`${name}_bucket{${of({ ...labels, le })}}`, `0+${per}x60`]));
const counter = (name, labels = { worker: "0" }) => ({ labels, at: "10m", fires: { [`${name}{${of(labels)}}`]: "0+1x60" }, calm: { [`${name}{${of(labels)}}`]: "5x60" } });
const gauge = (name, bad, good, labels = { worker: "0" }) => ({ labels, at: "10m", fires: { [`${name}{${of(labels)}}`]: `${bad}x60` }, calm: { [`${name}{${of(labels)}}`]: `${good}x60` } });

// Series with a sample each minute, for which the alert fires at the time `at`, and series for which it does not.
const CASES = {
  SockeyeDown: [gauge("up", 0, 1, { job: "sockeye" })],
  SockeyeWorkerNotReady: [gauge("sockeye_ready", 0, 1)],
  SockeyeWorkerRestarts: [{ ...gauge("sockeye_start_time_seconds", 0, 0), fires: { 'sockeye_start_time_seconds{instance="n:9100",worker="0"}': "1 2 3 4x10" },
    calm: { 'sockeye_start_time_seconds{instance="n:9100",worker="0"}': "1 2 3x10" }, value: 3 }],
  SockeyeLoopSlow: [{ labels: { worker: "0" }, at: "30m", fires: buckets("sockeye_loop_turn_seconds", { worker: "0" }, { 0.1: 90, 1: 100, "+Inf": 100 }),
    calm: buckets("sockeye_loop_turn_seconds", { worker: "0" }, { 0.1: 999, 1: 1000, "+Inf": 1000 }) }],
  SockeyeHandlerSlow: [{ labels: { event: "save" }, at: "40m", fires: buckets("sockeye_handler_seconds", { worker: "0", event: "save" }, { 0.1: 90, 1: 100, "+Inf": 100 }),
    calm: buckets("sockeye_handler_seconds", { worker: "0", event: "save" }, { 0.1: 99, 1: 100, "+Inf": 100 }) }],
  SockeyeBusDown: [gauge("sockeye_bus_up", 0, 1), gauge("sockeye_hub_up", 0, 1, {})],
  SockeyeBusSlow: [{ labels: {}, at: "30m", fires: buckets("sockeye_bus_echo_seconds", { worker: "0" }, { 0.5: 50, 1: 100, "+Inf": 100 }),
    calm: buckets("sockeye_bus_echo_seconds", { worker: "0" }, { 0.5: 95, 1: 100, "+Inf": 100 }) }],
  SockeyeBusLoss: ["dropped", "missed", "gaps", "log_gaps"].map((what) => counter(`sockeye_bus_${what}_total`)),
  SockeyeClusterConflict: [gauge("sockeye_cluster_conflicts", 1, 0, { conflict: "two nodes with one id" })],
  SockeyeMemoryHigh: [
    { labels: { worker: "0" }, at: "12m", fires: { [`sockeye_memory_held_bytes{${of({ worker: "0" })}}`]: "90x20", [`sockeye_memory_budget_bytes{${of({ worker: "0" })}}`]: "100x20" },
      calm: { [`sockeye_memory_held_bytes{${of({ worker: "0" })}}`]: "90x20", [`sockeye_memory_budget_bytes{${of({ worker: "0" })}}`]: "0x20" } }],
  SockeyeMemoryClosed: [counter("sockeye_memory_closed_total"), counter("sockeye_no_memory_total")],
  SockeyeNoDescriptors: [counter("sockeye_accept_no_fds_total")],
  SockeyeHandshakesRefused: [
    { labels: { worker: "0" }, at: "30m", fires: { [`sockeye_handshakes_refused_total{${of({ worker: "0" })}}`]: "0+60x60", [`sockeye_sessions_opened_total{${of({ worker: "0" })}}`]: "0+120x60" },
      calm: { [`sockeye_handshakes_refused_total{${of({ worker: "0" })}}`]: "0+60x60", [`sockeye_sessions_opened_total{${of({ worker: "0" })}}`]: "0+300x60" } }],
  SockeyeOrphans: [gauge("sockeye_backend_orphans", 1, 0)],
  SockeyeBackendUnavailable: [counter("sockeye_backend_unavailable_total"), counter("sockeye_backend_orphans_late_total")],
  SockeyeProgramRestarts: [counter("sockeye_exec_restarts_total", { number: "1" })],
  SockeyeHubRestarts: [{ ...counter("sockeye_hub_restarts_total", {}), value: 10 }],
  SockeyeVersionsDiffer: [{ labels: {}, instance: false, at: "7h", value: 2,
    fires: { 'sockeye_build_info{instance="n:9100",version="1"}': "1x500", 'sockeye_build_info{instance="m:9100",version="2"}': "1x500" },
    calm: { 'sockeye_build_info{instance="n:9100",version="1"}': "1x500", 'sockeye_build_info{instance="m:9100",version="1"}': "1x500" } }],
};

test("each alert fires for the trouble that it is meant for, and only then", needsPromtool, () => {
  assert.deepEqual(Object.keys(CASES), rules.map((rule) => rule.alert));
  const series = (values) => Object.entries(values).map(([name, samples]) => ({ series: name, values: samples }));
  const tests = rules.flatMap(({ alert, labels: { severity }, annotations }) => CASES[alert].flatMap(({ labels, instance = true, at, value, fires, calm }) => {
    const all = { ...(instance && { instance: "n:9100" }), ...labels };
    const text = (template) => template.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name) => all[name] ?? "").replace(/\{\{ \$value \}\}/g, value);
    const expected = { exp_labels: { ...all, severity }, exp_annotations: { summary: text(annotations.summary), runbook: annotations.runbook } };
    return [[fires, [expected]], [calm, []]].map(([values, alerts]) => ({ interval: "1m", input_series: series(values), alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: alerts }] }));
  }));
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-alerts-"));
  try {
    writeFileSync(path.join(folder, "test.yml"), stringify({ rule_files: [path.join(root, "deploy/alerts.yml")], evaluation_interval: "1m", tests }));
    const { status, stdout, stderr } = spawnSync(promtool, ["test", "rules", path.join(folder, "test.yml")], { encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
