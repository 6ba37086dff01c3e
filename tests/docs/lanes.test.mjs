// The table at the end of `make test` says what failed, what passed only when it ran again alone, and which tests were left out and why.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../lanes.sh", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "sockeye-lanes-"));
after(() => rmSync(folder, { recursive: true }));

writeFileSync(path.join(folder, "Makefile"), `
passes:
	@echo "ok 1 - a test # SKIP not meant for this"
no-root:
	@echo "SKIPPED: only root can do this"
no-tool:
	@printf 'ok 1 - %s # SKIP missing: tool\\n' one two
fails:
	@echo "SKIPPED: a part"; false
late hard found:
	@node --test --test-reporter=tap $(or $(TEST_FILES),steady.test.mjs $@.test.mjs)
`);

// `late` fails only the first time, `hard` each time; `found` fails once by what a sanitizer found
const failing = (condition, says = "") => `
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
const ran = new URL(import.meta.url + ".ran"), again = existsSync(ran);
writeFileSync(ran, "");
test("a test", () => {
  if (${condition}) throw new Error("${says}");
});
`;
for (const [name, text] of Object.entries({ steady: failing("false"), late: failing("!again"), hard: failing("true", "false and true"), found: failing("!again", "AddressSanitizer: leak") }))
  writeFileSync(path.join(folder, `${name}.test.mjs`), text);

/** Runs the steps in one lane. Returns the exit code, the lines of the table without times and logs, and the lines after "failed tests". */
function play(...steps) {
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, NODE_TEST_CONTEXT, TEST_FILES, ...env } = process.env;
  const lanes = steps.map((step) => `one: ${step}`).join("\n");
  const { status, stdout } = spawnSync(script, [path.join(folder, "lanes")], { cwd: folder, env: { ...env, TEST_LANES: lanes }, encoding: "utf8" });
  const table = stdout.split("===== all steps, in the order in which they ended =====\n")[1].split("\n\n")[0].trim().split("\n");
  const failed = stdout.split("\nfailed tests of ").slice(1).map((part) => part.trim().split("\n").map((line) => line.trim()));
  return { status, failed, table: table.map((line) => line.trim().replace(/ +\d+ s +\d+ s of processor +one +/, " ").replace(/ +\S+\.log$/, "")) };
}

function run(...steps) {
  const { status, table } = play(...steps);
  return { status, table };
}

test("a step that left tests out is skipped, with each reason once", () => {
  assert.deepEqual(run("passes", "no-root", "no-tool"), {
    status: 0,
    table: ["ok make passes", "skipped make no-root", "skipped: only root can do this", "skipped make no-tool", "skipped: missing: tool"],
  });
});

test("a failed step counts as failed, even if it also left tests out", () => {
  assert.deepEqual(run("fails", "passes"), { status: 1, table: ["FAILED make fails", "skipped: a part", "ok make passes"] });
});

test("a test file that fails runs again alone: a step that passes then is unsteady, and its failure is shown", () => {
  assert.deepEqual(run("late", "hard"), { status: 1, table: ["unsteady make late", "FAILED make hard"] });
  assert.deepEqual(run("late"), { status: 0, table: ["ok make late"] });
});

test("the last lines name each failed test, its place and its error", () => {
  assert.deepEqual(play("hard").failed, [["make hard", `${folder}/hard.test.mjs:6:1: a test: 'false and true'`, `when they ran again:   ${folder}/hard.test.mjs:6:1: a test: 'false and true'`]]);
  assert.deepEqual(play("passes").failed, []);
});

test("what a sanitizer has found fails at once", () => {
  assert.deepEqual(run("found"), { status: 1, table: ["FAILED make found"] });
});
