// A model of connection state recovery: the events that a client must get.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { next } from "../../clients/support/wait.mjs";
import { QUICK } from "./recovery.mjs";

/** Returns a function of `n` that returns a pseudorandom number below `n`. A seed always gives the same numbers (mulberry32). */
export function random(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** One client, and the events that it must get by the model. Events are numbers; n % emitters is the emitter of n. */
export class Modelled {
  constructor(url, emitters) {
    this.emitters = emitters;
    this.socket = io(url, { ...QUICK, transports: ["websocket"], autoConnect: false, reconnection: false });
    this.got = [];
    this.wanted = [];
    this.rooms = new Set();
    this.socket.on("n", (n) => this.got.push(n));
  }

  /** Connects. Resolves with true if the client is recovered. */
  async connect() {
    const id = this.id, had = this.got.length;
    let early;
    this.socket.once("connect", () => (early = this.got.length)); // later, live events may have come, too
    const back = next(this.socket, "connect");
    this.socket.connect();
    await back;
    this.id = this.socket.id;
    if (this.socket.recovered) {
      assert.equal(this.id, id);
      return true;
    }
    assert.notEqual(this.id, id);
    assert.equal(early, had, "an event came to a client that is new");
    this.got = [];
    this.wanted = [];
    this.rooms.clear();
    return false;
  }

  wants({ to, except }, n) {
    const within = (rooms) => rooms.some((room) => this.rooms.has(room));
    if ((to.length === 0 || within(to)) && !within(except)) this.wanted.push(n);
  }

  /** Compares the events of each emitter, in order. The order between emitters differs from worker to worker, so it is not compared. */
  check() {
    for (let emitter = 0; emitter < this.emitters; emitter++)
      assert.deepEqual(this.got.filter((n) => n % this.emitters === emitter), this.wanted.filter((n) => n % this.emitters === emitter));
  }
}
