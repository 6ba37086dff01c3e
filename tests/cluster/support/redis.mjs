// Starts a redis-server for a test, on a port that stays the same over restarts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createClient } from "redis";
import { endsWithFile } from "../../clients/support/leftovers.mjs";
import { freePort } from "../../clients/support/port.mjs";
import { WAIT_MS, within } from "../../clients/support/wait.mjs";

export { freePort };

export class Redis {
  static async start(args = []) {
    const redis = new Redis();
    redis.port = await freePort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    redis.dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-redis-"));
    redis.args = args;
    await redis.run();
    return redis;
  }

  /** Starts the server, or restarts it. */
  async run() {
    let output = "";
    this.child = endsWithFile(spawn("redis-server", ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", this.dir, ...this.args], {
      stdio: ["ignore", "pipe", "inherit"],
    }), () => output);
    this.exited = once(this.child, "exit");
    await within(
      new Promise((resolve, reject) => {
        this.child.stdout.on("data", (chunk) => {
          output += chunk;
          if (/Ready to accept connections/.test(output)) resolve();
        });
        this.exited.then(() => reject(new Error(`redis-server ended:\n${output}`)));
      }),
      "redis-server",
    );
  }

  async kill(signal = "SIGKILL") {
    this.child.kill(signal);
    await this.exited;
  }

  pause() {
    this.child.kill("SIGSTOP");
  }

  resume() {
    this.child.kill("SIGCONT");
  }

  /** Returns a client that has still to connect. On a busy machine, this may take longer than the 5 s that clients wait by default. */
  client() {
    return createClient({ url: this.url, socket: { connectTimeout: WAIT_MS } });
  }

  /** Sends one command; resolves with its answer. */
  async command(...args) {
    const client = this.client();
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy?.() ?? (await client.disconnect());
    }
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGCONT");
      await this.kill();
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
