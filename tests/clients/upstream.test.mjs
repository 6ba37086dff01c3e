// The HTTP server behind the edge: pages, bodies of any length, WebSockets and streams that clients reach through
// --upstream.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import express from "express";
import { io } from "socket.io-client";
import { WebSocket, WebSocketServer } from "ws";
import { freePort } from "./support/port.mjs";
import { Raw, request } from "./support/raw.mjs";
import { endsWithFile } from "./support/leftovers.mjs";
import { plain } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { edge, httpServer, rawServer } from "./support/upstream.mjs";
import { next, within } from "./support/wait.mjs";

const LARGE = 100 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, "sixty-four kibibytes of something ");
/** The most bytes that the kernel buffers for one direction of a connection. */
const MOST_IN_KERNEL = ["tcp_rmem", "tcp_wmem"].reduce((sum, name) => sum + Number(readFileSync(`/proc/sys/net/ipv4/${name}`, "utf8").split(/\s+/)[2]), 0);
const MOST_IN_FLIGHT = 2 * MOST_IN_KERNEL + 8e6; // in the buffers of two connections, and in the edge

const run = promisify(execFile);

/** Resident memory of a process in bytes. */
const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

/** Checks how much memory has grown, except under a sanitizer, which keeps freed memory. */
function assertGrowth(server, before, most) {
  const grown = resident(server.pid) - before;
  if (plain) assert.ok(grown < most, `memory grew by ${grown} bytes`);
}

/** Writes `total` bytes as fast as they are accepted; `sent` counts them. */
function pour(stream, total, counter, hash) {
  return new Promise((resolve) => {
    const more = () => {
      while (counter.sent < total) {
        counter.sent += PIECE.length;
        hash?.update(PIECE);
        if (!stream.write(PIECE)) return void stream.once("drain", more);
      }
      stream.end();
      resolve();
    };
    more();
  });
}

/** Waits until no more is being sent. */
async function standstill(counter) {
  for (let last = -1; last !== counter.sent || last === 0; ) {
    last = counter.sent;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const digest = async (stream) => {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
};

const wanted = createHash("sha256");
for (let n = 0; n < LARGE; n += PIECE.length) wanted.update(PIECE);
const LARGE_DIGEST = wanted.digest("hex");

test("an express application and its sockets share one address", async (t) => {
  const app = express();
  const zipped = gzipSync("compressed by the application");
  app.get("/", (req, res) => res.send("<title>page</title>"));
  app.post("/form", express.json(), (req, res) => res.status(201).json({ got: req.body, host: req.headers.host, ip: req.headers["x-forwarded-for"] }));
  app.get("/cookies", (req, res) => res.cookie("a", "1").cookie("b", "2").end());
  app.get("/zipped", (req, res) => res.set("Content-Encoding", "gzip").end(zipped));
  app.get("/elsewhere", (req, res) => res.redirect("/"));
  app.delete("/gone", (req, res) => res.status(204).end());
  app.get("/words", (req, res) => {
    res.statusMessage = "Quite All Right";
    res.set("X-Frame-Options", "DENY").end();
  });
  const behind = await httpServer(t, app);
  const server = await edge(t, behind, ["--cors-origin", "http://other.example"]);

  const page = await request(server, "/");
  assert.equal(page.text, "<title>page</title>");
  assert.match(page.headers.etag, /^W\//);
  assert.equal((await request(server, "/", { headers: { "If-None-Match": page.headers.etag } })).status, 304);
  const head = await request(server, "/", { method: "HEAD" });
  assert.equal(head.headers["content-length"], page.headers["content-length"]);
  assert.equal(head.text, "");

  const form = await request(server, "/form", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"user":"Ada"}' });
  assert.equal(form.status, 201);
  assert.deepEqual(JSON.parse(form.text), { got: { user: "Ada" }, host: `127.0.0.1:${server.port}`, ip: "127.0.0.1" });
  assert.deepEqual((await request(server, "/cookies")).headers["set-cookie"], ["a=1; Path=/", "b=2; Path=/"]);
  const packed = await request(server, "/zipped", { headers: { "Accept-Encoding": "gzip" } });
  assert.equal(gunzipSync(packed.bytes).toString(), "compressed by the application");
  const moved = await request(server, "/elsewhere");
  assert.deepEqual([moved.status, moved.headers.location], [302, "/"]);
  assert.equal((await request(server, "/gone", { method: "DELETE" })).status, 204);
  assert.equal((await request(server, "/nowhere")).status, 404);
  const words = await request(server, "/words", { headers: { Origin: "http://other.example" } });
  assert.equal(words.headers["x-frame-options"], "DENY");
  assert.equal(words.headers["access-control-allow-origin"], undefined, "the edge adds its CORS fields only to responses of the engine");

  const socket = io(server.url, { forceNew: true });
  await next(socket, "connect");
  socket.disconnect();
  const bundle = await request(server, "/socket.io/socket.io.js");
  assert.equal(bundle.status, 200);
  assert.match(bundle.text, /Socket\.IO/);
  const { stdout } = await run("curl", ["-sS", "-i", "--max-time", "20", `${server.url}/words`]);
  assert.match(stdout, /^HTTP\/1\.1 200 Quite All Right\r\n/);
});

test("public files come first, and a directory without a page is the upstream's", async (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-public-"));
  t.after(() => rmSync(dir, { recursive: true }));
  writeFileSync(path.join(dir, "site.css"), "p {}");
  const behind = await httpServer(t, (req, res) => res.end(`upstream ${req.method} ${req.url}`));
  const server = await edge(t, behind, ["--public", dir]);
  assert.equal((await request(server, "/site.css")).text, "p {}");
  assert.equal((await request(server, "/")).text, "upstream GET /");
  assert.equal((await request(server, "/site.css", { method: "POST", body: "x" })).text, "upstream POST /site.css");
  assert.equal((await request(server, "/.well-known/a")).text, "upstream GET /.well-known/a");
  writeFileSync(path.join(dir, "index.html"), "our page");
  assert.equal((await request(server, "/")).text, "our page");
});

test("a long response waits for a slow client, and the edge keeps little of it in memory", async (t) => {
  const counter = { sent: 0 };
  const behind = await httpServer(t, (req, res) => pour(res, LARGE, counter));
  const server = await edge(t, behind);
  await request(server, "/socket.io/socket.io.js");
  const before = resident(server.pid);
  const sent = http.get(`${server.url}/large`, { agent: false });
  const [response] = await once(sent, "response");
  response.pause();
  await standstill(counter);
  assert.ok(counter.sent < MOST_IN_FLIGHT, `${counter.sent} bytes were sent to a client that reads nothing`);
  assertGrowth(server, before, 8e6);
  assert.equal(await digest(response), LARGE_DIGEST);
  assertGrowth(server, before, 8e6);
});

for (const framing of ["chunked", "Content-Length"]) {
  test(`a long request (${framing}) waits for a slow upstream, and the edge keeps little of it in memory`, async (t) => {
    let arrived;
    const received = new Promise((resolve) => (arrived = resolve));
    const behind = await httpServer(t, (req, res) => arrived({ req, res }));
    const server = await edge(t, behind);
    await request(server, "/socket.io/socket.io.js");
    const before = resident(server.pid);
    const counter = { sent: 0 };
    const headers = framing === "chunked" ? {} : { "Content-Length": LARGE };
    const sent = http.request(`${server.url}/large`, { method: "POST", agent: false, headers });
    const poured = pour(sent, LARGE, counter);
    const { req, res } = await within(received, "the request");
    assert.equal(req.headers["transfer-encoding"], framing === "chunked" ? "chunked" : undefined);
    await standstill(counter);
    assert.ok(sent.socket.bytesWritten - sent.socket.writableLength < MOST_IN_FLIGHT);
    assertGrowth(server, before, 8e6);
    res.end(await digest(req));
    await poured;
    const [response] = await once(sent, "response");
    const text = Buffer.concat(await response.toArray()).toString();
    assert.equal(text, LARGE_DIGEST);
    assertGrowth(server, before, 8e6);
  });
}

test("both bodies at once", async (t) => {
  const behind = await httpServer(t, (req, res) => req.pipe(res));
  const server = await edge(t, behind, ["--keep-alive-timeout", "60s"]);
  const bytes = randomBytes(20_000_000);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const headers of [{ "Transfer-Encoding": "chunked" }, {}]) {
    const answer = await request(server, "/echo", { method: "POST", body: bytes, headers, agent });
    assert.ok(answer.bytes.equals(bytes));
    assert.equal(answer.headers.connection, "keep-alive");
  }
});

test("each server-sent event arrives at once, and the upstream notices a client that leaves", async (t) => {
  let stream;
  const behind = await httpServer(t, (req, res) => {
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    stream = res;
    res.write("data: 0\n\n");
  });
  const server = await edge(t, behind);
  const client = await Raw.open(server);
  client.write("GET /events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
  for (let n = 0; n < 5; n++) {
    await client.until((bytes) => bytes.includes(`data: ${n}\n\n`));
    stream.write(`data: ${n + 1}\n\n`);
  }
  const gone = once(stream, "close");
  client.socket.destroy();
  await within(gone, "the upstream to hear of it");
});

test("a WebSocket on another path goes to the upstream", async (t) => {
  const behind = await httpServer(t, (req, res) => res.end("page"));
  const sockets = new WebSocketServer({ server: behind, path: "/live", handleProtocols: () => "v2" });
  sockets.on("connection", (socket, req) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.send(JSON.stringify({ url: req.url, ip: req.headers["x-forwarded-for"], origin: req.headers.origin }));
  });
  const server = await edge(t, behind);
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/live?a=1`, ["v1", "v2"], { origin: "http://page.example" });
  const [first] = await next(socket, "message");
  assert.deepEqual(JSON.parse(first), { url: "/live?a=1", ip: "127.0.0.1", origin: "http://page.example" });
  assert.equal(socket.protocol, "v2");
  const bytes = randomBytes(3_000_000);
  socket.send(bytes);
  const [echo] = await next(socket, "message");
  assert.ok(echo.equals(bytes));
  socket.close(4001, "done");
  const [code, reason] = await next(socket, "close");
  assert.deepEqual([code, String(reason)], [4001, "done"]);

  const refused = new WebSocket(`ws://127.0.0.1:${server.port}/other`);
  refused.on("error", () => {});
  const [, response] = await next(refused, "unexpected-response");
  assert.equal(response.statusCode, 400, "the client gets the upstream's refusal unchanged");
  response.resume();
  refused.terminate();
});

test("an upgraded connection has back-pressure both ways and closes one direction at a time", async (t) => {
  let other;
  const behind = await rawServer(t, (socket) => {
    socket.once("data", () => {
      other = socket;
      socket.pause();
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nfirst");
    });
  });
  const server = await edge(t, behind);
  const client = await Raw.open(server);
  client.write("GET /raw HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nearly");
  await client.until((bytes) => bytes.includes("\r\n\r\nfirst"));
  const before = resident(server.pid);
  const counter = { sent: 0 };
  const poured = pour(client.socket, 50_000_000, counter); // writes the bytes, then FIN
  await standstill(counter);
  assert.ok(counter.sent < MOST_IN_FLIGHT, `${counter.sent} bytes were sent to an upstream that reads nothing`);
  assertGrowth(server, before, 4e6);
  other.removeAllListeners("data");
  let n = 0;
  other.on("data", (chunk) => (n += chunk.length)); // this client goes on reading
  other.resume();
  await next(other, "end");
  await poured;
  assert.equal(n, counter.sent + "early".length);
  other.end("last words");
  assert.ok((await client.rest()).includes("firstlast words"));
});

test("connections to the upstream are kept and used again", async (t) => {
  const behind = await httpServer(t, (req, res) => {
    req.resume();
    req.on("end", () => res.end(req.url));
  });
  const server = await edge(t, behind);
  for (let n = 0; n < 30; n++) {
    const method = n % 3 ? "GET" : "POST";
    assert.equal((await request(server, `/${n}`, { method, body: method === "POST" ? "body" : undefined })).text, `/${n}`);
  }
  assert.equal(behind.connections, 1);
});

test("pipelined requests are answered in their order", async (t) => {
  const waiting = [];
  const behind = await httpServer(t, (req, res) => {
    if (req.url === "/first") waiting.push(res);
    else res.end(`(${req.url})`);
  });
  const server = await edge(t, behind);
  const client = await Raw.open(server);
  const get = (target) => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
  client.write(get("/first") + get("/second") + get("/socket.io/?EIO=4&transport=polling") + get("/third"));
  while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(client.received.length, 0);
  waiting[0].end("(/first)");
  const bytes = await client.until((all) => all.includes("(/third)"));
  assert.match(bytes.toString(), /\(\/first\).*\(\/second\).*"sid".*\(\/third\)/s);
  client.socket.destroy();
});

test("100 Continue comes from the upstream, 103 Early Hints too", async (t) => {
  const behind = await httpServer(t, (req, res) => res.end("no"));
  behind.on("checkContinue", (req, res) => {
    if (req.url === "/refused") {
      res.writeHead(403).end("not you");
      return;
    }
    res.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => {
      res.writeContinue();
      req.pipe(res);
    });
  });
  const server = await edge(t, behind);
  const client = await Raw.open(server);
  client.write("PUT /taken HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  await client.until((bytes) => bytes.includes("HTTP/1.1 100 Continue\r\n\r\n"));
  assert.match(client.received.toString(), /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload\r\n\r\n/i);
  client.write("body");
  await client.until((bytes) => bytes.includes("body"));
  client.write("PUT /refused HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4000000\r\n\r\n");
  const rest = await client.rest();
  assert.match(rest.toString(), /HTTP\/1\.1 403 Forbidden\r\n(.*\r\n)*\r\n7\r\nnot you/);
  assert.equal(rest.toString().match(/100 Continue/g).length, 1);
});

test("a server of HTTP/1.0, and a client of HTTP/1.0", async (t) => {
  const old = await rawServer(t, (socket) => socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end")));
  const server = await edge(t, old);
  const answer = await request(server, "/");
  assert.equal(answer.text, "to the end");
  assert.equal(answer.headers["transfer-encoding"], "chunked");

  const today = await httpServer(t, (req, res) => {
    res.write(`${req.headers.host ?? "no host"} `);
    res.end(req.httpVersion);
  });
  const other = await edge(t, today);
  const client = await Raw.open(other);
  client.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const text = (await client.rest()).toString();
  assert.match(text, new RegExp(`\r\n\r\n127\\.0\\.0\\.1:${today.address().port} 1\\.1$`));
  assert.doesNotMatch(text, /chunked/i);
});

test("trailer fields of both sides are dropped, and the messages arrive without them", async (t) => {
  const behind = await httpServer(t, async (req, res) => {
    const body = Buffer.concat(await req.toArray()).toString();
    res.writeHead(200, { Trailer: "X-Sum" });
    res.addTrailers({ "X-Sum": "7" });
    res.end(`${body} ${JSON.stringify(req.trailers)} ${req.headers.trailer}`);
  });
  const server = await edge(t, behind);
  const client = await Raw.open(server);
  client.write("POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX-A: 1\r\n\r\n");
  const text = (await client.until((bytes) => bytes.toString().endsWith("0\r\n\r\n"))).toString();
  assert.match(text, /abc \{\} undefined/);
  assert.doesNotMatch(text, /X-Sum/i);
  client.socket.destroy();
});

test("upstreams at a Unix socket, at an IPv6 address and at a name; TLS in front; several workers", async (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-upstream-"));
  const tls = makeCertificate();
  t.after(() => {
    rmSync(dir, { recursive: true });
    tls.remove();
  });
  const seen = (req, res) => res.end(JSON.stringify([req.headers["x-forwarded-proto"], req.headers["x-forwarded-port"], req.headers.forwarded]));
  const unix = await httpServer(t, seen, { at: path.join(dir, "app.sock") });
  assert.equal((await request(await edge(t, unix), "/")).status, 200);
  const six = await httpServer(t, seen, { at: { port: 0, host: "::1" } });
  assert.equal((await request(await edge(t, six), "/")).status, 200);
  const four = await httpServer(t, seen);
  const named = `http://localhost:${four.address().port}`;
  assert.equal((await request(await edge(t, named, ["--workers", "2"]), "/")).status, 200);
  const server = await edge(t, four, tls.args);
  const { stdout } = await run("curl", ["-sSk", "--max-time", "20", `${server.url}/`]);
  assert.deepEqual(JSON.parse(stdout), ["https", String(server.port), `for=127.0.0.1;host="127.0.0.1:${server.port}";proto=https`]);
});

test("the upstream gets the client's address from a trusted proxy, and others cannot forge it", async (t) => {
  const behind = await httpServer(t, (req, res) => res.end(JSON.stringify(req.headers)));
  const claim = { "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "X-Real-IP": "203.0.113.9" };
  const strict = JSON.parse((await request(await edge(t, behind), "/", { headers: claim })).text);
  assert.equal(strict["x-forwarded-for"], "127.0.0.1");
  assert.equal(strict["x-forwarded-proto"], "http");
  assert.equal(strict["x-real-ip"], undefined);
  const trusting = JSON.parse((await request(await edge(t, behind, ["--trust-proxy", "loopback"]), "/", { headers: claim })).text);
  assert.equal(trusting["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
  assert.equal(trusting["x-forwarded-proto"], "https");
  assert.equal(trusting["x-forwarded-host"], "shop.example");
  assert.equal(trusting["x-forwarded-port"], "443");
  assert.equal(trusting["x-real-ip"], "203.0.113.9");
  assert.equal(trusting.via, "1.1 sockeye");
});

test("several upstreams are used in turn", async (t) => {
  const servers = [];
  for (const name of ["one", "two", "three"]) servers.push(await httpServer(t, (req, res) => res.end(name)));
  const server = await edge(t, servers.map((each) => each.url).join(","));
  const names = [];
  for (let n = 0; n < 6; n++) names.push((await request(server, "/")).text);
  assert.deepEqual(names, ["one", "two", "three", "one", "two", "three"]);
  servers[1].closeAllConnections();
  servers[1].close();
  await once(servers[1], "close");
  for (let n = 0; n < 6; n++) assert.match((await request(server, "/", { method: "POST", body: "x" })).text, /one|three/);
});

test("nginx behind the edge", async (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-nginx-"));
  const port = await freePort();
  t.after(() => rmSync(dir, { recursive: true }));
  chmodSync(dir, 0o755); // nginx's workers run as user nobody
  writeFileSync(path.join(dir, "large"), PIECE);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
  writeFileSync(path.join(dir, "nginx.conf"), `daemon off; pid ${dir}/pid; error_log stderr; events {} http { access_log off; ${paths}
    server { listen 127.0.0.1:${port}; root ${dir}; keepalive_timeout 1; location /post { return 200 "$request_length $http_via"; } } }`);
  const nginx = endsWithFile(spawn("nginx", ["-c", path.join(dir, "nginx.conf"), "-p", dir], { stdio: "ignore" }));
  t.after(() => nginx.kill());
  const server = await edge(t, `http://127.0.0.1:${port}`);
  let answer;
  do answer = await request(server, "/large");
  while (answer.status === 502 && nginx.exitCode === null);
  assert.ok(answer.bytes.equals(PIECE));
  const part = await request(server, "/large", { headers: { Range: "bytes=5-9" } });
  assert.deepEqual([part.status, part.bytes], [206, PIECE.subarray(5, 10)]);
  assert.match((await request(server, "/post", { method: "POST", body: PIECE })).text, /^\d+ 1\.1 sockeye$/);
  assert.equal((await request(server, "/none")).status, 404);
});
