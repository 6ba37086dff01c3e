// Joining a namespace: twice at the same moment, with blanks in the packet, with invalid names, and with too many
// refused CONNECTs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Polling, Raw, Ws, frame, frames } from "./support/raw.mjs";
import { startSockeye } from "./support/server.mjs";
import { collect, next } from "./support/wait.mjs";

const PATH = "/socket.io/";
const WS = `${PATH}?EIO=4&transport=websocket`;
let server;

before(async () => {
  server = await startSockeye("protocol", ["--max-refused-connects", "5"]);
});
after(() => server.stop());

const texts = (bytes) => frames(bytes).filter((f) => f.opcode === 1).map((f) => f.payload.toString());

test("a stock client that connects a socket again while it connects (`io(url + \"/custom\").connect()`) has one socket", async () => {
  const root = io(server.url, { transports: ["websocket"], reconnection: false });
  await next(root, "connect");
  const sent = [];
  root.io.engine.on("packetCreate", (packet) => sent.push(packet.data));
  const tcp = root.io.engine.transport.ws._socket;
  tcp.cork(); // both packets leave in one segment, as they do on a busy machine
  const socket = io(`${server.url}/custom`, { transports: ["websocket"], reconnection: false }).connect();
  setImmediate(() => setImmediate(() => tcp.uncork()));
  assert.equal(socket.io, root.io);
  const auths = collect(socket, "auth");
  await auths.take(1);
  const back = next(root, "message-back");
  root.emit("message", 1);
  await back;
  assert.equal(sent.filter((data) => data.startsWith("0/custom,")).length, 2);
  assert.equal(auths.seen.length, 1);
  assert.ok(socket.connected && root.connected);
  root.disconnect();
  socket.disconnect();
});

test("two CONNECTs in one segment: one reply; a third, once it was read, closes", async () => {
  const raw = await Raw.upgrade(server, WS);
  raw.write(Buffer.concat([frame(1, "40/custom,"), frame(1, "40/custom,"), frame(1, '40'), frame(1, '42["message",1]')]));
  await raw.until((bytes) => bytes.includes("message-back"));
  assert.equal(texts(raw.received).filter((text) => text.startsWith("40/custom,{")).length, 1);
  raw.write(frame(1, "40/custom,"));
  await raw.closeCode();
  raw.end();
});

test("two CONNECTs in one segment that takes several turns: one reply, which leaves before the second is read", async () => {
  const raw = await Raw.upgrade(server, WS);
  const between = Array(3000).fill(frame(1, "6")); // packets without a meaning
  raw.write(Buffer.concat([frame(1, "40"), ...between, frame(1, "40"), frame(1, '42["message",1]')]));
  await raw.until((bytes) => bytes.includes("message-back"));
  assert.equal(texts(raw.received).filter((text) => text.startsWith("40{")).length, 1);
  raw.write(frame(1, "40"));
  await raw.closeCode();
  raw.end();
});

test("two CONNECTs over long-polling before the poll that brings the reply: one reply; a third, afterwards, closes", async () => {
  const session = await Polling.open(server, PATH);
  assert.equal((await session.push("40\x1e40")).status, 200);
  assert.equal((await session.push("40")).status, 200);
  const packets = await session.packets(2);
  assert.equal(packets.filter((packet) => packet.startsWith("40{")).length, 1);
  await session.push("40");
  assert.match((await session.poll()).text, /1$|^6/);
});

test("blanks around a packet's JSON are read", async () => {
  const ws = await Ws.open(server, PATH);
  ws.send('40 {"a":1}\n');
  assert.match(await ws.message(), /^40\{"sid"/);
  assert.equal(await ws.message(), '42["auth",{"a":1}]');
  ws.send('42 ["message",1]');
  assert.equal(await ws.message(), '42["message-back",1]');
  ws.send('42\t["message",2]\r\n');
  assert.equal(await ws.message(), '42["message-back",2]');
  ws.send('425 ["message-with-ack",3]');
  assert.equal(await ws.message(), "435[3]");
  ws.send("41 ");
  ws.send("40/custom,\n");
  assert.match(await ws.message(), /^40\/custom,/);
  ws.close();
});

test("a namespace's name that contains NUL is refused as a whole", async () => {
  const ws = await Ws.open(server, PATH);
  ws.send("40/custom\0x,");
  assert.equal(await ws.message(), '44/custom\0x,{"message":"Invalid namespace"}');
  ws.send("40");
  assert.match(await ws.message(), /^40\{"sid"/);
  ws.close();
});

test("a client whose CONNECTs are refused too often is closed and counted", async () => {
  const ws = await Ws.open(server, PATH);
  for (let i = 0; i < 7; i++) ws.send(`40/none-${i},`);
  for (let i = 0; i < 5; i++) assert.match(await ws.message(), /^44\/none-\d,\{"message":"Invalid namespace"\}$/);
  await ws.closed;
  await server.line((fields) => fields.event === "closed" && fields.limit === "max-refused-connects");
  const socket = io(server.url, { transports: ["websocket"], reconnection: false });
  await next(socket, "connect");
  socket.disconnect();
});
