// Rooms with history and connection state recovery, by Redis streams unless a test says otherwise: clients lose their
// connection while they join, and come back at the other node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { ask, keeps, say } from "../clients/support/history.mjs";
import { Ws } from "../clients/support/raw.mjs";
import { startSockeye } from "../clients/support/server.mjs";
import { collect, next } from "../clients/support/wait.mjs";
import { peerApp, startNode } from "./support/cluster.mjs";
import { comeBack, recovers } from "./support/recovery.mjs";
import { Redis } from "./support/redis.mjs";

const HISTORY = ["--connection-state-recovery", "--history", "room:*=200"];
const ARGS = ["--redis-mode", "streams", ...HISTORY];
const nodes = [];
let redis;

before(async () => {
  redis = await Redis.start();
  for (const name of ["one", "two"]) nodes.push(await startNode(name, redis, ["--node-id", String(nodes.length + 1), "--workers", "1", ...ARGS]));
});

after(async () => {
  for (const node of nodes) await node.stop();
  await redis?.stop();
});

async function client(t, node) {
  const socket = io(node.url, { forceNew: true, transports: ["websocket"], reconnection: false });
  t.after(() => socket.disconnect());
  await next(socket, "connect");
  return socket;
}

test("a client with all of the history is recovered at the other node, and gets what it has missed", async (t) => {
  const writer = await client(t, nodes[0]), member = await client(t, nodes[1]), socket = await client(t, nodes[1]);
  const heard = collect(member, "said"), got = collect(socket, "said"), { id } = socket;
  await ask(member, "join", "room:calm");
  for (const n of [1, 2, 3]) await say(writer, "room:calm", n);
  await heard.take(3);
  await keeps(socket, "room:calm", [1, 2, 3]);
  assert.deepEqual(await ask(socket, "join with history", "room:calm", 0), { error: 0, sent: 3 });
  assert.deepEqual(got.seen.map(([n, ...offset]) => [n, offset.length]), [[1, 0], [2, 0], [3, 1]]);
  await comeBack(socket, nodes[0], async () => {
    for (const n of [4, 5]) await say(writer, "room:calm", n);
  });
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  await say(writer, "room:calm", 6);
  await got.take(6);
  assert.deepEqual(got.seen.map(([n]) => n), [1, 2, 3, 4, 5, 6]);
});

/** Connects a client of raw bytes. `reply` is the answer to its CONNECT. */
async function raw(t, node, auth = {}) {
  const ws = await Ws.open(node, "/socket.io/");
  t.after(() => ws.close());
  ws.send(`40${JSON.stringify(auth)}`);
  for (;;) {
    const text = await ws.message();
    if (!text.startsWith("40")) continue;
    ws.reply = JSON.parse(text.slice(2));
    return ws;
  }
}

test("a client that has not received all of the history comes back as a new one", async (t) => {
  const writer = await client(t, nodes[0]);
  for (const n of [1, 2]) await say(writer, "room:part", n);
  await keeps(writer, "room:part", [1, 2]);
  const ws = await raw(t, nodes[1]);
  const message = async (start) => {
    for (let text; ; ) if ((text = await ws.message()).startsWith(start)) return JSON.parse(text.slice(text.indexOf("[")));
  };
  await say(writer, ws.reply.sid, 0);
  const [, , old] = await message("42");
  ws.send('420["join with history","room:part",0]');
  assert.deepEqual(await message("42"), ["said", 1]);
  const [, second, last] = await message("42");
  assert.equal(second, 2);
  for (const [offset, recovered] of [[old, false], [last, true]]) {
    const back = await raw(t, nodes[0], { pid: ws.reply.pid, offset });
    assert.equal(back.reply.sid === ws.reply.sid, recovered);
  }
});

/** Adds the event of this room to the stream again, as one of another server: as if Redis took its entry only now. */
async function addLate(room) {
  const entries = await redis.command("XRANGE", "socket.io", "-", "+");
  const data = entries.map(([, fields]) => fields[fields.indexOf("data") + 1]).find((data) => data.includes(`"rooms":["${room}"]`));
  await redis.command("XADD", "socket.io", "*", "uid", "0123456789abcdef", "nsp", "/", "type", "3", "data", data);
}

test("an event of the history that reaches the stream after the loss, or after the return, is not sent twice", async (t) => {
  const writer = await client(t, nodes[0]), socket = await client(t, nodes[1]), got = collect(socket, "said");
  await say(writer, "room:late", 1);
  await keeps(socket, "room:late", [1]);
  assert.equal((await ask(socket, "join with history", "room:late", 0)).sent, 1);
  await comeBack(socket, nodes[0]);
  assert.equal(socket.recovered, true);
  await addLate("room:late");
  await say(writer, "room:late", 2);
  await got.take(2);
  await comeBack(socket, nodes[1]);
  assert.equal(socket.recovered, true);
  await comeBack(socket, nodes[0], () => addLate("room:late"));
  assert.equal(socket.recovered, false);
  assert.deepEqual(got.seen.map(([n]) => n), [1, 2]);
});

async function losses(t, nodes, room) {
  const writer = await client(t, nodes[0]);
  let number = 0, writing = true, recovered = 0;
  const written = (async () => {
    while (writing) {
      for (let i = 0; i < 4; i++) writer.emit("emit", { to: [room] }, "tick", [number++]);
      await ask(writer, "emit", {}, "tock", [number]); // its offset reaches clients that wait for the history, too
    }
  })();
  const kinds = {
    "before the history": (socket) => next(socket, "tock"),
    "in the history": (socket) => next(socket, "tick"),
    "after the history": (socket, joined) => joined,
    later: async (socket, joined) => (await joined, next(socket, "tick")),
  };
  try {
    for (const [when, loss] of Object.entries(kinds))
      for (const [from, to] of [[0, 1], [1, 0], [1, 1]]) {
        const socket = await client(t, nodes[from]), got = [];
        socket.on("tick", (n) => got.push(n));
        const joined = new Promise((resolve) => socket.emit("join with history", room, 20, resolve));
        await loss(socket, joined);
        await comeBack(socket, nodes[to]);
        recovered += socket.recovered;
        if (!socket.recovered) {
          got.length = 0;
          assert.equal((await ask(socket, "join with history", room, 20)).error, 0);
        }
        const enough = got.length + 30;
        while (got.length < enough) await next(socket, "tick");
        socket.disconnect();
        for (let i = 1; i < got.length; i++) assert.equal(got[i], got[i - 1] + 1, `lost ${when}, recovered: ${socket.recovered}, got ${got}`);
      }
  } finally {
    writing = false;
  }
  await written;
  assert.ok(recovered > 0);
}

test("losses while a client joins a room that is never silent: no gap and no repetition", (t) => losses(t, nodes, "room:streams"));

test("the same with the log", async (t) => {
  const pair = [];
  // a key of their own: on the channels of these nodes, a question of a node in streams mode would make their clients new
  for (const name of ["three", "four"]) {
    const node = await startNode(name, redis, ["--node-id", String(pair.length + 3), "--workers", "2", "--redis-key", "log", "--redis-log", ...HISTORY]);
    t.after(() => node.stop());
    await recovers(t, node);
    pair.push(node);
  }
  await losses(t, pair, "room:log");
});

test("the same with two workers and their hub", async (t) => {
  const server = await startSockeye(peerApp, ["--workers", "2", ...HISTORY], { PEER_NAME: "alone" });
  t.after(() => server.stop());
  await recovers(t, server);
  await losses(t, [server, server], "room:hub");
});
