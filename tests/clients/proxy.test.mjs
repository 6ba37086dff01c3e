// Behind a balancer the server takes the client's address from PROXY headers and X-Forwarded-For, but only if configured.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Raw } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { next, within } from "./support/wait.mjs";

const V1 = Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n");
const V2 = Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), Buffer.from([0x21, 0x21, 0, 36 + 7]), Buffer.from("20010db8000000000000000000000007", "hex"),
  Buffer.alloc(16, 1), Buffer.from([1, 2, 3, 4]), Buffer.from([4, 0, 4, 1, 2, 3, 4])]);
const LOCAL = Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), Buffer.from([0x20, 0, 0, 0])]);

/** A balancer that sends a header before every connection, `piece` bytes at a time. */
async function balancer(server, header, piece = header.length) {
  const listening = net.createServer(async (client) => {
    const upstream = net.connect(server.port, "127.0.0.1").setNoDelay(true);
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    for (let at = 0; at < header.length; at += piece) {
      upstream.write(header.subarray(at, at + piece));
      if (piece < header.length) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    client.pipe(upstream).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  return listening;
}

const open = (url, options = {}) => io(url, { forceNew: true, reconnection: false, rejectUnauthorized: false, ...options });

/** The handshake as the server sees it. */
async function handshake(url, options) {
  const socket = open(url, options);
  await next(socket, "connect");
  const [seen] = await within(new Promise((resolve) => socket.emit("handshake", (...args) => resolve(args))), "the handshake");
  socket.disconnect();
  return seen;
}

const start = (args, extra = []) => startSockeye(path.join(build, "tests/everything.so"), [...args, ...extra]);

for (const secure of [false, true])
  for (const workers of ["1", "2"])
    test(`PROXY headers name the client (${secure ? "TLS" : "plain"}, ${workers} workers)`, async () => {
      const certificate = secure ? makeCertificate() : { args: [], remove() {} };
      const server = await start(["--proxy-protocol", "--workers", workers], certificate.args);
      const scheme = secure ? "https" : "http";
      for (const [header, address, piece] of [[V1, "192.0.2.7"], [V2, "2001:db8::7"], [LOCAL, "::ffff:127.0.0.1"], [V1, "192.0.2.7", 1], [V2, "2001:db8::7", 1]])
        for (const transport of ["polling", "websocket"]) {
          const front = await balancer(server, header, piece);
          const seen = await handshake(`${scheme}://127.0.0.1:${front.address().port}`, { transports: [transport] });
          assert.equal(seen.address.replace("::ffff:127", "127"), address.replace("::ffff:127", "127"), `${transport} ${address}`);
          assert.equal(seen.secure, secure);
          front.close();
        }
      await server.stop();
      certificate.remove();
    });

test("a connection without a PROXY header, or with half of one, is closed", async () => {
  const server = await start(["--proxy-protocol", "--head-timeout", "300"]);
  for (const bytes of ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 1.2.3.4", "", "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n"]) {
    const raw = await Raw.open(server);
    raw.write(bytes);
    assert.equal((await raw.rest()).length, 0);
    raw.end();
  }
  await server.stop();
});

test("connections that have not sent their PROXY header yet count for maxConnections", async () => {
  const server = await start(["--proxy-protocol", "--max-connections", "5"]);
  const waiting = await Promise.all(Array.from({ length: 5 }, () => Raw.open(server)));
  const more = await Raw.open(server);
  await more.rest();
  assert.ok(waiting.every((raw) => !raw.ended));
  for (const raw of [...waiting, more]) raw.end();
  await server.line((fields) => fields.event === "too_many_connections");
  const front = await balancer(server, V1);
  const url = `http://127.0.0.1:${front.address().port}`;
  await handshake(url, { transports: ["websocket"], reconnection: true, reconnectionDelay: 50 }); // there is room again
  front.close();
  await server.stop();
});

test("X-Forwarded-For and X-Forwarded-Proto count only with --trust-proxy, and only their last entry", async () => {
  const trusting = await start(["--trust-proxy"]);
  const wary = await start([]);
  const plain = (address) => address.replace("::ffff:", "");
  for (const [value, address] of [["203.0.113.9", "203.0.113.9"], ["6.6.6.6, 203.0.113.9", "203.0.113.9"], ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]:443", "2001:db8::1"], ["203.0.113.9:17085", "203.0.113.9"], ["unknown", "127.0.0.1"], ["203.0.113.9,", "203.0.113.9"]])
    for (const transport of ["polling", "websocket"]) {
      const extraHeaders = { "X-Forwarded-For": value, "X-Forwarded-Proto": "https" };
      const seen = await handshake(trusting.url, { transports: [transport], extraHeaders });
      assert.deepEqual([plain(seen.address), seen.secure], [address, true], value);
      const other = await handshake(wary.url, { transports: [transport], extraHeaders });
      assert.deepEqual([plain(other.address), other.secure], ["127.0.0.1", false], value);
    }
  for (const server of [trusting, wary]) await server.stop();
});
