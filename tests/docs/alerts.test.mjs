// The alert rules: each has a section that says what to do, and uses metrics that the server has.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { build, root } from "../clients/support/server.mjs";

const read = (file) => readFileSync(path.join(root, file), "utf8");
const rules = parse(read("deploy/alerts.yml")).groups.flatMap((group) => group.rules);
const served = new Set([...execFileSync(path.join(build, "sockeye"), ["--help=metrics"], { encoding: "utf8" })
  .matchAll(/^\| `(\w+)` \| (\w+) /gm)].flatMap(([, name, type]) => (type === "histogram" ? [`${name}_bucket`] : [name])));

test("every alert has a heading in docs/operations.md, and every heading an alert", () => {
  const [, section] = read("docs/operations.md").split(/^## Alerts$/m);
  const headings = [...section.split(/^## /m)[0].matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual(headings, rules.map((rule) => rule.alert));
  assert.equal(new Set(headings).size, headings.length);
  for (const rule of rules) assert.equal(rule.annotations.runbook, `docs/operations.md#${rule.alert.toLowerCase()}`);
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

test("Prometheus accepts the rules", { skip: spawnSync("promtool", ["--version"]).error && "promtool is not installed" }, () => {
  execFileSync("promtool", ["check", "rules", path.join(root, "deploy/alerts.yml")]);
});
