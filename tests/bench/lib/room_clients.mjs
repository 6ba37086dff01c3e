// Clients of the cluster benchmark: plain WebSockets that speak only as much of the protocol as the benchmark needs.
import { createRequire } from "node:module";
import path from "node:path";
import { root } from "./paths.mjs";

const { WebSocket } = createRequire(path.join(root, "tests/package.json"))("ws");
const LATE_MS = 20_000;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The number of the worker, which is in the third and fourth character of a session id. */
export const workerOf = (sid) => ALPHABET.indexOf(sid[2]) * 64 + ALPHABET.indexOf(sid[3]);

/** A client in some namespaces. */
export class Client {
  #waiting = new Map(); // beginning of a packet → resolvers of the next packet that begins with it

  /** Connects; resolves before the client is in a namespace. */
  static async open(port) {
    const client = new Client();
    client.ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    client.ws.on("message", (data) => client.#take(String(data)));
    client.ws.on("error", (error) => (client.failure = error));
    client.ws.on("close", () => {
      for (const { reject } of client.#waiting.values()) reject(client.failure ?? new Error("a client was cut off"));
    });
    const open = await client.next("0{");
    client.sid = JSON.parse(open.slice(1)).sid;
    return client;
  }

  #take(text) {
    if (text === "2") return this.ws.send("3");
    if (text.includes('["room"')) return this.onRoom?.();
    for (const [head, { resolve }] of this.#waiting) {
      if (!text.startsWith(head)) continue;
      this.#waiting.delete(head);
      return resolve(text);
    }
  }

  /** Resolves with the next packet that begins with this text. */
  next(head) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no packet ${head} within ${LATE_MS / 1000} s`)), LATE_MS);
      const done = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      this.#waiting.set(head, { resolve: done(resolve), reject: done(reject) });
    });
  }

  async enter(nsp) {
    const head = nsp === "/" ? "40" : `40${nsp},`;
    const entered = this.next(`${head}{`);
    this.ws.send(head);
    await entered;
    this.prefix = nsp === "/" ? "42" : `42${nsp},`;
    this.ackPrefix = nsp === "/" ? "43" : `43${nsp},`;
  }

  async join(room) {
    const joined = this.next(this.ackPrefix);
    this.ws.send(`${this.prefix}0["join","${room}"]`);
    await joined;
  }

  send(room) {
    this.ws.send(`${this.prefix}["room","${room}","${"x".repeat(64)}"]`);
  }

  close() {
    this.ws.terminate();
  }
}

/** A client of that worker. The kernel picks the worker of a connection, so clients of other workers are closed again. */
export async function clientOf({ port, worker }) {
  for (let i = 0; i < 500; i++) {
    const client = await Client.open(port);
    if (worker === undefined || workerOf(client.sid) === worker) return client;
    client.close();
  }
  throw new Error(`no connection reached worker ${worker}`);
}
