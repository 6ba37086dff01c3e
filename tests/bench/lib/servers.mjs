// The compared servers. Each is started for one measurement and ended after it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { build, here, output } from "./paths.mjs";
import { end, endOf, failure, freePort, isRunning, launchUntil } from "./processes.mjs";

const SERVER_CORE = 0;
const LISTENING = /event=listening.* port=(\d+)/;

const peer = (file) => path.join(here, "peers", file);
const sockeye = (...args) => [
  path.join(build, "sockeye"), "--app", path.join(build, "apps/bench.so"), "--host", "127.0.0.1", "--port", "0", "--workers", "1", ...args,
];
const BUN = path.join(here, "peers/node_modules/bun/bin/bun.exe"); // has this name on every system
const floor = (...args) => [path.join(build, "bench-floor"), ...args];

/** Command lines. `more`: --tls-cert, --tls-key, --per-message-deflate and --ping-interval. The floor has none of these options, and Bun lacks the last two. `program`: the server runs only if this file exists. */
export const servers = {
  sockeye: { title: "Sockeye", alone: (more) => sockeye(...more), clustered: (redis) => sockeye("--redis", redis) },
  node: {
    title: "Node.js",
    alone: (more) => [process.execPath, peer("socketio.mjs"), ...more],
    clustered: (redis) => [process.execPath, peer("cluster-node.mjs"), redis],
  },
  bunEngine: { title: "Bun, bun-engine", program: BUN, alone: (more) => [BUN, peer("bun-engine.mjs"), ...more] },
  bun: { title: "Bun, ws", program: BUN, alone: (more) => [BUN, peer("socketio.mjs"), ...more] },
  floor: { title: "floor", alone: () => floor() },
  floorPerTurn: { title: "floor, one send per turn", alone: () => floor("--per-turn") },
};

export const present = (id) => servers[id].program === undefined || existsSync(servers[id].program);
export const hasTls = (id) => !id.startsWith("floor");

/** The options of a server with a certificate for localhost, which is made once. */
export function tlsOptions() {
  const cert = path.join(output, "cert.pem");
  const key = path.join(output, "key.pem");
  mkdirSync(output, { recursive: true });
  if (!existsSync(cert) || !existsSync(key))
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
      "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], { stdio: "ignore" });
  return ["--tls-cert", cert, "--tls-key", key];
}

/** The processes of one measurement: { urls, pids, demand(), stop() }. `demand` throws if one of them has ended. */
class Setup {
  #processes = [];
  urls = [];

  get pids() {
    return this.#processes.map((p) => p.pid);
  }

  async add(argv, pattern, options) {
    const started = await launchUntil(argv, pattern, { core: SERVER_CORE, ...options });
    this.#processes.push(started.process);
    return started.match;
  }

  async addServer(argv, options, scheme = "http") {
    const [, port] = await this.add(argv, LISTENING, options);
    this.urls.push(`${scheme}://127.0.0.1:${port}`);
  }

  demand() {
    const ended = this.#processes.find((p) => !isRunning(p));
    if (ended) throw failure(`${path.basename(ended.name)} ${endOf([ended.child.exitCode, ended.child.signalCode], ended.tail)}`, ended.tail);
  }

  async stop() {
    for (const p of this.#processes.reverse()) await end(p);
  }
}

async function startCluster(setup, server, files) {
  const port = await freePort();
  await setup.add(["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], /eady to accept connections/, { files });
  for (let i = 0; i < 2; i++) await setup.addServer(server.clustered(`redis://127.0.0.1:${port}`), { files });
}

const HEARTBEATS = ["--ping-interval", "5000"];

/** The options of a server that is alone, by the kind of the row. */
const OPTIONS = { alone: () => [], tls: tlsOptions, deflate: () => ["--per-message-deflate"], heartbeats: () => HEARTBEATS };

/** Starts the servers of a row: `kind` is "cluster" or one of OPTIONS. */
export async function start(kind, id, files) {
  const setup = new Setup();
  const server = servers[id];
  try {
    if (kind === "cluster") await startCluster(setup, server, files);
    else await setup.addServer(server.alone(OPTIONS[kind]()), { files }, kind === "tls" ? "https" : "http");
  } catch (error) {
    await setup.stop();
    throw error;
  }
  return setup;
}
