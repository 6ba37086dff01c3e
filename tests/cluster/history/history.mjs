// The history of a cluster: numbered messages from a sender at each server to everybody and to rooms, and what each
// receiver heard. Checked: nothing twice, the order of each sender, and every loss counted by the metrics.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "../../clients/support/raw.mjs";
import { connect } from "../support/cluster.mjs";

const ROOMS = ["left", "right"];
const QUIET_MS = 20_000; // until the last message of each sender has arrived everywhere
const PAGE_MS = 1_100; // workers write their metrics twice a second

/** Counters of messages that did not reach every server; each counts messages, as their sender sees it. */
export const LOSS_COUNTERS = ["uncertain", "dropped", "refused", "missed", "expired"];
/** Counters of the times when a worker may have missed messages; the number of these messages is unknown. */
export const GAP_COUNTERS = ["downs"];

/**
 * Messages of one sender that a kill of Redis may lose without a count. Redis first answers the messages of a turn of its
 * loop and then delivers them, or the other way round. A kill in between loses messages that the sender takes for delivered.
 */
const UNCOUNTABLE = 2;

/** A small generator of random numbers that repeats with its seed (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, below: (n) => Math.floor(next() * n), between: (from, to) => from + Math.floor(next() * (to - from)), shuffled: (list) => list.map((value) => [next(), value]).sort(([a], [b]) => a - b).map(([, value]) => value) };
}

/** Sums of the bus metrics of one C node over its workers. */
export async function countersOf(node) {
  const { text } = await request(node.admin, "/metrics");
  const sums = {};
  for (const [, name, value] of text.matchAll(/^sockeye_bus_(\w+?)_total\{[^}]*\} (\d+)$/gm)) sums[name] = (sums[name] ?? 0) + Number(value);
  return sums;
}

const difference = (after, before) => Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - (before[key] ?? 0)]));

/** The room of a sender's message, or null: everybody. */
const roomOf = (number) => (number % 3 === 0 ? null : ROOMS[number % 2]);

export class History {
  /**
   * @param servers C nodes and Node.js servers; only C nodes have `admin`. A node that has ended is `gone`; one that was
   * killed is `killed` too, and its messages may be lost with it.
   * @param balancer if set, the receivers connect through it
   * @param scattered the rooms are at several servers of Redis, so only messages to the same room have an order
   */
  constructor(servers, { interval = 10, balancer, scattered = false } = {}) {
    this.servers = servers;
    this.interval = interval;
    this.balancer = balancer;
    this.scattered = scattered;
    this.receivers = [];
    this.senders = [];
  }

  async open(receiversPerServer = 3) {
    for (const server of this.servers) {
      for (let i = 0; i < receiversPerServer; i++) await this.#receive(server, ROOMS.filter((_, room) => i === 0 || room === i % 2), i);
      this.senders.push({ server, socket: await connect(server), number: 0, sent: [] });
    }
  }

  /** A receiver at the server, or wherever the balancer leads it; it joins its rooms again after each connect. */
  async #receive(server, rooms, i) {
    const through = { transports: i % 2 === 0 ? ["websocket"] : ["polling", "websocket"], reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
    const socket = this.balancer ? await connect(this.balancer, through) : await connect(server);
    const receiver = { server: this.balancer ?? server, socket, rooms, heard: [], lasts: 0, steady: true };
    const join = async () => {
      for (const room of rooms) await new Promise((resolve) => socket.emit("join", room, resolve));
    };
    socket.on("history", ([sender, number]) => receiver.heard.push([sender, number]));
    socket.on("history last", () => receiver.lasts++);
    socket.on("disconnect", () => (receiver.steady = false));
    socket.on("connect", join);
    await join();
    this.receivers.push(receiver);
  }

  /** A server that has started again in the place of another one. */
  async replace(old, server) {
    this.servers = this.servers.map((other) => (other === old ? server : other));
    this.senders.push({ server, socket: await connect(server), number: 0, sent: [] });
  }

  async #counters() {
    const all = new Map();
    for (const server of this.servers) if (server.admin && !server.gone) all.set(server, await countersOf(server));
    return all;
  }

  #send(sender) {
    const number = sender.number++;
    const room = roomOf(number);
    const message = { number, room, accepted: false };
    sender.sent.push(message);
    sender.socket.emit("emit", room ? { to: [room] } : {}, "history", [[sender.server.name, number]], (error) => (message.accepted = error === 0));
  }

  /**
   * Sends while `act` runs and some time before and after it. Resolves with the losses. Throws if a message came twice or
   * out of order, or was lost although `loses` (a row of scenarios.mjs) does not allow it.
   */
  async during(act, loses, { before = 300, after = 700 } = {}) {
    for (const sender of this.senders) sender.sent = [];
    for (const receiver of this.receivers) {
      receiver.heard = [];
      receiver.lasts = 0;
      receiver.steady = true;
    }
    await sleep(PAGE_MS / 2);
    const countersBefore = await this.#counters();
    const timer = setInterval(() => this.senders.filter(({ socket }) => socket.connected).forEach((sender) => this.#send(sender)), this.interval);
    try {
      await sleep(before);
      await act();
      await sleep(after);
    } finally {
      clearInterval(timer);
    }
    await this.#quiet();
    await sleep(PAGE_MS);
    const countersAfter = await this.#counters();
    const counters = {};
    const gaps = new Map(); // of each server
    for (const [server, values] of countersAfter) {
      const rise = difference(values, countersBefore.get(server) ?? {});
      for (const [name, value] of Object.entries(rise)) counters[name] = (counters[name] ?? 0) + value;
      gaps.set(server, GAP_COUNTERS.reduce((sum, name) => sum + (rise[name] ?? 0), 0));
    }
    const result = this.#check(counters, gaps, loses);
    this.senders = this.senders.filter(({ server }) => !server.gone);
    return result;
  }

  /** The last messages have arrived everywhere. As the order is kept, nothing older can follow. */
  async #quiet() {
    const end = Date.now() + QUIET_MS;
    while (this.balancer && this.receivers.some(({ socket }) => !socket.connected) && Date.now() < end) await sleep(20);
    const live = this.receivers.filter(({ socket }) => socket.connected);
    for (const sender of this.senders.filter(({ socket }) => socket.connected)) {
      // repeated, as a last message may be lost as well
      const wanted = new Set(live);
      for (;;) {
        for (const receiver of wanted) receiver.lasts = 0;
        sender.socket.emit("emit", {}, "history last", [sender.server.name], () => {});
        const patience = Date.now() + 1_500;
        while (Date.now() < patience && [...wanted].some(({ lasts }) => lasts === 0)) await sleep(5);
        for (const receiver of wanted) if (receiver.lasts > 0) wanted.delete(receiver);
        if (wanted.size === 0) break;
        if (Date.now() > end) throw new Error(`the last message of ${sender.server.name} did not reach ${[...wanted].map(({ server }) => server.name)}`);
      }
    }
  }

  #check(counters, gaps, loses) {
    const lost = new Map(); // "sender number" → receivers that lack the message; only for senders and receivers at C nodes
    let sent = 0;
    for (const receiver of this.receivers) {
      const last = new Map();
      for (const [sender, number] of receiver.heard) {
        const line = this.scattered ? `${sender} ${roomOf(number)}` : sender;
        const previous = last.get(line) ?? -1;
        assert.notEqual(number, previous, `${receiver.server.name} heard number ${number} of ${sender} twice`);
        assert.ok(number > previous, `${receiver.server.name} heard number ${number} of ${sender} after ${previous}`);
        last.set(line, number);
      }
    }
    assert.ok(this.receivers.some(({ steady }) => steady), "some receivers stay connected");
    for (const sender of this.senders.filter(({ server }) => server.admin && !server.killed)) {
      sent += sender.sent.length;
      for (const receiver of this.receivers.filter(({ server, steady }) => server.admin && steady)) {
        const heard = new Set(receiver.heard.filter(([name]) => name === sender.server.name).map(([, number]) => number));
        for (const { number, room, accepted } of sender.sent) {
          if (!accepted || heard.has(number) || (room && !receiver.rooms.includes(room))) continue;
          const key = `${sender.server.name} ${number}`;
          lost.set(key, [...(lost.get(key) ?? []), receiver]);
        }
      }
    }
    const counted = LOSS_COUNTERS.reduce((sum, name) => sum + (counters[name] ?? 0), 0);
    // If the row allows gaps, a gap explains a message that is missing only at servers with a gap.
    const unexplained = [...lost].filter(([, receivers]) => !loses.gaps || receivers.some(({ server }) => !gaps.get(server)));
    const allowed = (loses.counted ? counted : 0) + (loses.killed ? UNCOUNTABLE * this.senders.length : 0);
    const result = { sent, lost: lost.size, counted, gaps: [...gaps.values()].reduce((sum, n) => sum + n, 0), counters, keys: [...lost.keys()] };
    assert.ok(unexplained.length <= allowed, `${unexplained.length} messages were lost of ${allowed} that may be: ${JSON.stringify(result)}`);
    return result;
  }

  close() {
    for (const { socket } of [...this.receivers, ...this.senders]) socket.disconnect();
  }
}
