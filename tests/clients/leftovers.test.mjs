// A test file ends after a failed test, even if processes that the test started are left.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { root } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-leftovers-"));
after(() => rmSync(dir, { recursive: true }));

test("a test that fails with its server running and its client connected does not delay the others", async () => {
  const file = path.join(dir, "fails.test.mjs");
  const of = (name) => JSON.stringify(path.join(root, "tests", name));
  writeFileSync(file, `import { test } from "node:test";
import { createRequire } from "node:module";
import { startSockeye } from ${of("clients/support/server.mjs")};
const { io } = createRequire(${of("package.json")})("socket.io-client");
test("fails", async () => {
  const server = await startSockeye("chat");
  const socket = io(server.url, { forceNew: true });
  await new Promise((resolve) => socket.on("connect", resolve));
  throw new Error("at " + server.url + "/");
});
`);
  const { NODE_TEST_CONTEXT, ...env } = process.env; // with this variable, the child would report its results to the parent run
  const run = new Promise((resolve) => execFile(process.execPath, ["--test", file], { env, timeout: 100_000 },
    (error, stdout) => resolve({ error, stdout })));
  const { error, stdout } = await within(run, "the end of the run");
  assert.equal(error.code, 1, stdout);
  const [url] = /http:\S+\//.exec(stdout);
  const refused = async () => { while (await fetch(url).then((answer) => answer.text(), () => false)) continue; };
  await within(refused(), "the server's end");
});
