// A standard stream may be missing, closed, or full: the service goes on, and a message tells the operator.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { endsWithFile } from "./support/leftovers.mjs";
import { freePort } from "./support/port.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const app = path.join(build, "apps/protocol.so");

/** Runs a shell line with the program as $0; returns its exit code and its stderr. */
function shell(line, program, args = []) {
  const { status, stderr } = spawnSync("sh", ["-c", line, path.join(build, program), ...args], { stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
  return { code: status, stderr: String(stderr) };
}

// the program starts when the reader of its output has ended, and prints its exit code
const unread = '{ (trap "" PIPE; while echo; do :; done) 2>/dev/null; "$0" "$@"; echo $? >&2; } | true';

for (const workers of ["1", "2"]) {
  test(`started without stdin, stdout and stderr, ${workers} workers: no socket gets the descriptors 0, 1 and 2`, async () => {
    const port = await freePort();
    const child = endsWithFile(spawn("sh", ["-c", 'exec "$0" "$@" <&- >&- 2>&-', path.join(build, "sockeye"), "--app", app, "--workers", workers,
      "--host", "127.0.0.1", "--port", String(port), "--drain-time", "0"], { stdio: "ignore" }));
    const exited = once(child, "exit");
    const socket = io(`http://127.0.0.1:${port}`, { reconnectionDelay: 50, reconnectionDelayMax: 50, forceNew: true });
    await next(socket, "connect");
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${child.pid}/fd/${fd}`), "/dev/null");
    const back = next(socket, "message-back");
    socket.emit("message", "alive");
    assert.deepEqual(await back, ["alive"]);
    socket.disconnect();
    child.kill("SIGTERM");
    assert.deepEqual(await within(exited, "the exit"), [0, null]);
  });

  test(`the log's reader ends, ${workers} workers: the service goes on`, async () => {
    const server = await startSockeye("protocol", ["--workers", workers]);
    server.child.stderr.destroy();
    const socket = io(server.url, { forceNew: true });
    await next(socket, "connect");
    const gone = next(socket, "disconnect");
    server.child.kill("SIGTERM"); // the server logs a line on this signal
    await gone;
    socket.disconnect();
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
  });
}

test("printing to a full disk is an error; printing to a closed pipe is not", () => {
  for (const program of ["sockeye", "engine-echo", "sockeye-load"]) {
    for (const flag of ["--help", "--version"]) {
      const { code, stderr } = shell('exec "$0" "$@" >/dev/full', program, [flag]);
      assert.equal(code, 1, `${program} ${flag}`);
      assert.match(stderr, /^[a-z-]+: cannot write to standard output: No space left on device\n$/);
      assert.equal(shell(unread, program, [flag]).stderr, "0\n");
    }
  }
});

test("an error is one line without control characters, whatever text it quotes", () => {
  for (const args of [["--app", "a\nb\x1b[31m"], ["--app", app, "--host", "a\r\nb"], ["--app", app, "--public", "no\nfolder"], ["--app", app, "--tls-cert", "a\nb", "--tls-key", "c"]]) {
    for (const workers of ["1", "2"]) {
      const { code, stderr } = shell('exec "$0" "$@"', "sockeye", ["--port", "0", "--workers", workers, "--log-level", "warn", ...args]);
      assert.equal(code, 1);
      assert.match(stderr, /^sockeye: [\x20-\x7e]+\n$/, JSON.stringify(args));
    }
  }
});
