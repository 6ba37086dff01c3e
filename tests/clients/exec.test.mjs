// Programs that the master starts, watches, deploys and stops. These programs have no backend: they write to
// $SOCKEYE_READY_FD themselves.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { io } from "socket.io-client";
import { endsWithFile } from "./support/leftovers.mjs";
import { request } from "./support/raw.mjs";
import { build, parseLine, startExec, startSockeye } from "./support/server.mjs";
import { next, patiently, until, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sx-"));
after(() => rmSync(dir, { recursive: true }));

const THREADS_SIGNALS = 0b11n << 31n; // signals 32 and 33 belong to the C library; a program cannot reset them

let runs = 0;
/** An environment with a runtime directory of its own. */
function place() {
  const runtime = path.join(dir, String(++runs));
  mkdirSync(runtime);
  return { XDG_RUNTIME_DIR: runtime };
}

/** A program: a file with this JavaScript, as a command. */
function program(name, text) {
  const file = path.join(dir, `${name}.mjs`);
  writeFileSync(file, `import fs from "node:fs";
const ready = () => { fs.writeSync(+process.env.SOCKEYE_READY_FD, "ready\\n"); fs.closeSync(+process.env.SOCKEYE_READY_FD); };
const number = process.env.SOCKEYE_EXEC_NUMBER;
${text}`);
  return `${process.execPath} ${file}`;
}

/** Becomes ready, and prints a last line on SIGTERM. */
const good = program("good", `
process.on("SIGTERM", () => { console.log("bye"); process.exit(0); });
process.on("SIGINT", () => console.log("interrupted"));
setInterval(() => {}, 1000);
console.log("hello");
ready();
`);

const alive = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1][0] !== "Z";
  } catch {
    return false;
  }
};

const said = (server, text) => server.line((f) => f.event === "exec" && f.text === text);
const event = (server, name, more = () => true) => server.line((f) => f.event === name && more(f));
/** The events of the programs and the lines that they printed, in the order of the log. */
const story = (server) => server.output.split("\n").map(parseLine).filter((f) => /^(exec|stopped)/.test(f.event))
  .map((f) => (f.event === "exec" ? f.text : f.event));

test("a program gets an environment and a private directory, but no descriptors or signal settings of the master", async () => {
  const env = place();
  const command = program("look", `
for (const name of ["SOCKEYE_BACKEND", "SOCKEYE_PORT", "SOCKEYE_EXEC_NUMBER", "SOCKEYE_EXEC_PID"]) console.log(name + " " + process.env[name]);
console.log("pid " + process.pid);
const status = fs.readFileSync("/proc/self/status", "utf8");
console.log("blocked " + BigInt("0x" + /SigBlk:\\s*(\\w+)/.exec(status)[1]));
setInterval(() => {}, 1000);
ready();
`);
  // asks the shell for its descriptors and ignored signals, because Node.js itself opens and ignores some
  const server = await startExec(`ls /proc/$$/fd; grep SigIgn /proc/$$/status; exec ${command}`, [], env);
  const { pid } = await event(server, "exec_ready");
  assert.equal((await event(server, "exec_started")).pid, pid);
  const folder = path.join(env.XDG_RUNTIME_DIR, `sockeye-${server.pid}`);
  const address = `unix://${folder}/backend.sock`;
  const { backend, count, exec } = await event(server, "application");
  assert.deepEqual([backend, count, exec.includes("look.mjs")], [address, "1", true]);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  await until(() => story(server).some((text) => text.startsWith("SigIgn:")), "the ignored signals");
  const ignored = BigInt(`0x${/^SigIgn:t(\w+)$/.exec(story(server).find((text) => text.startsWith("SigIgn:")))[1]}`); // as parseLine() reads a tab
  assert.equal(ignored & ~THREADS_SIGNALS, 0n);
  assert.deepEqual(story(server).filter((text) => /^\d+$/.test(text)), ["0", "1", "2", "3"]);
  await said(server, "blocked 0");
  for (const line of [`SOCKEYE_BACKEND ${address}`, `SOCKEYE_PORT ${server.port}`, "SOCKEYE_EXEC_NUMBER 0", `SOCKEYE_EXEC_PID ${pid}`, `pid ${pid}`])
    await said(server, line);
  await server.stop();
  assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
});

test("programs use a Unix socket of --backend; if no address is one, they get their own", async () => {
  const env = place();
  const socket = path.join(env.XDG_RUNTIME_DIR, "b.sock");
  for (const [backends, address] of [
    [`tcp://127.0.0.1:0,unix://${socket}`, () => `unix://${socket}`],
    ["tcp://127.0.0.1:0", (server) => `unix://${env.XDG_RUNTIME_DIR}/sockeye-${server.pid}/backend.sock`],
  ]) {
    const server = await startExec(good, ["--backend", backends, "--backend-insecure"], env);
    assert.equal((await event(server, "application")).backend, address(server));
    await event(server, "exec_ready");
    assert.deepEqual(server.logged("backend_listening").map((f) => f.path).filter(Boolean), [address(server).slice("unix://".length)]);
    await server.stop();
    assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
  }
});

test("if a command cannot run, the start fails with one line", async () => {
  const unusable = path.join(dir, "unusable");
  writeFileSync(unusable, "");
  for (const [command, reason] of [["nonsense --port 1", "127, not found"], [unusable, "126, not executable"]]) {
    const env = place();
    const child = endsWithFile(spawn(path.join(build, "sockeye"), ["--exec", command, "--port", "0", "--workers", "2"],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } }));
    let output = "";
    child.stderr.on("data", (chunk) => (output += chunk));
    const [code] = await once(child, "close");
    assert.equal(code, 1, output);
    assert.deepEqual(output.split("\n").filter((line) => line.startsWith("sockeye:")),
      [`sockeye: option --exec: cannot run "${command}": the shell's exit code is ${reason}`]);
    assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
  }
});

test("a program that crashes is restarted after growing pauses", async () => {
  const server = await startExec(program("crash", `ready(); console.error("no database"); fs.writeSync(1, "half a line"); process.exit(3);`), [], place());
  const crashes = () => server.logged("exec_ended");
  await until(() => crashes().length >= 4, "the program has crashed four times");
  assert.deepEqual(crashes().slice(0, 4).map((f) => [f.code, f.restart_ms]), [["3", "0"], ["3", "100"], ["3", "200"], ["3", "400"]]);
  assert.ok(server.logged("exec").filter((f) => f.text === "no database" && f.stream === "stderr" && f.level === "warn").length >= 4);
  assert.ok(server.logged("exec").filter((f) => f.text === "half a line" && f.stream === "stdout" && f.level === "info").length >= 4);
  await server.stop();
});

test("SIGHUP deploys: the old program is told to stop when the new one is ready, and may take its time", async () => {
  const gate = path.join(dir, "gate");
  const server = await startExec(program("deploy", `
process.on("SIGTERM", () => { console.log("draining"); setTimeout(() => { console.log("drained"); process.exit(0); }, 300); });
setInterval(() => {}, 1000);
const wait = setInterval(() => {
  if (!fs.existsSync(${JSON.stringify(gate)})) return;
  clearInterval(wait);
  fs.rmSync(${JSON.stringify(gate)});
  console.log("opened");
  ready();
}, 10);
`), [], place());
  writeFileSync(gate, "");
  const first = await event(server, "exec_ready");
  server.child.kill("SIGHUP");
  const second = await event(server, "exec_started", (f) => f.pid !== first.pid);
  assert.ok(alive(first.pid) && alive(second.pid));
  assert.equal(server.logged("exec_stopping").length, 0);
  writeFileSync(gate, "");
  await said(server, "drained");
  await event(server, "exec_ended");
  assert.deepEqual(story(server), ["exec_started", "opened", "exec_ready", "exec_started", "opened", "exec_ready", "exec_stopping", "draining", "drained", "exec_ended"]);
  assert.equal(server.logged("exec_ended")[0].pid, first.pid);
  assert.equal(server.logged("exec_ended")[0].level, "info");
  assert.ok(alive(second.pid));
  assert.equal(server.logged("reload").length, 0); // SIGHUP logs no error although the server has no certificates to read again
  await server.stop();
});

test("a new program that does not become ready is stopped, and the old one stays", async () => {
  const bad = path.join(dir, "bad");
  const server = await startExec(program("regress", `
setInterval(() => {}, 1000);
if (!fs.existsSync(${JSON.stringify(bad)})) ready(); else console.log("stuck");
`), ["--exec-ready-timeout", "300ms"], place());
  const { pid } = await event(server, "exec_ready");
  writeFileSync(bad, "");
  server.child.kill("SIGHUP");
  const { pid: new_ } = await event(server, "exec_given_up", (f) => f.error === "the new program was not ready in time");
  await event(server, "exec_ended", (f) => f.pid === new_ && f.signal === "15");
  assert.ok(alive(pid));
  assert.equal(server.logged("exec_ended").length, 1);
  await server.stop();
});

test("three programs have numbers of their own, and each is restarted without the others", async () => {
  const server = await startExec(good, ["--exec-count", "3", "--admin-port", "0"], place());
  await until(() => server.logged("exec_ready").length === 3, "three programs are ready");
  const byNumber = Object.fromEntries(server.logged("exec_ready").map((f) => [f.number, f.pid]));
  assert.deepEqual(Object.keys(byNumber), ["0", "1", "2"]);
  process.kill(byNumber[1], "SIGKILL");
  const again = await event(server, "exec_ready", (f) => f.number === "1" && f.pid !== byNumber[1]);
  assert.equal(server.logged("exec_ended")[0].signal, "9");
  assert.ok(alive(byNumber[0]) && alive(byNumber[2]) && alive(again.pid));
  server.child.kill("SIGHUP");
  await until(() => server.logged("exec_ended").length === 4, "all three programs are deployed");
  await server.stop();
  assert.equal(server.logged("exec_ended").length, 7);
});

test("the metrics count programs", async () => {
  const port = await import("./support/port.mjs").then((m) => m.freePort());
  const server = await startExec(program("once", `
const file = ${JSON.stringify(path.join(dir, "once"))} + number;
setInterval(() => {}, 1000);
if (!fs.existsSync(file)) { fs.writeFileSync(file, ""); process.exit(1); }
ready();
`), ["--exec-count", "2", "--admin-port", String(port)], place());
  await until(() => server.logged("exec_ready").length === 2, "both are ready");
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  for (const number of [0, 1])
    for (const [name, value] of [["ready", 1], ["running", 1], ["restarts_total", 1]])
      assert.ok(text.includes(`sockeye_exec_${name}{number="${number}"} ${value}\n`), text);
  await server.stop();
});

test("lines of any length are logged, and a chatty program does not stall the master", async () => {
  const server = await startExec(program("chatty", `
process.on("SIGTERM", () => process.exit(0));
console.log("L".repeat(10_000));
const chunk = ("some line of a log, as long as they are\\n").repeat(1000);
ready();
const more = () => process.stdout.write(chunk, () => setImmediate(more));
more();
`), ["--log-level", "info"], place());
  await event(server, "exec_ready");
  const long = () => server.logged("exec").filter((f) => f.text?.startsWith("LLL"));
  await server.until(() => long().some((f) => f.more === undefined));
  const pieces = long();
  assert.equal(pieces.map((f) => f.text).join("").length, 10_000);
  assert.deepEqual(pieces.map((f) => f.more), [...Array(pieces.length - 1).fill("yes"), undefined]);
  const worker = Number(server.logged("worker_ready")[0].pid);
  process.kill(worker, "SIGKILL"); // the master must not only serve the chatty program
  const again = await event(server, "worker_ready", (f) => Number(f.pid) !== worker);
  assert.ok(alive(again.pid));
  await server.stop();
});

test("a program that ignores SIGTERM is killed after the time-out", async () => {
  const command = program("stubborn", `process.on("SIGTERM", () => console.log("no")); setInterval(() => {}, 1000); ready();`);
  // the program has this time to read the signal
  const told = await patiently(async (ms) => {
    const server = await startExec(command, ["--exec-stop-timeout", String(ms)], place());
    await event(server, "exec_ready");
    await server.stop();
    return story(server);
  }, (lines) => lines.includes("no"), 500);
  assert.deepEqual(told, ["exec_started", "exec_ready", "exec_stopping", "no", "exec_killed", "exec_ended", "stopped", "stopped"]);
});

test("programs end before the workers: clients receive the programs' last messages", async () => {
  const server = await startSockeye("chat", ["--drain-time", "0", "--exec", program("farewell", `
process.on("SIGTERM", async () => {
  const answer = await fetch("http://127.0.0.1:" + process.env.SOCKEYE_PORT + "/socket.io/?EIO=4&transport=polling");
  console.log("the edge says " + answer.status);
  process.exit(0);
});
setInterval(() => {}, 1000);
ready();
`)], place());
  await event(server, "exec_ready");
  const socket = io(server.url, { forceNew: true, reconnection: false, transports: ["websocket"] });
  await next(socket, "connect"); // --app beside the programs serves as usual
  let gone = false;
  socket.on("disconnect", () => (gone = true));
  server.child.kill("SIGTERM");
  const farewell = await server.line((f) => f.event === "exec" && f.text.startsWith("the edge says"));
  assert.equal(farewell.text, "the edge says 200");
  await within(next(socket, "disconnect"), "the end");
  assert.ok(gone);
  assert.equal((await server.exited).code, 0);
  assert.deepEqual(story(server).slice(-3), ["exec_ended", "stopped", "stopped"]);
});

test("signals reach the processes that a shell has started, and the stop waits for these processes", async () => {
  const server = await startExec(`${good} & wait; echo never`, [], place());
  await event(server, "exec_ready");
  await server.stop();
  const told = story(server);
  assert.ok(told.includes("bye") && !told.includes("never"), told.join());
});

test("a program that leaves children behind has ended once they have, although PID 1 reaps no children", async () => {
  // a parent that orphans pass to, and that waits only for the server
  const parent = `
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
pid = os.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
print(pid, flush=True)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
  const child = endsWithFile(spawn("python3", ["-c", parent, path.join(build, "sockeye"), "--exec", "sleep 1000 & exec sleep 1001", "--exec-stop-timeout", "3s", "--port", "0", "--workers", "1"],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...place() } }));
  let output = "", pid = "";
  child.stdout.on("data", (chunk) => (pid += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  await until(() => output.includes("event=exec_started") && readFileSync(`/proc/${/pid=(\d+)/.exec(output.slice(output.indexOf("exec_started")))[1]}/cmdline`, "utf8").startsWith("sleep"), "it runs");
  process.kill(Number(pid), "SIGTERM");
  const [code] = await once(child, "close");
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /event=exec_killed/);
});

test("Ctrl-C in a terminal reaches a program once, as SIGTERM; a second one ends it at once", async () => {
  for (const twice of [false, true]) {
    const env = place();
    const command = twice ? program("slow", `process.on("SIGTERM", () => console.log("wait")); setInterval(() => {}, 1000); ready();`) : good;
    const child = endsWithFile(spawn(path.join(build, "sockeye"), ["--exec", command, "--port", "0", "--workers", "2", "--drain-time", "0"],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env }, detached: true }));
    let output = "";
    const sees = (text) => until(() => output.includes(text), `the log says ${text}`);
    child.stderr.on("data", (chunk) => (output += chunk));
    await sees("event=exec_ready");
    let again;
    const closed = once(child, "close");
    process.kill(-child.pid, "SIGINT");
    if (twice) {
      await sees("text=wait");
      again = setInterval(() => process.kill(-child.pid, "SIGINT"), 50); // a second signal that follows at once counts as part of the first
    }
    await once(child, "exit");
    clearInterval(again);
    const code = child.exitCode;
    await closed;
    assert.equal(code, twice ? 130 : 0, output);
    assert.equal(output.split("text=interrupted").length, 1);
    assert.equal(output.split("text=bye").length, twice ? 1 : 2);
    assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
  }
});

test("kill -9 of the master leaves no processes or files behind", async () => {
  for (const guarded of [true, false]) {
    const env = place();
    const server = await startExec(`sh -c '${good} & echo child $!; wait' & wait`, ["--exec-count", "2"], env);
    const said = () => server.logged("exec").filter((f) => f.text.startsWith("child "));
    await until(() => server.logged("exec_ready").length === 2 && said().length === 2, "both are ready");
    const children = said().map((f) => Number(f.text.slice(6)));
    const shells = server.logged("exec_started").map((f) => Number(f.pid));
    const guard = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).find((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        return stat.includes("(sockeye-guard)") && Number(stat.split(") ")[1].split(" ")[1]) === server.pid;
      } catch {
        return false;
      }
    });
    let watcher;
    await until(() => (watcher = guard()), "there is a guard");
    if (!guarded) { // the master replaces a killed guard
      const first = watcher;
      process.kill(first, "SIGKILL");
      await until(() => (watcher = guard()) && watcher !== first, "there is another guard");
    }
    const all = [...children, ...shells, Number(watcher)];
    assert.equal(all.length, 5);
    assert.deepEqual(all.filter((pid) => !alive(pid)), [], server.output);
    server.child.kill("SIGKILL");
    await until(() => !all.some(alive), "all processes have ended");
    assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
  }
});

test("a new master reuses the private directory that a crashed one with the same process id has left", async () => {
  const env = place();
  // a shell that becomes the master knows its process id beforehand
  const child = endsWithFile(spawn("/bin/sh", ["-c", `mkdir -m 700 "$XDG_RUNTIME_DIR/sockeye-$$" && : >"$XDG_RUNTIME_DIR/sockeye-$$/backend.sock" &&
    exec "$0" --exec "$1" --port 0 --workers 1 --drain-time 0`, path.join(build, "sockeye"), good],
  { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } }));
  let output = "";
  child.stderr.on("data", (chunk) => (output += chunk));
  await until(() => output.includes("event=exec_ready"), "the program is ready");
  assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), [`sockeye-${child.pid}`]);
  child.kill("SIGTERM");
  const [code] = await once(child, "close");
  assert.equal(code, 0, output);
  assert.deepEqual(readdirSync(env.XDG_RUNTIME_DIR), []);
});
