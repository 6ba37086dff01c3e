// The table at the end of `make test` says what failed, and which tests were left out and why.
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
`);

/** Runs the steps in one lane. Returns the exit code, and the lines of the table without times and logs. */
function run(...steps) {
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;
  const lanes = steps.map((step) => `one: ${step}`).join("\n");
  const { status, stdout } = spawnSync(script, [path.join(folder, "lanes")], { cwd: folder, env: { ...env, TEST_LANES: lanes }, encoding: "utf8" });
  const table = stdout.split("===== all steps, in the order in which they ended =====\n")[1].split("\n\n")[0].trim().split("\n");
  return { status, table: table.map((line) => line.trim().replace(/ +\d+ s +\d+ s of processor +one +/, " ").replace(/ +\S+\.log$/, "")) };
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
