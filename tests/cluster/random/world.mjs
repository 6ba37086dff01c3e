// Servers of one form, a client at each worker that emits, and the clients of the random programs that are played here.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { startSockeye } from "../../clients/support/server.mjs";
import { next, until, within } from "../../clients/support/wait.mjs";
import { randomOf } from "../history/history.mjs";
import { peerApp, startPeer } from "../support/cluster.mjs";
import { clientAt, workerOf } from "../support/recovery.mjs";
import { freePort, Redis } from "../support/redis.mjs";
import { Client } from "./client.mjs";
import { FORMS, SHAKEN_MS, counted } from "./forms.mjs";
import { CLIENTS, aReturn, aStretch } from "./program.mjs";

const DELAYS_MS = [10, 30]; // of slow middlewares
const LONG_DELAYS_MS = [10, 100, 300];
const ACKNOWLEDGED_MS = 200;
const ANSWERED_MS = 1000; // the wait for the answers of observers, which are asked again
const FAILS_EVERY = 4; // stretches
const METRICS_MS = 2000; // the metrics of a node are not older than this
const RENEWED_EVERY = 6; // stretches, after which other clients come
const OBSERVERS = ["observers"];
const NSPS = ["/slow-1", "/"]; // of tests/cluster/app/peer.c; the first one is dynamic, and has a slow middleware
/** What may come a second time: an event that wants an acknowledgement, to a client that moves while it is on its way. */
const COPIES = { kept: undefined, volatile: 1, local: 1, acknowledged: 2 };

const VALUES = { number: (n) => n, text: (n) => `n${n}`, binary: (n) => [n, Buffer.from([n & 255])] };

async function connected(socket) {
  await next(socket, "connect");
  return socket;
}

/** A client at one worker. It emits, and hears what all others of its kind say. */
class Observer {
  heard = new Map(); // observer → the last mark of it
  acknowledged = undefined; // resolves when the worker has answered the last emit
  records = false; // its own last mark had an offset, so its worker records what it emits
  #wake = () => {};
  #lost; // why the observer is no longer connected

  /** Calls `withoutOffset` when a mark comes without an offset. */
  constructor(socket, emitter, withoutOffset) {
    this.socket = socket;
    socket.on("mark", ([from, mark], offset) => {
      this.heard.set(from, mark);
      if (from === emitter) this.records = typeof offset === "string";
      if (offset === undefined) withoutOffset();
      this.#wake();
    });
    socket.on("asked", (value, answer) => answer(value));
    socket.on("disconnect", (reason) => {
      this.#lost = reason;
      this.#wake();
    });
  }

  /** Resolves when a mark of each of `count` observers has come. */
  hears(mark, count) {
    const deaf = () => Array.from({ length: count }, (_, from) => from).filter((from) => !(this.heard.get(from) >= mark));
    const all = new Promise((resolve, reject) => {
      this.#wake = () => {
        if (deaf().length === 0) resolve();
        else if (this.#lost) reject(new Error(`an observer lost its connection (${this.#lost}) before mark ${mark}`));
      };
      this.#wake();
    });
    return within(all, () => `mark ${mark} of the emitters ${deaf()} at the worker of ${this.socket.id}`);
  }
}

export class World {
  nodes = [];
  observers = [];
  clients = [];
  returns = new Map(); // "recovered", or why not → how many clients
  stretches = 0;
  trace = []; // the steps of this stretch, with their results
  #t;
  #number = 0;
  #mark = 0;
  #asked = false; // an event that wants an acknowledgement may be on its way
  #late = false; // a volatile event may wait at its worker, which sends it behind later recorded ones
  #emitter; // of the last event
  #shaken; // the last arguments of mayBeNew(), and the time at which they end

  /** Starts the servers. The number of a seed decides whether middlewares run for recovered clients, and which namespace is used. */
  static async open(t, name, { seed, window }) {
    const world = new World();
    Object.assign(world, { name, form: FORMS[name], seed, window, random: randomOf(seed), nsp: NSPS[(seed >> 1) % 2] });
    world.#t = t;
    t.after(() => world.close());
    if (world.form.redis) world.redis = await Redis.start(["--appendonly", "yes", "--appendfsync", "no"]);
    for (let i = 0; i < world.form.nodes; i++) world.nodes.push(await world.start());
    if (world.form.peer) world.nodes.push(await world.startPeer());
    for (let emitter = 0; emitter < world.emitters; emitter++) await world.observe(emitter);
    await world.counted();
    await world.recording();
    return world;
  }

  /** Emitter 2 * node + worker is a worker. The last one is the Node.js server, if there is one. */
  get emitters() {
    return 2 * this.form.nodes + (this.form.peer ? 1 : 0);
  }

  /** Starts a node of two workers. */
  async start() {
    const admin = await freePort();
    const args = ["--workers", "2", "--connection-state-recovery", "--admin-port", String(admin), ...this.form.args];
    if (this.redis) args.push("--redis", this.redis.url);
    if (this.seed % 2) args.push("--skip-middlewares=false");
    if (this.window) args.push("--max-disconnection-duration", String(this.window), "--ping-interval", String(this.window), "--ping-timeout", String(this.window));
    return Object.assign(await startSockeye(peerApp, args), { admin });
  }

  /** Starts a Node.js server. */
  async startPeer() {
    return Object.assign(await startPeer("Node.js", this.redis, ["--patient", ...this.form.peer]), { peer: true });
  }

  isPeer(emitter) {
    return emitter === 2 * this.form.nodes;
  }

  /** Puts a new observer at an emitter. */
  async observe(emitter) {
    this.observers[emitter]?.socket.disconnect();
    const options = { transports: ["websocket"], reconnection: false };
    const connect = (url, more) => io(url + this.nsp, { ...more, forceNew: true });
    const server = this.nodes[emitter >> 1];
    const socket = this.isPeer(emitter) ? await connected(connect(server.url, options)) : await clientAt(this.#t, server, emitter & 1, options, connect);
    this.observers[emitter] = new Observer(socket, emitter, () => this.withoutOffset());
    await within(socket.emitWithAck("join", OBSERVERS[0]), "the join of an observer");
  }

  counted() {
    return counted(this);
  }

  /** Resolves when all that was emitted so far has been delivered at all workers. */
  async settle() {
    if (this.#late) await this.#marks(); // now it has been sent
    this.#late = false;
    await this.#marks();
  }

  async #marks() {
    const mark = ++this.#mark, asked = this.#asked;
    this.#asked = false;
    const answers = this.observers.map(({ socket }, from) => {
      socket.emit("emit", { to: OBSERVERS }, "mark", [[from, mark]], () => {});
      return asked && this.#allAnswer(socket);
    });
    await Promise.all([...answers, ...this.observers.map((observer) => observer.hears(mark, this.emitters))]);
  }

  /** Events that want acknowledgements may have a way of their own. It ends before workers that have just lost Redis. */
  #allAnswer(socket) {
    const all = async () => {
      const { answers } = await socket.emitWithAck("ask", { to: OBSERVERS, timeout: ANSWERED_MS }, "asked", 0);
      return answers?.length === this.emitters;
    };
    return until(all, "all observers answer each emitter");
  }

  /**
   * Resolves when all workers record what they emit. Each begins to record when its hub or its log has told it where it is; an event
   * that it emits before makes all clients new that are away.
   */
  async recording() {
    const recorded = async () => {
      await this.settle();
      return this.observers.every(({ records }, emitter) => records || this.isPeer(emitter));
    };
    await until(recorded, "all workers record what they emit");
  }

  /** A Node.js server may deliver its own events before those of others that are older. So it and the others take turns. */
  async emit(event) {
    if (this.isPeer(event.emitter) !== this.isPeer(this.#emitter)) await this.settle();
    return this.#emit(event);
  }

  /** Emits an event. Returns its number, which the event gets for the trace. */
  #emit(event) {
    const { emitter, to, except, how, value } = event, { emitters } = this, observer = this.observers[emitter];
    this.#emitter = emitter;
    do this.#number++;
    while (this.#number % emitters !== emitter);
    const n = this.#number, { socket } = observer;
    const target = { to: to.map((room) => this.clients[room]?.id ?? room), except };
    for (const client of this.clients) client.wants(target, n, COPIES[how]);
    const data = VALUES[value](n);
    if (how === "acknowledged") {
      this.#asked = true;
      socket.emit("ask", { ...target, timeout: ACKNOWLEDGED_MS }, how, data, () => {});
    } else {
      this.#late ||= how === "volatile" && this.form.doubts;
      observer.acknowledged = new Promise((answered) => socket.emit("emit", { ...target, [how]: true }, how, [data], answered));
    }
    return (event.number = n);
  }

  /** Resolves when a worker has acknowledged what it has emitted. */
  async acknowledged(emitter) {
    await within(this.observers[emitter].acknowledged, () => `the acknowledgements of emitter ${emitter}`);
  }

  /** What workers emit while something else happens. */
  emitAll(emits) {
    for (const emit of emits) if (!this.isPeer(emit.emitter)) this.#emit(emit);
  }

  /**
   * A Node.js server replays all events that are newer than the client's offset, also those that were emitted before the client came
   * or was in its rooms. So the client gets a newer offset.
   */
  async #newOffset(client) {
    if (!this.form.peer) return;
    await this.emit({ emitter: 0, to: [client], except: [], how: "kept", value: "number" });
    await this.settle();
    await this.clients[client].ask("an answer behind the event for a client", "rooms");
  }

  /**
   * From now on all clients may be new after a loss, until each has got a later event with an offset, after `ms`. This holds for clients
   * that connect meanwhile, too.
   */
  mayBeNew(why, ms = 0) {
    this.#shaken = { why, end: performance.now() + ms };
    for (const client of this.clients) client.mayBeNew(why, this.#number, ms);
  }

  /** An event without an offset: its worker takes Redis for lost. On a busy machine, Redis may be slow enough for that. */
  withoutOffset() {
    if (this.form.doubts) this.mayBeNew("Redis", SHAKEN_MS);
  }

  /** Resolves when all who are connected to this server, or to one worker of it, have noticed their loss. */
  disconnections(server, slot) {
    const there = (socket) => socket.connected && socket.io.uri.startsWith(server.url) && (slot === undefined || workerOf(socket) === slot);
    const sockets = [...this.observers, ...this.clients].map(({ socket }) => socket).filter(there);
    return Promise.all(sockets.map((socket) => next(socket, "disconnect")));
  }

  async room({ client, room }) {
    const one = this.clients[client];
    if (!one.connected) return "is away";
    await this.settle();
    const leaves = one.rooms.delete(room);
    if (!leaves) one.rooms.add(room);
    await one.ask("the answer to a change of rooms", leaves ? "leave" : "join", room);
    await this.#newOffset(client);
    return leaves ? "leaves" : "joins";
  }

  async lose({ client, how, settled, forMs }) {
    const one = this.clients[client];
    if (!one.connected) return "is away";
    if (settled) await this.settle();
    await one.lose(how);
    one.notBefore = performance.now() + forMs;
    if (how === "leave") await this.left(one);
    else if (one.server.peer && how !== "silent") await this.#stored(one);
    return "lost";
  }

  /** Resolves when a Node.js server has stored the session of a client that it has lost. */
  async #stored({ socket, lost }) {
    const stored = async () => (await this.redis.command("EXISTS", `sio:session:${socket._pid}`)) === 1;
    if (!this.form.refuses) await until(stored, "the session is in Redis");
    lost.stored = true;
  }

  /** Resolves when the server knows that the client has left. */
  async left({ id }) {
    const gone = async () => {
      const { error, sockets } = await this.observers[0].socket.emitWithAck("fetch", { to: [id] });
      return error === null && sockets.length === 0;
    };
    await until(gone, "the server knows that the client has left");
  }

  async return({ client, node, delay, meanwhile }, patient) {
    const one = this.clients[client];
    if (one.connected) return "is there";
    const early = one.notBefore - performance.now();
    if (early > 0 && !patient) return "stays away";
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    const server = this.nodes[node];
    if (server.peer) await this.#knowTheLoss(one);
    if (this.form.peer) await this.settle();
    const back = one.connect(server, { delay, window: this.window });
    if (!server.peer) this.emitAll(meanwhile); // else the client may miss these
    const result = await back;
    this.returns.set(result, (this.returns.get(result) ?? 0) + 1);
    if (result === "recovered") return result;
    await this.settle(); // what was on its way to the new client is delivered before the answer
    await one.ask("the rooms of a new client", "rooms");
    one.forget();
    await this.#newOffset(client);
    return result;
  }

  /** A Node.js server does not ask others for the session of a client whose loss they have not noticed. */
  async #knowTheLoss(one) {
    one.endGhosts();
    one.repeats = true; // of the events that are not recorded, it replays the volatile ones
    await this.left(one);
  }

  async fail(step) {
    for (const client of this.clients) client.losesUnnoticed();
    if (this.form.peer) await this.settle();
    await this.form.failures[step.failure](this, step);
  }

  async #play(step, ...more) {
    const entry = { ...step };
    this.trace.push(entry);
    entry.result = await this[step.act](step, ...more);
  }

  async #renew() {
    for (const client of this.clients) client.close();
    this.clients = [];
    for (let i = 0; i < CLIENTS; i++) {
      const node = this.nodes[this.random.below(this.nodes.length)];
      const client = new Client(this, node.url);
      await client.connect(node);
      this.clients.push(client);
    }
    await this.settle();
    const { why, end } = this.#shaken ?? {}, left = end - performance.now();
    for (const client of this.clients) {
      client.forget();
      if (left > 0) client.mayBeNew(why, this.#number, left);
    }
    for (let i = 0; i < CLIENTS; i++) await this.#newOffset(i);
  }

  /** Plays one stretch: its steps, then all clients come back, and each of them must have got what its model says. */
  async stretch() {
    const { form, window, emitters, random } = this, at = this.stretches++;
    this.trace = [];
    if (at % RENEWED_EVERY === 0) await this.#renew();
    const failures = Object.keys(form.failures);
    const failure = at % FAILS_EVERY === 1 ? failures[Math.floor(at / FAILS_EVERY) % failures.length] : undefined;
    const limits = { emitters, nodes: form.nodes, servers: this.nodes.length, window, delays: window ? LONG_DELAYS_MS : DELAYS_MS };
    for (const step of aStretch(random, limits, failure)) await this.#play(step);
    for (let client = 0; client < CLIENTS; client++) await this.#play(aReturn(random, client, limits), true);
    await this.settle();
    for (const client of this.clients) {
      assert.deepEqual((await client.ask("the rooms of a client", "rooms")).sort(), [client.id, ...client.rooms].sort(), "the rooms of a client");
      client.check();
    }
  }

  /** The steps of the stretch that failed, and why servers say that clients are new. */
  async describe() {
    await new Promise((resolve) => setTimeout(resolve, METRICS_MS));
    const lines = this.trace.map(({ act, result, ...rest }) => `${act} ${JSON.stringify(rest)}: ${result}`);
    for (const { url, admin } of this.nodes.slice(0, this.form.nodes)) {
      const metrics = await fetch(`http://127.0.0.1:${admin}/metrics`).then((response) => response.text(), String);
      lines.push(url, ...(metrics.match(/^sockeye_recoveries_total.* [1-9]\d*$/gm) ?? []));
    }
    return [`stretch ${this.stretches - 1} of the form ${this.name}`, ...this.clients.map(({ kind, id }, i) => `client ${i}: ${kind}, ${id}`), ...lines].join("\n  ");
  }

  async close() {
    for (const client of this.clients) client.close();
    for (const { socket } of this.observers) socket.disconnect();
    this.redis?.resume();
    for (const server of this.nodes) await server.stop();
    await this.redis?.stop();
  }
}
