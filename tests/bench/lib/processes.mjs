// The processes of a benchmark. Each is pinned to a core, gets enough file descriptors, and is ended by its process id in any
// case.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

export { freePort } from "../../clients/support/port.mjs";

const START_MS = 300_000; // enough under valgrind on a busy machine, too
const END_MS = 10_000; // before SIGKILL
const TAIL_BYTES = 4096; // of a child's latest output, for the message if it fails

const running = new Set();
let ending = false; // a signal ends this process

/** Whether a signal ends this process. What fails then, fails for that reason. */
export const isEnding = () => ending;

/** An error of one line. `details`, the output of a child, stay out of RESULTS.md. */
export const failure = (message, details) => Object.assign(new Error(message), { details });

const ERROR_LINE = /\b[Ee]rror\b[^:]*: /;

/** The line of a child's output that says best why it has failed. */
export function reasonIn(output) {
  const lines = output.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.find((line) => ERROR_LINE.test(line)) ?? lines.at(-1) ?? "without a word";
}

/** How a child has ended, and why. */
export const endOf = ([code, signal], output) => `ended with ${signal ?? `code ${code}`}: ${reasonIn(output)}`;

const CAP_SYS_RESOURCE = 24n;
const proc = (file, pattern) => pattern.exec(readFileSync(file, "utf8"))?.[1];

/**
 * The number of file descriptors that a child may have. It exceeds the hard limit with a capability that root has outside
 * most containers.
 */
export function filesPossible() {
  const hard = Number(proc("/proc/self/limits", /^Max open files\s+\S+\s+(\S+)/m));
  const capabilities = BigInt(`0x${proc("/proc/self/status", /^CapEff:\s*(\S+)/m)}`);
  const raises = (capabilities >> CAP_SYS_RESOURCE) & 1n;
  return raises ? Math.max(hard, Number(readFileSync("/proc/sys/fs/nr_open", "utf8"))) : hard;
}

/** Raises the children's limit of file descriptors, if that is allowed. */
export function demandFiles(count) {
  const possible = filesPossible();
  if (possible < count) throw new Error(`one process needs ${count} file descriptors; at most ${possible} are allowed: run as root, or first: ulimit -Hn ${count}`);
  return count;
}

function command(argv, { core, files }) {
  const pin = core === undefined || os.availableParallelism() < 2 ? [] : ["taskset", "-c", String(core)];
  const raise = files ? ["prlimit", `--nofile=${files}:${files}`] : [];
  return [...raise, ...pin, ...argv];
}

/** Starts a child. Its output is collected, and `onText` gets it as it arrives. */
export function launch(argv, { core, files, onText = () => {} } = {}) {
  if (ending) throw failure(`${argv[0]} is not started: a signal ends the benchmark`);
  const [program, ...args] = command(argv, { core, files });
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const process_ = { child, name: argv[0], pid: child.pid, tail: "", ended: once(child, "exit") };
  const take = (text) => {
    process_.tail = (process_.tail + text).slice(-TAIL_BYTES);
    onText(text);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  process_.ended.catch(() => {}).finally(() => running.delete(process_));
  running.add(process_);
  return process_;
}

export const isRunning = (p) => p.child.pid !== undefined && p.child.exitCode === null && p.child.signalCode === null;

/** Ends a child, by SIGKILL if necessary. */
export async function end(p) {
  if (!isRunning(p)) return;
  p.child.kill("SIGTERM");
  const force = setTimeout(() => p.child.kill("SIGKILL"), END_MS);
  await p.ended;
  clearTimeout(force);
}

export const endAll = () => Promise.allSettled([...running].map(end));

/** Starts a server and waits until its output matches: { process, match }. A server that is late is ended. */
export function launchUntil(argv, pattern, { patience = START_MS, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const name = path.basename(argv[0]);
    const fail = (why) => reject(failure(`${name} ${why}`, `${argv.join(" ")}\n${server.tail}`));
    const late = setTimeout(() => {
      fail(`did not start within ${patience / 1000} s`);
      end(server);
    }, patience);
    const onText = () => {
      const match = pattern.exec(server.tail);
      if (!match) return;
      clearTimeout(late);
      resolve({ process: server, match });
    };
    const server = launch(argv, { ...options, onText });
    server.ended.then((how) => fail(endOf(how, server.tail)), reject).finally(() => clearTimeout(late));
  });
}

export function has(program) {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Makes the children end with this process, however this process ends. */
export function endWithThis() {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]])
    process.once(signal, () => {
      ending = true;
      endAll().finally(() => process.exit(code));
    });
  process.on("exit", () => running.forEach((p) => p.child.kill("SIGKILL")));
}

/** Runs a benchmark; its result is the exit code. */
export async function main(work) {
  endWithThis();
  try {
    process.exitCode = await work();
  } catch (error) {
    process.stderr.write(`bench: ${error.message}\n${error.details ? `${error.details}\n` : ""}`);
    process.exitCode = 1;
  } finally {
    await endAll();
  }
}
