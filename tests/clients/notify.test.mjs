// The server as a systemd service: the messages of Type=notify and WatchdogSec, and the unit file.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { endsWithFile } from "./support/leftovers.mjs";
import { build, root, startExec, startSockeye } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-notify-"));
after(() => rmSync(dir, { recursive: true }));

/** The end of the supervisor: `next(look)` resolves with the next message for which `look` is true. */
async function supervisor(name) {
  const socket = path.join(dir, name);
  const child = endsWithFile(spawn("/usr/bin/python3", [path.join(root, "tests/clients/support/notify.py"), socket],
    { stdio: ["pipe", "pipe", "inherit"] }), () => "");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => (await within(lines.next(), `a message at ${name}`)).value;
  assert.equal(await read(), "ready");
  return {
    socket,
    seen: [],
    async next(look = (message) => !message.WATCHDOG) {
      for (;;) {
        const message = JSON.parse(await read());
        this.seen.push(message);
        if (look(message)) return message;
      }
    },
    end: () => child.stdin.end(),
  };
}

for (const workers of [1, 2]) {
  test(`the process that was started says READY, RELOADING and STOPPING (${workers} workers)`, async () => {
    const systemd = await supervisor(`life-${workers}`);
    const server = await startSockeye("chat", ["--workers", String(workers), "--drain-time", "3s"],
      { NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: "2000000" });
    const ready = await systemd.next();
    assert.equal(ready.READY, "1");
    assert.equal(ready.STATUS, `Serving on port ${server.port}${workers > 1 ? " with 2 workers" : ""}`);
    for (let i = 0; i < 2; i++) await systemd.next((message) => message.WATCHDOG === "1");

    server.child.kill("SIGHUP");
    const reloading = await systemd.next();
    assert.equal(reloading.RELOADING, "1");
    assert.match(reloading.MONOTONIC_USEC, /^\d+$/);
    assert.equal((await systemd.next()).READY, "1");

    server.child.kill("SIGTERM");
    const stopping = await systemd.next();
    assert.equal(stopping.STOPPING, "1");
    assert.ok(Number(stopping.EXTEND_TIMEOUT_USEC) > 3e6, "the time for the drain");
    assert.equal((await server.exited).code, 0); // without stop(), which would send a second SIGTERM
    assert.deepEqual([...new Set(systemd.seen.map((message) => message.pid))], [server.pid]);
    systemd.end();
  });
}

test("after SIGUSR2 the new program speaks to the supervisor, as its main process", async () => {
  const systemd = await supervisor("upgrade");
  const server = await startSockeye("chat", ["--workers", "2"], { NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: "6000000" });
  assert.equal((await systemd.next()).READY, "1");
  server.child.kill("SIGHUP"); // the server reports that it is alive before it checks a new application, which takes up to 30 s
  assert.equal((await systemd.next(() => true)).WATCHDOG, "1");
  for (const state of ["RELOADING", "READY"]) assert.equal((await systemd.next())[state], "1");
  server.child.kill("SIGUSR2");
  const main = await systemd.next();
  assert.equal(main.pid, server.pid);
  const pid = Number(main.MAINPID);
  assert.ok(pid > 0 && pid !== server.pid);
  const ready = await systemd.next();
  assert.deepEqual([ready.READY, ready.pid], ["1", pid]);
  assert.deepEqual(await within(server.exited, "the end of the old program"), { code: 0, signal: null });
  await systemd.next((message) => message.WATCHDOG === "1" && message.pid === pid);
  process.kill(pid, "SIGTERM");
  const stopping = await systemd.next();
  assert.deepEqual([stopping.STOPPING, stopping.pid], ["1", pid]);
  assert.ok(systemd.seen.every((message) => !message.STOPPING || message.pid === pid), "the old program did not stop the service");
  assert.equal(systemd.seen.filter((message) => message.READY && message.pid === pid).length, 1, "READY is said once, not again when the old program ends");
  systemd.end();
});

test("programs of --exec do not see the supervisor's socket", async () => {
  const systemd = await supervisor("exec");
  const server = await startExec("sh -c 'echo socket=${NOTIFY_SOCKET:-none} limit=${WATCHDOG_USEC:-none}; exec sleep 1000'",
    [], { NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: "6000000" });
  const line = await server.line((fields) => fields.event === "exec" && fields.stream === "stdout");
  assert.equal(line.text, "socket=none limit=none");
  await server.stop();
  systemd.end();
});

test("the unit and the example of credentials are valid", (t) => {
  if (spawnSync("systemd-analyze", ["--version"]).error) return t.skip("missing: systemd-analyze");
  const units = path.join(dir, "units");
  mkdirSync(path.join(units, "sockeye.service.d"), { recursive: true });
  const text = readFileSync(path.join(root, "deploy/sockeye.service"), "utf8");
  writeFileSync(path.join(units, "sockeye.service"), text.replaceAll("/usr/local/bin", build));
  writeFileSync(path.join(units, "sockeye.service.d/credentials.conf"), readFileSync(path.join(root, "deploy/credentials.conf")));
  const got = spawnSync("systemd-analyze", ["verify", "--man=no", path.join(units, "sockeye.service")], { encoding: "utf8" });
  const about = got.stderr.split("\n").filter((line) => line.includes("sockeye"));
  assert.deepEqual(about, [], "complaints");
  assert.equal(got.status, 0, got.stderr);
});
