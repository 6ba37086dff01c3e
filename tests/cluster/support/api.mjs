// A client of a server's HTTP API.
import { request } from "../../clients/support/raw.mjs";

export const KEY = "test-key-0123456789abcdef";

/** Flags and environment of a server with the HTTP API on this port. */
export const apiFlags = (port) => ["--admin-port", String(port)];
export const apiEnv = { SOCKEYE_API_KEY: KEY };

export class Api {
  constructor(port, key = KEY) {
    this.port = port;
    this.key = key;
  }

  /** Resolves with { status, headers, body }; every answer is JSON. */
  async send(method, path, body, headers = {}) {
    const answer = await request(this, path, {
      method,
      body,
      headers: {
        ...(this.key ? { authorization: `Bearer ${this.key}` } : {}),
        ...(body !== undefined ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {}),
        ...headers,
      },
    });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(answer.text) };
  }

  post = (path, body, headers) => this.send("POST", `/api/${path}`, JSON.stringify(body), headers);
  get = (path, headers) => this.send("GET", `/api/${path}`, undefined, headers);
}
