// Three C nodes with two workers each and a Node.js server over one kind of Redis, for the scenarios.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer } from "../support/balancer.mjs";
import { startNode, startPeer, subscribers } from "../support/cluster.mjs";
import { freePort, Redis } from "../support/redis.mjs";
import { RedisCluster } from "../support/redis-cluster.mjs";
import { Sentinels } from "../support/sentinel.mjs";
import { History } from "./history.mjs";

const NODES = ["a", "b", "c"];
// The data outlives the process. With "everysec", Redis puts writes off for up to 2 s while the disk is busy, and loses them.
const KEPT = ["--appendonly", "yes", "--appendfsync", "no"];
const COUNTED_MS = 5_500; // by then each worker has counted the others, as it does with each check of the bus

/**
 * What the nodes of a world connect to: { redis (for commands), url, args, stop() }. `peerUrl` is the address for the
 * Node.js server, whose client does not follow failovers; without `peerUrl`, the world has no Node.js server.
 */
const kinds = {
  async plain() {
    const redis = await Redis.start([...KEPT, "--user", "node", "on", ">secret", "allcommands", "allchannels", "allkeys"]);
    return { redis, url: `redis://node:secret@127.0.0.1:${redis.port}`, peerUrl: redis.url, stop: () => redis.stop() };
  },
  async sentinel() {
    const group = await Sentinels.start();
    return { group, redis: group.servers[0], url: group.url, stop: () => group.stop() };
  },
  /** Two servers of which the second is a replica of the first; the nodes know both addresses. */
  async pair() {
    const first = await Redis.start(KEPT);
    const second = await Redis.start([...KEPT, "--replicaof", "127.0.0.1", String(first.port), "--repl-diskless-sync-delay", "0"]);
    return {
      redis: first, second, url: `redis://127.0.0.1:${first.port},127.0.0.1:${second.port}`,
      async stop() {
        await first.stop();
        await second.stop();
      },
    };
  },
  haproxy: () => balanced("haproxy.cfg"),
  nginx: () => balanced("nginx.conf"),
  async cluster() {
    const cluster = await RedisCluster.start();
    return { cluster, redis: cluster.servers.at(-1), url: cluster.url, stop: () => cluster.stop() };
  },
  async tls() {
    const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-history-"));
    const port = await freePort();
    certify(dir, "first");
    const file = (name) => path.join(dir, name);
    const redis = await Redis.start([...KEPT, "--tls-port", String(port), "--tls-cert-file", file("cert.pem"), "--tls-key-file", file("key.pem"), "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "yes"]);
    return {
      redis, dir, url: `rediss://127.0.0.1:${port}`, peerUrl: redis.url,
      args: ["--redis-ca", file("ca.pem"), "--redis-tls-cert", file("cert.pem"), "--redis-tls-key", file("key.pem")],
      async stop() {
        await redis.stop();
        rmSync(dir, { recursive: true, force: true });
      },
    };
  },
};

async function balanced(config) {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-history-"));
  const redis = await Redis.start();
  return {
    redis, dir, balanced: config, url: redis.url, args: ["--trust-proxy", "--drain-time", "3s"],
    async stop() {
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Makes an authority, and a certificate of it for server and clients. Replaces the ones in the folder. */
export function certify(dir, name) {
  const openssl = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: "ignore" });
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-keyout", "ca.key", "-out", "ca.pem");
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=redis", "-keyout", "key.pem", "-out", "csr.pem");
  writeFileSync(path.join(dir, "ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
  openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "cert.pem");
}

async function startOne(world, name, port, admin) {
  const id = String(NODES.indexOf(name[0]) + 1);
  const node = await startNode(name, { url: world.url }, ["--workers", "2", "--node-id", id, "--port", String(port ?? (await freePort())), "--admin-port", String(admin ?? (admin = await freePort())), ...(world.args ?? []), ...world.mode.args]);
  node.admin = { port: admin };
  return node;
}

/** Starts a node again at the same addresses, under a new name. */
export async function restart(world, node) {
  const again = await startOne(world, `${node.name}'`, node.port, node.admin.port);
  world.nodes[world.nodes.indexOf(node)] = again;
  await world.history.replace(node, again);
}

/** Starts the servers of a world. `mode` is one of scenarios.mjs. */
export async function openWorld(kind, mode, options) {
  const world = await kinds[kind]();
  world.mode = mode;
  world.nodes = await Promise.all(NODES.map((name) => startOne(world, name)));
  world.peer = mode.peer && world.peerUrl ? await startPeer("js", { url: world.peerUrl }, mode.peer) : null;
  // each member of a Redis Cluster knows its own subscribers only
  if (!world.cluster && mode.counted) await subscribers(world.redis, world.peer ? 7 : 6, ...mode.counted);
  if (world.balanced) world.balancer = { ...(await startBalancer(world.dir, world.balanced, world.nodes)), name: world.balanced, admin: true };
  world.history = new History([...world.nodes, ...(world.peer ? [world.peer] : [])], { ...options, balancer: world.balancer, scattered: kind === "cluster" && mode.scatters });
  await world.history.open();
  if (!world.balanced) await sleep(COUNTED_MS);
  return world;
}

export async function closeWorld(world) {
  assert.equal(world.peer?.child.exitCode ?? null, null, "the Node.js server has ended");
  world.history.close();
  await world.balancer?.stop();
  for (const node of world.nodes) await node.stop();
  await world.peer?.stop();
  await world.stop();
}

/** Every worker of the node has gone down, or come up, since `lines` of its log. */
export const reached = (node, state, since, workers = 2) => node.until(() => node.logged("bus").slice(since).filter((line) => line.state === state).length >= workers);
export const logLines = (world) => world.nodes.map((node) => node.logged("bus").length);
export async function allReached(world, state, lines, workers) {
  await Promise.all(world.nodes.map((node, i) => reached(node, state, lines[i], workers)));
}
