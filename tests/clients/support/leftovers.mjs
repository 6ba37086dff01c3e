// A failing test leaves its servers running and its clients connected. Its file would then not end, and later files would
// not start, until the time-out of the whole run. A file therefore ends some seconds after its last test, together
// with the processes that it has started.
//
// The logs of the processes that ran during a failed test are printed after that test. With Node.js 18, afterEach() does not get
// the result of the test, so no logs are printed.
import { after, afterEach } from "node:test";

const LEFT_MS = 5000;
const LOG_LINES = 60; // lines printed for each process
const children = new Set();
const logs = new Map(); // process -> its log; only processes that run, or have ended since the last failure or top-level test

/** Registers a process that must end with this file at the latest. `log` returns what it has printed so far. */
export function endsWithFile(child, log) {
  children.add(child);
  child.once("exit", () => children.delete(child));
  if (log) logs.set(child, log);
  return child;
}

function forgetEnded() {
  for (const child of logs.keys()) if (!children.has(child)) logs.delete(child);
}

function showLogs(test) {
  for (const [child, log] of logs) {
    const lines = log().trimEnd().split("\n").slice(-LOG_LINES);
    const state = children.has(child) ? "runs" : `ended: ${child.exitCode ?? child.signalCode}`;
    console.error([`failed: ${test.fullName ?? test.name}: the log of process ${child.pid} (${child.spawnargs[0]}, ${state})`, ...lines].join("\n    | "));
  }
}

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

// only under `node --test`: servers of other programs import this file too
if (process.env.NODE_TEST_CONTEXT) {
  after(() => setTimeout(() => process.exit(), LEFT_MS).unref());
  afterEach((test) => {
    const failed = test.passed === false;
    if (failed) showLogs(test);
    if (failed || !(test.fullName ?? test.name).includes(" > ")) forgetEnded();
  });
}
