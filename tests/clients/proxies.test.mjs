// Two HTTP proxies, one behind the other: which address each setting of --trust-proxy takes as the client's.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const CLIENT = "203.0.113.9"; // as the outer proxy sees it
const OUTER = "127.0.0.2"; // as the inner proxy sees the outer one
const INNER = "127.0.0.3"; // as the server sees the inner one

/**
 * A proxy that appends to the lists, as the proxies of Express and most others do. `peer` is the address that it
 * reports, `from` the address that it connects from.
 */
async function proxy(target, from, peer, append) {
  const options = (request) => ({ host: "127.0.0.1", port: target, localAddress: from, method: request.method, path: request.url,
    headers: append({ ...request.headers }, peer ?? request.socket.remoteAddress) });
  const server = http.createServer((request, reply) => {
    const onward = http.request(options(request), (answer) => {
      reply.writeHead(answer.statusCode, answer.headers);
      answer.pipe(reply);
    });
    onward.on("error", () => reply.destroy());
    reply.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  server.on("upgrade", (request, client, head) => {
    client.on("error", () => client.destroy());
    http.request(options(request)).on("upgrade", (answer, upstream, first) => {
      const fields = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
      client.write(first);
      upstream.write(head);
      upstream.on("error", () => client.destroy());
      client.pipe(upstream).pipe(client);
    }).on("error", () => client.destroy()).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const joined = (old, value) => (old ? `${old}, ${value}` : value);
const xForwarded = (headers, peer) => ({ ...headers, "x-forwarded-for": joined(headers["x-forwarded-for"], peer) });
const forwarded = (headers, peer) => ({ ...headers, forwarded: joined(headers.forwarded, `for="${peer}:4711";proto=https`) });

/** The client's address and scheme as the server sees them. */
async function seenBy(url, transport, extraHeaders) {
  const socket = io(url, { forceNew: true, reconnection: false, transports: [transport], extraHeaders });
  await next(socket, "connect");
  const [seen] = await within(new Promise((resolve) => socket.emit("handshake", (...args) => resolve(args))), "the handshake");
  socket.disconnect();
  return [seen.address.replace("::ffff:", ""), seen.secure];
}

for (const [trust, address, spoofed] of [
  ["false", INNER], ["0", INNER], ["1", OUTER], ["2", CLIENT], ["3", CLIENT, "6.6.6.6"], ["true", CLIENT, "6.6.6.6"],
  ["loopback", CLIENT], [INNER, OUTER], [`${INNER}, ${OUTER}`, CLIENT], ["127.0.0.0/255.0.0.0", CLIENT], ["::ffff:127.0.0.0/104", CLIENT],
  ["uniquelocal, 10.0.0.0/8", INNER]])
  test(`--trust-proxy ${trust} behind two proxies`, async () => {
    const server = await startSockeye(path.join(build, "tests/everything.so"), ["--trust-proxy", trust]);
    for (const append of [xForwarded, forwarded]) {
      const inner = await proxy(server.port, INNER, null, append);
      const outer = await proxy(inner.address().port, OUTER, CLIENT, append);
      const url = `http://127.0.0.1:${outer.address().port}`;
      const secure = append === forwarded && address !== INNER;
      for (const transport of ["polling", "websocket"]) {
        assert.deepEqual(await seenBy(url, transport), [address, secure]);
        // the client's own claims stand before the entries that the proxies append
        const claims = { [append === forwarded ? "Forwarded" : "X-Forwarded-For"]: append === forwarded ? "for=6.6.6.6" : "6.6.6.6" };
        assert.equal((await seenBy(url, transport, claims))[0], spoofed ?? address);
      }
      for (const front of [outer, inner]) {
        front.close();
        front.closeAllConnections();
      }
    }
    await server.stop();
  });
