// Connection state recovery with several workers: clients come back to another worker, also after the death of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import { io as io462 } from "socket.io-client-4.6";
import parser from "socket.io-msgpack-parser";
import { freePort } from "../clients/support/port.mjs";
import { keepsOne, leaveBehind, takeOver } from "../clients/support/recovery.mjs";
import { collect, next, until } from "../clients/support/wait.mjs";
import { hubOf } from "./support/processes.mjs";
import { clientAt, pidOf, startRecovering, workerOf } from "./support/recovery.mjs";

/** Lets the client come back at that worker: each return to another one is followed by another loss. */
async function returnTo(socket, slot) {
  for (;;) {
    const back = next(socket, "connect");
    socket.io.engine.close();
    await back;
    assert.equal(socket.recovered, true);
    if (workerOf(socket) === slot) return;
  }
}

const join = (socket, room) => new Promise((joined) => socket.emit("join", room, joined));
const numbers = (n) => Array.from({ length: n }, (_, i) => i + 1);
const KINDS = [
  ["4.8 over WebSocket", io, { transports: ["websocket"] }],
  ["4.8 over long-polling", io, { transports: ["polling"] }],
  ["4.8 with the MessagePack parser", io, { transports: ["websocket"], parser }],
  ["4.6 over WebSocket", io462, { transports: ["websocket"] }],
  ["4.6, upgraded", io462, { transports: ["polling", "websocket"] }],
];

test("clients of a worker that is killed under load come back at its sibling and miss nothing", async (t) => {
  const server = await startRecovering(t);
  const driver = await clientAt(t, server, 1, { transports: ["websocket"] });
  const clients = [];
  for (const [name, connect, options] of KINDS)
    for (const slot of [0, 1]) {
      const socket = await clientAt(t, server, slot, options, connect);
      await join(socket, "room");
      clients.push({ name, slot, socket, id: socket.id, got: collect(socket, "n") });
    }
  const losers = clients.filter(({ slot }) => slot === 0);
  const returns = losers.map(({ socket }) => next(socket, "connect"));
  let sent = 0, back = false;
  Promise.all(returns).then(() => (back = true));
  while (!back || sent < 300) {
    if (sent === 100) process.kill(pidOf(server, 0), "SIGKILL");
    await driver.emitWithAck("emit", { to: ["room"] }, "n", ++sent);
  }
  for (const { name, socket, id, got } of clients) {
    await got.take(sent);
    assert.deepEqual(got.seen.map(([n]) => n), numbers(sent), name);
    assert.equal(socket.id, id, name);
  }
  for (const { socket } of losers) assert.equal(socket.recovered, true);
});

test("a client moves from worker to worker, ten times in a row: same id and rooms, and each event once", async (t) => {
  const server = await startRecovering(t);
  const drivers = [await clientAt(t, server, 0, { transports: ["websocket"] }), await clientAt(t, server, 1, { transports: ["websocket"] })];
  const socket = await clientAt(t, server, 0, { transports: ["websocket"] });
  const id = socket.id, got = collect(socket, "n");
  let sent = 0;
  await join(socket, "room");
  await socket.emitWithAck("data", { name: "Ann", raw: Buffer.from([1, 255]) });
  for (let i = 0; i < 10; i++) {
    const gone = next(socket, "disconnect");
    const back = next(socket, "connect");
    socket.io.engine.close();
    await gone;
    for (const driver of drivers) await driver.emitWithAck("emit", { to: ["room"] }, "n", ++sent);
    await back;
    await returnTo(socket, i % 2 === 0 ? 1 : 0);
    assert.equal(socket.id, id);
    for (const driver of drivers) await driver.emitWithAck("emit", { to: [id] }, "n", ++sent);
    await got.take(sent);
  }
  const fetched = new Promise((found) => drivers[0].once("fetched", found));
  await drivers[0].emitWithAck("fetch", { to: [id] });
  const { data, rooms } = await fetched;
  assert.deepEqual(data, { name: "Ann", raw: Buffer.from([1, 255]) });
  assert.equal(rooms, 2);
  // the events of each worker are in order; events of two workers at the same moment have no defined order
  const seen = got.seen.map(([n]) => n);
  for (const odd of [0, 1])
    assert.deepEqual(seen.filter((n) => n % 2 === odd), numbers(sent).filter((n) => n % 2 === odd));
});

test("a client that comes to another worker before its loss is noticed takes its session over, but not by a connection that it has left", async (t) => {
  const server = await startRecovering(t);
  for (let i = 0; i < 8; i++) {
    await takeOver(server);
    await leaveBehind(server);
  }
});

test("after the death of the hub clients are new once, and recover again when they have got an event", async (t) => {
  const server = await startRecovering(t);
  const socket = await clientAt(t, server, 0, { transports: ["websocket"] });
  const driver = await clientAt(t, server, 1, { transports: ["websocket"] });
  const got = collect(socket, "n");
  let id = socket.id;
  await driver.emitWithAck("emit", { to: [id] }, "n", 1);
  await got.take(1);
  process.kill(hubOf(server), "SIGKILL");
  const again = next(socket, "connect");
  socket.io.engine.close();
  await again;
  assert.equal(socket.recovered, false);
  assert.notEqual(socket.id, id);
  for (let n = 2; ; n++) {
    id = socket.id;
    await driver.emitWithAck("emit", { to: [id] }, "n", n);
    const back = next(socket, "connect");
    socket.io.engine.close();
    await back;
    if (socket.recovered) break;
  }
  assert.equal(socket.id, id);
});

test("workers leave a hub that hangs, and come back to it: lost clients keep their sessions", async (t) => {
  const admin = await freePort();
  const server = await startRecovering(t, ["--hang-timeout", "0", "--admin-port", String(admin)]);
  const socket = await clientAt(t, server, 0, { transports: ["websocket"], reconnection: false });
  const driver = await clientAt(t, server, 1, { transports: ["websocket"] });
  const got = collect(socket, "n");
  const { id } = socket;
  const emit = (n) => driver.emitWithAck("emit", { to: [id] }, "n", n);
  await emit(1);
  await got.take(1);
  socket.io.engine.close();
  await until(keepsOne(admin), "the hub keeps the session");
  await emit(2);
  const hub = hubOf(server);
  process.kill(hub, "SIGSTOP");
  await emit(3);
  const states = (state) => server.logged("bus").filter((line) => line.state === state).length;
  const ups = states("up");
  await server.until(() => states("down") >= 2);
  await emit(4);
  process.kill(hub, "SIGCONT");
  await server.until(() => states("up") >= ups + 2);
  const back = next(socket, "connect");
  socket.connect();
  await back;
  assert.deepEqual([socket.recovered, socket.id], [true, id], server.output);
  await emit(5);
  await got.take(5);
  assert.deepEqual(got.seen.map(([n]) => n), [1, 2, 3, 4, 5]);
});
