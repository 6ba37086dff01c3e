// The manual pages and the completion for bash, which are made from --help, and the configuration that is installed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { build, root } from "../clients/support/server.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-manual-"));
after(() => rmSync(dir, { recursive: true }));

function run(command, args, options) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8", timeout: 60_000, ...options });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const table = run(path.join(build, "sockeye"), ["--help=markdown"]).split("\n").filter((row) => /^\| [a-z]/.test(row))
  .map((row) => row.split("|").map((cell) => cell.trim().replaceAll("`", "")));
const help = (program) => run(path.join(build, program), ["--help"]);
const awk = (script, vars, input) => run("awk", [...vars.flatMap((value) => ["-v", value]), "-f", `deploy/manual/${script}`], { input });
const page = (program) => awk("man.awk", [`name=${program}`, "summary=a server", "version=1.2.3"], help(program));

/** The text of a manual page without the escapes of troff. */
const plain = (troff) => troff.replaceAll("\\-", "-").replaceAll("\\e", "\\").replace(/\\f[BIR]|\\&/g, "");

test("sockeye(1) and sockeye-load(1) have every option, and sections for signals and exit codes", () => {
  const text = plain(page("sockeye"));
  for (const [, , flag] of table) assert.match(text, new RegExp(`^${flag.replace(/^--/, "--(\\[no-\\])?")}( |$)`, "m"));
  for (const section of ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SIGNALS", "EXIT STATUS"])
    assert.ok(text.includes(`\n.SH ${section}\n`), section);
  assert.match(text, /\.SH SYNOPSIS\n\.nf\nsockeye --app FILE/);
  const load = plain(page("sockeye-load"));
  for (const [flag] of help("sockeye-load").matchAll(/(?<=^  )--\S+/gm)) assert.ok(load.includes(`\n${flag}`), flag);
});

test("sockeye.conf(5) has every option that a file may set", () => {
  const text = plain(awk("options.awk", [], run(path.join(build, "sockeye"), ["--help=markdown"])));
  const names = [...text.matchAll(/^\.TP\n(\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual(names, table.map((row) => row[1]).filter((name) => name !== "config"));
  assert.match(text, /one of error\|warn\|info\|debug/);
});

test("man renders the pages without a warning", (t) => {
  if (spawnSync("man", ["--version"]).error) return t.skip("missing: man");
  const pages = { "sockeye.1": page("sockeye"), "sockeye-load.1": page("sockeye-load") };
  for (const name of ["sockeye.conf.5", "sockeye-doctor.1"]) pages[name] = readFileSync(path.join(root, `deploy/manual/${name}.in`), "utf8");
  for (const [name, troff] of Object.entries(pages)) {
    writeFileSync(path.join(dir, name), troff);
    const got = spawnSync("man", ["--warnings", "-E", "UTF-8", "-l", path.join(dir, name)], { encoding: "utf8",
      env: { ...process.env, MANWIDTH: "100", LC_ALL: "C.UTF-8" } });
    assert.deepEqual([got.status, got.stderr], [0, ""], name);
  }
});

test("bash completes flags, values and files", () => {
  writeFileSync(path.join(dir, "sockeye.bash"), awk("completion.awk", ["name=sockeye"], help("sockeye")));
  writeFileSync(path.join(dir, "my.conf"), "");
  const complete = (...words) => run("bash", ["-c", `source sockeye.bash
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _sockeye; echo "\${COMPREPLY[*]}"`, "bash", "sockeye", ...words], { cwd: dir }).trim();
  assert.equal(complete("--log-le"), "--log-level");
  assert.equal(complete("--log-level", ""), "error warn info debug");
  assert.equal(complete("--log-level", "=", "wa"), "warn");
  assert.equal(complete("--no-serve-c"), "--no-serve-client");
  assert.equal(complete("--config", "my"), "my.conf");
  assert.equal(complete("--port", ""), "");
  const flags = complete("--").split(" ");
  for (const [, , flag] of table) assert.ok(flags.includes(flag), flag);
});

test("the installed configuration is valid, and so is each line of it that is a comment", () => {
  const text = readFileSync(path.join(root, "deploy/sockeye.conf"), "utf8")
    .replaceAll("@PREFIX@/lib/sockeye", path.join(build, "apps")).replaceAll("@PREFIX@/share/sockeye/public", path.join(root, "node/apps/public"));
  const check = (lines) => {
    writeFileSync(path.join(dir, "sockeye.conf"), lines);
    run(path.join(build, "sockeye"), ["--config", path.join(dir, "sockeye.conf"), "--check"]);
  };
  check(text);
  const key = ["/etc/ssl/certs/chat.pem", "/etc/ssl/private/chat.key"];
  check(text.replace(/^#(?=\w+ = )/gm, "").split("\n").filter((line) => !key.some((file) => line.includes(file))).join("\n"));
});

test("the doctor prints its usage, and says what is wrong with its arguments", () => {
  const usage = run("deploy/doctor.sh", ["--help"]);
  for (const text of ["[URL [ADMIN_URL]]", "--admin-port", "SOCKEYE_PATH", "Exit code"]) assert.ok(usage.includes(text), text);
  assert.doesNotMatch(usage, /^#/m);
  const got = spawnSync("deploy/doctor.sh", ["http://127.0.0.1:1", "--hlep"], { cwd: root, encoding: "utf8" });
  assert.deepEqual([got.status, got.stdout, got.stderr], [2, "", "doctor.sh: unknown option --hlep; see --help\n"]);
  const many = spawnSync("deploy/doctor.sh", ["http://127.0.0.1:1", "http://127.0.0.1:1", "3"], { cwd: root, encoding: "utf8" });
  assert.deepEqual([many.status, many.stdout, many.stderr], [2, "", "doctor.sh: too many arguments; see --help\n"]);
  const nobody = spawnSync("deploy/doctor.sh", ["http://127.0.0.1:1"], { cwd: root, encoding: "utf8", env: { ...process.env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" } });
  assert.equal(nobody.status, 1);
  assert.match(nobody.stdout, /^FAIL {2}no answer from http:\/\/127\.0\.0\.1:1: .*[Ff]ailed to connect.*; is the server running/m);
  const bare = spawnSync("/bin/sh", ["deploy/doctor.sh"], { cwd: root, encoding: "utf8", env: { PATH: dir } });
  assert.deepEqual([bare.status, bare.stderr], [1, "doctor.sh: curl is missing; install it\n"]);
});
