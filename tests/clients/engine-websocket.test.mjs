// Engine.IO over WebSocket: the opening handshake, frames, closing, limits, compression; and the upgrade from polling.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { startEcho } from "./support/server.mjs";
import { BINARY, CLOSE, CONTINUATION, frame, frames, PING, Polling, PONG, Raw, request, TEXT, upgradeHead, Ws } from "./support/raw.mjs";
import { within } from "./support/wait.mjs";

const TARGET = "/engine.io/?EIO=4&transport=websocket";

let server;
before(async () => {
  server = await startEcho(["--upgrade-timeout", "1500", "--max-fragments", "1000"]);
});
after(() => server.stop());

/** Sends a raw upgrade request with changed lines of the head; resolves with what arrives until the close. */
async function knock(change) {
  const raw = await Raw.open(server);
  raw.write(change(upgradeHead(TARGET)));
  return String(await raw.rest());
}

/** A WebSocket as raw bytes, whose open packet has been read. */
async function rawOpen(options) {
  const raw = await Raw.upgrade(server, TARGET, options);
  await raw.until((bytes) => frames(bytes).length >= 1);
  const [open] = frames(raw.received);
  raw.received = raw.received.subarray(raw.received.indexOf(open.payload) + open.payload.length);
  return raw;
}

async function alive() {
  const ws = await Ws.open(server);
  ws.send("4alive");
  assert.equal(await ws.message(), "4alive");
  ws.close();
}

describe("opening", () => {
  test("the open packet has its five keys, and its list of upgrades is empty", async () => {
    const ws = await Ws.open(server);
    assert.match(ws.handshake.sid, /^[\w-]{20}$/);
    assert.deepEqual({ ...ws.handshake, sid: "" }, { sid: "", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
    assert.equal(ws.headers["sec-websocket-extensions"], undefined);
    assert.equal(ws.headers["sec-websocket-protocol"], undefined);
    ws.close();
  });

  test("refusals are 400 with only the message, and the connection closes", async () => {
    for (const [target, message] of [["?EIO=4&transport=abc", "Transport unknown"], ["?EIO=4", "Transport unknown"],
      ["?EIO=4&transport=__proto__", "Transport unknown"], ["?EIO=4&transport=websocket&sid=abc", "Session ID unknown"],
      ["?EIO=3&transport=websocket", "Unsupported protocol version"], ["?transport=websocket", "Unsupported protocol version"],
      ["?EIO=4&transport=polling", "Bad request"]]) {
      const ws = new Ws(server, `/engine.io/${target}`);
      const refused = await within(ws.refused, "a refusal");
      assert.deepEqual([refused.status, refused.text, refused.headers.connection, refused.headers["content-type"], refused.headers["content-length"]],
        [400, message, "close", "text/html", String(message.length)], target);
    }
  });

  test("a malformed opening handshake is refused", async () => {
    const key = /Sec-WebSocket-Key: .*\r\n/;
    const cases = {
      "no key": (head) => head.replace(key, ""),
      "a short key": (head) => head.replace(key, "Sec-WebSocket-Key: abc\r\n"),
      "a long key": (head) => head.replace(key, `Sec-WebSocket-Key: ${"A".repeat(4000)}\r\n`),
      "a key that is no base64": (head) => head.replace(key, `Sec-WebSocket-Key: ${"*".repeat(22)}==\r\n`),
      "no version": (head) => head.replace(/Sec-WebSocket-Version.*\r\n/, ""),
      "an unknown version": (head) => head.replace("Version: 13", "Version: 12"),
    };
    for (const [name, change] of Object.entries(cases)) assert.match(await knock(change), /^HTTP\/1.1 (400|426) /, name);
    assert.match(await knock(cases["an unknown version"]), /\r\nSec-WebSocket-Version: 13, 8\r\n/);
    await alive();
  });

  test("the first subprotocol offered is taken", async () => {
    const ws = new Ws(server, TARGET, { protocols: ["first", "second"] });
    await ws.opened;
    assert.equal(ws.socket.protocol, "first");
    ws.close();
  });

  test("frames in the segment of the request are read", async () => {
    const raw = await Raw.upgrade(server, TARGET, { then: frame(TEXT, "4early") });
    await raw.until((bytes) => frames(bytes).some((f) => f.payload.equals(Buffer.from("4early"))));
    raw.end();
  });

  test("garbage in the segment of the request closes the connection, and affects no other", async () => {
    const raw = await Raw.upgrade(server, TARGET, { then: randomBytes(2000) });
    await raw.rest();
    await alive();
  });
});

describe("messages", () => {
  test("text, binary, empty messages, every width of the length field, and all characters come back", async () => {
    const ws = await Ws.open(server);
    for (const text of ["4", "4hello", "4ü\u20ac\u{1F600}\u0000", ...[125, 126, 127, 65534, 65535, 65536, 999_999].map((n) => `4${"x".repeat(n - 1)}`)]) {
      ws.send(text);
      assert.equal(await ws.message(), text);
    }
    for (const n of [0, 1, 125, 126, 65535, 65536, 1_000_000]) {
      const bytes = randomBytes(n);
      ws.send(bytes);
      assert.deepEqual(await ws.message(), bytes);
    }
    ws.close();
  });

  test("base64 in text frames is read as bytes; clients that ask for b64 receive bytes as base64", async () => {
    const ws = await Ws.open(server);
    ws.send("bAQIDBA==");
    assert.deepEqual(await ws.message(), Buffer.from([1, 2, 3, 4]));
    ws.close();
    for (const query of ["&b64=1", "&b64=0"]) {
      const asked = await Ws.open(server, "/engine.io/", { query });
      asked.send(Buffer.from([1, 2, 3, 4]));
      assert.equal(await asked.message(), "bAQIDBA==");
      asked.close();
    }
  });

  test("fragments, with control frames in between, and bytes one by one", async () => {
    const raw = await rawOpen();
    const bytes = Buffer.concat([frame(TEXT, "4fr", { fin: false }), frame(PING, "p1"), frame(CONTINUATION, "ag", { fin: false }), frame(CONTINUATION, "", { fin: false }),
      frame(PONG, "ignored"), frame(CONTINUATION, "ments \u{1F600}"), frame(BINARY, Buffer.from([1]), { fin: false }), frame(CONTINUATION, Buffer.from([2]))]);
    for (const byte of bytes) raw.write(Buffer.from([byte]));
    await raw.until((got) => frames(got).length >= 3);
    const got = frames(raw.received).map((f) => [f.opcode, f.payload.toString("latin1"), f.fin]);
    assert.deepEqual(got, [[PONG, "p1", true], [TEXT, Buffer.from("4fragments \u{1F600}").toString("latin1"), true], [BINARY, "\x01\x02", true]]);
    raw.end();
  });

  test("a character may be cut by fragments", async () => {
    const raw = await rawOpen();
    const text = Buffer.from("4\u{1F600}");
    for (let at = 0; at < text.length; at++)
      raw.write(frame(at === 0 ? TEXT : CONTINUATION, text.subarray(at, at + 1), { fin: at === text.length - 1 }));
    await raw.until((bytes) => frames(bytes).length >= 1);
    assert.deepEqual(frames(raw.received)[0].payload, text);
    raw.end();
  });

  test("1,000 messages in one write keep their order", async () => {
    const raw = await rawOpen();
    raw.write(Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(TEXT, `4${i}`))));
    await raw.until((bytes) => frames(bytes).length >= 1000);
    assert.deepEqual(frames(raw.received).map((f) => String(f.payload)), Array.from({ length: 1000 }, (_, i) => `4${i}`));
    raw.end();
  });

  test("packets: open, upgrade and noop are ignored; close ends; ping, unknown and empty ones close", async () => {
    const ws = await Ws.open(server);
    for (const ignored of ["0", "5", "6", "3"]) ws.send(ignored);
    ws.send("4after");
    assert.equal(await ws.message(), "4after");
    ws.send("1");
    assert.equal((await within(ws.closed, "the close")).code, 1005);
    for (const bad of ["2", "2probe", "7", "abc", "", " 4"]) {
      const other = await Ws.open(server);
      other.send(bad);
      assert.equal((await within(other.closed, `the close after ${JSON.stringify(bad)}`)).code, 1005);
    }
  });
});

describe("closing and faults", () => {
  test("the close handshake returns the code", async () => {
    for (const [sent, received] of [[undefined, 1005], [1000, 1000], [1001, 1001], [3000, 3000], [4999, 4999]]) {
      const ws = await Ws.open(server);
      ws.socket.close(sent, sent ? "bye" : undefined);
      assert.equal((await within(ws.closed, "the close")).code, received);
    }
  });

  const faults = {
    "an unmasked frame": [1002, frame(TEXT, "4x", { masked: false })],
    "RSV1": [1002, frame(TEXT, "4x", { rsv: 4 })],
    "RSV2": [1002, frame(TEXT, "4x", { rsv: 2 })],
    "RSV3 on a continuation": [1002, frame(TEXT, "4x", { fin: false }), frame(CONTINUATION, "x", { rsv: 1 })],
    "opcode 3": [1002, frame(3, "x")],
    "opcode 11": [1002, frame(11, "x")],
    "a continuation of nothing": [1002, frame(CONTINUATION, "x")],
    "text inside a fragmented message": [1002, frame(TEXT, "4x", { fin: false }), frame(TEXT, "4y")],
    "a fragmented ping": [1002, frame(PING, "x", { fin: false })],
    "a ping of 126 bytes": [1002, frame(PING, "x".repeat(126))],
    "a close of one byte": [1002, frame(CLOSE, "x")],
    "a close with code 1005": [1002, frame(CLOSE, Buffer.from([0x03, 0xed]))],
    "a close with code 999": [1002, frame(CLOSE, Buffer.from([0x03, 0xe7]))],
    "a close whose reason is no UTF-8": [1007, frame(CLOSE, Buffer.from([0x03, 0xe8, 0xff]))],
    "text that is no UTF-8": [1007, frame(TEXT, Buffer.from([0x34, 0xc3, 0x28]))],
    "text with a surrogate": [1007, frame(TEXT, Buffer.from([0x34, 0xed, 0xa0, 0x80]))],
    "text that ends inside a character": [1007, frame(TEXT, Buffer.from([0x34, 0xe2, 0x82]))],
    "a message over the limit": [1009, frame(TEXT, "", { length: 1_000_001 })],
    "a message over the limit in fragments": [1009, frame(TEXT, "4".repeat(600_000), { fin: false }), frame(CONTINUATION, "", { length: 500_000 })],
    "a length of 2^63": [1009, frame(TEXT, "", { length: 0x7fffffffffffffffn }), 1002],
    "a negative length": [1002, frame(TEXT, "", { length: 0xfffffffffffffffcn }), 1009],
    "more fragments than allowed": [1008, frame(TEXT, "4", { fin: false }), ...Array.from({ length: 1000 }, () => frame(CONTINUATION, "", { fin: false })), 1009],
  };
  for (const [name, [code, ...sent]] of Object.entries(faults)) {
    const codes = [code, ...sent.filter(Number.isInteger)];
    test(`${name}: ${codes.join(" or ")}`, async () => {
      const raw = await rawOpen();
      for (const part of sent.filter(Buffer.isBuffer)) raw.write(part);
      const got = await raw.closeCode();
      assert.ok(codes.includes(got), `closed with ${got}`);
      raw.write(frame(CLOSE));
      await raw.rest();
      await alive();
    });
  }

  test("a connection that is lost silently is freed", async () => {
    const raw = await rawOpen();
    raw.reset();
    await alive();
  });
});

describe("permessage-deflate", () => {
  let deflating;
  before(async () => {
    deflating = await startEcho(["--per-message-deflate", "--max-http-buffer-size", "200000"]);
  });
  after(() => deflating.stop());

  test("is negotiated when both sides want it, and carries messages of every size both ways", async () => {
    for (const perMessageDeflate of [true, { serverNoContextTakeover: true, clientNoContextTakeover: true }, { threshold: 0 },
      { serverMaxWindowBits: 9, clientMaxWindowBits: 9, threshold: 0 }]) {
      const ws = await Ws.open(deflating, "/engine.io/", { perMessageDeflate });
      assert.match(ws.headers["sec-websocket-extensions"], /^permessage-deflate/);
      for (let round = 0; round < 3; round++) {
        for (const n of [0, 1, 1024, 5000, 70_000, 199_999]) {
          const text = `4${"compressible ".repeat(n / 12 + 1).slice(0, n)}`;
          ws.send(text);
          assert.equal(await ws.message(), text);
          const bytes = randomBytes(n);
          ws.send(bytes);
          assert.deepEqual(await ws.message(), bytes);
        }
      }
      ws.close();
    }
  });

  test("makes compressible messages smaller on the wire", async () => {
    const raw = await Raw.upgrade(deflating, TARGET, { headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n", then: frame(TEXT, `4${"x".repeat(50_000)}`) });
    await raw.until((bytes) => frames(bytes).length >= 2);
    const [, echo] = frames(raw.received);
    assert.equal(echo.rsv, 4);
    assert.ok(echo.payload.length < 500);
    raw.end();
  });

  test("invalid offers are declined", async () => {
    for (const offer of ["constructor", "__proto__; x=1", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=8; x",
      "permessage-deflate; client_max_window_bits=abc", "permessage-deflate; x=y"]) {
      const raw = await Raw.open(deflating);
      raw.write(upgradeHead(TARGET, `Sec-WebSocket-Extensions: ${offer}\r\n`));
      const head = String(await raw.until((bytes) => bytes.includes("\r\n\r\n")));
      assert.match(head, /^HTTP\/1.1 (101|400) /, offer);
      assert.doesNotMatch(head, /Sec-WebSocket-Extensions/i, offer);
      raw.end();
    }
  });

  test("the limit counts after inflating", async () => {
    const bomb = deflateRawSync(Buffer.alloc(50_000_000, 0x34), { level: 9 });
    assert.ok(bomb.length < 200_000);
    const raw = await Raw.upgrade(deflating, TARGET, { headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n" });
    raw.write(frame(TEXT, bomb, { rsv: 4 }));
    assert.equal(await raw.closeCode(), 1009);
    raw.end();
  });

  test("data that does not inflate closes the connection", async () => {
    const raw = await Raw.upgrade(deflating, TARGET, { headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n" });
    raw.write(frame(TEXT, Buffer.from([0xff, 0xff, 0xff, 0xff]), { rsv: 4 }));
    assert.ok([1002, 1007].includes(await raw.closeCode()));
    raw.end();
  });

  test("is off unless the server asks for it", async () => {
    const ws = await Ws.open(server, "/engine.io/", { perMessageDeflate: true });
    assert.equal(ws.headers["sec-websocket-extensions"], undefined);
    ws.close();
  });
});

describe("upgrade", () => {
  const websocket = (session) => session.target.replace("=polling", "=websocket");

  async function probing() {
    const session = await Polling.open(server);
    const ws = new Ws(server, websocket(session));
    await ws.opened;
    return { session, ws };
  }

  async function upgraded() {
    const { session, ws } = await probing();
    ws.send("2probe");
    assert.equal(await ws.message(), "3probe");
    ws.send("5");
    return { session, ws };
  }

  test("probe, noop to the poll, switch; no message is lost or doubled", async () => {
    const { session, ws } = await probing();
    const poll = session.poll();
    ws.send("2probe");
    assert.equal(await ws.message(), "3probe");
    assert.equal((await poll).text, "6");
    assert.equal((await session.poll()).text, "6"); // a later poll is ended too
    await session.push("4pushed");
    ws.send("5");
    ws.send("4sent");
    assert.deepEqual([await ws.message(), await ws.message()], ["4pushed", "4sent"]);
    ws.close();
  });

  test("a poll that waits during the switch gets the close packet", async () => {
    const { session, ws } = await probing();
    const { poll } = await session.waiting();
    ws.send("5"); // without a probe, so that no noop ends the poll first
    ws.send("4x");
    assert.equal((await poll).text, "1");
    assert.equal(await ws.message(), "4x");
    ws.close();
  });

  test("afterwards polls are refused and change nothing", async () => {
    const { session, ws } = await upgraded();
    ws.send("4one");
    assert.equal(await ws.message(), "4one");
    for (const answer of [await session.poll(), await session.push("4lost")]) {
      assert.equal(answer.status, 400);
      assert.equal(JSON.parse(answer.text).code, 3);
    }
    ws.send("4two");
    assert.equal(await ws.message(), "4two");
    ws.close();
  });

  test("a second WebSocket of the session is closed, during and after the upgrade", async () => {
    const during = await probing();
    const second = new Ws(server, websocket(during.session));
    assert.equal((await within(second.closed, "the close")).code, 1005);
    during.ws.send("2probe");
    assert.equal(await during.ws.message(), "3probe");
    during.ws.send("5");
    const third = new Ws(server, websocket(during.session));
    assert.equal((await within(third.closed, "the close")).code, 1005);
    during.ws.send("4x");
    assert.equal(await during.ws.message(), "4x");
    during.ws.close();
  });

  test("a packet other than the probe closes only the WebSocket; the session goes on by polling", async () => {
    for (const first of ["4x", "2", "2prob", "6", "", "3probe", Buffer.from("2probe")]) {
      const { session, ws } = await probing();
      ws.send(first);
      assert.equal((await within(ws.closed, `the close after ${first}`)).code, 1005);
      await session.push("4alive");
      assert.deepEqual(await session.packets(1), ["4alive"]);
    }
  });

  test("if a probing WebSocket is lost, the session goes on polling, and another WebSocket may probe", async () => {
    const { session, ws } = await probing();
    ws.send("2probe");
    await ws.message();
    ws.close();
    await session.push("4a");
    assert.ok((await session.packets(1)).includes("4a"));
    let next, probed;
    do {
      next = new Ws(server, websocket(session));
      await next.opened;
      next.send("2probe");
      probed = await next.message().catch(() => null); // null until the server has noticed the end of the first WebSocket
    } while (probed === null);
    next.send("5");
    next.send("4b");
    assert.equal(await next.message(), "4b");
    next.close();
  });

  test("an upgrade that is not finished in time is abandoned; the session goes on by polling", async () => {
    const { session, ws } = await probing();
    ws.send("2probe");
    await ws.message();
    assert.equal((await within(ws.closed, "the upgrade timeout")).code, 1005);
    await session.push("4alive");
    assert.deepEqual((await session.packets(1)).filter((packet) => packet !== "6"), ["4alive"]);
  });

  test("a session that closes also closes its probing WebSocket", async () => {
    const { session, ws } = await probing();
    ws.send("2probe");
    await ws.message();
    await session.push("1");
    assert.equal((await within(ws.closed, "the close")).code, 1005);
    assert.equal((await session.poll()).status, 400);
  });

  test("a session that was upgraded ends with its WebSocket", async () => {
    const { session, ws } = await upgraded();
    ws.send("4x");
    await ws.message();
    ws.socket.close();
    await ws.closed;
    const answer = await request(server, session.target);
    assert.deepEqual([answer.status, JSON.parse(answer.text).code], [400, 1]);
  });
});

test("if only maxHttpBufferSize is raised, the largest message that may be received can be sent back", async () => {
  const roomy = await startEcho(["--max-http-buffer-size", "20m", "--ping-interval", "60m"]);
  const text = `4${"x".repeat(16 << 20)}`, bytes = randomBytes(16 << 20);
  try {
    const ws = await Ws.open(roomy);
    ws.send(text);
    assert.ok((await ws.message()) === text);
    ws.send(bytes);
    assert.ok(bytes.equals(await ws.message()));
    const pieces = 65536; // of 64 bytes
    for (let i = 0; i < pieces; i++) ws.socket.send(text.slice(i * 64, (i + 1) * 64), { fin: i === pieces - 1 });
    assert.ok((await ws.message()) === text.slice(0, pieces * 64));
    ws.close();
    const session = await Polling.open(roomy);
    assert.equal((await session.push(text)).status, 200);
    assert.ok((await session.packets(1))[0] === text);
  } finally {
    await roomy.stop();
  }
});
