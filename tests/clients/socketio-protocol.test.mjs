// The Socket.IO protocol, revision 5, packet by packet: the `protocol` application over a raw WebSocket and raw polls.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Polling, Ws } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const SID = /^[\w-]{20}$/;

let server, everything, impatient;
before(async () => {
  server = await startSockeye("protocol");
  impatient = await startSockeye("protocol", ["--connect-timeout", "2000"]);
  everything = await startSockeye(path.join(build, "tests/everything.so"));
});
after(() => Promise.all([server.stop(), everything.stop(), impatient.stop()]));

const open = (of = server) => Ws.open(of, "/socket.io/");

/** A client of `/` whose CONNECT has been answered and whose `auth` event has been read. */
async function joined(payload = "", of = server) {
  const ws = await open(of);
  ws.send(`40${payload}`);
  ws.sid = JSON.parse((await ws.message()).slice(2)).sid;
  assert.match(await ws.message(), /^42\["auth",/);
  return ws;
}

/** Sends a message and expects its echo: the session lives, and no other packet is under way. */
async function assertAlive(ws) {
  ws.send('42["message","alive"]');
  assert.equal(await ws.message(), '42["message-back","alive"]');
  ws.close();
}

const assertClosed = async (ws, what) => assert.equal((await within(ws.closed, `the close after ${what}`)).code, 1005, what);

describe("CONNECT", () => {
  test("the reply has its own sid and nothing else, before the first event", async () => {
    const ws = await open();
    ws.send("40");
    const reply = await ws.message();
    assert.equal(reply.slice(0, 2), "40");
    const value = JSON.parse(reply.slice(2));
    assert.deepEqual(Object.keys(value), ["sid"]);
    assert.match(value.sid, SID);
    assert.notEqual(value.sid, ws.handshake.sid);
    assert.equal(await ws.message(), '42["auth",{}]');
    await assertAlive(ws);
  });

  test("the payload is the handshake's auth, value for value", async () => {
    for (const auth of ["{}", '{"token":"123"}', '{"a":{"b":[1,2.5,null,true,"\u{1F600}\\u0000"]},"":-1e21}']) {
      const ws = await open();
      ws.send(`40${auth}`);
      await ws.message();
      assert.deepEqual(JSON.parse((await ws.message()).slice(2)), ["auth", JSON.parse(auth)]);
      ws.close();
    }
  });

  test("a namespace, with and without its comma, and with a payload", async () => {
    for (const [connect, auth] of [["40/custom,", {}], ["40/custom", {}], ['40/custom,{"a":1}', { a: 1 }]]) {
      const ws = await open();
      ws.send(connect);
      assert.match(await ws.message(), /^40\/custom,\{"sid":"[\w-]{20}"\}$/);
      assert.equal(await ws.message(), `42/custom,["auth",${JSON.stringify(auth)}]`);
      ws.close();
    }
  });

  test("several namespaces share one connection", async () => {
    const ws = await joined();
    ws.send("40/custom,");
    const { sid } = JSON.parse((await ws.message()).slice("40/custom,".length));
    assert.notEqual(sid, ws.sid);
    assert.equal(await ws.message(), '42/custom,["auth",{}]');
    await assertAlive(ws);
  });

  test("an unknown namespace is refused, the connection stays, the name is answered as sent", async () => {
    const ws = await open();
    for (const nsp of ["/random", "/custom?a=1", "/cust", "/__proto__", "/ünïcödé", `/${"x".repeat(200)}`]) {
      ws.send(`40${nsp},`);
      assert.equal(await ws.message(), `44${nsp},{"message":"Invalid namespace"}`);
    }
    ws.send("40");
    assert.match(await ws.message(), /^40\{/);
    await ws.message();
    await assertAlive(ws);
  });

  test("a payload that is not an object closes the connection", async () => {
    for (const payload of ["abc", "[]", '"x"', "1.5", "null", "true", "{", '{"a":}', "{}x"]) {
      const ws = await open();
      ws.send(`40${payload}`);
      await assertClosed(ws, `40${payload}`);
    }
  });

  test("a connection without a CONNECT is closed in time, even if a CONNECT was refused", async () => {
    const ws = await open(impatient);
    const refused = await open(impatient);
    refused.send("40/random");
    assert.match(await refused.message(), /^44/);
    await assertClosed(ws, "silence");
    await assertClosed(refused, "a refusal and silence");
  });

  test("after one CONNECT the connection stays open, even when the client has left the namespace", async () => {
    const ws = await joined("", impatient);
    ws.send("41");
    const later = await open(impatient);
    await assertClosed(later, "silence"); // the time limit of `later` began after that of `ws`
    ws.send("40");
    assert.match(await ws.message(), /^40\{/);
    await ws.message();
    await assertAlive(ws);
  });

  test("a second CONNECT to the same namespace closes the connection", async () => {
    const ws = await joined();
    ws.send("40");
    await assertClosed(ws, "a second CONNECT");
  });

  test("packets for a namespace that was not joined close the connection", async () => {
    for (const packet of ['42["message",1]', "41", '431["x"]', '42/custom,["x"]', "41/custom,", '44{"message":"x"}', '450-["x"]', '451-["x",{"_placeholder":true,"num":0}]']) {
      const ws = await open();
      ws.send(packet);
      await assertClosed(ws, packet);
    }
    const ws = await joined();
    ws.send('42/custom,["x"]');
    await assertClosed(ws, "an event of another namespace");
  });

  test("a client that sends CONNECT_ERROR is closed", async () => {
    const ws = await joined();
    ws.send('44{"message":"x"}');
    await assertClosed(ws, "CONNECT_ERROR");
  });
});

describe("DISCONNECT", () => {
  test("has no reply; the connection and other namespaces go on", async () => {
    const ws = await joined();
    ws.send("40/custom,");
    assert.match(await ws.message(), /^40\/custom,/);
    await ws.message();
    ws.send("41/custom,");
    ws.send('42["message","still here"]');
    assert.equal(await ws.message(), '42["message-back","still here"]');
    ws.send("40/custom,");
    assert.match(await ws.message(), /^40\/custom,/);
    ws.close();
  });

  test("with a payload closes the connection", async () => {
    const ws = await joined();
    ws.send("41{}");
    await assertClosed(ws, "41{}");
  });
});

describe("EVENT and ACK", () => {
  test("any JSON value comes back as it was", async () => {
    const ws = await joined();
    for (const args of ['1,"2",{"3":[true]}', "", "null", '""', "[[[[[]]]]]", '{"":{"":{}}}', '"\\u0000\\ud83d\\ude00\\"\\\\\\/"', "-0.5e-7,9007199254740991,1e300",
      '"line\\u2028separator"', `"${"x".repeat(100_000)}"`]) {
      ws.send(`42["message"${args && `,${args}`}]`);
      assert.deepEqual(JSON.parse((await ws.message()).slice(2)), ["message-back", ...JSON.parse(`[${args}]`)]);
    }
    ws.close();
  });

  test("the name of an event may be a number; no handler is called", async () => {
    const ws = await joined();
    ws.send("42[1,2]");
    await assertAlive(ws);
  });

  test("acknowledgements: the id comes back as a number, once", async () => {
    const ws = await joined();
    for (const [sent, received] of [["0", "0"], ["456", "456"], ["007", "7"], ["9007199254740991", "9007199254740991"]]) {
      ws.send(`42${sent}["message-with-ack",1,"2",{"3":[false]}]`);
      assert.equal(await ws.message(), `43${received}[1,"2",{"3":[false]}]`);
    }
    ws.send('421["message-with-ack"]');
    assert.equal(await ws.message(), "431[]");
    ws.send('4212["message",1]');
    assert.equal(await ws.message(), '42["message-back",1]');
    await assertAlive(ws);
  });

  test("unknown acknowledgements are ignored", async () => {
    const ws = await joined();
    for (const packet of ["43[]", "430[]", '43999["x"]', "439007199254740991[1]"]) ws.send(packet);
    ws.send('461-1[{"_placeholder":true,"num":0}]');
    ws.send(Buffer.from([1]));
    await assertAlive(ws);
  });

  test("white space in the JSON is allowed", async () => {
    const ws = await joined();
    ws.send('42[ "message" ,\t1 ,\n{ "a" : [ ] } ]');
    assert.deepEqual(JSON.parse((await ws.message()).slice(2)), ["message-back", 1, { a: [] }]);
    ws.close();
  });

  test("packets in one push come in order, over polling too", async () => {
    const session = await Polling.open(server, "/socket.io/");
    await session.push("40");
    const [reply, auth] = await session.packets(2);
    assert.match(reply, /^40\{"sid":/);
    assert.equal(auth, '42["auth",{}]');
    await session.push('42["message",1]\x1e42["message",2]\x1e4217["message-with-ack",3]\x1e452-["message",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]\x1ebAQ==\x1ebAg==');
    assert.deepEqual(await session.packets(6), ['42["message-back",1]', '42["message-back",2]', "4317[3]",
      '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', "bAg==", "bAQ=="]);
  });
});

describe("binary", () => {
  const hole = (num) => `{"_placeholder":true,"num":${num}}`;
  const bytes = (n) => Buffer.from(Array.from({ length: 4 }, (_, i) => n * 4 + i));

  /** Sends the packet and its attachments; resolves with the text and the attachments of the reply. */
  async function say(ws, packet, ...attachments) {
    ws.send(packet);
    for (const attachment of attachments) ws.send(attachment);
    const reply = await ws.message();
    const n = Number(/^4[56](\d+)-/.exec(reply)?.[1] ?? 0);
    const received = [];
    while (received.length < n) received.push(await ws.message());
    return [reply, ...received];
  }

  test("attachments come back at their places, at any depth", async () => {
    const ws = await joined();
    assert.deepEqual(await say(ws, `452-["message",${hole(0)},${hole(1)}]`, bytes(0), bytes(1)),
      [`452-["message-back",${hole(0)},${hole(1)}]`, bytes(0), bytes(1)]);
    assert.deepEqual(await say(ws, `451-["message",{"a":[1,{"b":${hole(0)}}]}]`, Buffer.alloc(0)),
      [`451-["message-back",{"a":[1,{"b":${hole(0)}}]}]`, Buffer.alloc(0)]);
    ws.close();
  });

  test("an event with an id gets a binary acknowledgement", async () => {
    const ws = await joined();
    assert.deepEqual(await say(ws, `452-789["message-with-ack",${hole(0)},${hole(1)}]`, bytes(0), bytes(1)),
      [`462-789[${hole(0)},${hole(1)}]`, bytes(0), bytes(1)]);
    ws.close();
  });

  test("ten attachments, any order, one used twice", async () => {
    const ws = await joined();
    const ten = Array.from({ length: 10 }, (_, i) => bytes(i));
    const [, ...back] = await say(ws, `4510-["message",${ten.map((_, i) => hole(9 - i))}]`, ...ten);
    assert.deepEqual(back, [...ten].reverse());
    const [text, ...twice] = await say(ws, `451-["message",${hole(0)},${hole(0)}]`, bytes(3));
    const [, ...holes] = JSON.parse(text.slice(text.indexOf("[")));
    assert.deepEqual(holes.map(({ num }) => twice[num]), [bytes(3), bytes(3)]);
    ws.close();
  });

  test("an object that only looks like a placeholder is a value", async () => {
    const ws = await joined();
    for (const value of ['{"_placeholder":true,"num":0}', '{"_placeholder":false,"num":0}', '{"num":0}']) {
      ws.send(`42["message",${value}]`);
      assert.deepEqual(JSON.parse((await ws.message()).slice(2)), ["message-back", JSON.parse(value)]);
    }
    ws.close();
  });

  test("text between header and attachments, bytes without a header, and attachments that are still missing at the close", async () => {
    const between = await joined();
    between.send(`451-["message",${hole(0)}]`);
    between.send('42["message",1]');
    await assertClosed(between, "text instead of an attachment");
    const stray = await joined();
    stray.send(bytes(0));
    await assertClosed(stray, "bytes without a header");
    const pending = await joined();
    pending.send(`452-["message",${hole(0)},${hole(1)}]`);
    pending.send(bytes(0));
    pending.close();
    await assertAlive(await joined());
  });

  test("binary headers that contradict their packet", async () => {
    for (const packet of [`450-["message"]`, `45-["message",${hole(0)}]`, `4511-["message",${hole(0)}]`, `45999999999-["message",${hole(0)}]`, `451.0-["message",${hole(0)}]`,
      `45-1-["message",${hole(0)}]`, `451["message",${hole(0)}]`, `45a-["message"]`, `451-["message",${hole(1)}]`, `451-["message",${hole(-1)}]`,
      `451-["message",${hole("0.5")}]`, `451-["message",${hole('"0"')}]`, `451-["message",{"_placeholder":true}]`, "451-", "45", `451-{"a":${hole(0)}}`,
      `451-["connect",${hole(0)}]`, `460-1[]`, `461-1{"a":${hole(0)}}`]) {
      const ws = await joined();
      ws.send(packet);
      ws.send(bytes(0)); // some headers may be recognised as wrong only when the attachment arrives
      await assertClosed(ws, packet);
    }
  });
});

test("limits are options", async () => {
  const own = await startSockeye("protocol", ["--max-attachments", "2", "--max-namespaces", "1"]);
  const two = '["message",{"_placeholder":true,"num":0}]';
  const ws = await open(own);
  ws.send("40");
  await ws.message();
  await ws.message();
  ws.send(`452-${two}`);
  ws.send(Buffer.from("a"));
  ws.send(Buffer.from("b"));
  assert.match(await ws.message(), /^45[12]-\["message-back",/);
  const other = await open(own);
  other.send("40");
  await other.message();
  await other.message();
  other.send(`453-${two}`);
  await assertClosed(other, "more attachments than allowed");
  const many = await open(own);
  many.send("40");
  await many.message();
  await many.message();
  many.send("40/custom,");
  await many.message().then((answer) => assert.match(answer, /^44\/custom,/), () => {});
  await own.stop();
});

describe("faults close the connection", () => {
  for (const packet of ["4", "47", "49", "4abc", "4-1", "42", "42[]", "42{}", "42[null]", "42[true]", "42[{}]", '42[{"toString":"foo"}]', "42[[]]", '42["x"', '42["x"]]',
    '42["x"],', '42["x",]', "42[\"\t\"]", '42["x",NaN]', '42["x",01]', '421 2["x"]', '42-1["x"]', '421.5["x"]', '42abc["message-with-ack",1]', "43", "431", "431{}", '431"x"',
    '42["connect"]', '42["connect_error"]', '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]', '42["disc\\u006fnnect"]',
    '42["\\ud800', "41x", '42/custom["x"]', `42["x",${"[".repeat(100_000)}`, `42["x",${"[".repeat(100_000)}${"]".repeat(100_000)}]`])
    test(`${packet.slice(0, 40)}${packet.length > 40 ? "..." : ""}`, async () => {
      const ws = await joined();
      ws.send(packet);
      await assertClosed(ws, packet.slice(0, 100));
    });

  test("a polling session ends with noop and close", async () => {
    const session = await Polling.open(server, "/socket.io/");
    await session.push("40");
    await session.packets(2);
    const push = await session.push("47");
    assert.ok([200, 400].includes(push.status));
    const last = await session.poll();
    assert.ok(last.status === 400 || last.text === "6\x1e1", last.text);
    assert.equal((await session.poll()).status, 400);
  });

  test("the server's reasons", async () => {
    const watcher = await open(everything);
    watcher.send("40");
    await watcher.message();
    await watcher.message();
    for (const [reason, leave] of [["client namespace disconnect", (ws) => ws.send("41")], ["forced close", (ws) => ws.send("42[]")],
      ["transport close", (ws) => ws.close()], ["transport close", (ws) => ws.socket.close(1000)], ["transport close", (ws) => ws.send("1")],
      ["parse error", (ws) => ws.send("9")], ["transport error", (ws) => ws.send("2")], ["transport error", (ws) => ws.socket.send(Buffer.alloc(1_000_001))]]) {
      const ws = await open(everything);
      ws.send("40");
      const { sid } = JSON.parse((await ws.message()).slice(2));
      leave(ws);
      assert.equal(await watcher.message(), `42["leaving","${sid}","${reason}",false]`);
      assert.equal(await watcher.message(), `42["gone","${sid}","${reason}",false]`);
    }
    watcher.close();
  });

  test("an event after DISCONNECT is not delivered, and closes", async () => {
    const session = await Polling.open(server, "/socket.io/");
    await session.push("40");
    await session.packets(2);
    await session.push('41\x1e42["message",2]');
    const last = [];
    for (let answer; (answer = await session.poll()).status === 200; ) last.push(...answer.text.split("\x1e"));
    assert.deepEqual(last.filter((packet) => packet !== "6"), ["1"]);
  });
});

test("a stopping server: the engine closes, and the application hears why", async () => {
  const own = await startSockeye("chat");
  const ws = await open(own);
  ws.send("40");
  await ws.message();
  const stopping = own.stop();
  await within(ws.closed, "the close");
  await stopping;
  assert.equal(own.logged("disconnect")[0].reason, "server shutting down");
});
