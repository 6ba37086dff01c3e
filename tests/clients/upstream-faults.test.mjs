// Faults between the edge and the HTTP server behind it, including faults that an attacker causes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { spawnSync } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { freePort } from "./support/port.mjs";
import { Raw, request } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { answering, edge, httpServer, rawServer } from "./support/upstream.mjs";
import { patiently, within } from "./support/wait.mjs";

const get = (target, fields = "") => `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;

async function ask(server, bytes) {
  const client = await Raw.open(server);
  client.write(bytes);
  return client;
}

test("an upstream that is down: 502; no upstream: 404", async (t) => {
  const server = await edge(t, `http://127.0.0.1:${await freePort()}`);
  const answer = await request(server, "/page");
  assert.deepEqual([answer.status, answer.text], [502, "Bad gateway: the application server cannot be reached\n"]);
  assert.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
  await server.line((fields) => fields.event === "upstream_failed" && fields.error === "cannot connect" && fields.path === "/page");
  const missing = await edge(t, "unix:///nowhere/app.sock");
  assert.equal((await request(missing, "/", { method: "POST", body: "x" })).status, 502);
  const named = await edge(t, "http://upstream.invalid:80");
  assert.equal((await request(named, "/")).status, 502);
  const alone = await startSockeye("chat");
  assert.equal((await request(alone, "/page")).status, 404);
  await alone.stop();
});

test("addresses that are refused at the start", () => {
  for (const [url, words] of [["https://app:443", "TLS to the upstream, which is not supported"], ["app:3001", "use http://host:port or unix:///path"]]) {
    const { status, stderr } = spawnSync(path.join(build, "sockeye"), ["--port", "0", "--workers", "1", "--upstream", url], { encoding: "utf8", timeout: 120_000 });
    assert.notEqual(status, 0);
    assert.ok(stderr.includes(words), stderr);
  }
});

for (const [what, bytes] of [
  ["no HTTP", "SSH-2.0-OpenSSH_9.2p1\r\n"],
  ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
  ["bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["a folded line", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n"],
  ["a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["a NUL", "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n"],
  ["101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
  ["a head of 70,000 bytes", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(70_000)}\r\n\r\n`],
  ["interim responses without end", "HTTP/1.1 102 Processing\r\n\r\n".repeat(100)],
]) {
  test(`a response with ${what}: 502`, async (t) => {
    const server = await edge(t, await answering(t, bytes));
    const answer = await request(server, "/");
    assert.deepEqual([answer.status, answer.text], [502, "Bad gateway: the application server sent an invalid response\n"]);
  });
}

test("101 to another protocol than asked for: 502", async (t) => {
  const server = await edge(t, await answering(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"));
  const client = await ask(server, get("/", "Connection: Upgrade\r\nUpgrade: raw\r\n"));
  await client.until((bytes) => bytes.includes("HTTP/1.1 502 Bad Gateway"));
  client.socket.destroy();
});

test("an upstream closes without a response: 502, or a second try if the connection was used before", async (t) => {
  const closing = await rawServer(t, (socket) => socket.once("data", () => socket.destroy()));
  const answer = await request(await edge(t, closing), "/");
  assert.deepEqual([answer.status, answer.text], [502, "Bad gateway: the application server closed the connection without a response\n"]);
  assert.equal(closing.sockets.length, 1);

  // the first request of each connection is answered, the second one never
  const once = await answering(t, (socket, number, n) => {
    if (n > 0) return void socket.destroy();
    return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  });
  const server = await edge(t, once);
  for (let n = 0; n < 3; n++) assert.equal((await request(server, "/")).text, "ok");
  assert.equal(once.sockets.length, 3);
  const posted = await request(server, "/", { method: "POST", headers: { "Content-Length": 0 } });
  assert.equal(posted.status, 502, "a POST may have been carried out");
  assert.equal(once.sockets.length, 3);
});

test("bytes after a response are not sent to any client", async (t) => {
  const evil = await answering(t, (socket, number) =>
    number === 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison" : "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
  const server = await edge(t, evil);
  assert.equal((await request(server, "/")).text, "first");
  assert.equal((await request(server, "/")).text, "second");
  const body = await edge(t, await answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
  const client = await ask(body, `HEAD / HTTP/1.1\r\nHost: h\r\n\r\n${get("/socket.io/")}`);
  await client.until((bytes) => bytes.includes("HTTP/1.1 400"));
  assert.ok(!client.received.includes("poison"));
  client.socket.destroy();
});

for (const [what, start, clean] of [
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "\r\n0\r\n"],
  ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf", "halfhalf"],
  ["broken chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n", "\r\n0\r\n"],
]) {
  test(`an upstream that ends within a response (${what}) cuts it for the client too`, async (t) => {
    const dying = await answering(t, start);
    const server = await edge(t, dying);
    const client = await ask(server, get("/"));
    await client.until((bytes) => bytes.includes("half"));
    dying.sockets[0].destroy();
    assert.ok(!(await client.rest()).includes(clean));
    const failed = new Promise((resolve) => {
      http.get(`${server.url}/`, { agent: false }, (response) => {
        response.once("data", () => dying.sockets[1].destroy());
        response.on("error", resolve).resume();
      }).on("error", resolve);
    });
    assert.equal((await within(failed, "the client to notice")).code, "ECONNRESET");
  });
}

test("a client of HTTP/1.0 sees a reset where an end would mean that the body is complete", async (t) => {
  const dying = await answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  const server = await edge(t, dying);
  const client = await Raw.open(server);
  const failed = new Promise((resolve) => client.socket.once("error", resolve));
  client.write("GET / HTTP/1.0\r\n\r\n");
  await client.until((bytes) => bytes.includes("half"));
  dying.sockets[0].destroy();
  assert.equal((await within(failed, "the reset")).code, "ECONNRESET");
});

test("an upstream that stalls: 504, or a cut once the response has begun", async (t) => {
  const silent = await answering(t, () => undefined);
  const answer = await request(await edge(t, silent, ["--upstream-timeout", "300"]), "/");
  assert.deepEqual([answer.status, answer.text], [504, "Gateway timeout: the application server did not respond in time\n"]);
  const stalling = await answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
  const cut = async (ms) => (await (await ask(await edge(t, stalling, ["--upstream-timeout", String(ms)]), get("/"))).rest()).toString();
  // on a busy machine, the beginning may come too late
  assert.match(await patiently(cut, (text) => text.includes("half")), /half$/);
});

test("a slow response that never stalls is not cut, although it takes longer than the time-out", async (t) => {
  const received = async (ms) => {
    const slow = await httpServer(t, async (req, res) => {
      for (let n = 0; n < 10; n++) {
        res.write(`${n}`);
        await new Promise((resolve) => setTimeout(resolve, ms / 5));
      }
      res.end();
    });
    return request(await edge(t, slow, ["--upstream-timeout", String(ms)]), "/").then((answer) => answer.text, String);
  };
  // on a busy machine, a part may come too late
  assert.equal(await patiently(received, (text) => text === "0123456789", 600), "0123456789");
});

test("an upstream that does not read a body: 504", async (t) => {
  const deaf = await rawServer(t, (socket) => socket.pause());
  const server = await edge(t, deaf, ["--upstream-timeout", "400"]);
  const client = await ask(server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  const piece = Buffer.alloc(1 << 20);
  for (let n = 0; n < 40; n++) client.write(piece);
  await client.until((bytes) => bytes.includes("HTTP/1.1 504"));
  client.socket.destroy();
});

test("requests wait for a connection, and one too many is answered 503", async (t) => {
  const held = [];
  let arrived = () => {};
  const behind = await httpServer(t, (req, res) => {
    held.push(res);
    arrived();
  });
  const server = await edge(t, behind, ["--upstream-max-connections", "2"]);
  const answers = [];
  for (let n = 0; n < 2; n++) answers.push(request(server, `/${n}`));
  while (held.length < 2) await new Promise((resolve) => (arrived = resolve));
  // two requests wait, and the fifth is one too many; the edge has read each before the next is sent
  const waiting = await Raw.open(server);
  const other = await Raw.open(server);
  waiting.write(get("/wait"));
  other.write(get("/wait"));
  await request(server, "/socket.io/socket.io.js");
  const full = await request(server, "/full");
  assert.deepEqual([full.status, full.headers["retry-after"], full.text],
    [503, "1", "Service unavailable: too many requests for the application server\n"]);
  for (const res of held.splice(0)) res.end("served");
  while (held.length < 2) await new Promise((resolve) => (arrived = resolve));
  for (const res of held.splice(0)) res.end("served");
  for (const raw of [waiting, other]) {
    await raw.until((bytes) => bytes.includes("served"));
    raw.socket.destroy();
  }
  for (const answer of answers) assert.equal((await answer).text, "served");
  assert.equal(behind.connections, 2);
});

test("a client that disconnects ends its request at the upstream", async (t) => {
  let request_, gone;
  const behind = await httpServer(t, (req, res) => {
    request_ = req;
    gone = once(res, "close");
  });
  const server = await edge(t, behind);
  for (const bytes of [get("/"), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf"]) {
    request_ = undefined;
    const client = await ask(server, bytes);
    while (!request_) await new Promise((resolve) => setTimeout(resolve, 5));
    client.socket.destroy();
    await within(gone, "the upstream to hear of it");
  }
});

test("no request can be smuggled inside another one", async (t) => {
  const heads = [];
  const behind = await httpServer(t, (req, res) => {
    heads.push(`${req.method} ${req.url}`);
    req.resume();
    req.on("end", () => res.end("fine"));
  });
  const server = await edge(t, behind);
  const hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const bytes of [
    `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${hidden.length}, 0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nX: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.1\r\nHost: h\r\nX: 1\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n${hidden}`,
    `GET /a HTTP/1.1\r\n\r\n${hidden}`,
    `GET /a b HTTP/1.1\r\nHost: h\r\n\r\n${hidden}`,
    `GET http://u:p@h/a HTTP/1.1\r\nHost: h\r\n\r\n${hidden}`,
  ]) {
    const client = await ask(server, bytes);
    const text = (await client.rest()).toString();
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.equal(text.match(/HTTP\/1\.1 /g).length, 1);
  }
  const connect = await ask(server, "CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n");
  assert.match((await connect.rest()).toString(), /^HTTP\/1\.1 501 /);
  assert.deepEqual(heads, []);
  // the client's chunks are not passed on as chunks, so a body that looks like a request stays a body
  const client = await ask(server, `POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)};x="\t"\r\n${hidden}\r\n0\r\n\r\n`);
  await client.until((bytes) => bytes.includes("fine"));
  assert.deepEqual(heads, ["POST /body"]);
  client.socket.destroy();
});

test("h2c is not requested", async (t) => {
  const behind = await httpServer(t, (req, res) => res.end(JSON.stringify(req.headers)));
  const server = await edge(t, behind);
  const client = await ask(server, get("/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"));
  const text = (await client.until((bytes) => bytes.includes("}"))).toString();
  assert.match(text, /^HTTP\/1\.1 200/);
  assert.doesNotMatch(text, /h2c|http2-settings/i);
  client.socket.destroy();
});

test("an edge that is its own upstream answers 508 instead of a loop", async (t) => {
  const port = await freePort();
  const server = await edge(t, `http://127.0.0.1:${port}`, ["--port", String(port)]);
  assert.equal((await request({ port }, "/")).status, 508);
  assert.ok(server.port);
});

test("an error before the end of a long body reaches the client", async (t) => {
  const behind = await httpServer(t, (req, res) => res.writeHead(413).end("too much for me"));
  const server = await edge(t, behind);
  const client = await ask(server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  client.write(Buffer.alloc(1_000_000));
  const text = (await client.rest()).toString();
  assert.match(text, /^HTTP\/1\.1 413 /);
  assert.match(text, /\r\nConnection: close\r\n/);
  assert.match(text, /too much for me\r\n0\r\n\r\n$/);
});

test("requests under way when the server stops may finish", async (t) => {
  let stream;
  const behind = await httpServer(t, (req, res) => {
    res.write("half ");
    stream = res;
  });
  const server = await startSockeye("chat", ["--upstream", behind.url, "--drain-time", "20s"]);
  const client = await ask(server, get("/"));
  await client.until((bytes) => bytes.includes("half"));
  const later = await ask(server, get("/socket.io/socket.io.js"));
  await later.until((bytes) => bytes.includes("HTTP/1.1 200"));
  server.child.kill("SIGTERM");
  await server.line((fields) => fields.event === "stopping");
  const held = stream;
  later.write(get("/later"));
  while (stream === held) await new Promise((resolve) => setTimeout(resolve, 5));
  await later.until((bytes) => bytes.includes("5\r\nhalf "));
  stream.end("fast");
  assert.match((await later.rest()).toString(), /\r\nConnection: close\r\n(.*\r\n)*\r\n5\r\nhalf \r\n4\r\nfast\r\n0\r\n\r\n$/);
  held.end("whole");
  assert.match((await client.rest()).toString(), /half \r\n5\r\nwhole\r\n0\r\n\r\n$/);
  assert.deepEqual(await within(server.exited, "the end"), { code: 0, signal: null });
});
