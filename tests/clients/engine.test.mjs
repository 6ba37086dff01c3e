// Engine.IO over HTTP: routing and refusals, the handshake, long-polling, heartbeat, closing, CORS, cookies, compression.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { inflateSync, gunzipSync } from "node:zlib";
import { startEcho } from "./support/server.mjs";
import { Polling, Raw, request, upgradeHead, Ws } from "./support/raw.mjs";
import { within } from "./support/wait.mjs";

const HANDSHAKE = "/engine.io/?EIO=4&transport=polling";
const MESSAGES = ["Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
  "Unsupported protocol version"];

/** Runs the tests of a describe() against a server with these flags. */
function withServer(args = []) {
  const holder = {};
  before(async () => Object.assign(holder, { server: await startEcho(args) }));
  after(() => holder.server.stop());
  return holder;
}

function assertError(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(answer.text), { code, message: MESSAGES[code] });
}

describe("with the default options", () => {
  const on = withServer();
  const get = (target, options) => request(on.server, target, options);
  const open = (query) => Polling.open(on.server, "/engine.io/", query);

  test("the path is a prefix that ends in a slash", async () => {
    for (const path of ["/engine.io/", "/engine.io/any/thing", "/engine.io//"])
      assert.equal((await get(`${path}?EIO=4&transport=polling`)).status, 200, path);
    for (const path of ["/engine.io", "/engine.iox/", "/Engine.io/", "/"])
      assert.equal((await get(`${path}?EIO=4&transport=polling`)).status, 404, path);
  });

  test("the query is decoded, the last of equal keys counts, others are ignored", async () => {
    for (const query of ["EIO=4&transport=polling&t=abc&x=%zz&y", "transport=abc&transport=polling&EIO=3&EIO=4",
      "%45IO=%34&transpor%74=pollin%67", "&&EIO=4&transport=polling&"])
      assert.equal((await get(`/engine.io/?${query}`)).status, 200, query);
  });

  test("code 0: transport unknown", async () => {
    for (const transport of ["", "&transport=", "&transport=abc", "&transport=webtransport", "&transport=__proto__",
      "&transport=constructor", "&transport=Polling", "&transport=polling%00"])
      assertError(await get(`/engine.io/?EIO=4${transport}`), 400, 0);
    assertError(await get("/engine.io/"), 400, 0);
  });

  test("code 1: session ID unknown", async () => {
    for (const sid of ["abc", "__proto__", "constructor", "A".repeat(20), "A".repeat(5000), "%00"])
      for (const method of ["GET", "POST"])
        assertError(await get(`${HANDSHAKE}&sid=${sid}`, { method }), 400, 1);
  });

  test("code 2: a handshake is a GET", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) assertError(await get(HANDSHAKE, { method }), 400, 2);
    const head = await get(HANDSHAKE, { method: "HEAD" });
    assert.deepEqual([head.status, head.text], [400, ""]);
  });

  test("code 3: a WebSocket needs an upgrade, and a session keeps its protocol revision", async () => {
    assertError(await get("/engine.io/?EIO=4&transport=websocket"), 400, 3);
    const session = await open();
    assertError(await get(session.target.replace("=polling", "=websocket")), 400, 3);
    for (const eio of ["EIO=3", "EIO=", "EIO=5", "x=4"]) assertError(await get(session.target.replace("EIO=4", eio)), 400, 3);
    await session.push("4still here");
    assert.deepEqual(await session.packets(1), ["4still here"]);
  });

  test("code 5: protocol revisions other than 4", async () => {
    for (const eio of ["", "EIO=3&", "EIO=abc&", "EIO=44&", "EIO=04&", "EIO=&", "EIO=4%00&"])
      assertError(await get(`/engine.io/?${eio}transport=polling`), 400, 5);
  });

  test("control characters in Origin are refused, high bytes are not", async () => {
    for (const [origin, status] of [["http://a\x01", 400], ["http://a\x7f", 400], ["http://\xe9.example", 200]]) {
      const raw = await Raw.open(on.server);
      raw.write(Buffer.from(`GET ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: ${origin}\r\n\r\n`, "latin1"));
      assert.match(String(await raw.rest()), new RegExp(`^HTTP/1.1 ${status} `), origin);
    }
  });

  test("a wrong method with a session id is answered 500 and leaves the session alone", async () => {
    const session = await open();
    for (const method of ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) {
      const answer = await get(session.target, { method });
      assert.deepEqual([answer.status, answer.text], [500, ""], method);
    }
    await session.push("4alive");
    assert.deepEqual(await session.packets(1), ["4alive"]);
  });

  test("the handshake has five keys and nothing else", async () => {
    const { open: packet, answer } = await open();
    assert.match(packet.sid, /^[\w-]{20}$/);
    assert.deepEqual({ ...packet, sid: "" },
      { sid: "", upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
    assert.equal(answer.headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.equal(Number(answer.headers["content-length"]), answer.bytes.length);
    for (const absent of ["set-cookie", "access-control-allow-origin", "x-xss-protection", "content-encoding"])
      assert.equal(answer.headers[absent], undefined, absent);
  });

  test("session ids do not repeat, and all but the four characters of their place are random", async () => {
    const sids = await Promise.all(Array.from({ length: 100 }, async () => (await open()).sid));
    assert.equal(new Set(sids).size, 100);
    for (let at = 4; at < 20; at++) assert.ok(new Set(sids.map((sid) => sid[at])).size > 10, `character ${at}`);
  });

  test("text, several packets, binary, and characters of every width come back", async () => {
    const session = await open();
    for (const payload of ["4", "4hello", "4a\x1e4b\x1e4c", "4text\x1ebAQIDBA==\x1ebAA==\x1eb", "4ü\u20ac\u{1F600}", `4${"x".repeat(300_000)}`]) {
      const pushed = await session.push(payload);
      assert.deepEqual([pushed.status, pushed.text, pushed.headers["content-type"], pushed.headers["content-length"]],
        [200, "ok", "text/html", "2"]);
      assert.equal((await session.poll()).text, payload);
    }
  });

  test("a poll waits for a packet", async () => {
    const session = await open();
    const poll = session.poll();
    await session.push("4later");
    assert.equal((await poll).text, "4later");
  });

  test("a body may be chunked and cut inside a character", async () => {
    const session = await open();
    const body = Buffer.from("4\u{1F600}\u20ac");
    const raw = await Raw.open(on.server);
    raw.write(`POST ${session.target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const byte of body) raw.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.from([byte]), Buffer.from("\r\n")]));
    raw.write("0\r\n\r\n");
    await raw.until((bytes) => bytes.includes("\r\n\r\nok"));
    assert.equal((await session.poll()).text, String(body));
    raw.end();
  });

  test("pipelined requests are answered in order, on one connection", async () => {
    const session = await open();
    const raw = await Raw.open(on.server);
    const push = (text) => `POST ${session.target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    const poll = `GET ${session.target} HTTP/1.1\r\nHost: a\r\n`;
    raw.write(`${push("4one")}${poll}\r\n${push("4two")}${poll}Connection: close\r\n\r\n`);
    const answers = String(await raw.rest()).split("HTTP/1.1 200 OK").slice(1).map((answer) => answer.split("\r\n\r\n")[1]);
    assert.deepEqual(answers, ["ok", "4one", "ok", "4two"]);
  });

  test("keep-alive serves a whole session on one connection", async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set();
    agent.on("free", (socket) => ports.add(socket.localPort));
    const session = await open();
    for (let i = 0; i < 5; i++) {
      await session.push(`4${i}`, { agent });
      assert.equal((await session.poll({ agent })).text, `4${i}`);
    }
    assert.equal(ports.size, 1);
    agent.destroy();
  });

  test("a second poll ends the session: the first gets the close packet, the second 400", async () => {
    const session = await open();
    const answers = await Promise.all([session.poll(), session.poll()]);
    answers.sort((a, b) => a.status - b.status);
    assert.deepEqual(answers.map((answer) => [answer.status, answer.text]), [[200, "1"], [400, ""]]);
    assertError(await session.poll(), 400, 1);
  });

  test("a second push while one is under way ends the session", async () => {
    const session = await open();
    const raw = await Raw.open(on.server);
    const { poll } = await session.waiting();
    raw.write(`POST ${session.target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`);
    await raw.until((bytes) => bytes.includes("100 Continue"));
    raw.write("4half");
    const second = await session.push("4x");
    assert.deepEqual([second.status, second.text], [400, ""]);
    assert.equal((await poll).text, "1");
    await raw.rest();
    assertError(await session.poll(), 400, 1);
  });

  test("a lost poll ends the session, and so does a lost push", async () => {
    const first = await open();
    const controller = new AbortController();
    const { poll: lost } = await first.waiting({ signal: controller.signal });
    const rejected = assert.rejects(lost);
    controller.abort();
    await rejected;
    let answer;
    // a poll may arrive before the server notices the end of the lost one; then this poll ends the session
    do answer = await first.poll(); while (answer.status === 200);
    assertError(await first.poll(), 400, 1);

    const second = await open();
    const { poll } = await second.waiting();
    const raw = await Raw.open(on.server);
    raw.write(`POST ${second.target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n4half`);
    raw.socket.end();
    assert.equal((await poll).text, "1");
    assertError(await second.poll(), 400, 1);
  });

  test("malformed payloads are refused and end the session", async () => {
    for (const body of ["", "abc", "7", "4ok\x1e", "\x1e4ok", "4ok\x1ex", "bAQ=A", "b*", "bA", Buffer.from([0x34, 0xff]), Buffer.from([0x34, 0xed, 0xa0, 0x80])]) {
      const session = await open();
      const answer = await session.push(body);
      assert.deepEqual([answer.status, answer.text], [400, ""], JSON.stringify(String(body)));
      assertError(await session.poll(), 400, 1);
    }
  });

  test("all forms of base64 that clients in the field write are read", async () => {
    for (const body of ["bAQIDBA==", "bAQID\nBA==\n", "bAQID\r\nBA", "b AQIDBA=", "bAQIDBA==\n\x1ebAQIDBA"]) {
      const session = await open();
      assert.equal((await session.push(body)).status, 200, JSON.stringify(body));
      const count = body.split("\x1e").length;
      assert.deepEqual(await session.packets(count), Array(count).fill("bAQIDBA=="));
    }
  });

  test("packets before the first malformed one are handled", async () => {
    const session = await open();
    const { poll } = await session.waiting();
    await session.push("4good\x1e7");
    assert.ok(["4good", "4good\x1e1"].includes((await poll).text));
  });

  test("open, upgrade and noop packets are ignored", async () => {
    const session = await open();
    await session.push("0\x1e5\x1e6\x1e0{}\x1e4after");
    assert.deepEqual(await session.packets(1), ["4after"]);
  });

  test("a ping from the client ends the session", async () => {
    const session = await open();
    const { poll } = await session.waiting();
    await session.push("2");
    assert.equal((await poll).text, "1");
    assertError(await session.poll(), 400, 1);
  });

  test("the close packet ends the session: the poll gets a noop", async () => {
    const session = await open();
    const { poll } = await session.waiting();
    assert.equal((await session.push("1")).text, "ok");
    assert.equal((await poll).text, "6");
    assertError(await session.poll(), 400, 1);
  });

  test("bytes as application/octet-stream are refused and end the session", async () => {
    const session = await open();
    const answer = await session.push(Buffer.from([4, 1]), { headers: { "Content-Type": "application/octet-stream" } });
    assert.deepEqual([answer.status, answer.text], [400, ""]);
    assertError(await session.poll(), 400, 1);
  });

  test("old Internet Explorers get the header that turns off their XSS filter", async () => {
    for (const agent of ["Mozilla/4.0 (compatible;MSIE 8.0)", "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0)"])
      assert.equal((await get(HANDSHAKE, { headers: { "User-Agent": agent } })).headers["x-xss-protection"], "0");
  });

  test("replies from 1024 bytes on are compressed as the client accepts", async () => {
    const session = await open();
    const large = `4${"compress me ".repeat(200)}`;
    for (const [accept, encoding, decode] of [["gzip", "gzip", gunzipSync], ["deflate", "deflate", inflateSync],
      ["gzip, deflate, br", "gzip", gunzipSync], ["gzip;q=0, deflate", "deflate", inflateSync]]) {
      await session.push(large);
      const answer = await session.poll({ headers: { "Accept-Encoding": accept } });
      assert.equal(answer.headers["content-encoding"], encoding, accept);
      assert.ok(answer.bytes.length < 300);
      assert.equal(decode(answer.bytes).toString(), large);
    }
    for (const [text, accept] of [[large, "br"], [large, "identity"], [large, undefined], [`4${"x".repeat(1000)}`, "gzip"]]) {
      await session.push(text);
      const answer = await session.poll({ headers: accept ? { "Accept-Encoding": accept } : {} });
      assert.equal(answer.headers["content-encoding"], undefined, accept);
      assert.equal(answer.text, text);
    }
  });

  test("no CORS unless configured", async () => {
    const answer = await get(HANDSHAKE, { headers: { Origin: "http://elsewhere.example" } });
    assert.deepEqual([answer.status, answer.headers["access-control-allow-origin"]], [200, undefined]);
  });

  test("an upgrade on another path is answered 404, then the connection ends", async () => {
    const raw = await Raw.open(on.server);
    raw.write(upgradeHead("/elsewhere"));
    const answer = (await raw.rest()).toString();
    assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
    assert.match(answer, /\r\nConnection: close\r\n/i);
  });
});

describe("limits, initial packets, names of cookies", () => {
  const on = withServer(["--max-http-buffer-size", "1000", "--initial-packet", "hello ü", "--cookie", "true", "--no-allow-upgrades",
    "--no-http-compression"]);
  const open = () => Polling.open(on.server);

  test("the handshake contains the limit, and only upgrades that are allowed", async () => {
    const { open: packet } = await open();
    assert.equal(packet.maxPayload, 1000);
    assert.deepEqual(packet.upgrades, []);
  });

  test("the initial packet comes with the handshake, over both transports", async () => {
    assert.equal((await open()).answer.text.split("\x1e")[1], "4hello ü");
    const ws = await Ws.open(on.server);
    assert.equal(await ws.message(), "4hello ü");
    ws.close();
  });

  for (const [name, options] of [["declared", {}], ["chunked", { headers: { "Transfer-Encoding": "chunked" } }]]) {
    test(`a body as long as the limit is read; one byte more (${name}) is answered 413 and ends the session`, async () => {
      const session = await open();
      const largest = `4${"x".repeat(999)}`;
      assert.equal((await session.push(largest)).status, 200);
      assert.deepEqual(await session.packets(1), [largest]);
      const { poll } = await session.waiting();
      const answer = await session.push(`${largest}x`, options);
      assert.deepEqual([answer.status, answer.text], [413, ""]);
      assert.equal((await poll).text, "1");
      assert.equal((await session.poll()).status, 400);
    });
  }

  test("the cookie comes only with the polling handshake", async () => {
    const session = await open();
    assert.deepEqual(session.answer.headers["set-cookie"], [`io=${session.sid}; Path=/; HttpOnly; SameSite=Lax`]);
    await session.push("4x");
    assert.equal((await session.poll()).headers["set-cookie"], undefined);
    const ws = await Ws.open(on.server);
    assert.equal(ws.headers["set-cookie"], undefined);
    ws.close();
  });

  test("compression may be off", async () => {
    const session = await open();
    for (let i = 0; i < 3; i++) await session.push(`4${"x".repeat(900)}`);
    const answer = await session.poll({ headers: { "Accept-Encoding": "gzip" } });
    assert.ok(answer.bytes.length > 2700);
    assert.equal(answer.headers["content-encoding"], undefined);
  });

  test("a WebSocket that may not upgrade is closed", async () => {
    const session = await open();
    const ws = new Ws(on.server, session.target.replace("polling", "websocket"));
    assert.equal((await ws.closed).code, 1005);
    await session.push("4alive");
    assert.deepEqual(await session.packets(1), ["4alive"]);
  });
});

describe("a path without slash, one transport, a cookie with attributes", () => {
  const on = withServer(["--path", "/my-path", "--no-add-trailing-slash", "--transports", "polling", "--cookie", "sid", "--cookie-path", "/p",
    "--cookie-same-site", "strict", "--cookie-max-age", "60", "--cookie-domain", "example.com", "--cookie-secure", "--no-cookie-http-only"]);

  test("only that path and that transport", async () => {
    const session = await Polling.open(on.server, "/my-path");
    assert.deepEqual(session.open.upgrades, []);
    assert.equal((await request(on.server, "/my-path/?EIO=4&transport=polling")).status, 200);
    assert.equal((await request(on.server, "/engine.io/?EIO=4&transport=polling")).status, 404);
    assertError(await request(on.server, "/my-path?EIO=4&transport=websocket"), 400, 0);
    const ws = new Ws(on.server, "/my-path?EIO=4&transport=websocket");
    assert.equal((await within(ws.refused, "a refusal")).text, "Transport unknown");
    const [cookie] = session.answer.headers["set-cookie"];
    assert.deepEqual(cookie.split("; ").sort(), ["Domain=example.com", "Max-Age=60", "Path=/p", "SameSite=Strict", "Secure", `sid=${session.sid}`].sort());
  });
});

describe("heartbeat", () => {
  const INTERVAL = 500, TIMEOUT = 1000;
  const on = withServer(["--ping-interval", String(INTERVAL), "--ping-timeout", String(TIMEOUT)]);

  test("polling: ping, pong, and the session lives as long as it answers", async () => {
    const session = await Polling.open(on.server);
    assert.deepEqual([session.open.pingInterval, session.open.pingTimeout], [INTERVAL, TIMEOUT]);
    for (let i = 0; i < 3; i++) {
      assert.equal((await session.poll()).text, "2");
      assert.equal((await session.push("3")).text, "ok");
    }
    await session.push("1");
  });

  test("polling: a ping without pong ends the session, whether a poll waits or not", async () => {
    const start = Date.now(); // before the session opens, because this process may read the ping late
    const session = await Polling.open(on.server);
    assert.equal((await session.poll()).text, "2");
    const last = await session.poll();
    assert.deepEqual([last.status, last.text], [200, "1"]);
    assert.ok(Date.now() - start > INTERVAL + TIMEOUT - 50, "the deadline is kept");
    assertError(await session.poll(), 400, 1);

    const silent = await Polling.open(on.server);
    const watch = new Ws(on.server, "/engine.io/?EIO=4&transport=websocket"); // opened later, so closed later
    await within(watch.closed, "the ping timeout");
    assertError(await silent.poll(), 400, 1);
  });

  test("WebSocket: ping, pong; and a silent client is closed", async () => {
    const ws = await Ws.open(on.server);
    let ponged;
    for (let i = 0; i < 3; i++) {
      assert.equal(await ws.message(), "2");
      ponged = Date.now();
      ws.send("3");
    }
    assert.equal(await ws.message(), "2");
    assert.equal((await within(ws.closed, "the close")).code, 1005);
    assert.ok(Date.now() - ponged > INTERVAL + TIMEOUT - 50);
  });

  test("an unsolicited pong moves the next ping", async () => {
    let waited;
    // on a busy machine the ping may be sent before the pong arrives, so the test tries up to five times
    for (let round = 0; round < 5 && !(waited >= INTERVAL * 1.5 - 20); round++) {
      const ws = await Ws.open(on.server);
      const start = Date.now();
      await new Promise((resolve) => setTimeout(resolve, INTERVAL / 2)); // a real wait, because the test is about time
      ws.send("3");
      assert.equal(await ws.message(), "2");
      waited = Date.now() - start;
      ws.close();
    }
    assert.ok(waited >= INTERVAL * 1.5 - 20, `${waited} ms`);
  });
});

describe("CORS", () => {
  const cases = [
    ["any, without credentials", ["--cors-origin", "*"], "http://a.example", { "access-control-allow-origin": "*", vary: undefined }],
    ["one fixed", ["--cors-origin", "http://a.example"], "http://b.example", { "access-control-allow-origin": "http://a.example", vary: "Origin" }],
    ["one of several", ["--cors-origin", "http://a.example,http://b.example"], "http://b.example", { "access-control-allow-origin": "http://b.example", vary: "Origin" }],
    ["none of several", ["--cors-origin", "http://a.example,http://b.example"], "http://c.example", { "access-control-allow-origin": undefined, vary: "Origin" }],
    ["reflected, with credentials", ["--cors-origin", "true", "--cors-credentials"], "http://a.example", { "access-control-allow-origin": "http://a.example",
      "access-control-allow-credentials": "true", vary: "Origin" }],
    ["exposed headers", ["--cors-origin", "*", "--cors-exposed-headers", "X-A,X-B"], "http://a.example", { "access-control-expose-headers": "X-A,X-B" }],
  ];

  for (const [name, args, Origin, expected] of cases) {
    test(`${name}: on polls, pushes, refusals and the WebSocket's reply`, async () => {
      const server = await startEcho(args);
      const session = await Polling.open(server);
      const ws = new Ws(server, "/engine.io/?EIO=4&transport=websocket", { headers: { Origin } });
      await ws.opened;
      const answers = [await request(server, HANDSHAKE, { headers: { Origin } }), await session.push("4x", { headers: { Origin } }),
        await request(server, "/engine.io/?transport=no", { headers: { Origin } }), ws];
      for (const { headers } of answers)
        for (const [key, value] of Object.entries(expected)) assert.equal(headers[key], value, key);
      ws.close();
      await server.stop();
    });
  }

  test("preflight: 204 before any check, methods, reflected headers", async () => {
    const server = await startEcho(["--cors-origin", "http://a.example"]);
    const headers = { Origin: "http://a.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-one, x-two" };
    for (const target of [HANDSHAKE, "/engine.io/?transport=no"]) {
      const answer = await request(server, target, { method: "OPTIONS", headers });
      assert.deepEqual([answer.status, answer.text], [204, ""]);
      assert.equal(answer.headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
      assert.equal(answer.headers["access-control-allow-headers"], "x-one, x-two");
      assert.match(answer.headers.vary, /Origin.*Access-Control-Request-Headers/);
    }
    await server.stop();
  });

  test("preflight: every part is an option", async () => {
    const server = await startEcho(["--cors-origin", "*", "--cors-methods", "GET,POST", "--cors-allowed-headers", "X-A", "--cors-max-age", "600",
      "--cors-options-success-status", "200"]);
    const { status, headers } = await request(server, HANDSHAKE, { method: "OPTIONS", headers: { Origin: "http://a" } });
    assert.equal(status, 200);
    assert.equal(headers["access-control-allow-methods"], "GET,POST");
    assert.equal(headers["access-control-allow-headers"], "X-A");
    assert.equal(headers["access-control-max-age"], "600");
    await server.stop();
  });

  test("a cookie from a foreign page opens no session, over either transport", async () => {
    const server = await startEcho(["--cors-origin", "http://friend.example"]);
    const headers = (Origin) => ({ Origin, Cookie: "login=1" });
    assert.equal((await request(server, HANDSHAKE, { headers: headers("http://evil.example") })).status, 403);
    assert.equal((await request(server, HANDSHAKE, { headers: headers("http://friend.example") })).status, 200);
    assert.equal((await request(server, HANDSHAKE, { headers: headers(`http://127.0.0.1:${server.port}`) })).status, 200);
    assert.equal((await request(server, HANDSHAKE, { headers: { Origin: "http://evil.example" } })).status, 200);
    const ws = new Ws(server, "/engine.io/?EIO=4&transport=websocket", { headers: headers("http://evil.example") });
    assert.equal((await within(ws.refused, "a refusal")).status, 400);
    await server.stop();
  });
});

test("a stopping server answers waiting polls with the close packet and closes WebSockets", async () => {
  const server = await startEcho();
  const session = await Polling.open(server);
  const ws = await Ws.open(server);
  const { poll } = await session.waiting();
  await server.stop();
  assert.equal((await poll).text, "1");
  assert.equal((await within(ws.closed, "the close")).code, 1005);
});
