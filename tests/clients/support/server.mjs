// Starts one of the built programs on its own port and ends it again. TEST_BUILD names the build folder.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { endsWithFile } from "./leftovers.mjs";
import { freePort } from "./port.mjs";
import { WAIT_MS } from "./wait.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const build = process.env.TEST_BUILD || path.join(root, "build");
/** False if the programs have sanitizers, which take time and memory of their own. */
export const plain = !/asan/.test(build);

/** Parses one key=value log line. */
export function parseLine(line) {
  const fields = {};
  for (const [, key, quoted, plain] of line.matchAll(/([^\s=]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    fields[key] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1");
  }
  return fields;
}

export class Server {
  #lines = [];
  #parsed = []; // the parsed lines of `output`
  #rest = "";
  #waiters = new Set();

  /** @param {string} program file name under the build folder; @param {string[]} args; @param {object} options of spawn() */
  constructor(program, args, env, options) {
    this.child = endsWithFile(spawn(path.join(build, program), args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...env },
      ...options,
    }), () => this.output);
    this.exited = once(this.child, "exit").then(([code, signal]) => ({ code, signal }));
    this.child.stderr.setEncoding("utf8");
    this.child.stderr.on("data", (chunk) => this.#feed(chunk));
    this.exited.then(() => this.#wake());
  }

  #feed(chunk) {
    const parts = (this.#rest + chunk).split("\n");
    this.#rest = parts.pop();
    this.#lines.push(...parts);
    this.#parsed.push(...parts.map(parseLine));
    this.#wake();
  }

  #wake() {
    for (const waiter of this.#waiters) waiter();
  }

  get pid() {
    return this.child.pid;
  }

  get output() {
    return [...this.#lines, this.#rest].join("\n");
  }

  /** The parsed log lines of this event so far. */
  logged(event) {
    return this.#parsed.filter((fields) => fields.event === event);
  }

  /** Resolves with the first log line (now or later) whose fields satisfy the predicate. */
  line(predicate, ms = WAIT_MS) {
    let seen = 0;
    return this.until(() => {
      while (seen < this.#parsed.length) if (predicate(this.#parsed[seen++])) return this.#parsed[seen - 1];
    }, ms);
  }

  /** Calls `look` now and after each new line of the log. Resolves with its first truthy result. */
  async until(look, ms = WAIT_MS) {
    const deadline = Date.now() + ms;
    for (;;) {
      const found = look();
      if (found) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the server ended (${this.child.exitCode ?? this.child.signalCode}):\n${this.output}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no such log line within ${ms} ms:\n${this.output}`);
      await new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, left);
        this.#waiters.add(done);
      });
    }
  }

  /** Sends SIGTERM and returns the exit code; throws if that is not 0 or a sanitizer reported a fault. */
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), WAIT_MS);
    const { code, signal } = await this.exited;
    clearTimeout(timer);
    if (code !== 0 || /Sanitizer|runtime error/.test(this.output))
      throw new Error(`the server ended with code ${code} signal ${signal}:\n${this.output}`);
  }
}

async function start(program, args, env) {
  const server = new Server(program, ["--port", String(await freePort()), "--host", "127.0.0.1", ...args], env);
  const listening = await server.line((fields) => fields.event === "listening");
  server.port = Number(listening.port);
  const scheme = args.includes("--tls-cert") ? "https" : "http";
  server.url = `${scheme}://127.0.0.1:${server.port}`;
  return server;
}

/**
 * Starts `sockeye` with an application of node/apps ("chat", "protocol", "bench") or an absolute path. It has one worker and no
 * drain time, unless `args` say otherwise.
 */
export function startSockeye(app, args = [], env = {}) {
  const file = path.isAbsolute(app) ? app : path.join(build, "apps", `${app}.so`);
  const defaults = ["--workers", "1", "--drain-time", "0"];
  const wanted = [];
  for (let i = 0; i < defaults.length; i += 2)
    if (!args.includes(defaults[i])) wanted.push(defaults[i], defaults[i + 1]);
  return start("sockeye", ["--app", file, ...wanted, ...args], env);
}

/**
 * Starts `sockeye --exec command` with its private directory under `env.XDG_RUNTIME_DIR`. It has one worker and no drain time,
 * unless `args` say otherwise.
 */
export function startExec(command, args = [], env = {}) {
  return start("sockeye", ["--exec", command, "--workers", "1", "--drain-time", "0", ...args], env);
}

/** Starts `engine-echo`, which has only the Engine.IO layer. */
export function startEcho(args = [], env = {}) {
  return start("engine-echo", args, env);
}
