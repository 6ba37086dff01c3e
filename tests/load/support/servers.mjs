// Servers that end with the tests of a file, even if tests fail. Node.js's socket.io runs in the test's own process,
// where its faults can be counted.
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { Server } from "socket.io";
import * as sockeye from "../../clients/support/server.mjs";
import { within } from "../../clients/support/wait.mjs";
import { Redis } from "../../cluster/support/redis.mjs";

const stops = new Set();
after(async () => {
  for (const stop of stops) await stop();
});

/** As tests/clients/support/server.mjs starts it. */
export async function startSockeye(app, args) {
  const server = await sockeye.startSockeye(app, args);
  stops.add(() => server.stop().catch(() => {})); // a bad end also shows where the server is stopped explicitly
  return server;
}

export async function startRedis() {
  const redis = await Redis.start();
  stops.add(() => redis.stop());
  return redis;
}

/** Resolves when the server has seen the end of every client. It has then read everything that the clients sent. */
const left = (io) => within(Promise.all([...io.sockets.sockets.values()].map((socket) => once(socket, "disconnect"))), "all clients to leave");

/** `serve(io)` defines the server's behaviour; `tls` is a result of makeCertificate(). */
export async function startNode(serve, { tls, host = "127.0.0.1", ...options } = {}) {
  const server = tls ? https.createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }) : http.createServer();
  const io = new Server(server, { serveClient: false, ...options });
  serve(io);
  server.listen(0, host);
  await once(server, "listening");
  const url = `${tls ? "https" : "http"}://${host}:${server.address().port}`;
  const stop = () => io.close();
  stops.add(stop);
  return { io, url, stop, left: () => left(io) };
}

/** What a server does for all scenarios; each message passes through `fault(emit, socket, message)`. */
export const answering = (nsp, fault = (emit) => emit()) =>
  nsp.on("connection", (socket) => {
    socket.on("echo", (...args) => fault(() => socket.emit("echo", ...args), socket, args[0]));
    socket.on("ack", (message, ack) => fault(() => ack(message), socket, message));
    socket.on("broadcast", (...args) => fault(() => nsp.emit("broadcast", ...args), socket, args[0]));
    socket.on("join", (room, ack) => ack(socket.join(room)));
    socket.on("room", (room, ...args) => fault(() => nsp.to(room).emit("room", ...args), socket, args[0]));
  });

/** When a message was due, in nanoseconds: tests/load/message.c. */
export const dueOf = (message) => BigInt(`0x${message.slice(26, 42)}`);
