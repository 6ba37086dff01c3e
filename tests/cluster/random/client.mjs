// One client of a random program, and the model of it: the rooms that it is in, and the events that it must get.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { io as io46 } from "socket.io-client-4.6";
import parser from "socket.io-msgpack-parser";
import { next, within } from "../../clients/support/wait.mjs";
import { QUICK, moveTo, workerOf } from "../support/recovery.mjs";

const SLACK_MS = 1000; // the server notices a loss within this time, if it can
const PATIENCE_MS = 4000; // the server waits 5 s for an answer of its hub or of Redis, then the client is new

const WEBSOCKET = { transports: ["websocket"] };
/** Stock clients: transports, parsers and versions. */
const KINDS = [
  { name: "WebSocket", connect: io, options: WEBSOCKET },
  { name: "long-polling", connect: io, options: { transports: ["polling"] } },
  { name: "MessagePack", connect: io, options: { ...WEBSOCKET, parser } },
  { name: "4.6", connect: io46, options: WEBSOCKET },
];
/** Node.js servers have one parser for all clients. */
const KINDS_BESIDE_NODEJS = KINDS.filter(({ options }) => !options.parser);
const OFFSET_OF_STREAM = /^\d+-\d+$/;

/** Returns the number of an event whose argument is a number, a text, or an array with a number and bytes. */
function numberOf(value) {
  if (typeof value === "string") return Number(value.slice(1));
  if (!Array.isArray(value)) return value;
  assert.deepEqual(value[1], Buffer.from([value[0] & 255]), "the bytes of a binary event");
  return value[0];
}

export class Client {
  #unkept = new Map(); // number of an event that is not recorded → how often it may still come, and to whom
  #fresh = false; // new, and events that were emitted before may still come: the client is in no rooms when they arrive
  #ghosts = []; // connections that the client has forgotten, and that the server may take for open
  #faults = [];

  constructor(world, url) {
    const { random, nsp, emitters, form } = world;
    const kinds = form.peer ? KINDS_BESIDE_NODEJS : KINDS;
    const { name, connect, options } = kinds[random.below(kinds.length)];
    Object.assign(this, { kind: name, emitters, form });
    this.socket = connect(url + nsp, { ...QUICK, ...options, autoConnect: false, reconnection: false });
    this.forget();
    this.socket.on("disconnect", (reason) => (this.lost ??= { how: reason, at: performance.now(), noticed: false, from: this.server }));
    this.socket.on("kept", (value, offset) => {
      if (offset === undefined) world.withoutOffset();
      this.#gets(numberOf(value), offset);
    });
    for (const event of ["volatile", "local", "acknowledged"]) this.socket.on(event, (value, ...rest) => this.#getsUnkept(numberOf(value), rest.at(-1)));
  }

  /** Begins again as a new client: in no rooms, without events. */
  forget() {
    this.#fresh = false;
    this.rooms = new Set();
    this.got = [];
    this.wanted = [];
  }

  get connected() {
    return this.socket.connected;
  }

  #gets(n, offset) {
    this.got.push(n);
    const { until, sureAt } = this.doubt ?? {};
    if (n > until && typeof offset === "string" && performance.now() > sureAt) this.doubt = undefined;
  }

  #getsUnkept(n, last) {
    const event = this.#unkept.get(n) ?? { left: 0 };
    const { left } = event, wanted = this.#fresh ? event.ofAll : event.ofRooms;
    if (!(left > 0 && wanted) && !this.repeats) this.#faults.push(`event ${n}, which is not recorded, came ${left > 0 ? "to a client that it was not for" : "once too often"}`);
    event.left--;
    if (typeof last === "function") last(n);
  }

  /**
   * An event is emitted to a target, at most `copies` times if it is not recorded. The rooms that the client is in when the event
   * arrives decide whether the client gets it. They are those of now, unless the client becomes new in the meantime.
   */
  wants({ to, except }, n, copies) {
    const inOneOf = (rooms) => rooms.some((room) => room === this.id || this.rooms.has(room));
    const ofAll = to.length === 0, ofRooms = (ofAll || inOneOf(to)) && !inOneOf(except);
    if (copies !== undefined) this.#unkept.set(n, { left: copies, ofAll, ofRooms });
    else if (ofRooms) this.wanted.push(n);
  }

  /**
   * From now on the client may be new after a loss, until it has got a recorded event later than number `until` with an
   * offset, `ms` from now at the earliest.
   */
  mayBeNew(why, until, ms) {
    this.doubt = { why, until, sureAt: performance.now() + ms };
  }

  /** Fails if the server has lost the client by itself, as by a ping timeout on a busy machine. */
  #assertConnected() {
    assert.ok(this.connected, `client ${this.id} lost its connection: ${this.lost?.how}`);
  }

  /** Asks the server. `what` names the answer in errors. An answer without the connection would be waited for in vain. */
  async ask(what, ...args) {
    let gone;
    const lost = new Promise((_, reject) => (gone = (reason) => reject(new Error(`client ${this.id} lost its connection (${reason}) before ${what}`))));
    this.#assertConnected();
    this.socket.once("disconnect", gone);
    return within(Promise.race([this.socket.emitWithAck(...args), lost]), what).finally(() => this.socket.off("disconnect", gone));
  }

  /** Loses the connection. Resolves when the client has noticed it. */
  async lose(how) {
    this.#assertConnected();
    const gone = next(this.socket, "disconnect");
    const { engine } = this.socket.io, { transport } = engine;
    if (how === "silent" && this.form.peer && !transport.ws) how = "close"; // endGhosts() could not end this one
    this.lost = { how, at: performance.now(), noticed: how !== "silent", from: this.server };
    if (how === "leave") this.socket.disconnect();
    else if (how === "silent") {
      this.#ghosts.push(transport);
      transport.onClose(); // the client goes on without the connection, which stays open
    } else if (how === "reset" && transport.ws) transport.ws._socket.resetAndDestroy();
    else engine.close();
    await gone;
  }

  /** The server may have to learn of the loss in another way than from the connection. */
  losesUnnoticed() {
    if (this.lost) this.lost.noticed = false;
  }

  /** Connects to a server. Resolves with what became of the session: "recovered", or the reason for which the client is new. */
  async connect(server, { delay = 0, window = 0 } = {}) {
    const { socket, id, lost } = this, { _lastOffset: offset } = socket, had = this.got.length, began = performance.now();
    moveTo(socket, server);
    socket.auth = { delay };
    let early, doubt;
    socket.once("connect", () => {
      ({ got: { length: early }, doubt } = this); // later, live events may have come, too, and have ended the doubt
      this.#fresh = !socket.recovered;
    });
    const back = new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
    socket.connect();
    await within(back, `the client to connect to ${server.url}`).finally(() => socket.off("connect").off("connect_error"));
    const took = performance.now() - began;
    Object.assign(this, { id: socket.id, server, worker: workerOf(socket), lost: undefined });
    if (socket.recovered) {
      assert.equal(this.id, id, "a recovered client has another id");
      assert.ok(lost.how !== "leave", "a client that had left was recovered");
      assert.equal(this.form.refuses, undefined, "a client was recovered");
      if (window && lost.noticed) assert.ok(began - lost.at < window + SLACK_MS, `recovered ${Math.round(began - lost.at)} ms after the loss`);
      return "recovered";
    }
    assert.notEqual(this.id, id, "a new client has its old id");
    assert.equal(early, had, "an event came to a client that is new");
    return lost ? this.#reason(lost, { offset, away: began - lost.at, took, window, doubt }) : "first";
  }

  #reason(lost, { offset, away, took, window, doubt = this.doubt }) {
    if (lost.how === "leave") return "left";
    if (this.form.refuses) return this.form.refuses;
    if (lost.from.peer && !lost.stored) return "Node.js"; // it stores a session when it notices the loss
    if ((lost.from.peer || this.server.peer) && !OFFSET_OF_STREAM.test(offset)) return "no offset"; // of its unrecorded events, clients take texts for offsets
    if (doubt) return doubt.why;
    if (window && away + took > window) return "expired";
    if (took > PATIENCE_MS) return "no answer";
    throw new Error(`the client was not recovered ${Math.round(away)} ms after its loss (${lost.how}) with the offset ${offset}, and nothing explains it`);
  }

  /** Compares the events of each emitter, in order: the order between emitters differs from worker to worker. */
  check() {
    assert.deepEqual(this.#faults, [], `client ${this.id}`);
    for (let emitter = 0; emitter < this.emitters; emitter++) {
      const of = (list) => list.filter((n) => n % this.emitters === emitter);
      assert.deepEqual(of(this.got), of(this.wanted), `what client ${this.id} got of emitter ${emitter}`);
    }
    this.got = [];
    this.wanted = [];
    this.repeats = false;
  }

  /** Closes the connections that the client has forgotten. */
  endGhosts() {
    for (const { ws } of this.#ghosts.splice(0)) ws?.terminate();
  }

  close() {
    this.socket.disconnect();
    this.endGhosts();
  }
}
