// Clients that send the same bytes in every run, one request at a time, so that the server does the same work.
import net from "node:net";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../package.json", import.meta.url));
const { WebSocket } = require("ws");
const { Encoder } = require("socket.io-msgpack-parser");
const PATH = "/socket.io/?EIO=4&transport=";

/** A client by WebSocket, joined to "/". */
export class SocketClient {
  #waiting = [];

  static async open(port) {
    const client = new this();
    client.ws = new WebSocket(`${client.scheme}://127.0.0.1:${port}${PATH}websocket`, { perMessageDeflate: false, rejectUnauthorized: false });
    client.ws.on("message", (data) => client.#waiting.shift()?.resolve(String(data)));
    client.ended = once(client.ws, "close");
    client.ws.on("error", () => {}); // "close" follows
    client.ended.finally(() => client.#waiting.splice(0).forEach(({ reject }) => reject(new Error("the server closed a WebSocket"))));
    await client.next();
    await client.ask(client.hello());
    return client;
  }

  get scheme() {
    return "ws";
  }

  /** The message that joins "/". */
  hello() {
    return "40";
  }

  /** The message that carries an event. */
  event(...args) {
    return `42${JSON.stringify(args)}`;
  }

  /** Resolves with the next message. */
  next() {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Sends a message and resolves with the next one. */
  ask(text) {
    const answer = this.next();
    this.ws.send(text);
    return answer;
  }

  /** Sends an event with binary, in one write, and resolves once it has come back. */
  async askBinary(name, bytes) {
    const answers = [this.next(), this.next()];
    this.ws._socket.cork();
    this.ws.send(`451-["${name}",{"_placeholder":true,"num":0}]`);
    this.ws.send(bytes);
    this.ws._socket.uncork();
    await Promise.all(answers);
  }

  async close() {
    this.ws.close();
    await this.ended;
  }
}

/** The same by TLS. */
export class TlsClient extends SocketClient {
  get scheme() {
    return "wss";
  }
}

/** The same with socket.io-msgpack-parser. */
export class MsgpackClient extends SocketClient {
  #encoder = new Encoder();

  hello() {
    return this.#encoder.encode({ type: 0, nsp: "/" })[0];
  }

  event(...args) {
    return this.#encoder.encode({ type: 2, data: args, options: { compress: true }, nsp: "/" })[0];
  }

  async askBinary(name, bytes) {
    await this.ask(this.event(name, bytes));
  }
}

/** A client by long-polling, joined to "/". All its requests use one connection, and each leaves in one write. */
export class PollingClient {
  #text = "";
  #heard = () => {};

  static async open(port) {
    const client = new PollingClient();
    client.connection = net.connect(port, "127.0.0.1");
    await once(client.connection, "connect");
    client.connection.setNoDelay(true).setEncoding("latin1");
    client.connection.on("data", (text) => client.#take(text));
    client.connection.on("close", () => client.#heard());
    client.path = `${PATH}polling`;
    const { sid } = JSON.parse((await client.request("GET")).slice(1));
    client.path += `&sid=${sid}`;
    await client.request("POST", "40");
    await client.request("GET");
    return client;
  }

  #take(text) {
    this.#text += text;
    this.#heard();
  }

  /** The body of the first whole answer, or undefined. */
  #answer() {
    const end = this.#text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const length = Number(/^content-length: (\d+)/im.exec(this.#text.slice(0, end))?.[1] ?? 0);
    if (this.#text.length < end + 4 + length) return undefined;
    if (!this.#text.startsWith("HTTP/1.1 200 ")) throw new Error(`the server answered ${this.#text.split("\r\n", 1)}`);
    const body = this.#text.slice(end + 4, end + 4 + length);
    this.#text = this.#text.slice(end + 4 + length);
    return body;
  }

  async request(method, body) {
    const content = body === undefined ? "" : `Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ${body.length}\r\n`;
    this.connection.write(`${method} ${this.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: cost\r\nConnection: keep-alive\r\n${content}\r\n${body ?? ""}`);
    for (;;) {
      const answer = this.#answer();
      if (answer !== undefined) return answer;
      if (this.connection.destroyed) throw new Error("the server closed a connection");
      await new Promise((resolve) => (this.#heard = resolve));
    }
  }

  /** Posts a message, and fetches what it causes. */
  async ask(text) {
    await this.request("POST", text);
    return this.request("GET");
  }

  async close() {
    await this.request("POST", "1");
    this.connection.end();
    await once(this.connection, "close");
  }
}
