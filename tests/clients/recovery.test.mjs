// Connection state recovery with stock clients: over each transport, after each kind of loss.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { io as io462 } from "socket.io-client-4.6";
import io2 from "socket.io-client-2";
import parser from "socket.io-msgpack-parser";
import { leaveBehind, takeOver } from "./support/recovery.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { collect, next } from "./support/wait.mjs";

const APP = path.join(build, "tests/everything.so");
let server, driver;

before(async () => {
  server = await startSockeye(APP, ["--connection-state-recovery", "--allow-eio3"]);
  driver = io(server.url, { transports: ["websocket"] });
  await next(driver, "connect");
});
after(() => {
  driver?.disconnect();
  return server.stop();
});

const emit = (to, name, value) => driver.emitWithAck("emit", { to }, name, value);
const binary = (n) => Buffer.from([n, 255]);

/** A client with a room of its own that counts what it gets. */
async function client(t, options, connect = io) {
  const socket = connect(server.url, { forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 20, ...options });
  t.after(() => socket.disconnect());
  await next(socket, "connect");
  const room = `room of ${socket.id}`;
  await new Promise((joined) => socket.emit("join", room, joined));
  return { socket, room, got: collect(socket, "n") };
}

const msgpack = (url, options) => io(url, { ...options, parser });
const losses = {
  "the client's engine closes": (socket) => socket.io.engine.close(),
  "the connection is reset": (socket) => socket.io.engine.transport.ws._socket.resetAndDestroy(),
};

for (const [version, connect, name, transports, loss] of [
  ["4.8.4", io, "long-polling", ["polling"], "the client's engine closes"],
  ["4.8.4", io, "WebSocket", ["websocket"], "the client's engine closes"],
  ["4.8.4", io, "WebSocket", ["websocket"], "the connection is reset"],
  ["4.8.4", io, "an upgraded connection", ["polling", "websocket"], "the client's engine closes"],
  ["4.6.2", io462, "long-polling", ["polling"], "the client's engine closes"],
  ["4.6.2", io462, "WebSocket", ["websocket"], "the connection is reset"],
  ["4.6.2", io462, "an upgraded connection", ["polling", "websocket"], "the client's engine closes"],
  ["4.8.4 of the MessagePack parser", msgpack, "WebSocket", ["websocket"], "the connection is reset"],
]) {
  test(`client ${version} over ${name}, when ${loss}, ten times in a row: same id, rooms, and each missed event once`, async (t) => {
    const { socket, room, got } = await client(t, { transports }, connect);
    const id = socket.id;
    let sent = 0;
    if (transports.length > 1 && socket.io.engine.transport.name !== "websocket") await next(socket.io.engine, "upgrade");
    for (let i = 0; i < 10; i++) {
      const back = next(socket, "connect");
      const gone = next(socket, "disconnect");
      losses[loss](socket);
      await gone;
      assert.equal(await emit([room], "n", ++sent), 0);
      assert.equal(await emit([room], "n", binary(++sent)), 0);
      await back;
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
      assert.equal(await emit([room], "n", ++sent), 0);
      await got.take(sent);
    }
    assert.deepEqual(got.seen.map(([n]) => (Buffer.isBuffer(n) ? n[0] : n)), Array.from({ length: sent }, (_, i) => i + 1));
  });
}

test("a client that comes back before its loss is noticed takes its session over", () => takeOver(server));

test("a connection that its client has left takes no session from the next one", () => leaveBehind(server));

test("a client of a closed session is new: another id, not recovered, nothing replayed", async (t) => {
  const { socket, room, got } = await client(t, { transports: ["websocket"] });
  const id = socket.id;
  socket.disconnect();
  assert.equal(await emit([room], "n", 1), 0);
  socket.connect();
  await next(socket, "connect");
  assert.equal(socket.recovered, false);
  assert.notEqual(socket.id, id);
  assert.equal(await emit([socket.id], "n", 2), 0);
  await got.take(1);
  assert.equal(got.seen[0][0], 2);
});

test("a client of Socket.IO 2 gets events without offsets", async (t) => {
  const { room, got } = await client(t, { transports: ["websocket"] }, io2);
  assert.equal(await emit([room], "n", "text"), 0);
  await got.take(1);
  assert.deepEqual(got.seen, [["text"]]);
});

for (const [options, line] of [
  [["--redis", "redis://127.0.0.1:1"], /option --connection-state-recovery: needs --redis-log or --redis-mode streams with --redis/],
  [["--redis", "redis://127.0.0.1:1", "--redis-mode", "sharded"], /option --connection-state-recovery: works with --redis-mode classic and --redis-log/],
  [["--redis", "redis://127.0.0.1:1", "--redis-log", "--redis-secret", "a secret of thirty-two characters"], /option --connection-state-recovery: does not work with --redis-secret/],
  [["--redis", "redis+cluster://127.0.0.1:1", "--redis-mode", "streams"], /option --connection-state-recovery: does not work with --redis-mode streams at a Redis Cluster/],
  [["--recovery-trust-foreign"], /option --recovery-trust-foreign: needs --redis-mode streams with --redis/],
])
  test(`recovery is refused with ${options.join(" ")}`, () => {
    const { status, stderr } = spawnSync(path.join(build, "sockeye"), ["--connection-state-recovery", "--port", "0", ...options]);
    assert.equal(status, 2);
    assert.match(stderr.toString(), line);
  });
