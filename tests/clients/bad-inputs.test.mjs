// Hostile inputs that have hurt similar servers, each named by its advisory. After each input the server still serves
// a stock client. At the end, its descriptors and memory are back where they were.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";
import { Raw, frame, request } from "./support/raw.mjs";
import { plain, startSockeye } from "./support/server.mjs";
import { next, until, within } from "./support/wait.mjs";

const PATH = "/socket.io/";
const WS = `${PATH}?EIO=4&transport=websocket`;
const MIB = 1 << 20;
let server, fds, memory;

const countFds = () => readdirSync(`/proc/${server.pid}/fd`).length;
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))[1]) * 1024;

async function serves() {
  const socket = io(server.url, { transports: ["websocket"], reconnection: false, forceNew: true });
  await next(socket, "connect");
  const back = next(socket, "message-back");
  socket.emit("message", "alive");
  assert.deepEqual(await back, ["alive"]);
  socket.disconnect();
}

before(async () => {
  server = await startSockeye("protocol", ["--head-timeout", "600ms", "--body-timeout", "600ms", "--keep-alive-timeout", "600ms",
    "--connect-timeout", "1s", "--max-buffered", "4m", "--max-queue", "4m"]);
  await serves();
  fds = countFds();
  memory = rss();
});
afterEach(serves);
after(async () => {
  await until(() => countFds() <= fds + 2, () => `there are ${fds} descriptors as at the start, not ${countFds()}`);
  if (plain) assert.ok(rss() < memory + 24 * MIB, `${rss()} bytes of memory, ${memory} at the start`);
  await server.stop();
});

/** A client that has joined `/` on a raw WebSocket. */
async function joined() {
  const raw = await Raw.upgrade(server, WS);
  raw.write(frame(1, "40"));
  await raw.until((bytes) => bytes.includes("40{"));
  return raw;
}

/** A polling session; returns the target of its sid. */
async function polling() {
  const open = await request(server, `${PATH}?EIO=4&transport=polling`);
  return `${PATH}?EIO=4&transport=polling&sid=${JSON.parse(open.text.slice(1)).sid}`;
}

/** A joined client sends each text, which must close its connection. */
function closes(name, texts) {
  test(name, async () => {
    for (const text of texts) {
      const raw = await joined();
      raw.write(frame(1, text));
      await raw.closeCode();
      raw.end();
    }
  });
}

closes("CVE-2024-38355: reserved event names", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
  .map((name) => `42["${name}"]`));
test("CVE-2024-38355: an event named error without a listener", async () => {
  const raw = await joined();
  raw.write(frame(1, '42["error"]'));
  raw.write(frame(1, '42["message","still here"]'));
  await raw.until((bytes) => bytes.includes("still here"));
  raw.end();
});
closes("CVE-2023-32695: names that are no names", ['42[{"toString":"foo"}]', "42[true]", "42[null]", "42[]", "42{}", '42"x"']);
closes("CVE-2022-2421: placeholders out of bounds are refused with their attachments", ['451-["a",{"_placeholder":true,"num":1}]',
  '451-["a",{"_placeholder":true,"num":-1}]', '451-["a",{"_placeholder":true,"num":0.5}]', '451-["a",{"_placeholder":true,"num":"0"}]',
  '451-["a",{"_placeholder":true,"num":1e9}]']);
closes("CVE-2026-33151, CVE-2026-69185: attachment counts", ['451000000000-["a"]', '450-["a"]', '45-["a"]', '4511-["a"]']);
closes("parser tests: malformed packets", ["4", "45", "451", "45a-", "451.23-", "40[]", "41/admin,{}", '42/admin,"x', "4999", '42["a"', "47", "4x"]);
closes("CVE-2020-36049: a type and megabytes of digits", ["45" + "1".repeat(900_000), "42" + "9".repeat(900_000)]);
closes("JSON: depth 100,000", ["42" + "[".repeat(100_000), '42["a",' + "[".repeat(100_000) + "]".repeat(100_000) + "]"]);
closes("python-socketio CVE-2026-48804: text in place of an attachment", ['42["message",1]'].map((t) => '451-["message",{"_placeholder":true,"num":0}]' + t));

test("JSON: lone surrogates, huge numbers and NUL are ordinary values", async () => {
  const raw = await joined();
  raw.write(frame(1, '42["message","\\ud800",1e999999,"\\u0000",-0,1e-400]'));
  await raw.until((bytes) => bytes.includes("message-back"));
  raw.end();
});

test("CVE-2026-48804: a binary header without its attachments, then the connection ends; also before CONNECT", async () => {
  for (let i = 0; i < 50; i++) {
    const raw = await joined();
    raw.write(Buffer.concat([frame(1, '459-["a",{"_placeholder":true,"num":0}]'), frame(2, randomBytes(60_000))]));
    raw.reset();
  }
  const raw = await Raw.upgrade(server, WS);
  raw.write(frame(1, '451-["a",{"_placeholder":true,"num":0}]'));
  await raw.closeCode();
  raw.end();
});

test("socketioxide GHSA-55mf: attachments beyond the limit of bytes", async () => {
  const raw = await joined();
  raw.write(frame(1, '4510-["a"]'));
  for (let i = 0; i < 3; i++) raw.write(frame(2, Buffer.alloc(400_000)));
  await raw.closeCode();
  raw.end();
});

test("Socket.IO: several CONNECTs, an event before CONNECT, an attachment without a header, a packet after DISCONNECT", async () => {
  for (const texts of [['42["x"]'], ["40", "41", '42["x"]'], ["40/unknown,", '42/unknown,["x"]']]) {
    const raw = await Raw.upgrade(server, WS);
    for (const text of texts) raw.write(frame(1, text));
    await raw.closeCode();
    raw.end();
  }
  /* a second CONNECT before the first reply was read would be ignored */
  for (const fault of [frame(1, "40"), frame(2, "stray")]) {
    const raw = await joined();
    raw.write(fault);
    await raw.closeCode();
    raw.end();
  }
});

test("h2o rapid reset: a loop of CONNECT and DISCONNECT", async () => {
  const raw = await joined();
  raw.write(Buffer.concat(Array.from({ length: 5000 }, () => Buffer.concat([frame(1, "41"), frame(1, "40")]))));
  raw.write(frame(1, '42["message","end"]'));
  await raw.until((bytes) => bytes.includes('"end"'));
  raw.end();
});

test("CVE-2020-36048: a huge push of tiny packets is linear", async () => {
  const target = await polling();
  const start = Date.now();
  const answer = await request(server, target, { method: "POST", body: "6\x1e".repeat(499_999) + "6" });
  assert.equal(answer.status, 200);
  assert.ok(Date.now() - start < 30_000); // the square of 500,000 steps takes minutes
});

test("CVE-2023-31125, CVE-2026-59724: names of prototypes", async () => {
  for (const name of ["__proto__", "constructor", "hasOwnProperty"]) {
    assert.equal((await request(server, `${PATH}?EIO=4&transport=${name}`)).status, 400);
    assert.equal((await request(server, `${PATH}?EIO=4&transport=polling&sid=${name}`)).status, 400);
  }
});

test("CVE-2026-59725: octet-stream is refused and closes", async () => {
  const target = await polling();
  const push = await request(server, target, { method: "POST", body: "4x", headers: { "Content-Type": "application/octet-stream" } });
  assert.equal(push.status, 400);
  assert.equal((await request(server, target)).status, 400);
});

test("CVE-2026-102599: another EIO value on a session", async () => {
  const target = await polling();
  for (const eio of ["3", "5", ""])
    assert.equal((await request(server, target.replace("EIO=4", `EIO=${eio}`))).status, 400);
});

test("CVE-2026-48802: a flood of unsolicited pongs", async () => {
  const raw = await joined();
  raw.write(Buffer.concat(Array.from({ length: 50_000 }, () => frame(1, "3"))));
  raw.write(frame(1, '42["message","after"]'));
  await raw.until((bytes) => bytes.includes("after"));
  raw.end();
});

test("CVE-2020-28481, CVE-2019-13611: no CORS by default, no cookie from another origin", async () => {
  const plain = await request(server, `${PATH}?EIO=4&transport=polling`, { headers: { Origin: "http://evil.example" } });
  assert.equal(plain.headers["access-control-allow-origin"], undefined);
  const foreign = await request(server, `${PATH}?EIO=4&transport=polling`, { headers: { Origin: "http://evil.example", Cookie: "id=1" } });
  assert.equal(foreign.status, 403);
  const raw = await Raw.upgrade(server, WS, { headers: "Origin: http://evil.example\r\nCookie: id=1\r\n" });
  await raw.rest();
  raw.end();
});

test("CVE-2022-21676: RSV bits in the segment of the upgrade", async () => {
  for (const first of [0xa1, 0x91, 0xf1, 0xc1]) {
    const bad = frame(1, "40");
    bad[0] = first;
    const raw = await Raw.upgrade(server, WS, { then: bad });
    assert.equal(await raw.closeCode(), 1002);
    raw.end();
  }
});

test("CVE-2022-41940: a reset right after the upgrade", async () => {
  for (let i = 0; i < 50; i++) {
    const raw = await Raw.open(server);
    raw.write(`GET ${WS} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    raw.reset();
  }
});

test("CVE-2016-10542, CVE-2020-27813, baresip: frame lengths near the largest integers", async () => {
  for (const length of ["ffffffffffffffff", "7fffffffffffffff", "fffffffffffffffc", "0000000100000000"]) {
    const raw = await Raw.upgrade(server, WS);
    raw.write(Buffer.concat([Buffer.from([0x81, 0xff]), Buffer.from(length, "hex"), Buffer.from("00000000", "hex"), Buffer.from("x")]));
    assert.ok([1002, 1009].includes(await raw.closeCode()));
    raw.end();
  }
});

test("CVE-2014-0193, CVE-2026-48779: fragments without end, small and empty", async () => {
  for (const [payload, count] of [["", 20_000], ["x", 20_000]]) {
    const raw = await Raw.upgrade(server, WS);
    const first = frame(1, "4");
    const more = frame(0, payload);
    first[0] = 0x01;
    more[0] = 0x00;
    raw.write(Buffer.concat([first, ...Array.from({ length: count }, () => more)]));
    await raw.closeCode();
    raw.end();
  }
});

test("CVE-2021-32640, CVE-2020-7662, GHSA-5v72: long and strange fields of the handshake", async () => {
  for (const field of [`Sec-WebSocket-Extensions: ${'a="' + "\\".repeat(8000)}`, `Sec-WebSocket-Extensions: constructor`,
    `Sec-WebSocket-Protocol: a${" ".repeat(8000)}b`, `Sec-WebSocket-Extensions: ${"permessage-deflate,".repeat(700)}x`]) {
    const raw = await Raw.open(server);
    raw.write(`GET ${WS} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${field}\r\n\r\n`);
    await raw.until((bytes) => bytes.includes("HTTP/1.1 "));
    raw.end();
  }
});

test("hono GHSA-9mqv, emscripten#10684: missing and very long WebSocket keys", async () => {
  for (const key of ["", "Sec-WebSocket-Key: x\r\n", `Sec-WebSocket-Key: ${"A".repeat(9000)}\r\n`]) {
    for (let i = 0; i < 20; i++) {
      const raw = await Raw.open(server);
      raw.write(`GET ${WS} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${key}\r\n`);
      await raw.until((bytes) => bytes.includes("HTTP/1.1 400"));
      raw.end();
    }
  }
});

test("CVE-2024-37890: more header fields than the limit", async () => {
  const raw = await Raw.open(server);
  raw.write(`GET ${WS} HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(500)}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  await raw.until((bytes) => bytes.includes("HTTP/1.1 431"));
  raw.end();
});

test("smuggling: lengths, codings, blanks and line ends", async () => {
  const body = "\r\n\r\n0\r\n\r\n";
  for (const head of ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "Content-Length: +5", "Content-Length: ", "X: a\nContent-Length: 5", ": x", "X\0: y",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Content-Length: 0x5", "X: a\rb"]) {
    const raw = await Raw.open(server);
    raw.write(`POST ${PATH}?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: a\r\n${head}${body}`);
    const got = (await raw.rest()).toString();
    assert.match(got, /^HTTP\/1\.1 (400|501) /, head);
    assert.equal(got.match(/HTTP\/1\.1/g).length, 1, head);
    raw.end();
  }
});

test("slowloris: connections with slow heads, slow bodies, or no bytes are closed", async () => {
  const starts = ["", "GET / HT", `GET ${PATH} HTTP/1.1\r\nHost: a\r\nX: `, `POST ${await polling()} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n4`];
  await Promise.all(starts.map(async (start) => {
    const raw = await Raw.open(server);
    raw.write(start);
    await raw.rest();
    raw.end();
  }));
});

test("half states: a session that sends nothing after its handshake ends after connectTimeout", async () => {
  const raw = await Raw.upgrade(server, WS);
  await raw.closeCode();
  raw.end();
});

test("a client that reads nothing is closed; its queue does not grow", async () => {
  const raw = await joined();
  raw.socket.pause();
  const big = frame(1, `42["message","${"x".repeat(900_000)}"]`);
  const more = () => {
    while (raw.write(big));
  };
  raw.socket.on("drain", more); // the client goes on sending, because it notices the reset only then: it does not read
  more();
  await within(raw.closed, "the server to give up on a slow reader");
  raw.end();
});

test("permessage-deflate bomb: the limit counts after inflate", async () => {
  const { deflateRawSync, constants } = await import("node:zlib");
  const bomb = deflateRawSync(Buffer.alloc(64 * MIB, 0x34), { finishFlush: constants.Z_SYNC_FLUSH });
  const deflating = await startSockeye("protocol", ["--per-message-deflate"]);
  const raw = await Raw.upgrade(deflating, WS, { headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n" });
  const bad = frame(1, bomb.subarray(0, bomb.length - 4));
  bad[0] |= 0x40;
  raw.write(bad);
  assert.equal(await raw.closeCode(), 1009);
  raw.end();
  await deflating.stop();
});
