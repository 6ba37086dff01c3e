// A flow of numbered broadcasts through a cluster while a fault happens. Checks what each client has received.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../../clients/support/wait.mjs";
import { connect } from "./cluster.mjs";

const CLIENTS = 4; // clients of each server: enough for each of its workers to have some
const PACE_MS = 2;

export class Flow {
  /** Connects clients to each server. On each server of `sends`, the first client is a sender. */
  static async start(servers, sends = servers) {
    const flow = new Flow();
    flow.sockets = [];
    for (const server of servers)
      for (let i = 0; i < CLIENTS; i++) {
        const socket = await connect(server);
        socket.got = new Map(sends.map(({ name }) => [name, []]));
        socket.on("flow", ([from, n]) => {
          socket.got.get(from).push(n);
          flow.wake?.();
        });
        flow.sockets.push(socket);
      }
    flow.senders = sends.map((server) => ({ name: server.name, socket: flow.sockets.find((socket) => socket.server === server), sent: 0, acked: 0 }));
    return flow;
  }

  /** Emits from every sender at a steady pace while `during` runs. */
  async while(during) {
    let going = true;
    const emitting = (async () => {
      while (going) {
        this.emit(1);
        await sleep(PACE_MS);
      }
    })();
    try {
      await during();
    } finally {
      going = false;
      await emitting;
    }
  }

  emit(times) {
    for (const sender of this.senders)
      for (let i = 0; i < times; i++) sender.socket.emit("emit", {}, "flow", [[sender.name, sender.sent++]], () => { sender.acked++; this.wake?.(); });
  }

  async #until(look, what) {
    await within(
      new Promise((resolve) => {
        this.wake = () => look() && resolve();
        this.wake();
      }),
      what,
    );
  }

  /** Checks that every client of `servers` has received everything once and in order. */
  async whole(servers, what) {
    const mine = this.sockets.filter(({ server }) => servers.includes(server));
    const missing = () => mine.flatMap((socket) => this.senders.filter(({ name, sent }) => socket.got.get(name).length < sent).map(({ name, sent }) => `${socket.server.name} has ${socket.got.get(name).length} of ${sent} of ${name}`));
    await this.#until(() => this.senders.every(({ sent, acked }) => acked === sent), `the acknowledgements: ${what}`);
    await this.#until(() => missing().length === 0, () => `${what}: ${missing().join(", ")}`);
    for (const socket of mine)
      for (const { name, sent } of this.senders) {
        const got = socket.got.get(name);
        const wrong = got.findIndex((n, i) => n !== i);
        assert.equal(wrong, -1, `${what}: ${socket.server.name} of ${name}: … ${got.slice(Math.max(0, wrong - 3), wrong + 5)} … (${got.length} of ${sent})`);
      }
  }

  /** Checks that no client of `servers` has received anything twice or out of order. */
  ordered(servers, what) {
    for (const socket of this.sockets.filter(({ server }) => servers.includes(server)))
      for (const [name, got] of socket.got)
        assert.ok(got.every((n, i) => i === 0 || n > got[i - 1]), `${what}: ${socket.server.name} of ${name} received a message twice or late`);
  }

  /** Forgets what was received and sent so far. */
  reset() {
    for (const sender of this.senders) sender.sent = sender.acked = 0;
    for (const { got } of this.sockets) for (const list of got.values()) list.length = 0;
  }

  stop() {
    for (const socket of this.sockets) socket.disconnect();
  }
}
