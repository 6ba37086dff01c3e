// Starts a Redis Cluster for a test: masters that share the slots, and a replica of each.
import { createClient } from "redis";
import { until } from "../../clients/support/wait.mjs";
import { freePort, Redis } from "./redis.mjs";

const SLOTS = 16384;
const OPTIONS = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no",
  "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

export class RedisCluster {
  /** @param {() => Promise<string[]>} args further arguments of a server; `password` is that of all servers */
  static async start({ masters = 3, args = async () => [], password } = {}) {
    const cluster = new RedisCluster();
    cluster.password = password;
    const login = password === undefined ? [] : ["--requirepass", password, "--masterauth", password];
    cluster.servers = await Promise.all([...Array(2 * masters)].map(async () => Redis.start([...OPTIONS, ...login, ...(await args()), "--cluster-port", String(await freePort())])));
    cluster.clients = new Map();
    for (const server of cluster.servers) {
      server.id = await cluster.ask(server, "CLUSTER", "MYID");
      server.busPort = server.args.at(-1);
    }
    await cluster.#join(masters);
    return cluster;
  }

  /** Sends a command to a server, on a connection that stays open. Resolves with the answer. */
  async ask(server, ...command) {
    let client = this.clients.get(server);
    if (client === undefined) {
      client = createClient({ url: server.url, password: this.password, socket: { reconnectStrategy: false } });
      client.on("error", () => this.clients.delete(server));
      await client.connect();
      this.clients.set(server, client);
    }
    return client.sendCommand(command.map(String));
  }

  /** Repeats a question until the answer is good, because a cluster reports no events. */
  async until(good, what) {
    await until(() => good().catch(() => false), what);
  }

  async #join(masters) {
    const share = Math.ceil(SLOTS / masters);
    for (const [i, server] of this.servers.entries()) {
      await this.ask(server, "CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      if (i < masters) await this.ask(server, "CLUSTER", "ADDSLOTSRANGE", i * share, Math.min((i + 1) * share, SLOTS) - 1);
      for (const other of this.servers.slice(0, i)) await this.ask(server, "CLUSTER", "MEET", "127.0.0.1", other.port, other.busPort);
    }
    const nodes = async (server) => (await this.ask(server, "CLUSTER", "NODES")).trim().split("\n");
    for (const server of this.servers) await this.until(async () => (await nodes(server)).filter((line) => !/handshake|noaddr|disconnected/.test(line)).length === 2 * masters, "the members know one another");
    for (let i = 0; i < masters; i++) await this.ask(this.servers[masters + i], "CLUSTER", "REPLICATE", this.servers[i].id);
    await this.ready();
  }

  /** Resolves when all running servers agree that every slot has an owner with a replica that could take its place. */
  async ready() {
    const running = this.servers.filter((server) => server.child.exitCode === null && server.child.signalCode === null);
    for (const server of running) {
      await this.until(async () => {
        const [info, replication, shards] = [await this.ask(server, "CLUSTER", "INFO"), await this.ask(server, "INFO", "replication"), await this.#shards(server)];
        const online = shards.flatMap(({ nodes }) => nodes).filter(({ health }) => health === "online");
        return /cluster_state:ok/.test(info) && !/master_link_status:down/.test(replication) && online.length === running.length;
      }, "the cluster is in order");
    }
  }

  async #shards(server) {
    const pairs = (list) => Object.fromEntries(list.flatMap((value, i) => (i % 2 === 0 ? [[value, list[i + 1]]] : [])));
    return (await this.ask(server, "CLUSTER", "SHARDS")).map(pairs).map(({ slots, nodes }) => ({ slots, nodes: nodes.map(pairs) }));
  }

  /** Resolves with the server that owns a slot, according to the server `asked`. */
  async owner(slot, asked = this.servers.at(-1)) {
    for (const { slots, nodes } of await this.#shards(asked))
      for (let i = 0; i < slots.length; i += 2)
        if (slot >= slots[i] && slot <= slots[i + 1]) return this.servers.find(({ port }) => port === nodes.find(({ role, health }) => role === "master" && health === "online")?.port);
  }

  /** Resolves with the slot of a channel. */
  async slot(channel) {
    return this.ask(this.servers.at(-1), "CLUSTER", "KEYSLOT", channel);
  }

  /** Resolves with the servers that own slots, according to the server `asked`. */
  async masters(asked = this.servers.at(-1)) {
    const shards = await this.#shards(asked);
    return shards.filter(({ slots }) => slots.length > 0).flatMap(({ nodes }) => nodes).filter(({ role, health }) => role === "master" && health === "online").map((node) => this.servers.find(({ port }) => port === node.port));
  }

  /** Gives a slot, with its keys, to another master. `between` is called while the keys have moved and the slot has not. */
  async move(slot, to, between = async () => {}) {
    const from = await this.owner(slot);
    await this.ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id);
    await this.ask(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id);
    const keys = await this.ask(from, "CLUSTER", "GETKEYSINSLOT", slot, 100);
    const login = this.password === undefined ? [] : ["AUTH", this.password];
    if (keys.length > 0) await this.ask(from, "MIGRATE", "127.0.0.1", to.port, "", 0, 5000, ...login, "KEYS", ...keys);
    await between();
    await this.ask(to, "CLUSTER", "SETSLOT", slot, "NODE", to.id);
    await this.ask(from, "CLUSTER", "SETSLOT", slot, "NODE", to.id);
  }

  /** Kills a server. Resolves when the others see it as failed and, if it owned slots, its replica has taken them over. */
  async kill(server) {
    const others = this.servers.filter((other) => other !== server && other.child.exitCode === null && other.child.signalCode === null);
    await server.kill();
    for (const other of others) {
      await this.until(async () => {
        const nodes = await this.ask(other, "CLUSTER", "NODES");
        const line = nodes.split("\n").find((line) => line.startsWith(server.id));
        return /cluster_state:ok/.test(await this.ask(other, "CLUSTER", "INFO")) && /fail(,| )/.test(line) && !/\d+-\d+$/.test(line.trim());
      }, "the failover is over");
    }
  }

  get hosts() {
    return this.servers.map(({ port }) => `127.0.0.1:${port}`).join(",");
  }

  get url() {
    return `redis+cluster://${this.hosts}`;
  }

  async stop() {
    for (const client of this.clients.values()) await client.disconnect().catch(() => {});
    for (const server of this.servers) await server.stop();
  }
}
