// Connection state recovery with nodes that share one Redis: clients come back at another node, also after the death of their own.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { io as io462 } from "socket.io-client-4.6";
import parser from "socket.io-msgpack-parser";
import { Ws } from "../clients/support/raw.mjs";
import { freePort } from "../clients/support/port.mjs";
import { answered } from "../clients/support/recovery.mjs";
import { build, startSockeye } from "../clients/support/server.mjs";
import { collect, next, until, within } from "../clients/support/wait.mjs";
import { Api, apiEnv, apiFlags } from "./support/api.mjs";
import { startPeer } from "./support/cluster.mjs";
import { QUICK, clientAt, comeBack, moveTo, pidOf, recovers, startRedisNode } from "./support/recovery.mjs";
import { Redis } from "./support/redis.mjs";

const WS = { transports: ["websocket"] };
const numbers = (n) => Array.from({ length: n }, (_, i) => i + 1);
const KINDS = [
  ["4.8 over WebSocket", io, WS],
  ["4.8 over long-polling", io, { transports: ["polling"] }],
  ["4.8 with the MessagePack parser", io, { ...WS, parser }],
  ["4.6 over WebSocket", io462, WS],
];

async function cluster(t, redisArgs = [], nodeArgs = []) {
  const redis = await Redis.start(redisArgs);
  t.after(() => redis.stop());
  const nodes = [await startRedisNode(t, redis, nodeArgs), await startRedisNode(t, redis, nodeArgs)];
  return { redis, nodes };
}

async function client(t, server, options = {}, connect = io) {
  const socket = connect(server.url, { ...QUICK, ...WS, reconnection: false, ...options });
  t.after(() => socket.disconnect());
  await next(socket, "connect");
  return socket;
}

const emit = (driver, to, n) => driver.emitWithAck("emit", { to }, "n", n);
const join = (socket, room) => new Promise((joined) => socket.emit("join", room, joined));

/** The reply to CONNECT. */
async function connected(ws) {
  for (;;) {
    const text = await ws.message();
    if (text.startsWith("40")) return JSON.parse(text.slice(2));
  }
}

/** Connects with these members in the auth. Resolves with the reply. */
async function returnsWith(t, server, auth, nsp = "") {
  const ws = await Ws.open(server, "/socket.io/");
  t.after(() => ws.close());
  ws.send(`40${nsp}${JSON.stringify(auth)}`);
  for (;;) {
    const text = await ws.message();
    if (text.startsWith(`40${nsp}`)) return { ws, ...JSON.parse(text.slice(2 + nsp.length)) };
  }
}

test("clients of a node that is killed under load come back at another node and miss nothing", async (t) => {
  const { redis, nodes: [dying, other] } = await cluster(t);
  const driver = await client(t, other);
  const clients = [];
  for (const [name, connect, options] of KINDS)
    for (const server of [dying, other]) {
      const socket = await client(t, server, options, connect);
      await join(socket, "room");
      await new Promise((done) => socket.emit("data", { name }, done));
      clients.push({ name, server, socket, id: socket.id, got: collect(socket, "n") });
    }
  const losers = clients.filter(({ server }) => server === dying);
  let sent = 0, back = 0;
  while (back < losers.length || sent < 300) {
    if (sent === 100) {
      const gone = losers.map(({ socket }) => (moveTo(socket, other), next(socket, "disconnect").then(() => comeBack(socket)).then(() => back++)));
      for (const slot of [0, 1]) process.kill(pidOf(dying, slot), "SIGKILL");
      dying.child.kill("SIGKILL");
      dying.stop = async () => {};
      gone.forEach((promise) => promise.catch((error) => assert.fail(error)));
    }
    await emit(driver, ["room"], ++sent);
  }
  for (const { name, socket, id, got } of clients) {
    await got.take(sent);
    assert.deepEqual(got.seen.map(([n]) => n), numbers(sent), name);
    assert.equal(socket.id, id, name);
  }
  for (const { name, socket } of losers) assert.equal(socket.recovered, true, name);
  const fetched = new Promise((found) => driver.once("fetched", found));
  await driver.emitWithAck("fetch", { to: [losers[0].id] });
  assert.deepEqual(await fetched.then(({ data, rooms }) => ({ data, rooms })), { data: { name: losers[0].name }, rooms: 2 });
  assert.ok(redis);
});

test("a client moves from node to node, ten times in a row: same id and rooms, and each event once", async (t) => {
  const { nodes } = await cluster(t);
  const drivers = [await client(t, nodes[0]), await client(t, nodes[1])];
  const socket = await client(t, nodes[0]);
  const id = socket.id, got = collect(socket, "n");
  let sent = 0;
  await join(socket, "room");
  for (let i = 0; i < 10; i++) {
    const gone = next(socket, "disconnect");
    if (i % 3 === 2) socket.io.engine.transport.ws._socket.resetAndDestroy();
    else socket.io.engine.close();
    await gone;
    if (i !== 5) // in this round the client misses nothing
      for (const driver of drivers) await emit(driver, ["room"], ++sent);
    await comeBack(socket, nodes[(i + 1) % 2]);
    assert.equal(socket.recovered, true, `return ${i}`);
    assert.equal(socket.id, id);
    if (i !== 7) // in this round no event comes between two losses
      for (const driver of drivers) await emit(driver, [id], ++sent);
    await got.take(sent);
  }
  const seen = got.seen.map(([n]) => n);
  for (const odd of [0, 1])
    assert.deepEqual(seen.filter((n) => n % 2 === odd), numbers(sent).filter((n) => n % 2 === odd));
});

test("a client that comes to another node before its loss is noticed takes its session over", async (t) => {
  const { nodes } = await cluster(t);
  for (let i = 0; i < 8; i++) {
    const first = await Ws.open(nodes[i % 2], "/socket.io/");
    first.send("40");
    const { sid, pid } = await connected(first);
    const second = await returnsWith(t, nodes[(i + 1) % 2], { pid });
    assert.deepEqual({ sid: second.sid, pid: second.pid }, { sid, pid });
    await first.closed;
  }
});

/** Resolves with what a client knows that has received one event and is lost. */
async function lostClient(node, driver, t) {
  const socket = await client(t, node);
  const got = collect(socket, "n");
  await emit(driver, [socket.id], 1);
  await got.take(1);
  const { id, _pid: pid, _lastOffset: offset } = socket;
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  return { id, pid, offset };
}

test("a pid restores one socket, in its namespace, with an offset of the log", async (t) => {
  const { nodes } = await cluster(t);
  const driver = await client(t, nodes[1]);
  const lost = () => lostClient(nodes[0], driver, t);
  const one = await lost();
  const offsets = ["", "0-0", "18446744073709551615-18446744073709551615", "x".repeat(1 << 16), one.offset.slice(1),
    `${one.offset}~`, one.offset.replace(/:.*/, ""), one.offset.replace(/:/, ":-")];
  for (const offset of offsets) {
    const { ws, sid } = await returnsWith(t, nodes[1], { pid: one.pid, offset });
    assert.notEqual(sid, one.id, offset.slice(0, 80));
    ws.close();
  }
  const changed = one.pid.slice(0, -1) + (one.pid.endsWith("A") ? "B" : "A");
  for (const pid of [changed, one.pid.slice(1), "", "é".repeat(32), one.id, "*".repeat(32)])
    assert.notEqual((await returnsWith(t, nodes[1], { pid, offset: one.offset })).sid, one.id);
  assert.notEqual((await returnsWith(t, nodes[1], { pid: one.pid, offset: one.offset }, "/counted,")).sid, one.id);
  assert.equal((await returnsWith(t, nodes[1], { pid: one.pid, offset: one.offset })).sid, one.id);

  // of two claims at once, one gets the socket, or the second takes it over from the first
  const two = await lost();
  const claims = await answered(nodes.map((node) => returnsWith(t, node, two)));
  const winners = claims.filter(({ sid }) => sid === two.id);
  assert.ok(winners.length > 0);
  if (winners.length === 2) await Promise.race(winners.map(({ ws }) => ws.closed));
});

test("what was replayed to a client that is lost again is replayed at its next return", async (t) => {
  const { nodes } = await cluster(t);
  const driver = await client(t, nodes[1]);
  const { id, pid, offset } = await lostClient(nodes[0], driver, t);
  for (const n of [2, 3]) await emit(driver, [id], n);
  for (let i = 0; i < 6; i++) {
    const { ws, sid } = await returnsWith(t, nodes[i % 2], { pid, offset });
    assert.equal(sid, id, `return ${i}`);
    if (i % 3 === 0) ws.close(); // otherwise the next connection takes the session over
  }
  const ws = await Ws.open(nodes[0], "/socket.io/");
  t.after(() => ws.close());
  ws.send(`40${JSON.stringify({ pid, offset })}`);
  const events = [];
  while (events.length < 2) {
    const text = await ws.message();
    if (text.startsWith("42")) events.push(JSON.parse(text.slice(2)));
    else if (text.startsWith("40")) assert.equal(JSON.parse(text.slice(2)).pid, pid);
  }
  assert.deepEqual(events.map(([, n]) => n), [2, 3]);
});

/** A server with slow middlewares, which run again for each client that comes back. The auth says how long they take. */
async function slowServer(t) {
  const redis = await Redis.start();
  t.after(() => redis.stop());
  const args = ["--connection-state-recovery", "--skip-middlewares=false", "--redis-log", "--redis", redis.url, "--workers", "2"];
  const server = await startSockeye(path.join(build, "tests/peer.so"), args);
  t.after(() => server.stop());
  await recovers(t, server);
  return server;
}

test("a client that is lost ten times in a row while middlewares run is recovered, and gets each event once", async (t) => {
  const server = await slowServer(t), nsp = "/slow-1,", delay = 300;
  const driver = io(`${server.url}/slow-1`, { ...QUICK, ...WS });
  t.after(() => driver.disconnect());
  await next(driver, "connect");
  const emit = (room, n) => driver.emitWithAck("emit", { to: [room] }, "n", [n]);
  const event = (text) => JSON.parse(text.slice(text.indexOf("[")));
  const losing = async (silent) => {
    const { ws, sid, pid } = await returnsWith(t, server, { delay: 0 }, nsp);
    await emit(sid, 0);
    const offset = event(await ws.message()).at(-1);
    const open = async () => {
      const one = await Ws.open(server, "/socket.io/");
      t.after(() => one.close());
      one.send(`40${nsp}${JSON.stringify({ pid, offset, delay })}`);
      return one;
    };
    ws.close();
    for (let n = 1; n <= 10; n++) {
      const lost = await open();
      await emit(sid, n);
      if (n % 4 >= silent) lost.close(); // otherwise the server still takes the connection for alive
    }
    for (;;) {
      const last = await open(), got = [];
      // if an earlier connection takes the session once more, this one is closed
      for (let text; ([text] = await answered([last.message()])), text; ) {
        if (text.startsWith("40")) assert.equal(JSON.parse(text.slice(2 + nsp.length)).pid, pid);
        if (!text.startsWith("42")) continue;
        got.push(event(text)[1]);
        if (got.length === 10) await emit(sid, 11);
        if (got.length > 10) return assert.deepEqual(got, numbers(11));
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => losing(i % 4)));
});

test("after an outage of Redis, clients recover if Redis has kept its data", async (t) => {
  const { redis, nodes } = await cluster(t, ["--appendonly", "yes", "--appendfsync", "always"], ["--redis-log-length", "200"]);
  const up = async (act) => {
    const from = nodes.map((node) => node.logged("bus").length);
    await act();
    for (const [i, node] of nodes.entries())
      await node.until(() => node.logged("bus").slice(from[i]).filter(({ state }) => state === "up").length >= 2);
  };
  const driver = await client(t, nodes[1]);
  const lost = async () => {
    const socket = await client(t, nodes[0]);
    const got = collect(socket, "n");
    await emit(driver, [socket.id], 1);
    await got.take(1);
    const gone = next(socket, "disconnect"), id = socket.id;
    socket.io.engine.close();
    await gone;
    await emit(driver, [id], 2);
    return { socket, id, got };
  };
  const returns = async ({ socket, id, got }, recovered, what) => {
    await comeBack(socket, nodes[1]);
    assert.equal(socket.recovered, recovered, what);
    if (recovered) await got.take(2);
    assert.equal(socket.id === id, recovered, what);
    assert.deepEqual(got.seen.map(([n]) => n), recovered ? [1, 2] : [1], what);
  };

  const restarted = await lost();
  await up(async () => {
    await redis.kill("SIGTERM");
    await redis.run();
  });
  await returns(restarted, true, "Redis restarted with its data");
  for (const node of nodes) await recovers(t, node);

  const paused = await lost();
  redis.pause();
  setTimeout(() => redis.resume(), 1000);
  await returns(paused, true, "Redis was paused");

  const trimmed = await lost();
  const [[last]] = await redis.command("XREVRANGE", "socket.io-log", "+", "-", "COUNT", "1");
  const isKept = async () => (await redis.command("XRANGE", "socket.io-log", last, last)).length > 0;
  const fill = async () => {
    while (await isKept()) await Promise.all(Array.from({ length: 100 }, () => emit(driver, ["nobody"], 0)));
  };
  await within(fill(), "the log to be trimmed");
  await returns(trimmed, false, "the log was trimmed");

  const flushed = await lost();
  await redis.command("FLUSHALL");
  await returns(flushed, false, "Redis was emptied");
  // the workers learn the end of the new log from their next check messages
  for (let known = false; !known; ) {
    const { socket } = await lost();
    await comeBack(socket, nodes[1]);
    known = socket.recovered;
  }
});

test("while a Node.js server is in the cluster, clients are new", async (t) => {
  const { redis, nodes } = await cluster(t);
  const first = await client(t, nodes[0]), second = await client(t, nodes[0]);
  const ids = [first.id, second.id];
  await comeBack(first, nodes[1]);
  assert.equal(first.recovered, true);
  const peer = await startPeer("js", redis);
  t.after(() => peer.stop());
  const gone = next(second, "disconnect");
  second.io.engine.close();
  await gone;
  await comeBack(first, nodes[0]);
  assert.equal(first.recovered, false);
  assert.notEqual(first.id, ids[0]);
  // Redis keeps a note about the Node.js server, so the server has an effect even after its end
  await within((async () => {
    while (!(await redis.command("EXISTS", "{socket.io-log}-stranger#"))) await new Promise(setImmediate);
  })(), "the note");
  await peer.stop();
  await comeBack(second, nodes[1]);
  assert.equal(second.recovered, false);
});

test("an event that nobody records makes the clients that may have missed it new", async (t) => {
  const { redis, nodes } = await cluster(t);
  const socket = await client(t, nodes[0]), witness = await client(t, nodes[1]);
  await join(socket, "room");
  await join(witness, "room");
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  const heard = next(witness, "n");
  const { encode } = await import("notepack.io");
  const packet = encode(["emitter", { type: 2, data: ["n", 1], nsp: "/" }, { rooms: ["room"], except: [], flags: {} }]);
  const publisher = redis.client();
  await publisher.connect();
  await publisher.publish("socket.io#/#room#", packet);
  await publisher.disconnect();
  await heard;
  await comeBack(socket, nodes[1]);
  assert.equal(socket.recovered, false);
});

test("a client that has missed an event of the HTTP API gets it", async (t) => {
  const redis = await Redis.start();
  t.after(() => redis.stop());
  const port = await freePort(), api = new Api(port);
  const node = await startRedisNode(t, redis, apiFlags(port), apiEnv);
  const socket = await client(t, node), got = collect(socket, "n");
  const emit = async (n) => (await api.post("emit", { event: "n", args: [n] })).status === 200;
  await until(() => emit(0), "the server serves the API");
  await got.take(1);
  await comeBack(socket, node, () => emit(1));
  assert.equal(socket.recovered, true);
  assert.ok(await emit(2));
  assert.deepEqual((await got.take(3)).map(([n]) => n), [0, 1, 2]);
});

test("clients that missed events while there was no log are new", async (t) => {
  const { redis, nodes } = await cluster(t);
  const socket = await client(t, nodes[0]), driver = await client(t, nodes[1]);
  await join(socket, "room");
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  await redis.command("ACL", "SETUSER", "default", "-xadd");
  await emit(driver, ["elsewhere"], 1); // refused, so the workers go on without the log
  const unlogged = (node) => node.until(() => node.logged("recovery").length !== 0);
  await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await Promise.all(nodes.map(unlogged));
  await emit(driver, ["room"], 2); // no node has a socket in the room
  await redis.command("ACL", "SETUSER", "default", "+xadd");
  await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await comeBack(socket, nodes[1]);
  assert.equal(socket.recovered, false);
});

test("a client whose newest rooms Redis has refused is new after the death of its node", async (t) => {
  const { redis, nodes } = await cluster(t);
  const socket = await client(t, nodes[0]);
  await join(socket, "room");
  const saved = async (text) => {
    for (const key of await redis.command("KEYS", "{socket.io-log}-session#*")) if ((await redis.command("HGET", key, "s"))?.includes(text)) return true;
    return false;
  };
  const until = (text, wanted) => within((async () => {
    while ((await saved(text)) !== wanted) await new Promise(setImmediate);
  })(), `${text} in Redis: ${wanted}`);
  await until(socket.id, true);
  await redis.command("ACL", "SETUSER", "default", "-hset");
  await join(socket, "new room");
  await until(socket.id, false);
  for (const slot of [0, 1]) process.kill(pidOf(nodes[0], slot), "SIGKILL");
  nodes[0].child.kill("SIGKILL");
  nodes[0].stop = async () => {};
  await redis.command("ACL", "SETUSER", "default", "+hset");
  await comeBack(socket, nodes[1]);
  assert.equal(socket.recovered, false);
});

test("a server that keeps the log without recovery makes the clients that have missed its events new", async (t) => {
  const { redis, nodes } = await cluster(t);
  const plain = await startSockeye(path.join(build, "tests/everything.so"), ["--redis", redis.url, "--redis-log"]);
  t.after(() => plain.stop());
  await plain.until(() => plain.logged("bus").some(({ state }) => state === "up"));
  const driver = await client(t, plain), witness = await client(t, nodes[1]);
  await join(witness, "other");
  for (const [own, room] of [["a", "other"], ["b", "b"]]) {
    const socket = await client(t, nodes[0]);
    await join(socket, own);
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    const recorded = await redis.command("GET", "{socket.io-log}-count");
    const heard = room === "other" && next(witness, "n"); // the worker of the witness receives this event, nobody the other one
    await emit(driver, [room], 1);
    await within((async () => {
      while ((await redis.command("GET", "{socket.io-log}-count")) === recorded) await new Promise(setImmediate);
    })(), "the event in the log");
    await heard;
    await comeBack(socket, nodes[1]);
    assert.equal(socket.recovered, own !== room, room);
  }
});

test("sessions that somebody else has written to Redis harm no other client", async (t) => {
  const { redis, nodes: [node] } = await cluster(t);
  const live = [await clientAt(t, node, 0, WS), await clientAt(t, node, 1, WS)];
  const known = new Set(await redis.command("KEYS", "{socket.io-log}-session#*"));
  const field = (text) => Buffer.concat([Buffer.from(Uint32Array.of(text.length).buffer), Buffer.from(text)]);
  const record = (sid, rooms, count = rooms.length) => Buffer.concat([
    Buffer.of(1), field(sid), Buffer.from(BigUint64Array.of(BigInt(count)).buffer), field(Buffer.concat(rooms.map(field))), field("")]);
  const forged = [
    ...live.flatMap(({ id }) => Array.from({ length: 5 }, () => ["the id of a live socket", () => record(id, [])])),
    ["a room twice", (id) => record(id, ["room", "room"])],
    ["its own room twice", (id) => record(id, [id])],
    ["an id with quotes", () => record('"quotes":"quotes","x', [])],
    ["too many rooms", (id) => record(id, ["room"], 2 ** 40)],
    ["fewer rooms than told", (id) => record(id, ["room"], 2)],
    ["an empty text", () => Buffer.alloc(0)],
    ["noise", () => Buffer.alloc(100, 255)],
  ];
  for (const [what, make] of forged) {
    const socket = await client(t, node);
    const { id, _pid: pid } = socket;
    const key = await within((async () => {
      for (;;)
        for (const name of await redis.command("KEYS", "{socket.io-log}-session#*"))
          if (!known.has(name)) return name;
    })(), "the session");
    known.add(key);
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    await within((async () => {
      while (await redis.command("HEXISTS", key, "l")) await new Promise(setImmediate);
    })(), "the loss");
    await redis.command("HSET", key, "s", make(id));
    const { ws, sid } = await returnsWith(t, node, { pid });
    assert.match(sid, /^[\w-]{20}$/, what);
    assert.equal(sid === id, what.endsWith("twice"), what);
    ws.close();
    await ws.closed;
    for (const name of await redis.command("KEYS", "{socket.io-log}-session#*")) known.add(name);
  }
  for (const socket of live) {
    await join(socket, "room");
    assert.ok(socket.connected);
  }
  assert.equal(node.logged("worker_ready").length, 2);
});

test("no client is recovered by entries of the log that somebody else has written", async (t) => {
  const { redis, nodes: [node, other] } = await cluster(t);
  const record = (channel, message) => Buffer.concat([Buffer.from(`${channel.length} ${message.length}\n${channel}`), message]);
  const stamped = (...bytes) => {
    const stamp = "1-0:1/aAAAAAAAAAAAA/1";
    return Buffer.concat([Buffer.of(0x94, ...bytes, 0xd9, stamp.length), Buffer.from(stamp)]);
  };
  const text = (word) => Buffer.concat([Buffer.of(0xa0 + word.length), Buffer.from(word)]);
  const event = (...data) => [0xc0, 0x83, ...text("type"), 2, ...text("data"), ...data, ...text("nsp"), ...text("/"), 0xc0];
  const forged = [
    ["f", Buffer.from("x")],
    ["m", Buffer.from("x")],
    ["m", Buffer.from(`${"9".repeat(300)} 1\n`)],
    ["m", Buffer.from("18446744073709551615 18446744073709551615\nx")],
    ["m", record("socket.io#/#", Buffer.from("no stamp"))],
    ["m", record("socket.io#/#", stamped(0xc1))],
    ["m", record("socket.io#/#", stamped(0xc0, 0xc0, 0xc0))],
    ["m", record("socket.io#/#", stamped(...event(1)))], // not an array
    ["m", record("socket.io#/#", stamped(...event(0x90)))], // an empty array
    ["m", record("socket.io#/#", stamped(...event(0xdd, 255, 255, 255, 255)))],
  ];
  for (const [name, value] of forged) {
    const socket = await client(t, node), what = value.toString("latin1").slice(0, 60);
    const got = collect(socket, "n"), gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    const entry = await redis.command("XADD", "socket.io-log", "*", name, value);
    await comeBack(socket, other);
    assert.equal(socket.recovered, false, what);
    assert.equal(got.seen.length, 0, what);
    await redis.command("XDEL", "socket.io-log", entry);
    socket.disconnect();
  }
  assert.equal(other.logged("worker_ready").length, 2);
});

test("the options that recovery needs are checked", async () => {
  const { spawnSync } = await import("node:child_process");
  const refused = (...args) => spawnSync(`${build}/sockeye`, ["--app", `${build}/tests/everything.so`, "--connection-state-recovery", ...args], { encoding: "utf8" }).stderr;
  const redis = ["--redis", "redis://127.0.0.1:1"];
  assert.match(refused(...redis), /connection-state-recovery: needs --redis-log or --redis-mode streams with --redis/);
  assert.match(refused(...redis, "--redis-mode", "sharded"), /works with --redis-mode classic/);
  assert.match(refused(...redis, "--redis-log", "--redis-secret", "s".repeat(32)), /does not work with --redis-secret/);
  assert.match(refused("--redis", "redis+cluster://127.0.0.1:1", "--redis-mode", "streams"), /does not work with --redis-mode streams at a Redis Cluster/);
});
