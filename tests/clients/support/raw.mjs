// HTTP requests, WebSockets and plain bytes that no library changes, for input that a stock client would never send.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { WebSocket } from "ws";
import { within } from "./wait.mjs";

/** Sends an HTTP request on its own connection, or the agent's. Resolves with { status, headers, text, bytes }. */
export function request(server, target, { method = "GET", headers = {}, body, agent = false, signal } = {}) {
  const answer = new Promise((resolve, reject) => {
    const sent = http.request({ host: "127.0.0.1", port: server.port, path: target, method, headers, agent, signal }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode, headers: response.headers, bytes, text: bytes.toString() });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
  return within(answer, `the answer to ${method} ${target}`);
}

/** A long-polling session. */
export class Polling {
  /** Opens a session. `path` has its slashes; `query` is "&key=value". */
  static async open(server, path = "/engine.io/", query = "") {
    const session = new Polling();
    session.server = server;
    session.target = `${path}?EIO=4&transport=polling${query}`;
    const answer = await request(server, session.target);
    if (answer.status !== 200 || answer.text[0] !== "0") throw new Error(`no handshake: ${answer.status} ${answer.text}`);
    session.answer = answer;
    session.open = JSON.parse(answer.text.slice(1).split("\x1e")[0]);
    session.target += `&sid=${session.open.sid}`;
    return session;
  }

  get sid() {
    return this.open.sid;
  }

  poll(options) {
    return request(this.server, this.target, options);
  }

  push(body, options) {
    return request(this.server, this.target, { method: "POST", body, ...options });
  }

  /**
   * Resolves with { poll } when the server has read the poll. The poll uses a connection that was accepted before, and
   * a push on a new connection is answered only after the server has read the poll.
   */
  async waiting(options) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await this.push("6", { agent });
    const poll = this.poll({ agent, ...options });
    poll.finally(() => agent.destroy()).catch(() => {});
    await this.push("6");
    return { poll };
  }

  /** Polls until at least `n` packets have come; resolves with them. */
  async packets(n) {
    const packets = [];
    while (packets.length < n) packets.push(...(await this.poll()).text.split("\x1e"));
    return packets;
  }
}

/** A WebSocket of the package `ws` that keeps the messages that arrive. */
export class Ws {
  #messages = [];
  #wake = () => {};

  constructor(server, target, { protocols = [], ...options } = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${server.port}${target}`, protocols, { perMessageDeflate: false, ...options });
    this.socket.on("message", (data, binary) => {
      this.#messages.push(binary ? data : data.toString());
      this.#wake();
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("upgrade", (response) => (this.headers = response.headers));
      this.socket.once("open", resolve);
      this.socket.once("error", reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.socket.once("close", (code, reason) => resolve({ code, reason: String(reason) })));
    this.refused = new Promise((resolve) =>
      this.socket.once("unexpected-response", async (sent, response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() });
        sent.destroy();
      }));
    this.closed.then(() => this.#wake());
  }

  /** Opens such a WebSocket and reads its open packet. */
  static async open(server, path = "/engine.io/", options) {
    const ws = new Ws(server, `${path}?EIO=4&transport=websocket${options?.query ?? ""}`, options);
    await within(ws.opened, "the WebSocket to open");
    ws.handshake = JSON.parse((await ws.message()).slice(1));
    return ws;
  }

  send(data) {
    this.socket.send(data);
  }

  /** Resolves with the next message: text as a string, bytes as a Buffer. */
  message(ms) {
    const arrived = new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.#messages.length > 0) resolve(this.#messages.shift());
        else if (this.socket.readyState === WebSocket.CLOSED) reject(new Error("closed, and no message"));
        else return;
        this.#wake = () => {}; // otherwise a timed-out wait would take the next message
      };
      this.#wake();
    });
    return within(arrived, "a WebSocket message", ms);
  }

  close() {
    this.socket.terminate();
  }
}

/** A TCP connection. */
export class Raw {
  #chunks = [];
  #wake = new Set();

  constructor(server) {
    this.socket = net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.closed = new Promise((resolve) => {
      this.socket.once("end", resolve);
      this.socket.once("close", resolve);
    });
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      for (const wake of this.#wake) wake();
    });
    this.closed.then(() => {
      this.ended = true;
      for (const wake of this.#wake) wake();
    });
  }

  /** All bytes received and not taken away. They are joined when somebody looks, not with each chunk. */
  get received() {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  set received(bytes) {
    this.#chunks = [bytes];
  }

  static async open(server) {
    const raw = new Raw(server);
    await within(once(raw.socket, "connect"), "a connection");
    return raw;
  }

  /**
   * Opens an Engine.IO session over WebSocket and reads the head of the reply. The bytes `then` are sent together with the
   * request.
   */
  static async upgrade(server, target = "/engine.io/?EIO=4&transport=websocket", { headers = "", then = "" } = {}) {
    const raw = await Raw.open(server);
    raw.write(Buffer.concat([Buffer.from(upgradeHead(target, headers)), Buffer.from(then)]));
    await raw.until((bytes) => bytes.includes("\r\n\r\n"));
    raw.received = raw.received.subarray(raw.received.indexOf("\r\n\r\n") + 4);
    return raw;
  }

  /** Sends bytes. Returns false if the peer has already closed. */
  write(data) {
    return this.socket.writable && this.socket.write(data);
  }

  /** Waits until the bytes received so far satisfy the predicate. */
  until(predicate, ms) {
    const done = new Promise((resolve, reject) => {
      const wake = () => {
        if (predicate(this.received)) resolve(this.received);
        else if (this.ended) reject(new Error(`closed after: ${this.received.subarray(0, 500)}`));
        else return;
        this.#wake.delete(wake);
      };
      this.#wake.add(wake);
      wake();
    });
    return within(done, "bytes", ms);
  }

  /** Resolves with everything that arrives until the server closes. */
  async rest(ms) {
    await within(this.closed, "the server to close the connection", ms);
    return this.received;
  }

  /** Resolves with the status code of the server's close frame; 1005 if the frame has no code. */
  async closeCode(ms) {
    let close;
    await this.until((bytes) => (close = frames(bytes).find((f) => f.opcode === 8)) !== undefined, ms);
    return close.payload.length >= 2 ? close.payload.readUInt16BE(0) : 1005;
  }

  end() {
    this.socket.destroy();
  }

  /** Ends the connection by a TCP reset. */
  reset() {
    this.socket.resetAndDestroy();
  }
}

export function upgradeHead(target, headers = "") {
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n${headers}\r\n`;
}

export const TEXT = 1, BINARY = 2, CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10;

/** Returns a client's frame. With `length`, the head states this length instead of the true one. */
export function frame(opcode, payload = "", { fin = true, rsv = 0, masked = true, length } = {}) {
  const bytes = Buffer.from(payload);
  const n = BigInt(length ?? bytes.length);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  const head = n < 126n ? Buffer.from([first, mask | Number(n)])
    : n < 65536n ? Buffer.from([first, mask | 126, Number(n >> 8n), Number(n & 255n)])
      : Buffer.concat([Buffer.from([first, mask | 127]), Buffer.from(BigInt.asUintN(64, n).toString(16).padStart(16, "0"), "hex")]);
  if (!masked) return Buffer.concat([head, bytes]);
  const key = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  return Buffer.concat([head, key, bytes.map((byte, i) => byte ^ key[i & 3])]);
}

/** Returns the complete frames at the beginning of the bytes that a server has sent. */
export function frames(bytes) {
  const found = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    let n = bytes[at + 1] & 127;
    let from = at + 2;
    if (n === 126) {
      if (from + 2 > bytes.length) break;
      n = bytes.readUInt16BE(from);
      from += 2;
    } else if (n === 127) {
      if (from + 8 > bytes.length) break;
      n = Number(bytes.readBigUInt64BE(from));
      from += 8;
    }
    if (from + n > bytes.length) break;
    found.push({ fin: bytes[at] >> 7 === 1, rsv: (bytes[at] >> 4) & 7, opcode: bytes[at] & 15, payload: bytes.subarray(from, from + n) });
    at = from + n;
  }
  return found;
}
