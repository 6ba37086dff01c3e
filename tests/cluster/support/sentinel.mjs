// Starts a Redis master, its replica and three sentinels for a test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createClient } from "redis";
import { endsWithFile } from "../../clients/support/leftovers.mjs";
import { until, within } from "../../clients/support/wait.mjs";
import { Redis, freePort } from "./redis.mjs";

const QUORUM = 2;

class Sentinel {
  constructor(port, dir, lines) {
    this.port = port;
    this.file = path.join(dir, `sentinel-${port}.conf`);
    writeFileSync(this.file, lines.join("\n"));
  }

  async run() {
    this.child = endsWithFile(spawn("redis-server", [this.file, "--sentinel"], { stdio: ["ignore", "pipe", "inherit"] }));
    this.exited = once(this.child, "exit");
    let output = "";
    await within(
      new Promise((resolve, reject) => {
        this.child.stdout.on("data", (chunk) => {
          output += chunk;
          if (/\+monitor master/.test(output)) resolve();
        });
        this.exited.then(() => reject(new Error(`the sentinel ended:\n${output}`)));
      }),
      "a sentinel",
    );
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.exited;
  }
}

export class Sentinels {
  /** `password`, if given, is the one that the sentinels require. */
  static async start({ name = "mymaster", password } = {}) {
    const group = new Sentinels();
    group.name = name;
    group.password = password;
    group.dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-sentinel-"));
    const master = await Redis.start();
    const replica = await Redis.start(["--replicaof", "127.0.0.1", String(master.port), "--repl-diskless-sync-delay", "0"]);
    group.servers = [master, replica];
    group.sentinels = [];
    for (let i = 0; i < 3; i++) {
      const port = await freePort();
      const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${group.dir}`, `sentinel monitor ${name} 127.0.0.1 ${master.port} ${QUORUM}`,
        `sentinel down-after-milliseconds ${name} 500`, `sentinel failover-timeout ${name} 2000`, ""];
      if (password) lines.unshift(`requirepass ${password}`, `sentinel sentinel-pass ${password}`);
      group.sentinels.push(new Sentinel(port, group.dir, lines));
    }
    for (const sentinel of group.sentinels) {
      await sentinel.run();
      // by default sentinels check the servers every ten seconds, and one another every two
      await group.#ask(sentinel, "SENTINEL", "DEBUG", "INFO-PERIOD", "200", "PUBLISH-PERIOD", "200", "ASK-PERIOD", "200", "PING-PERIOD", "200");
    }
    await group.ready();
    return group;
  }

  get hosts() {
    return this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
  }

  get url() {
    return `redis+sentinel://${this.hosts}/${this.name}/0`;
  }

  async #ask(sentinel, ...args) {
    const client = createClient({ url: `redis://127.0.0.1:${sentinel.port}`, password: this.password, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      await client.disconnect();
    }
  }

  /** Resolves when every running sentinel knows the others and a replica that it could promote. */
  async ready(sentinels = this.sentinels) {
    for (const sentinel of sentinels) {
      let reply;
      const knows = async () => {
        reply = await this.#ask(sentinel, "SENTINEL", "MASTER", this.name);
        const of = (key) => reply[reply.indexOf(key) + 1];
        const replicas = await this.#ask(sentinel, "SENTINEL", "REPLICAS", this.name);
        const good = replicas.filter((fields) => fields[fields.indexOf("flags") + 1] === "slave" && fields[fields.indexOf("master-link-status") + 1] === "ok");
        return Number(of("num-other-sentinels")) >= sentinels.length - 1 && good.length > 0;
      };
      await until(knows, () => `the sentinels have found one another: ${reply}`);
    }
  }

  /**
   * Subscribes to a sentinel. wait() of the result resolves with the server that the sentinel announces as the new master, and
   * the time of the announcement.
   */
  async switched(sentinel = this.sentinels.at(-1)) {
    const client = createClient({ url: `redis://127.0.0.1:${sentinel.port}`, password: this.password });
    client.on("error", () => {});
    await client.connect();
    const event = new Promise((resolve) => client.subscribe("+switch-master", resolve));
    return {
      wait: async () => {
        const words = (await within(event, "the failover")).split(" ");
        await client.disconnect();
        return { server: this.servers.find(({ port }) => String(port) === words[4]), at: Date.now() };
      },
    };
  }

  async stop() {
    for (const sentinel of this.sentinels) await sentinel.stop();
    for (const server of this.servers) await server.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
