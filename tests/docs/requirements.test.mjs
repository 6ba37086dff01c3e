// Each make target, run first on a bare machine, installs the packages that it needs or prints one line that names them.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { root } from "../clients/support/server.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-requirements-"));
after(() => rmSync(dir, { recursive: true }));

/** Files that match a pattern with * in names of folders and files. */
function globSync(pattern) {
  const parts = pattern.split("/");
  let found = [""];
  for (const part of parts) {
    const like = new RegExp(`^${part.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}$`);
    found = found.flatMap((folder) => (statSync(path.join(root, folder)).isDirectory() ? readdirSync(path.join(root, folder)) : [])
      .filter((name) => like.test(name)).map((name) => path.join(folder, name)));
  }
  return found;
}

const locate = (tool) => process.env.PATH.split(":").map((folder) => path.join(folder, tool)).find(existsSync);

/** Makes the only folder of PATH: it has the programs of a bare machine, and these scripts. */
function bare(name, scripts = {}) {
  const folder = path.join(dir, name);
  mkdirSync(folder);
  for (const tool of ["make", "sh", "dirname", "cat", "env", "id", "tr", "true"])
    if (!(tool in scripts)) symlinkSync(locate(tool), path.join(folder, tool));
  for (const [tool, text] of Object.entries(scripts))
    writeFileSync(path.join(folder, tool), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return folder;
}

/** Runs the target with this PATH on a machine whose /usr is empty. */
const run = (PATH, command, args) => new Promise((resolve) =>
  execFile(locate(command), args, { cwd: root, env: { PATH, DEPS_ROOT: "/nowhere", CC: "cc" } }, (error, stdout, stderr) =>
    resolve({ code: error ? error.code : 0, stdout, stderr })));

test("a target names the missing programs in one line", async () => {
  const PATH = bare("foreign");
  for (const [target, ...packages] of [
    ["all", "gcc", "pkgconf", "libev-dev", "libhiredis-dev"],
    ["unit", "gcc", "libcmocka-dev", "redis-server", "openssl"],
    ["unit-base", "libcmocka-dev"],
    ["test-install", "gcc", "libssl-dev"],
    ["fuzz", "clang", "libclang-rt-dev"],
    ["fuzz-check", "clang"],
    ["test-clients", "nodejs", "npm", "chromium-headless-shell", "python3-socketio"],
    ["unit-python", "python3-socketio", "python3-flask-socketio"],
    ["test-cluster", "npm", "redis-server", "haproxy", "nginx"],
    ["test-load", "npm", "python3-socketio"],
    ["bench", "nodejs", "npm"],
    ["structure-check", "nodejs"],
    ["chaos", "gcc", "libcmocka-dev"],
    ["run", "gcc"],
    ["run-backend", "gcc", "nodejs", "npm"],
    ["deb", "build-essential", "debhelper"],
    ["test", "gcc", "libcmocka-dev", "clang", "chromium-headless-shell", "redis-server"],
  ]) {
    const got = await run(PATH, "make", [target]);
    assert.equal(got.code, 2, target);
    const lines = got.stderr.trim().split("\n");
    assert.equal(lines.length, 2, got.stderr); // the second line is make's
    assert.match(lines[0], /^missing: .*; this is not a Debian system/);
    assert.match(lines[1], /\*\*\* cannot make/);
    for (const name of packages) assert.ok(lines[0].split(/[ |;]/).includes(name), `${target}: ${name} in ${lines[0]}`);
  }
  for (const target of ["help", "clean"]) assert.equal((await run(PATH, "make", ["-n", target])).code, 0);
});

/** The file and everything of the project that it imports. */
function withImports(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return seen;
  seen.add(file);
  for (const [, name] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)) withImports(path.resolve(path.dirname(file), name), seen);
  return seen;
}

test("every target of the makefiles names the missing programs, including those that its tests start", async () => {
  const PATH = bare("targets");
  const makefiles = ["Makefile", ...globSync("tests/*/*.mk"), ...globSync("node/*/*.mk")];
  const targets = makefiles.flatMap((file) => [...readFileSync(path.join(root, file), "utf8").matchAll(/^\.PHONY:(.*)$/gm)])
    .flatMap((match) => match[1].trim().split(/\s+/)).filter((target) => !/[$()]/.test(target) && !["help", "clean"].includes(target));
  assert.ok(targets.length > 25, targets.join(" "));
  const missing = {};
  for (const target of targets) {
    const got = await run(PATH, "make", [target]);
    assert.equal(got.code, 2, target);
    const [line] = /^missing: .*; this is not a Debian system.*$/m.exec(got.stdout + got.stderr) ?? assert.fail(`${target}: ${got.stdout}${got.stderr}`);
    missing[target] = line.split(/[ |;]/);
  }
  const packages = { nginx: "nginx", haproxy: "haproxy", "redis-server": "redis-server", curl: "curl", openssl: "openssl", "/usr/bin/chromium-headless-shell": "chromium-headless-shell" };
  const folders = { clients: "test-clients", backends: "test-backends", cluster: "test-cluster", load: "test-load", docs: "readme-check", bench: "test-bench" };
  for (const [folder, target] of Object.entries(folders)) {
    const files = new Set(globSync(`tests/${folder}/*.test.mjs`).flatMap((file) => [...withImports(path.join(root, file))]));
    files.delete(fileURLToPath(import.meta.url));
    for (const file of files)
      for (const [tool, name] of Object.entries(packages)) {
        const starts = new RegExp(`"${tool}"|"${tool} |\\(${tool} `).test(readFileSync(file, "utf8"));
        assert.ok(!starts || missing[target].includes(name), `make ${target}: ${path.relative(root, file)} starts ${tool}`);
      }
  }
});

test("on Debian a target installs the packages as root or by sudo without a password; otherwise it prints the command", async () => {
  const log = path.join(dir, "log");
  const apt = { "apt-get": `echo "$@" >>${log}`, "apt-cache": 'case $2 in *-13 | libmsgpack-c-dev) exit 1 ;; esac' };
  const installed = () => {
    const lines = readFileSync(log, "utf8").trim().split("\n");
    rmSync(log);
    return lines.find((line) => line.startsWith("install")).split(" ");
  };
  const script = path.join(root, "deploy/install-deps.sh");
  for (const [name, scripts] of [
    ["root", { ...apt, id: "echo 0" }],
    ["sudo", { ...apt, id: "echo 1000", sudo: '[ "$1" != -n ] || shift; "$@"' }],
  ]) {
    const got = await run(bare(name, scripts), "sh", [script, "--no-questions", "build", "unit"]);
    assert.equal(got.code, 0, got.stderr);
    const names = installed();
    for (const wanted of ["gcc", "libmsgpack-dev", "libcmocka-dev", "redis-server"]) assert.ok(names.includes(wanted), names.join(" "));
    assert.ok(!names.includes("haproxy"), "only a target that needs it");
  }
  for (const [name, scripts] of [
    ["user", { ...apt, id: "echo 1000" }],
    ["password", { ...apt, id: "echo 1000", sudo: "exit 1" }],
  ]) {
    const got = await run(bare(name, scripts), "make", ["unit"]);
    assert.equal(got.code, 2);
    assert.match(got.stderr, /^missing: gcc .*libcmocka-dev.*; .*run: deploy\/install-deps\.sh build unit\n/);
    assert.ok(!existsSync(log));
  }
});

test("if nothing is missing, nothing is printed", async () => {
  const got = await new Promise((resolve) => execFile(path.join(root, "deploy/install-deps.sh"), ["--no-questions", "build", "npm"],
    (error, stdout, stderr) => resolve({ code: error ? error.code : 0, said: stdout + stderr })));
  assert.deepEqual(got, { code: 0, said: "" });
});

// Debian 12 has Node.js 18. It does not start with an option that it does not know, so the Makefile tries --test-timeout first.
const NEWER = /\.to(Sorted|Reversed|Spliced)\(|import\.meta\.(dirname|filename)(?! \?\?)|\.withResolvers\(|Array\.fromAsync\(|\.groupBy\(|AbortSignal\.any\(|mock\.timers|\.fullName(?! \?\?)|(?<!shell node |echo )--test-timeout/;

test("programs and tests use none of these functions and options, which Node.js 18 lacks", () => {
  const names = ["Makefile", "*.mk", "*.sh", "*.js", "*.mjs", "*.cjs"].flatMap((name) => ["-o", "-name", name]).slice(1);
  const files = execFileSync("find", ["Makefile", "backends", "node", "tests", "(", "-name", "node_modules", "-o", "-name", "public", ")", "-prune", "-o", "(", ...names, ")", "-print"],
    { cwd: root, encoding: "utf8" }).trim().split("\n").filter((file) => path.join(root, file) !== fileURLToPath(import.meta.url));
  assert.ok(files.length > 250, String(files.length));
  const lines = files.flatMap((file) => readFileSync(path.join(root, file), "utf8").split("\n").map((line, i) => `${file}:${i + 1}: ${line.trim()}`));
  assert.deepEqual(lines.filter((line) => NEWER.test(line)), []);
});
