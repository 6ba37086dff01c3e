// backends/golden/frames.json is the output of its script.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "../clients/support/server.mjs";

test("the golden frames are the output of their script", () => {
  const folder = path.join(root, "backends/golden");
  const written = execFileSync(process.execPath, [path.join(folder, "write.mjs")], { encoding: "utf8" });
  assert.equal(readFileSync(path.join(folder, "frames.json"), "utf8"), written, "run node backends/golden/write.mjs > backends/golden/frames.json");
});
