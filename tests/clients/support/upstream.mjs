// Servers behind the edge: with Node's http module, and with raw bytes that a Node.js server would never send.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { startSockeye } from "./server.mjs";

/** Starts an HTTP server that ends with the test. Its `url` is the address for --upstream. */
export async function httpServer(t, handler, { at = { port: 0, host: "127.0.0.1" } } = {}) {
  const server = http.createServer(handler);
  server.connections = 0;
  server.on("connection", () => server.connections++);
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  server.url = typeof address === "string" ? `unix://${address}` : `http://${address.family === "IPv6" ? "[::1]" : address.address}:${address.port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

/** Starts a TCP server. `each` is called with each socket and its number; `socket.got` collects the bytes read. */
export async function rawServer(t, each) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const number = server.sockets.length;
    server.sockets.push(socket);
    socket.got = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => (socket.got += chunk.toString("latin1")));
    each(socket, number);
  });
  server.sockets = [];
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.url = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    for (const socket of server.sockets) socket.destroy();
    server.close();
  });
  return server;
}

/** Starts a raw server that answers each request (without a body) with these bytes. */
export function answering(t, answer) {
  return rawServer(t, (socket, number) => {
    let heads = 0;
    socket.on("data", () => {
      for (const all = socket.got.split("\r\n\r\n").length - 1; heads < all; heads++) {
        const bytes = typeof answer === "function" ? answer(socket, number, heads) : answer;
        if (bytes !== undefined) socket.write(Buffer.from(bytes, "latin1"));
      }
    });
  });
}

/** Starts an edge with the chat as its application and this upstream. */
export async function edge(t, upstream, args = []) {
  const server = await startSockeye("chat", ["--upstream", upstream.url ?? upstream, ...args]);
  t.after(() => server.stop());
  return server;
}
