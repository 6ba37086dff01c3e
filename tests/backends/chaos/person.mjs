/*
 * A stock client and its half of the history. The client checks at once the rules that concern a single client:
 *
 * - Messages of one backend arrive in the order of sending, each once.
 * - Acknowledgements arrive in the order of the client's events.
 * - Messages of a room do not arrive after the client has left the room.
 * - The connection ends only when a fault explains it.
 *
 * history.mjs checks at the end whether a client has missed a message.
 *
 *   sent     n -> {kind, room, at, lossy}: events that are not answered yet; `lossy` names the fault that may have lost the event
 *   lives    the client's connections: {id, engine, first, from, until, windows, heard}; a new one begins when the edge worker is killed
 *   windows  times at which the client was certainly in a room, {room, from, until}: from an answered join to the next leave. Room "*" is
 *            every client
 *   heard    "backend room" -> numbers of the broadcasts that arrived
 */
import { io } from "socket.io-client";

export class Person {
  sent = new Map();
  lives = [];
  by = null;
  #n = 0;
  #answered = 0;
  #rooms = new Map(); // name -> {state: "in" | "joining" | "leaving" | "out", n, since, window}
  #serials = new Map();
  #settled = null;

  /**
   * @param {object} report `wrong(text)` reports an error, `count(what)` counts; `ordered`: broadcasts keep their order among the other messages, as they do
   * without a bus; `isNew`: the client's first backend may have been killed before it recorded the client, or may have been the hostile one
   */
  constructor(name, edge, transports, report, { ordered = true, isNew = false } = {}) {
    Object.assign(this, { name, edge, transports, report, ordered, expectsDrop: null });
    this.socket = io(edge.url, { forceNew: true, transports, auth: { name, isNew }, reconnectionDelay: 50, reconnectionDelayMax: 500 });
    this.socket.on("connect", () => this.#connected());
    this.socket.on("disconnect", (reason) => this.#disconnected(reason));
    this.socket.on("echo", (mark) => this.#hear(mark, "echo"));
    this.socket.on("ask", (mark, answer) => {
      this.#hear(mark, "ask");
      answer(`${mark.by} ${mark.serial}`);
    });
    this.socket.on("cast", (mark, room, number) => this.#cast(mark, room, number));
  }

  wrong(text) {
    this.report.wrong(`${this.name} (${this.transports}): ${text}`);
  }

  get life() {
    return this.lives.at(-1);
  }

  #connected() {
    this.lives.push({ id: this.socket.id, engine: this.socket.io.engine.id, first: null, from: Date.now(), until: Infinity, windows: [], heard: new Map() });
    this.life.windows.push({ room: "*", from: Date.now(), until: Infinity });
    if (this.#settled) this.#ask();
  }

  #disconnected(reason) {
    const { life } = this;
    life.until = Date.now();
    for (const window of life.windows) if (window.until === Infinity) window.until = life.until;
    this.#rooms.clear();
    if (this.expectsDrop === null) this.wrong(`disconnected: ${reason}`);
    else this.mayLose(this.expectsDrop);
    this.report.count("disconnects");
  }

  /** Marks the answers that are missing now: they may never arrive. */
  mayLose(why) {
    for (const entry of this.sent.values()) entry.lossy ??= why;
  }

  #hear(mark, what) {
    this.report.count(what);
    if (what === "cast" && !this.ordered) return;
    const last = this.#serials.get(mark.by) ?? 0;
    if (mark.serial <= last) this.wrong(`${what} ${mark.serial} of ${mark.by} came after message ${last}`);
    this.#serials.set(mark.by, mark.serial);
  }

  #cast(mark, room, number) {
    this.#hear(mark, "cast");
    const key = `${mark.by} ${room}`;
    const { heard } = this.life;
    if (!heard.has(key)) heard.set(key, new Set());
    if (heard.get(key).has(number)) this.wrong(`cast ${number} of ${key} came twice`);
    heard.get(key).add(number);
    const membership = this.#rooms.get(room);
    if (room !== "*" && this.ordered && (!membership || (membership.state === "out" && mark.at > membership.since)))
      this.wrong(`cast ${number} of ${key}, sent ${mark.at - (membership?.since ?? 0)} ms after the client had left the room`);
  }

  /** Emits with an acknowledgement; calls `done(mark, answer)` when the answer arrives. */
  #emit(kind, args, done = () => {}) {
    const n = ++this.#n;
    const entry = { n, kind, args, at: Date.now(), lossy: null };
    this.sent.set(n, entry);
    this.socket.emit(kind, n, ...args, (mark, answer) => {
      this.sent.delete(n);
      this.#hear(mark, `${kind} answered`);
      if (kind !== "slow") {
        if (n < this.#answered) this.wrong(`${kind} ${n} was answered after event ${this.#answered}`);
        this.#answered = Math.max(n, this.#answered);
      }
      if (entry.lossy) this.report.count("answered though at risk");
      done(mark, answer, n);
    });
    this.report.count("events");
    return n;
  }

  say() {
    this.#emit("say", []);
  }

  slow(ms) {
    this.#emit("slow", [ms]);
  }

  cast(room) {
    this.#emit("cast", [room]);
  }

  join(room) {
    if ((this.#rooms.get(room)?.state ?? "out") !== "out") return;
    const { life } = this;
    const membership = { state: "joining" };
    this.#rooms.set(room, membership);
    membership.n = this.#emit("join", [room], () => this.#isIn(life, room, membership));
  }

  leave(room) {
    const membership = this.#rooms.get(room);
    if (membership?.state !== "in") return;
    membership.state = "leaving";
    membership.window.until = Date.now();
    membership.n = this.#emit("leave", [room], () => this.#isOut(membership));
  }

  #isIn(life, room, membership) {
    if (life !== this.life || this.#rooms.get(room) !== membership) return;
    membership.state = "in";
    membership.window = { room, from: Date.now(), until: Infinity };
    life.windows.push(membership.window);
  }

  #isOut(membership) {
    membership.state = "out";
    membership.since = Date.now();
  }

  /** Resolves when the client's backend has answered. Then `by` is the backend's name, and the id and rooms have been checked. */
  settle() {
    const settled = new Promise((resolve) => (this.#settled = resolve));
    if (this.socket.connected) this.#ask();
    return settled;
  }

  #ask() {
    this.#emit("who", [], (mark, answer, n) => {
      this.by = mark.by;
      if (answer.id !== this.socket.id) this.wrong(`has the id ${this.socket.id}, but its backend says ${answer.id}`);
      this.life.first ??= mark.by;
      if (this.life.first !== mark.by && !answer.recovered) this.wrong(`moved from ${this.life.first} to ${mark.by}, but recovered is false`);
      this.#compareRooms(new Set(answer.rooms), n);
      this.#settled?.();
      this.#settled = null;
    });
  }

  #compareRooms(rooms, n) {
    if (!rooms.has(this.socket.id)) this.wrong("is not in the room of its own id");
    for (const [room, membership] of this.#rooms) {
      const isIn = rooms.has(room);
      const lost = this.sent.has(membership.n) && membership.n < n; // the answer to the last join or leave will not come
      if (lost && membership.state !== "in" && membership.state !== "out") {
        if (isIn) this.#isIn(this.life, room, membership);
        else this.#isOut(membership);
      } else if (membership.state === "in" && !isIn) {
        this.wrong(`is no longer in room ${room}`);
      } else if (membership.state === "out" && isIn) {
        this.wrong(`is still in room ${room}`);
      }
    }
    for (const room of rooms) if (room !== this.socket.id && !this.#rooms.has(room)) this.wrong(`is in room ${room}, which it has not joined`);
  }

  close() {
    this.expectsDrop = "the end";
    this.socket.close();
  }
}
