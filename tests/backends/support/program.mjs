// Applications in separate processes. Each runs in a copy of its folder, so that `require("socket.io")` finds the packages of the tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { endsWithFile } from "../../clients/support/leftovers.mjs";
import { root } from "../../clients/support/server.mjs";
import { within } from "../../clients/support/wait.mjs";

/** A folder with the files of `source` and the packages of the tests; removed after the test. */
export function programFolder(t, source) {
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-program-"));
  if (source) cpSync(path.resolve(root, source), folder, { recursive: true });
  symlinkSync(path.join(root, "tests/node_modules"), path.join(folder, "node_modules"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A process, by default of node. Tests can wait for lines of its output. */
export class Program {
  constructor(args, { cwd, env, command = process.execPath } = {}) {
    this.lines = [];
    this.waiters = new Set();
    this.child = endsWithFile(spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] }), () => this.lines.join("\n"));
    this.exited = once(this.child, "exit").then(([code, signal]) => ({ code, signal }));
    this.exited.then(() => this.#wake());
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (text) => {
        const parts = (rest + text).split("\n");
        rest = parts.pop();
        this.lines.push(...parts);
        this.#wake();
      });
    }
  }

  #wake() {
    for (const waiter of this.waiters) waiter();
  }

  /** The line, now or later, that is the nth that matches. */
  line(pattern, nth = 1) {
    const found = new Promise((resolve, reject) => {
      const look = () => {
        const line = this.lines.filter((each) => pattern.test(each))[nth - 1];
        const ended = this.child.exitCode !== null || this.child.signalCode !== null;
        if (line === undefined && !ended) return;
        this.waiters.delete(look);
        if (line !== undefined) resolve(line);
        else reject(new Error(`the program ended:\n${this.lines.join("\n")}`));
      };
      this.waiters.add(look);
      look();
    });
    return within(found, () => `${pattern} from the program:\n${this.lines.join("\n")}`);
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return within(this.exited, "the end of the program");
  }
}
