// What the shared library exports: exactly what sockeye.h declares, and everything that a released version had.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { build, root } from "../clients/support/server.mjs";

const exported = execFileSync("nm", ["-D", "--defined-only", path.join(build, "libsockeye.so.0")], { encoding: "utf8" })
  .trim().split("\n").map((line) => line.split(" ")[2]).sort();

test("the library exports the functions of sockeye.h and nothing else", () => {
  const header = readFileSync(path.join(root, "node/sockeye.h"), "utf8").replace(/\/\*[^]*?\*\//g, "");
  const declared = [...header.matchAll(/^SIO_API [^;]*?\b(sio_\w+)\(/gm)].map((match) => match[1]).sort();
  assert.deepEqual([...exported, "sio_app"].sort(), declared); // an application defines sio_app()
});

test("the library still has every function of the symbol list", () => {
  const list = readFileSync(path.join(root, "deploy/debian/libsockeye0.symbols"), "utf8");
  const listed = [...list.matchAll(/^ (\w+)@Base /gm)].map((match) => match[1]);
  assert.ok(listed.length > 100);
  assert.deepEqual(listed.filter((name) => !exported.includes(name)), [], "programs that were built would no longer run");
});
