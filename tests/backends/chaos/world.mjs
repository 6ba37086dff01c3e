// Two edges with two workers, a relay before one of their addresses, and places for backends. Each place has one backend at a time.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../clients/support/port.mjs";
import { root, Server } from "../../clients/support/server.mjs";
import { within } from "../../clients/support/wait.mjs";
import { Program } from "../support/program.mjs";

const WORKERS = 2;
export const WAIT = 60_000;
const app = path.join(root, "tests/backends/chaos/app.mjs");

/** A TCP relay between a backend and an edge. Its connections can be cut or made silent. */
class Relay {
  #pairs = new Set();

  static async before(port) {
    const relay = new Relay();
    relay.server = net.createServer((near) => relay.#pair(near, net.connect(port, "127.0.0.1")));
    await new Promise((resolve) => relay.server.listen(0, "127.0.0.1", resolve));
    relay.address = `tcp://127.0.0.1:${relay.server.address().port}`;
    return relay;
  }

  #pair(near, far) {
    const pair = [near, far];
    this.#pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const end of pair)
      end.on("error", () => {}).on("close", () => {
        this.#pairs.delete(pair);
        pair.forEach((other) => other.destroy());
      });
  }

  cut() {
    for (const pair of this.#pairs) pair.forEach((end) => end.destroy());
  }

  /** Stops forwarding: both ends stay open but receive no bytes. */
  silence() {
    for (const pair of this.#pairs) pair.forEach((end) => end.unpipe().pause());
  }

  close() {
    this.cut();
    this.server.close();
  }
}

async function startEdge(folder, name, args) {
  const address = `unix://${folder}/${name}.sock`;
  const port = await freePort();
  const server = new Server("sockeye", [
    "--host", "127.0.0.1", "--port", "0", "--workers", String(WORKERS), "--drain-time", "0",
    "--backend", address, "--backend", `tcp://127.0.0.1:${port}`, "--backend-insecure", ...args,
  ]);
  const listening = await server.line(({ event }) => event === "listening");
  const relay = await Relay.before(port);
  return Object.assign(server, { name, address, relay, url: `http://127.0.0.1:${listening.port}` });
}

export class World {
  edges = [];
  places = []; // {addresses, program, name, instance}
  disturbances = [];
  #names = 0;

  /** @param {string[]} args of both edges; @param {number} backends the number of backends; the last one reaches the edges through the relays */
  static async start(args, backends = 3) {
    const world = new World();
    world.folder = mkdtempSync(path.join(tmpdir(), "sockeye-chaos-"));
    world.history = path.join(world.folder, "history");
    for (const name of ["east", "west"]) world.edges.push(await startEdge(world.folder, name, args));
    for (let i = 0; i < backends; i++) {
      const isFar = i === backends - 1;
      world.places.push({ number: i, addresses: world.edges.map((edge) => (isFar ? edge.relay.address : edge.address)) });
    }
    await Promise.all(world.places.map((place) => world.fill(place)));
    return world;
  }

  /** Starts a new backend in this place; resolves when it is attached to all workers. The caller ends the place's earlier backend. */
  async fill(place) {
    place.name = `b${place.number}-${this.#names++}`;
    const links = String(this.edges.length * WORKERS);
    const env = { NAME: place.name, HISTORY: this.history, SOCKEYE_BACKEND: place.addresses.join(","), LINKS: links };
    place.program = new Program([app], { env });
    await place.program.line(new RegExp(`^attached ${links}$`));
    const isIts = ({ event, backend_pid: pid }) => event === "backend_ready" && Number(pid) === place.program.child.pid;
    place.instance = (await this.edges[0].line(isIts)).instance;
  }

  /** Resolves once all workers have noticed the end of their links to that instance. `counts`: the numbers of backend_lost before, from count(). */
  async lost(instance, counts = this.edges.map(() => 0)) {
    const n = (edge) => edge.logged("backend_lost").filter((fields) => fields.instance === instance).length;
    await Promise.all(this.edges.map((edge, i) => edge.until(() => n(edge) >= counts[i] + WORKERS, WAIT)));
  }

  count(event, instance) {
    return this.edges.map((edge) => edge.logged(event).filter((fields) => fields.instance === instance).length);
  }

  /** Resolves when the backends of all places have a link to that worker again. */
  async relinked(edge, worker, since) {
    for (const { instance } of this.places)
      await edge.until(() => edge.logged("backend_ready").slice(since).some((each) => each.worker === String(worker) && each.instance === instance), WAIT);
  }

  /** Kills a worker; resolves when its successor accepts clients. */
  async killWorker(edge, worker) {
    const isIts = (each) => each.worker === String(worker);
    const pids = () => edge.logged("worker_ready").filter(isIts);
    const before = pids().length;
    const since = edge.logged("backend_ready").length;
    process.kill(Number(pids().at(-1).pid), "SIGKILL");
    await edge.until(() => pids().length > before, WAIT);
    await this.relinked(edge, worker, since);
  }

  /** Resolves when all workers can publish and receive. `since`: the number of lines about the bus that each edge had logged before the fault. */
  async onBus(since) {
    const isUp = (edge, i) =>
      Array.from({ length: WORKERS }, (_, worker) => edge.logged("bus").slice(since[i]).findLast((each) => each.worker === String(worker))).every((line) => line?.state === "up");
    await Promise.all(this.edges.map((edge, i) => edge.until(() => isUp(edge, i), WAIT)));
  }

  /** The backends' half of the history. */
  entries() {
    const lines = readFileSync(this.history, "utf8").split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  }

  async stop() {
    for (const { program } of this.places) {
      program.child.kill("SIGCONT");
      await program.stop("SIGKILL");
    }
    for (const edge of this.edges) {
      edge.relay.close();
      await within(edge.stop(), "the end of an edge");
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The worker that has a client, from the Engine.IO session id (node/engineio/eio_sid.h). */
export function workerOf(engineId) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet.indexOf(engineId[2]) * 64 + alphabet.indexOf(engineId[3]);
}
