// Connection state recovery by Redis streams: two C nodes and a Node.js server with @socket.io/redis-streams-adapter.
// Clients lose their connection and come back at any of them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { Ws } from "../clients/support/raw.mjs";
import { answered } from "../clients/support/recovery.mjs";
import { collect, next, until } from "../clients/support/wait.mjs";
import { startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const MODE = ["--redis-mode", "streams", "--connection-state-recovery", "--recovery-trust-foreign"];
const QUICK = { forceNew: true, reconnectionDelay: 5, reconnectionDelayMax: 10, transports: ["websocket"] };
const servers = {};
let redis;

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1", ...MODE]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1", ...MODE, "--skip-middlewares=false"]);
  servers.js = await startPeer("js", redis, ["--streams=1", "--recovery"]);
  await subscribers(redis, 3, "socket.io#/#");
});

after(async () => {
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

async function client(t, server, options = {}) {
  const socket = io(server.url, { ...QUICK, ...options });
  t.after(() => socket.disconnect());
  await next(socket, "connect");
  return socket;
}

/** Cuts the connection, and lets the client come back at a server. Resolves when it is there. */
async function moveTo(socket, server, meanwhile = async () => {}) {
  const gone = next(socket, "disconnect"), back = next(socket, "connect");
  socket.io.reconnection(false);
  socket.io.engine.close();
  await gone;
  await meanwhile();
  socket.io.uri = server.url;
  socket.connect();
  await back;
}

const ask = (socket, ...args) => socket.emitWithAck(...args);

for (const [form, options] of [["JSON", {}], ["the MessagePack parser", { parser }]])
  for (const [from, to] of [["c1", "c2"], ["c1", "js"], ["js", "c1"], ["c1", "c1"]].filter((pair) => !options.parser || !pair.includes("js")))
    test(`a client of ${from} comes back at ${to} with ${form}: id, rooms, data, and each missed event once`, async (t) => {
      const driver = await client(t, servers[from]), other = await client(t, servers[to]);
      const socket = await client(t, servers[from], options);
      const id = socket.id, got = collect(socket, "n");
      await ask(socket, "join", "room");
      await ask(socket, "data", { name: "Ann", raw: Buffer.from([1, 255]) });
      await ask(driver, "emit", { to: ["room"] }, "n", [1]);
      await ask(driver, "emit", { to: ["elsewhere"] }, "n", [-1]);
      await got.take(1);
      await moveTo(socket, servers[to], async () => {
        for (const [n, emitter] of [[2, driver], [3, other], [4, driver]])
          await ask(emitter, "emit", { to: n === 3 ? [id] : ["room"] }, "n", [n, Buffer.from([n])]);
        await ask(driver, "emit", { to: ["room"], except: [id] }, "n", [-2]);
        // Node.js stores a session only after its loss
        await until(async () => (await redis.command("EXISTS", `sio:session:${socket._pid}`)) === 1, "the session in Redis");
      });
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
      for (const emitter of [driver, other]) await ask(emitter, "emit", { to: ["room"] }, "n", [5]);
      await got.take(6);
      assert.deepEqual(got.seen.map(([n]) => n).slice(0, 1), [1]);
      assert.deepEqual(got.seen.map(([n]) => n).sort(), [1, 2, 3, 4, 5, 5]);
      assert.deepEqual(got.seen.find(([n]) => n === 2)[1], Buffer.from([2]));
      assert.deepEqual((await ask(socket, "rooms")).sort(), [id, "room"].sort());
      const { sockets } = await ask(socket, "fetch", { to: [id] });
      assert.equal(sockets.length, 1);
      assert.deepEqual(sockets[0].data.name, "Ann");
    });

/** A client of raw bytes. `reply` is the answer to its CONNECT, and `events` are the events before the answer. */
async function raw(server, auth, nsp = "") {
  const ws = await Ws.open(server, "/socket.io/");
  ws.send(`40${nsp}${auth === undefined ? "" : JSON.stringify(auth)}`);
  ws.events = [];
  for (;;) {
    const text = await ws.message();
    if (text.startsWith(`40${nsp}`)) ws.reply = JSON.parse(text.slice(2 + nsp.length));
    else if (text.startsWith("42")) ws.events.push(JSON.parse(text.slice(2)));
    if (ws.reply) return ws;
  }
}

/** The next event named "n" of a client of raw bytes: its number and its offset. */
async function event(ws) {
  for (;;) {
    const text = await ws.message();
    if (text.startsWith("42")) return JSON.parse(text.slice(2)).slice(1);
  }
}

describe("edge cases of recovery", () => {
  for (const at of ["c1", "c2"])
    test(`a client that is back at ${at} before its loss is noticed takes its session over`, async (t) => {
      for (let i = 0; i < 20; i++) {
        const first = await raw(servers.c1), driver = await client(t, servers.c1);
        await ask(driver, "emit", { to: [first.reply.sid] }, "n", [1]);
        const [, offset] = await event(first);
        const second = await raw(servers[at], { pid: first.reply.pid, offset });
        assert.deepEqual(second.reply, first.reply);
        assert.deepEqual(second.events, []);
        await first.closed;
        second.close();
        driver.disconnect();
      }
    });

  // a replica lacked the message when it was promoted, so its writer has added it again
  test("a message that stands in the stream twice comes once, live and replayed", async (t) => {
    const clients = [await raw(servers.c1), await raw(servers.c1)], driver = await client(t, servers.c2);
    const offsets = [];
    const send = async (n) => {
      await ask(driver, "emit", {}, "n", [n]);
      for (const ws of clients) {
        const [got, offset] = await event(ws);
        assert.equal(got, n);
        offsets[n] = offset;
      }
    };
    for (const n of [1, 2, 3]) await send(n);
    const [[, fields]] = await redis.command("XRANGE", "socket.io", offsets[2], offsets[2]);
    await redis.command("XADD", "socket.io", "*", ...fields);
    await send(4);
    clients.forEach((ws) => ws.close());
    const [late, early] = clients.map(({ reply }) => reply.pid);
    const back = await raw(servers.c2, { pid: late, offset: offsets[3] });
    assert.equal(back.reply.pid, late);
    assert.deepEqual(back.events.map(([, n]) => n), [4]);
    back.close();
    const fresh = await raw(servers.c1, { pid: early, offset: offsets[1] }); // the worker cannot know whether the client has got the message
    assert.notEqual(fresh.reply.pid, early);
    assert.deepEqual(fresh.events, []);
    fresh.close();
  });

  test("a client that has got no event comes back", async (t) => {
    const first = await raw(servers.c1), driver = await client(t, servers.c2);
    first.close();
    await ask(driver, "emit", { to: [first.reply.sid] }, "n", [7]);
    const second = await raw(servers.c2, { pid: first.reply.pid });
    assert.deepEqual(second.reply, first.reply);
    assert.deepEqual(second.events.map(([, n]) => n), [7]);
    second.close();
  });

  test("no event overtakes another, recorded or not", async (t) => {
    const driver = await client(t, servers.c1), socket = await client(t, servers.c1);
    const got = collect(socket, "n"), expected = [];
    for (let n = 0; n < 100; n += 5) {
      driver.emit("emit", {}, "n", [n], () => {});
      driver.emit("emit", { volatile: true }, "n", [n + 1], () => {});
      driver.emit("ask", { to: [socket.id], timeout: 500 }, "n", n + 2, () => {});
      driver.emit("emit", { local: true }, "n", [n + 3], () => {});
      driver.emit("emit", { to: [socket.id] }, "n", [n + 4], () => {});
      expected.push(n, n + 2, n + 3, n + 4);
    }
    await until(() => got.seen.some(([n]) => n === 99), "the last event");
    const numbers = got.seen.map(([n]) => n);
    assert.deepEqual(numbers.filter((n) => n % 5 !== 1), expected);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b)); // volatile events may be dropped
  });

  test("volatile events, and those that want acknowledgements, are not replayed", async (t) => {
    const driver = await client(t, servers.c1), socket = await client(t, servers.c1), nodejs = await client(t, servers.js);
    const got = collect(socket, "n"), id = socket.id;
    await ask(driver, "emit", {}, "n", ["first"]);
    await got.take(1); // a volatile event in the same turn may be dropped
    await ask(driver, "emit", { volatile: true }, "n", ["ends with a string"]);
    await got.take(2);
    await moveTo(socket, servers.c2, async () => {
      for (const emitter of [driver, nodejs]) {
        await ask(emitter, "emit", { volatile: true }, "n", ["volatile"]);
        await ask(emitter, "ask", { to: ["nobody", id], timeout: 100 }, "n", "wants an answer");
        await ask(emitter, "emit", { local: true }, "n", ["local"]);
      }
      await ask(driver, "emit", {}, "n", ["last"]);
    });
    assert.equal(socket.recovered, true);
    await ask(socket, "rooms");
    assert.deepEqual(got.seen.map(([n]) => n), ["first", "ends with a string", "last"]);
  });

  test("ten losses in a row, with and without events between them: each event once", async (t) => {
    const driver = await client(t, servers.c1), socket = await client(t, servers.c1);
    const got = collect(socket, "n"), id = socket.id;
    let n = 0;
    for (let i = 0; i < 10; i++) {
      await moveTo(socket, servers[i % 2 ? "c1" : "c2"], async () => {
        for (let j = 0; j < i % 3; j++) await ask(driver, "emit", {}, "n", [n++]);
      });
      assert.equal(socket.recovered, true, `loss ${i}`);
      assert.equal(socket.id, id);
    }
    await ask(driver, "emit", {}, "n", [n++]);
    await got.take(n);
    assert.deepEqual(got.seen.map(([number]) => number), Array.from({ length: n }, (_, i) => i));
  });

  test("no event is missing between the replay and the live ones", async (t) => {
    const driver = await client(t, servers.c2), socket = await client(t, servers.c1);
    const got = collect(socket, "n");
    let n = 0, moves = 0, running = true;
    const load = (async () => {
      while (running) {
        for (let i = 0; i < 20; i++) driver.emit("emit", {}, "n", [n++], () => {});
        await ask(driver, "emit", {}, "n", [n++]);
      }
    })();
    await got.take(1);
    for (; moves < 25; moves++) {
      await moveTo(socket, servers[moves % 2 ? "c1" : "c2"]);
      assert.equal(socket.recovered, true);
    }
    running = false;
    await load;
    await ask(driver, "emit", {}, "n", [n++]);
    const first = got.seen[0][0];
    await got.take(n - first);
    assert.deepEqual(got.seen.map(([number]) => number), Array.from({ length: n - first }, (_, i) => first + i));
  });

  test("rooms that were joined or left after the first missed event: not recovered", async (t) => {
    const driver = await client(t, servers.c1), socket = await client(t, servers.c1);
    await ask(driver, "emit", {}, "n", [1]);
    const got = collect(socket, "n");
    await ask(driver, "emit", {}, "n", [2]);
    await got.take(1);
    const pid = socket._pid, offset = got.seen[0][1];
    for (let n = 3; n < 5; n++) await ask(driver, "emit", {}, "n", [n]);
    await got.take(3);
    await ask(socket, "join", "late");
    socket.io.engine.close();
    const late = await raw(servers.c2, { pid, offset });
    assert.notEqual(late.reply.pid, pid);
    late.close();
  });

  test("a pid of another namespace is refused, and stays good in its own", async () => {
    const first = await raw(servers.c1, undefined, "/team,");
    first.close();
    const other = await raw(servers.c2, { pid: first.reply.pid });
    assert.notEqual(other.reply.pid, first.reply.pid);
    other.close();
    const second = await raw(servers.c2, { pid: first.reply.pid }, "/team,");
    assert.deepEqual(second.reply, first.reply);
    second.close();
  });
});

test("hostile pids and offsets", async (t) => {
  const owner = await client(t, servers.c1), driver = await client(t, servers.c1);
  const got = collect(owner, "n");
  await ask(driver, "emit", {}, "n", [1]);
  await got.take(1);
  const [[, offset]] = got.seen, pid = owner._pid, team = await raw(servers.c1, undefined, "/team,");
  await redis.command("SET", "sio:session:" + "x".repeat(32), "A".repeat(2_000_000));
  await redis.command("LPUSH", "sio:session:" + "l".repeat(32), "1");
  for (const [i, bad] of ["!", "gA==", "hKNzaWSj", Buffer.from("\x84\xa3sid\xa1x").toString("base64")].entries())
    await redis.command("SET", "sio:session:" + String(i).repeat(32), bad);
  const guest = await client(t, { url: `${servers.c1.url}/team` });
  await ask(guest, "emit", {}, "n", [1]);
  const [[foreign]] = await redis.command("XREVRANGE", "socket.io", "+", "-", "COUNT", "1"); // the offset of an event in another namespace
  for (const auth of [
    { pid: "" }, { pid: 1 }, { pid: null }, { pid: {} }, { pid: "a".repeat(32) }, { pid: "a".repeat(20) }, { pid: "a".repeat(100_000) },
    { pid: "*".repeat(32) }, { pid: "x".repeat(32), offset }, { pid: "l".repeat(32), offset },
    ...[0, 1, 2, 3].map((i) => ({ pid: String(i).repeat(32), offset })),
    ...["", "0-0", "-", "+", "$", "18446744073709551615-18446744073709551615", "99999999999999-0", `${offset}0`, `${offset} `, "x", 7, [], "1".repeat(100_000), foreign]
      .map((wrong) => ({ pid, offset: wrong })),
    { pid: team.reply.pid, offset },
  ]) {
    const ws = await raw(servers[Math.random() < 0.5 ? "c1" : "c2"], auth);
    assert.notEqual(ws.reply.pid, auth.pid, JSON.stringify(auth).slice(0, 200));
    assert.deepEqual(ws.events, []);
    ws.close();
  }
  // sessions that somebody else has written to Redis
  const { encode } = await import("notepack.io");
  const free = "A".repeat(20), forged = (i) => `${i}`.repeat(20);
  for (const [i, [sid, rooms, recovered]] of [
    [free, [free, "room", "room", free, 7, 7], true], [owner.id, [owner.id], false], [owner.id, [], false],
    ['"quotes":"quotes","x', [], false], ["A".repeat(19), [], false],
  ].entries()) {
    await redis.command("SET", `sio:session:${forged(i)}`, Buffer.from(encode({ sid, pid: forged(i), rooms, data: {} })).toString("base64"));
    const ws = await raw(servers.c1, { pid: forged(i), offset });
    assert.equal(ws.reply.pid === forged(i), recovered, sid);
    assert.equal(ws.reply.sid === sid, recovered, sid);
    ws.close();
  }
  team.close();
  await ask(driver, "emit", {}, "n", [2]); // the owner of the pid is still there
  await got.take(2);
  const thieves = await answered(["c1", "c2", "c2"].map((name) => raw(servers[name], { pid, offset })));
  // Clients that come at once may take the session from each other, also while one of them waits for its missed events.
  // So all of them may be new, but at most one has the session in the end.
  const lucky = thieves.filter(({ reply }) => reply.pid === pid);
  let left = lucky.length;
  await new Promise((one) => {
    const closed = () => --left === 1 && one();
    if (left <= 1) one();
    for (const ws of lucky) ws.closed.then(closed);
  });
  for (const ws of thieves) ws.close();
});

test("clients of a node that is killed, or stopped, come back at another node", async (t) => {
  for (const signal of ["SIGKILL", "SIGTERM"]) {
    const node = await startNode("c3", redis, ["--workers", "2", ...MODE]);
    await subscribers(redis, 5, "socket.io#/#");
    const driver = await client(t, servers.c1), clients = [];
    for (let i = 0; i < 6; i++) {
      const socket = await client(t, node), got = collect(socket, "n");
      await ask(socket, "join", "room");
      clients.push({ socket, got, id: socket.id });
    }
    await ask(driver, "emit", { to: ["room"] }, "n", [1]);
    for (const { got } of clients) await got.take(1);
    const gone = clients.map(({ socket }) => (socket.io.reconnection(false), next(socket, "disconnect")));
    process.kill(node.child.pid, signal);
    if (signal === "SIGKILL") for (const { pid } of node.logged("worker_ready")) process.kill(Number(pid), signal);
    await Promise.all(gone);
    await ask(driver, "emit", { to: ["room"] }, "n", [2]);
    for (const { socket, id, got } of clients) {
      socket.io.uri = servers.c2.url;
      socket.connect();
      await next(socket, "connect");
      assert.deepEqual([socket.recovered, socket.id], [true, id], signal);
      await got.take(2);
      assert.deepEqual(got.seen.map(([n]) => n), [1, 2]);
      socket.disconnect();
    }
    await node.stop().catch(() => {}); // fails, because the node was killed
    await subscribers(redis, 3, "socket.io#/#");
  }
});

test("a client that is lost ten times in a row while middlewares run is recovered, and gets each event once", async (t) => {
  const nsp = "/slow-1,", delay = 300; // how long the middlewares of c2 take; c1 runs none for clients that come back
  const driver = await client(t, { url: `${servers.c1.url}/slow-1` });
  const emit = (room, n) => ask(driver, "emit", { to: [room] }, "n", [n]);
  const parse = (text) => JSON.parse(text.slice(text.indexOf("[")));
  const losing = async (silent) => {
    const first = await raw(servers.c1, { delay: 0 }, nsp), { sid, pid } = first.reply;
    await emit(sid, 0);
    const offset = parse(await first.message()).at(-1);
    const open = async (server) => {
      const one = await Ws.open(server, "/socket.io/");
      t.after(() => one.close());
      one.send(`40${nsp}${JSON.stringify({ pid, offset, delay })}`);
      return one;
    };
    first.close();
    for (let n = 1; n <= 10; n++) {
      const lost = await open(n % 3 === 0 ? servers.c1 : servers.c2);
      await emit(sid, n);
      if (n % 4 >= silent) lost.close(); // otherwise the server still takes the connection for alive
    }
    for (let eleventh; ; ) {
      const last = await open(servers.c1), got = [];
      // if an earlier connection takes the session once more, this one is closed
      for (let text; ([text] = await answered([last.message()])), text; ) {
        if (text.startsWith("42")) got.push(parse(text)[1]);
        else if (text.startsWith("40")) assert.equal(JSON.parse(text.slice(2 + nsp.length)).pid, pid);
        if (got.length === 10) eleventh ??= emit(sid, 11);
        if (got.length > 10) {
          await eleventh;
          return assert.deepEqual(got, Array.from({ length: 11 }, (_, i) => i + 1));
        }
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => losing(i % 3)));
});

test("without --recovery-trust-foreign, sessions of Node.js servers are refused, and those of Sockeye are accepted", async (t) => {
  const node = await startNode("c4", redis, ["--workers", "1", ...MODE.slice(0, -1)]);
  await subscribers(redis, 4, "socket.io#/#");
  for (const [from, recovered] of [["js", false], ["c1", true]]) {
    const driver = await client(t, servers[from]), socket = await client(t, servers[from]), got = collect(socket, "n");
    await ask(driver, "emit", {}, "n", [1]);
    await got.take(1);
    await moveTo(socket, node);
    assert.equal(socket.recovered, recovered, from);
  }
  await node.stop();
});

test("a trimmed stream, and a Redis that has lost its data: not recovered, and afterwards recovered again", async (t) => {
  for (const lose of [
    async () => redis.command("XTRIM", "socket.io", "MAXLEN", "0"),
    async () => redis.command("FLUSHALL"),
    async () => (await redis.kill(), await redis.run()),
  ]) {
    const driver = await client(t, servers.c1), socket = await client(t, servers.c1), got = collect(socket, "n");
    let id = socket.id;
    await ask(driver, "emit", {}, "n", [1]);
    await got.take(1);
    await moveTo(socket, servers.c2, lose);
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
    await subscribers(redis, 3, "socket.io#/#");
    for (let n = 2; ; n++) {
      id = socket.id;
      await ask(driver, "emit", {}, "n", [n]);
      await moveTo(socket, servers.c1);
      if (socket.recovered) break;
      assert.notEqual(socket.id, id);
      assert.ok(n < 200);
    }
    assert.equal(socket.id, id);
  }
});

test("while Redis hangs, events are delivered without offsets; their receivers are not recovered until it is back", async (t) => {
  const driver = await client(t, servers.c1), first = await raw(servers.c1);
  await ask(driver, "emit", { to: [first.reply.sid] }, "n", [1]);
  const [, offset] = await event(first);
  redis.pause();
  t.after(() => redis.resume());
  await ask(driver, "emit", { to: [first.reply.sid] }, "n", [2]);
  assert.deepEqual(await event(first), [2]);
  redis.resume();
  await ask(driver, "emit", { to: [first.reply.sid] }, "n", [3]);
  const [n, later] = await event(first);
  assert.equal(n, 3);
  for (const [from, recovered] of [[offset, false], [later, true]]) {
    if (from === undefined) continue; // undefined: the event was sent while the stream was still away
    const back = await raw(servers.c2, { pid: first.reply.pid, offset: from });
    assert.equal(back.reply.pid === first.reply.pid, recovered);
    assert.deepEqual(back.events, []);
    back.close();
    if (recovered) await first.closed;
  }
  first.close();
});
