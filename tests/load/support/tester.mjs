// Runs the built sockeye-load and reads its output.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { build } from "../../clients/support/server.mjs";
import { within } from "../../clients/support/wait.mjs";

/** With the sanitizer build, tests that measure are skipped. */
export const short = Boolean(process.env.TEST_SHORT);

const RUN_MS = 120_000; // longer than any run here
const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-load-"));
let files = 0;
const running = new Set();
after(() => {
  for (const child of running) child.kill("SIGKILL"); // of failed tests
  rmSync(dir, { recursive: true });
});

export const scratch = (suffix) => path.join(dir, `${++files}${suffix}`);

const flag = (name) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** { clients: 10, quiet: true, verify: false } as --clients 10 --quiet --no-verify */
const flags = (options) =>
  Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${flag(name)}`] : value === false ? [`--no-${flag(name)}`] : [`--${flag(name)}`, String(value)]);

/** A run in progress. */
export class Tester {
  stdout = "";
  stderr = "";
  #waiters = new Set();

  constructor(args) {
    this.child = spawn(path.join(build, "sockeye-load"), args, { stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.child);
    for (const name of ["stdout", "stderr"]) {
      this.child[name].setEncoding("utf8");
      this.child[name].on("data", (chunk) => {
        this[name] += chunk;
        for (const wake of this.#waiters) wake();
      });
    }
    const late = setTimeout(() => this.child.kill("SIGKILL"), RUN_MS);
    this.ended = once(this.child, "close").then(([code, signal]) => {
      clearTimeout(late);
      running.delete(this.child);
      this.over = true;
      for (const wake of this.#waiters) wake();
      assert.doesNotMatch(this.stderr, /Sanitizer|runtime error/);
      assert.equal(signal, null, `ended by ${signal}\n${this.stdout}${this.stderr}`);
      return code;
    });
    this.ended.catch(() => {
      this.over = true;
      for (const wake of this.#waiters) wake();
    });
  }

  /** The complete lines of standard error. */
  get lines() {
    return this.stderr.split("\n").slice(0, -1);
  }

  /** The first line of progress, from number `from` on, that satisfies the predicate, now or later. */
  line(predicate, from = 0) {
    let wake;
    const found = new Promise((resolve, reject) => {
      wake = () => {
        const line = this.lines.slice(from).find(predicate);
        if (line !== undefined) resolve(line);
        else if (this.over) reject(new Error(`no such line:\n${this.stderr}`));
      };
      this.#waiters.add(wake);
      wake();
    });
    return within(found, "a line of progress", RUN_MS).finally(() => this.#waiters.delete(wake));
  }
}

// long enough that a stall of a quarter of a second does not leave the run without a message
const usual = { clients: 10, duration: 600, warmUp: 0, settle: 1000, timeout: 5000 };

/** Starts a run that writes its report as JSON. `urls`: a server, its address, or several. */
export function start(scenario, urls, options = {}) {
  const json = scratch(".json");
  const addresses = [urls].flat().map((server) => server.url ?? server);
  const tester = new Tester([scenario, ...addresses, ...flags({ ...usual, json, ...options })]);
  tester.result = tester.ended.then((code) => {
    const text = readFileSync(json, "utf8");
    return { code, stdout: tester.stdout, stderr: tester.stderr, report: text ? JSON.parse(text) : null };
  });
  tester.result.catch(() => {});
  return tester;
}

/** Performs a quiet run, which must end with this exit code; resolves with its report. */
export async function load(scenario, urls, options = {}, code = 0) {
  const result = await start(scenario, urls, { quiet: true, ...options }).result;
  assert.equal(result.code, code, result.stdout + result.stderr);
  if (code === 0) assert.equal(result.stderr, "");
  return { ...result.report, stdout: result.stdout, stderr: result.stderr };
}

/** Runs any command line; resolves with { code, stdout, stderr }. */
export async function run(...args) {
  const tester = new Tester(args);
  const code = await tester.ended;
  return { code, stdout: tester.stdout, stderr: tester.stderr };
}

export const sum = (rows, key) => rows.reduce((total, row) => total + row[key], 0);

/** Asserts that the run had no errors and that messages or clients were counted. */
export function assertClean(report, clients = 10) {
  const { lost, missed, duplicated, reordered, unanswered, sent, received } = report.messages;
  assert.deepEqual({ lost, missed, duplicated, reordered, unanswered }, { lost: 0, missed: 0, duplicated: 0, reordered: 0, unanswered: 0 });
  assert.deepEqual(report.errors, {});
  assert.ok(sent > 0 && received > 0, report.stdout);
  assert.deepEqual(report.clients, { wanted: clients, opened: clients, joined: clients, left: 0, reconnected: 0 });
  const { min, p50, p90, p99, max } = report.latency;
  assert.ok(min > 0 && min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max, JSON.stringify(report.latency));
}
