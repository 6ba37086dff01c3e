// The clients of the table in docs/clients.md, and what is tried with each: `run(url, way)` connects, sends text and binary and gets
// both back with an acknowledgement, and throws if any of it fails. A new client or way is one row here.
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { io as io484 } from "socket.io-client";
import io1 from "socket.io-client-1";
import io2 from "socket.io-client-2";
import io313 from "socket.io-client-3";
import { io as io402 } from "socket.io-client-4.0";
import { io as io454 } from "socket.io-client-4.5";
import msgpack from "socket.io-msgpack-parser";
import { root } from "../support/server.mjs";
import { next, within } from "../support/wait.mjs";

const script = path.join(root, "tests/clients/python/client.py");

export const WAYS = {
  polling: { title: "Long-polling", transports: ["polling"] },
  websocket: { title: "WebSocket", transports: ["websocket"] },
  upgrade: { title: "Upgrade", transports: ["polling", "websocket"] },
  msgpack: { title: "MessagePack parser", transports: ["websocket"], parser: msgpack },
};

/** Rejects with the client's error if it cannot connect. Clients of Socket.IO 1 and 2 emit "error" in some cases. */
const connected = (socket) =>
  within(new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    for (const event of ["connect_error", "error"]) socket.once(event, (error) => reject(new Error(String(error?.message ?? error))));
  }), "a connection");

const javascript = (lib) => async (url, { transports, parser }) => {
  const socket = lib(url, { transports, ...(parser && { parser }), forceNew: true, reconnection: false });
  try {
    await connected(socket);
    const { engine } = socket.io;
    if (transports.length > 1 && engine.transport.name !== transports.at(-1)) await next(engine, "upgrade");
    const bytes = Buffer.from([0, 1, 255]);
    const answer = await within(new Promise((resolve) => socket.emit("message-with-ack", "é😀", { bytes }, (...args) => resolve(args))), "an acknowledgement");
    if (answer[0] !== "é😀" || !Buffer.from(answer[1].bytes).equals(bytes)) throw new Error("other values came back");
  } finally {
    socket.close();
  }
};

const python = (url, { transports, parser }) =>
  promisify(execFile)("/usr/bin/python3", [script, url, transports.join(","), parser ? "msgpack" : "default"], { timeout: 60_000 });

/** `ways`: the ways that the client supports. */
export const CLIENTS = [
  { title: "socket.io-client 4.8.4", run: javascript(io484) },
  { title: "socket.io-client 4.5.4", run: javascript(io454) },
  { title: "socket.io-client 4.0.2", run: javascript(io402) },
  { title: "socket.io-client 3.1.3", run: javascript(io313.io ?? io313), ways: ["polling", "websocket", "upgrade"] },
  { title: "socket.io-client 2.5.0", run: javascript(io2), ways: ["polling", "websocket", "upgrade"] },
  { title: "socket.io-client 1.7.4", run: javascript(io1), ways: ["polling", "websocket", "upgrade"] },
  { title: "python-socketio 5 (of Debian)", run: python },
];
