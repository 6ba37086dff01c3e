// Connection state recovery of sockets that a backend serves, with stock clients and backends in JavaScript and Python.
import test, { after, before, describe } from "node:test";
import assert from "node:assert/strict";
import { io as io462 } from "socket.io-client-4.6";
import io2 from "socket.io-client-2";
import parser from "socket.io-msgpack-parser";
import { freePort } from "../clients/support/port.mjs";
import { keepsOne } from "../clients/support/recovery.mjs";
import { Redis } from "../cluster/support/redis.mjs";
import { Ws } from "../clients/support/raw.mjs";
import { collect, next, until, within } from "../clients/support/wait.mjs";
import { FLAG, Link } from "./harness.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";
import { startFlavour } from "./support/python.mjs";

const RECOVERY = "--connection-state-recovery";
const FAST = { transports: ["websocket"], reconnectionDelay: 10, reconnectionDelayMax: 20 };

const cut = (socket) => socket.io.engine.transport.ws._socket.resetAndDestroy();
const range = (n) => Array.from({ length: n }, (_, i) => i + 1);
/** The numbers that events carry, as numbers or in a byte. */
const numbers = (seen) => seen.map(([n]) => (Buffer.isBuffer(n) ? n[0] : n));
/** Resolves with the first line that the backend writes from now on and that matches. */
function lineAfter(backend, pattern) {
  const from = backend.lines.length;
  return backend.line({ test: (line) => pattern.test(line) && backend.lines.indexOf(line, from) >= 0 });
}

/** Cuts the connection, runs `meanwhile` once the backend has seen the loss, and lets the client come back, at `edge` if it is given. */
async function lose(socket, backend, meanwhile = () => {}, edge = null) {
  const { id } = socket;
  const gone = lineAfter(backend, new RegExp(`^disconnect ${id}`));
  socket.io.reconnection(false);
  cut(socket);
  await gone;
  await meanwhile();
  if (socket.connected) await next(socket, "disconnect");
  socket.io.reconnection(true);
  if (edge) socket.io.uri = edge.url;
  socket.connect();
  await next(socket, "connect");
}

/**
 * Resolves with a client that has its welcome. If the server wrote to a connection that is reset, it would end the
 * connection before it has read the last events of the client.
 */
async function welcomed(t, url, options) {
  const socket = client(t, url, options);
  await next(socket, "welcome");
  return socket;
}

/** Runs `work` while the backend does nothing, as if a handler were busy. */
async function whileBusy(backend, work) {
  process.kill(backend.child.pid, "SIGSTOP");
  try {
    await work();
  } finally {
    process.kill(backend.child.pid, "SIGCONT");
  }
}

/**
 * Cuts the connection, lets the client come back when the edge has `noticed` the loss, and resolves at its new
 * connection. Another worker could otherwise take the session over before the edge has read the client's last events.
 */
async function cutAndReturn(socket, noticed) {
  socket.io.reconnection(false);
  cut(socket);
  await until(noticed, "the edge has noticed the loss");
  if (socket.connected) await next(socket, "disconnect");
  const opened = next(socket.io, "open");
  socket.io.reconnection(true);
  socket.connect();
  await opened;
}

/** Emits, and resolves when the event is on its way. See welcomed(). */
async function written(socket, ...args) {
  socket.emit(...args);
  const { _socket } = socket.io.engine.transport.ws;
  await within(untilTrue(() => _socket.writableLength === 0), "the event to be written");
}

async function untilTrue(is) {
  while (!(await is())) await new Promise((resolve) => setImmediate(resolve));
}

for (const workers of ["1", "2"]) {
  for (const [name, options] of [["JSON", {}], ["MessagePack", { parser }]]) {
    test(`${workers} worker(s), ${name}: same id, rooms, data and each missed event once, ten times in a row`, async (t) => {
      const edge = await startEdge(t, [RECOVERY, "--workers", workers]);
      const backend = await startBackend(t, edge);
      const driver = await joined(t, edge.url, FAST);
      const socket = await joined(t, edge.url, { ...FAST, ...options });
      const got = collect(socket, "n");
      const { id } = socket;
      let sent = 0;
      await ask(socket, "join", "lobby");
      for (let i = 0; i < 10; i++) {
        await ask(socket, "set", "round", i);
        await lose(socket, backend, async () => {
          driver.emit("to", "lobby", "n", ++sent);
          driver.emit("to", id, "n", Buffer.from([++sent]));
          driver.emit("all", "n", ++sent);
          await ask(driver, "who");
        });
        assert.equal(socket.recovered, true);
        assert.equal(socket.id, id);
        const who = await ask(socket, "who");
        assert.deepEqual([who.id, who.recovered, who.rooms.sort(), who.data], [id, true, [id, "lobby"].sort(), { round: i }]);
        driver.emit("to", "lobby", "n", ++sent);
        await got.take(sent);
      }
      assert.deepEqual(numbers(got.seen), range(sent));
    });
  }

  test(`${workers} worker(s): client and backend are lost at once, and both come back`, async (t) => {
    const edge = await startEdge(t, [RECOVERY, "--workers", workers]);
    const first = await startBackend(t, edge, { name: "first" });
    const driver = await joined(t, edge.url, FAST);
    const socket = await joined(t, edge.url, FAST);
    const got = collect(socket, "n");
    const { id } = socket;
    await ask(socket, "join", "lobby");
    await ask(socket, "set", "user", "ann");
    const gone = lineAfter(first, new RegExp(`^disconnect ${id}`));
    const back = next(socket, "connect");
    const left = next(socket, "disconnect");
    socket.io.reconnection(false);
    cut(socket);
    await gone;
    driver.emit("to", "lobby", "n", 1);
    await ask(driver, "who");
    await first.stop("SIGKILL");
    await left;
    socket.io.reconnection(true);
    socket.connect(); // waits for a backend
    const second = await startBackend(t, edge, { name: "second" });
    await back;
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    const who = await ask(socket, "who");
    assert.deepEqual([who.name, who.id, who.recovered, who.rooms.sort(), who.data], ["second", id, true, [id, "lobby"].sort(), { user: "ann" }]);
    driver.emit("to", "lobby", "n", 2);
    await got.take(2);
    assert.deepEqual(numbers(got.seen), [1, 2]);
    assert.equal(second.lines.filter((line) => line.startsWith("disconnect")).length, 0);
  });

  test(`${workers} worker(s): what a busy backend emits before it learns of the loss is not missed`, async (t) => {
    const admin = await freePort();
    const edge = await startEdge(t, [RECOVERY, "--workers", workers, "--admin-port", String(admin)]);
    const backend = await startBackend(t, edge);
    const socket = await welcomed(t, edge.url, FAST);
    const got = collect(socket, "n");
    const { id } = socket;
    for (let i = 1; i <= 5; i++) {
      const back = next(socket, "connect");
      await whileBusy(backend, async () => {
        await written(socket, "back", "n", i);
        await cutAndReturn(socket, keepsOne(admin)); // the edge waits for the backend
      });
      await back;
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
      await got.take(i);
    }
    await ask(socket, "who");
    assert.deepEqual(numbers(got.seen), range(5));
    assert.equal(backend.lines.filter((line) => line.startsWith(`disconnect ${id}`)).length, 5);
  });

  test(`${workers} worker(s): a busy backend joins a room before it learns of the loss: the client is in it, or comes back as a new one`, async (t) => {
    const admin = await freePort();
    const edge = await startEdge(t, [RECOVERY, "--workers", workers, "--admin-port", String(admin)]);
    const backend = await startBackend(t, edge);
    const socket = await welcomed(t, edge.url, FAST);
    const { id } = socket;
    // the first time, the client comes back before the backend learns of the loss
    const back = next(socket, "connect");
    await whileBusy(backend, async () => {
      await written(socket, "join", "one");
      await cutAndReturn(socket, keepsOne(admin));
    });
    await back;
    if (socket.recovered) {
      assert.equal(socket.id, id);
      await within(untilTrue(async () => (await ask(socket, "who")).rooms.includes("one")), "the room");
    } else {
      // the edge had the join before the request to continue the session
      assert.deepEqual((await ask(socket, "who")).rooms, [socket.id]);
    }
    // the second time, the client stays away until the backend has learned of the loss
    const former = socket.id;
    const ended = backend.line(new RegExp(`^ended / ${former} displaced`));
    socket.io.reconnection(false);
    await whileBusy(backend, async () => {
      await written(socket, "join", "two");
      cut(socket);
      await until(keepsOne(admin), "the edge has noticed the loss");
    });
    await ended;
    socket.io.reconnection(true);
    socket.connect();
    await next(socket, "connect");
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, former);
    assert.deepEqual((await ask(socket, "who")).rooms, [socket.id]);
  });

  test(`${workers} worker(s): a backend learns when a session has ended`, async (t) => {
    const edge = await startEdge(t, [RECOVERY, "--workers", workers, "--max-disconnection-duration", "1s"]);
    const backend = await startBackend(t, edge);
    const socket = await joined(t, edge.url, { ...FAST, reconnection: false });
    const { id } = socket;
    await ask(socket, "set", "user", "ann");
    cut(socket);
    assert.equal(await backend.line(/^ended/), `ended / ${id} expired {"user":"ann"}`);
    await backend.line(new RegExp(`^link ended ${id}`));
  });
}

test("several edges without Redis, two workers each: a broadcast reaches each client once", async (t) => {
  const edges = [await startEdge(t, [RECOVERY, "--workers", "2"]), await startEdge(t, [RECOVERY, "--workers", "2"])];
  await startBackend(t, edges, { links: 4 });
  const sockets = await Promise.all([0, 1, 0, 1, 0, 1].map((i) => joined(t, edges[i].url, FAST)));
  const got = sockets.map((socket) => collect(socket, "n"));
  for (const n of range(20)) sockets[n % 6].emit("all", "n", n);
  for (const each of got) await each.take(20);
  await Promise.all(sockets.map((socket) => ask(socket, "who")));
  for (const each of got) assert.deepEqual(numbers(each.seen).sort((a, b) => a - b), range(20));
});

test("a backend is deployed while a client is away", async (t) => {
  const edge = await startEdge(t, [RECOVERY]);
  const first = await startBackend(t, edge, { name: "first" });
  const socket = await joined(t, edge.url, FAST);
  const { id } = socket;
  const got = collect(socket, "n");
  await ask(socket, "join", "lobby");
  await ask(socket, "set", "user", "ann");
  await lose(socket, first, async () => {
    const second = await startBackend(t, edge, { name: "second" });
    await first.stop("SIGTERM");
    const driver = await joined(t, edge.url, FAST);
    driver.emit("to", "lobby", "n", 1);
    await ask(driver, "who");
    assert.equal(second.lines.some((line) => line.includes(id)), false);
  });
  const who = await ask(socket, "who");
  assert.deepEqual([who.name, who.id, who.recovered, who.rooms.sort(), who.data], ["second", id, true, [id, "lobby"].sort(), { user: "ann" }]);
  await got.take(1);
});

test("middlewares are skipped, unless the edge says otherwise; a slow one delays the missed events, and a refused client can come back", async (t) => {
  const edge = await startEdge(t, [RECOVERY, "--skip-middlewares=false"]);
  const backend = await startBackend(t, edge);
  const driver = await joined(t, edge.url, FAST);
  const socket = await joined(t, edge.url, { ...FAST, auth: {} });
  const { id } = socket;
  const got = collect(socket, "n");
  await ask(socket, "join", "lobby");
  const refused = next(socket, "connect_error");
  socket.auth = { refuse: "not now" };
  const gone = lineAfter(backend, new RegExp(`^disconnect ${id}`));
  cut(socket);
  await gone;
  driver.emit("to", "lobby", "n", 1);
  const [error] = await refused;
  assert.deepEqual([error.message, error.data], ["not now", { code: 7 }]);
  socket.auth = { delay: 100 };
  socket.connect();
  driver.emit("to", "lobby", "n", 2);
  await next(socket, "connect");
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  await got.take(2);
  assert.deepEqual(numbers(got.seen), [1, 2]);
});

test("with the default, the middleware that would refuse is skipped", async (t) => {
  const edge = await startEdge(t, [RECOVERY]);
  const backend = await startBackend(t, edge);
  const socket = await joined(t, edge.url, { ...FAST, auth: {} });
  const { id } = socket;
  socket.auth = { refuse: "not now" };
  await lose(socket, backend);
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
});

test("a client that comes back before its loss is noticed takes its socket over: disconnect first, then connection", async (t) => {
  const edge = await startEdge(t, [RECOVERY]);
  const backend = await startBackend(t, edge);
  const reply = async (ws) => {
    for (;;) {
      const text = await ws.message();
      if (text.startsWith("40")) return JSON.parse(text.slice(2));
    }
  };
  const first = await Ws.open(edge, "/socket.io/");
  first.send("40");
  const { sid, pid } = await reply(first);
  const [, , offset] = JSON.parse((await first.message()).slice(2)); // the offset of the event "welcome"
  first.send('42["join","lobby"]');
  first.send('420["who"]');
  for (let text = ""; !text.startsWith("430"); ) text = await first.message();
  const second = await Ws.open(edge, "/socket.io/");
  second.send(`40${JSON.stringify({ pid, offset })}`);
  assert.deepEqual(await reply(second), { sid, pid });
  await first.closed;
  second.send('420["who"]');
  let text = "";
  while (!text.startsWith("430")) text = await second.message();
  const [who] = JSON.parse(text.slice(3));
  assert.deepEqual([who.id, who.recovered, who.rooms.sort()], [sid, true, [sid, "lobby"].sort()]);
  const mine = backend.lines.filter((line) => line.includes(sid));
  assert.match(mine[0], /^connection .* recovered=false/);
  assert.equal(mine[1], `disconnect ${sid} transport close`);
  assert.match(mine[2], /^connection .* recovered=true rooms=.*lobby/);
  second.close();
});

test("a client that has left on purpose is new, and so is a client of Socket.IO 2", async (t) => {
  const edge = await startEdge(t, [RECOVERY, "--allow-eio3"]);
  const backend = await startBackend(t, edge);
  const socket = await joined(t, edge.url, FAST);
  const { id } = socket;
  const gone = backend.line(new RegExp(`^disconnect ${id} client namespace disconnect`));
  socket.disconnect();
  await gone;
  socket.connect();
  await next(socket, "connect");
  assert.deepEqual([socket.recovered, (await ask(socket, "who")).recovered], [false, false]);
  const old = io2(edge.url, { ...FAST, forceNew: true });
  t.after(() => old.close());
  await next(old, "connect");
  const before = (await ask(old, "who")).id;
  const back = next(old, "connect");
  old.io.engine.transport.ws._socket.destroy();
  await back;
  const who = await ask(old, "who");
  assert.equal(who.recovered, false);
  assert.notEqual(who.id, before);
});

test("client 4.6 recovers, too, also if the Server has the option connectionStateRecovery", async (t) => {
  const edge = await startEdge(t, [RECOVERY]);
  const backend = await startBackend(t, edge, { server: { connectionStateRecovery: {} } });
  const socket = io462(edge.url, { ...FAST, forceNew: true });
  t.after(() => socket.close());
  await next(socket, "connect");
  const { id } = socket;
  await lose(socket, backend);
  assert.deepEqual([socket.recovered, socket.id, (await ask(socket, "who")).recovered], [true, id, true]);
});

test("for a backend that does not know recovery, a client that comes back is new", async (t) => {
  const edge = await startEdge(t, [RECOVERY]);
  const link = await Link.open(edge);
  t.after(() => link.socket.destroy());
  const socket = await joined(t, edge.url, FAST);
  const { id } = socket;
  const opened = link.got("OPEN", (frame) => frame !== link.frames.find((each) => each.type === "OPEN"));
  const back = next(socket, "connect");
  cut(socket);
  await back;
  const frame = await opened;
  assert.equal(frame.flags & FLAG.REATTACH, 0);
  assert.equal(socket.recovered, false);
  assert.notEqual(socket.id, id);
});

for (const flavour of ["aio", "threads", "flask_app", "small"]) {
  test(`Python, ${flavour}: recovered with rooms, session and each missed event once; the same when the backend is killed as well`, async (t) => {
    const edge = await startEdge(t, [RECOVERY]);
    const first = await startFlavour(t, flavour, edge, { name: "first" });
    const driver = await joined(t, edge.url, FAST);
    const socket = await joined(t, edge.url, FAST);
    const { id } = socket;
    const got = collect(socket, "n");
    await ask(socket, "join", "lobby");
    await ask(socket, "set", "user", "ann");
    await lose(socket, first, async () => {
      driver.emit("to", "lobby", "n", 1);
      await ask(driver, "who");
    });
    let who = await ask(socket, "who");
    assert.deepEqual([socket.recovered, who.id, who.recovered, who.rooms.sort(), who.session.user], [true, id, true, [id, "lobby"].sort(), "ann"]);
    const gone = lineAfter(first, new RegExp(`^disconnect ${id}`));
    const left = next(socket, "disconnect");
    socket.io.reconnection(false);
    cut(socket);
    await gone;
    driver.emit("to", "lobby", "n", 2);
    await ask(driver, "who");
    await first.stop("SIGKILL");
    await left;
    const back = next(socket, "connect");
    socket.connect();
    await startFlavour(t, flavour, edge, { name: "second" });
    await back;
    who = await ask(socket, "who");
    assert.deepEqual([socket.recovered, who.name, who.id, who.recovered, who.session.user], [true, "second", id, true, "ann"]);
    assert.deepEqual(who.rooms.sort(), [id, "lobby"].sort());
    driver.emit("to", "lobby", "n", 3);
    await got.take(3);
    assert.deepEqual(numbers(got.seen), [1, 2, 3]);
  });
}

describe("over Redis", () => {
  let redis, edges;
  const ends = [];
  const STREAMS = ["--redis-mode", "streams"];
  const edge = (t, args) => startEdge(t, [RECOVERY, "--redis", redis.url, ...args]);
  /** The record of the client's session in Redis; null: none. */
  const record = async (socket) => {
    const value = await redis.command("GET", `sio:session:${socket._pid}`);
    return value && Buffer.from(value, "base64");
  };
  const AWAY = Buffer.from("owner\xa0", "latin1"); // in a record: no worker has the socket
  before(async () => {
    redis = await Redis.start();
    ends.push(() => redis.stop());
    edges = [await edge({ after: (end) => ends.unshift(end) }, STREAMS), await edge({ after: (end) => ends.unshift(end) }, STREAMS)];
    await until(async () => (await redis.command("XLEN", "socket.io")) > 0, "an edge has marked the empty stream");
  });
  after(async () => {
    for (const end of ends) await end();
  });

  test("streams: same id, rooms, data and each missed event once, from edge to edge, also when the backend is killed", async (t) => {
    const first = await startBackend(t, edges, { name: "first", links: 2 });
    const driver = await joined(t, edges[0].url, FAST);
    const socket = await joined(t, edges[0].url, FAST);
    const got = collect(socket, "n");
    const { id } = socket;
    let sent = 0;
    const send = () => {
      driver.emit("to", "lobby", "n", ++sent);
      driver.emit("to", id, "n", Buffer.from([++sent]));
      driver.emit("all", "n", ++sent);
      return ask(driver, "who");
    };
    const recovered = async (name, data) => {
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
      const who = await ask(socket, "who");
      assert.deepEqual([who.name, who.id, who.recovered, who.rooms.sort(), who.data], [name, id, true, [id, "lobby"].sort(), data]);
    };
    await ask(socket, "join", "lobby");
    for (const round of [1, 0, 0, 1]) {
      await ask(socket, "set", "round", round);
      await lose(socket, first, async () => {
        await send();
        socket.auth = { greet: ++sent }; // emitted before the edge has read the missed events
      }, edges[round]);
      await recovered("first", { round });
      await send();
      await got.take(sent);
    }
    // client and backend at once
    const gone = lineAfter(first, new RegExp(`^disconnect ${id}`));
    const left = next(socket, "disconnect");
    socket.io.reconnection(false);
    cut(socket);
    await gone;
    await send();
    socket.auth = {};
    await first.stop("SIGKILL");
    await left;
    const back = next(socket, "connect");
    socket.connect(); // waits for a backend
    const second = await startBackend(t, edges, { name: "second", links: 2 });
    await back;
    await recovered("second", { round: 1 });
    await send();
    await got.take(sent);
    assert.deepEqual(numbers(got.seen), range(sent));
    assert.equal(second.lines.some((line) => line.startsWith("disconnect")), false);
  });

  test("streams: what a busy backend emits before it learns of the loss is not missed; if it joins a room, the client comes back as a new one", async (t) => {
    const [at] = edges;
    const backend = await startBackend(t, at);
    const socket = await welcomed(t, at.url, FAST);
    const got = collect(socket, "n");
    const { id } = socket;
    const lost = async () => (await record(socket)).includes(AWAY);
    for (const i of range(3)) {
      const back = next(socket, "connect");
      await whileBusy(backend, async () => {
        await written(socket, "back", "n", i);
        await cutAndReturn(socket, lost); // the edge waits for the backend
      });
      await back;
      assert.deepEqual([socket.recovered, socket.id], [true, id]);
      await got.take(i);
    }
    await ask(socket, "who");
    assert.deepEqual(numbers(got.seen), range(3));
    const ended = backend.line(new RegExp(`^ended / ${id} displaced`));
    socket.io.reconnection(false);
    await whileBusy(backend, async () => {
      await written(socket, "join", "two");
      cut(socket);
      await until(lost, "the edge has noticed the loss");
    });
    await ended;
    assert.equal(await record(socket), null);
    socket.io.reconnection(true);
    socket.connect();
    await next(socket, "connect");
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
    assert.deepEqual((await ask(socket, "who")).rooms, [socket.id]);
  });

  test("streams: a client that the middleware refuses, or for which no backend comes, keeps its session; a slow middleware delays the missed events", async (t) => {
    const at = await edge(t, [...STREAMS, "--skip-middlewares=false", "--backend-wait", "200ms"]);
    const backend = await startBackend(t, at);
    const driver = await joined(t, at.url, FAST);
    const socket = await joined(t, at.url, { ...FAST, auth: {} });
    const { id } = socket;
    const got = collect(socket, "n");
    await ask(socket, "join", "lobby");
    const refused = next(socket, "connect_error");
    const gone = lineAfter(backend, new RegExp(`^disconnect ${id}`));
    socket.auth = { refuse: "not now" };
    cut(socket);
    await gone;
    driver.emit("to", "lobby", "n", 1);
    assert.equal((await refused)[0].message, "not now");
    await ask(driver, "who");
    await backend.stop("SIGKILL");
    const unavailable = next(socket, "connect_error");
    socket.auth = { delay: 100 };
    socket.connect();
    assert.equal((await unavailable)[0].message, "Service unavailable");
    await startBackend(t, at);
    const other = await joined(t, at.url, FAST);
    const back = next(socket, "connect");
    socket.connect();
    other.emit("to", "lobby", "n", 2);
    await back;
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    await got.take(2);
    assert.deepEqual(numbers(got.seen), [1, 2]);
  });

  test("streams, and classic with the log: a backend learns when a session has ended", async (t) => {
    const edges = await Promise.all([STREAMS, ["--redis-log"]].map((args) => edge(t, [...args, "--max-disconnection-duration", "1s"])));
    const backend = await startBackend(t, edges, { links: 2 });
    const sockets = await Promise.all(edges.map((at) => joined(t, at.url, { ...FAST, reconnection: false })));
    for (const socket of sockets) await ask(socket, "set", "user", "ann");
    const ids = sockets.map(({ id }) => id);
    sockets.forEach(cut);
    for (const id of ids) {
      assert.equal(await backend.line(new RegExp(`^ended / ${id}`)), `ended / ${id} expired {"user":"ann"}`);
      await backend.line(new RegExp(`^link ended ${id}`));
    }
  });
});
