// A socket.io server of Node.js in the test's own process, whose faults are counted.
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { readFileSync } from "node:fs";
import { Server } from "socket.io";

/** `serve(io)` says what it does; `tls` as of makeCertificate(). */
export async function startNode(serve, { tls, host = "127.0.0.1", ...options } = {}) {
  const server = tls ? https.createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }) : http.createServer();
  const io = new Server(server, { serveClient: false, ...options });
  serve(io);
  server.listen(0, host);
  await once(server, "listening");
  const url = `${tls ? "https" : "http"}://${host}:${server.address().port}`;
  return { io, url, stop: () => io.close() };
}

/** What a server has to do for all scenarios; each message passes `fault(emit, socket)`. */
export const answering = (nsp, fault = (emit) => emit()) =>
  nsp.on("connection", (socket) => {
    socket.on("echo", (...args) => fault(() => socket.emit("echo", ...args), socket));
    socket.on("ack", (message, ack) => fault(() => ack(message), socket));
    socket.on("broadcast", (...args) => fault(() => nsp.emit("broadcast", ...args), socket));
    socket.on("join", (room, ack) => ack(socket.join(room)));
    socket.on("room", (room, ...args) => fault(() => nsp.to(room).emit("room", ...args), socket));
  });
