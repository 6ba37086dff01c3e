// Faults while messages flow: processes are killed; Redis is killed, paused and restarted; its connections are cut.
// After each fault the clients that it did not hit go on, and the others reconnect. Messages then prove delivery from every client to every
// client. At the end nothing has leaked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { plain, startSockeye } from "../clients/support/server.mjs";
import { next, until, WAIT_MS, within } from "../clients/support/wait.mjs";
import { peerApp, startNode } from "./support/cluster.mjs";
import { children, descriptors, hubOf, workersOf, written } from "./support/processes.mjs";
import { Redis, freePort } from "./support/redis.mjs";

let number = 0;

/**
 * Clients that reconnect by themselves, half of them over long-polling. Each keeps the messages of the current session.
 * In the next session, at another worker, a client may receive a message again: the first worker has delivered it to its
 * own clients, and kept it for the other workers until Redis was back.
 */
async function crowd(servers, each) {
  const sockets = [];
  for (const server of servers)
    for (let i = 0; i < each; i++) {
      const socket = io(server.url, { transports: i % 2 ? ["polling"] : ["websocket"], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 300 });
      socket.got = new Map();
      socket.drops = 0;
      socket.on("connect", () => socket.got.clear());
      socket.on("probe", (id) => socket.got.set(id, (socket.got.get(id) ?? 0) + 1));
      socket.on("disconnect", () => socket.drops++);
      sockets.push(socket);
    }
  await Promise.all(sockets.map((socket) => next(socket, "connect")));
  return sockets;
}

/**
 * Checks that every client reaches every client: each sends probes until one of them has arrived everywhere. No probe
 * may arrive twice in a session.
 */
async function proven(sockets, what, ms = WAIT_MS) {
  await until(() => sockets.every((socket) => socket.connected), `all are connected again (${what})`, ms);
  for (const from of [sockets[0], sockets[1], sockets.at(-1)]) {
    const end = Date.now() + ms;
    for (;;) {
      const id = ++number;
      if (from.connected) from.emit("emit", {}, "probe", [id], () => {});
      const patience = Date.now() + 500;
      while (Date.now() < patience && !sockets.every((socket) => socket.got.has(id))) await sleep(5);
      if (sockets.every((socket) => socket.got.has(id))) break;
      if (Date.now() > end) throw new Error(`no message reached all clients within ${ms} ms: ${what}; ${sockets.filter((s) => !s.got.has(id)).length} of ${sockets.length} heard nothing`);
    }
  }
  for (const socket of sockets) for (const [id, copies] of socket.got) assert.equal(copies, 1, `probe ${id} came ${copies} times (${what})`);
}

const leave = (sockets) => sockets.forEach((socket) => socket.disconnect());

test("workers of one machine without Redis: worker and hub are killed", async () => {
  const server = await startSockeye(peerApp, ["--workers", "3"]);
  const sockets = await crowd([server], 12);
  await proven(sockets, "the start");
  for (let round = 0; round < 3; round++) {
    const drops = sockets.map((socket) => socket.drops);
    await until(() => hubOf(server), "there is a hub");
    process.kill(hubOf(server), "SIGKILL");
    await proven(sockets, `hub killed, round ${round}`);
    assert.deepEqual(sockets.map((socket) => socket.drops), drops, "the end of the hub disconnects no client");
    await until(() => workersOf(server).length === 3, "the worker killed before has a successor");
    process.kill(workersOf(server)[round], "SIGKILL");
    await proven(sockets, `worker killed, round ${round}`);
    const lost = sockets.filter((socket, i) => socket.drops !== drops[i]).length;
    assert.ok(lost < sockets.length, "only clients of the killed worker are disconnected");
  }
  leave(sockets);
  await server.stop();
});

test("Redis: killed and back, restarted, its connections killed, paused", async () => {
  const redis = await Redis.start();
  const servers = [await startNode("a", redis, ["--workers", "2"]), await startNode("b", redis, ["--workers", "2"])];
  const sockets = await crowd(servers, 4);
  await proven(sockets, "the start");
  const drops = () => sockets.reduce((sum, socket) => sum + socket.drops, 0);

  await redis.kill();
  // local delivery goes on meanwhile
  const local = next(sockets[0], "local");
  sockets[0].emit("emit", { to: [sockets[0].id] }, "local", [1], () => {});
  await local;
  await redis.run();
  await proven(sockets, "killed and back on the same port");

  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await proven(sockets, "subscribers killed");
  await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await proven(sockets, "publishers killed");

  await redis.kill("SIGTERM");
  await redis.run();
  await proven(sockets, "restarted");

  redis.pause();
  await sleep(10_000); // longer than every time-out of the server
  redis.resume();
  await proven(sockets, "paused for ten seconds");
  assert.equal(drops(), 0, "no client noticed anything");
  leave(sockets);
  for (const server of servers) await server.stop();
  await redis.stop();
});

test("a node is killed and comes back on its port", async () => {
  const redis = await Redis.start();
  const port = String(await freePort());
  const start = () => startNode("b", redis, ["--workers", "2", "--port", port]);
  const a = await startNode("a", redis, ["--workers", "2"]);
  let b = await start();
  const sockets = await crowd([a, b], 4);
  await proven(sockets, "the start");
  const gone = children(b.pid).map((child) => child.pid);
  process.kill(b.pid, "SIGKILL");
  await b.exited;
  await until(() => gone.every((pid) => descriptors(pid) === 0), "the children of the node have ended, too");
  await proven(sockets.slice(0, 4), "the other node goes on");
  b = await start();
  await proven(sockets, "the node is back");
  assert.ok(sockets.slice(0, 4).every((socket) => socket.drops === 0));
  leave(sockets);
  for (const server of [a, b]) await server.stop();
  await redis.stop();
});

test("after fifty faults, descriptors and memory are as before", { skip: !plain }, async () => {
  const redis = await Redis.start();
  const server = await startNode("a", redis, ["--workers", "2"]);
  const sockets = await crowd([server], 6);
  await proven(sockets, "the start");
  const survivors = () => [server.pid, hubOf(server)];
  const faults = [
    () => redis.command("CLIENT", "KILL", "TYPE", "pubsub"),
    () => redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
    async () => {
      await redis.kill();
      await redis.run();
    },
    async () => {
      for (const socket of sockets) socket.io.engine.close();
      await Promise.all(sockets.map((socket) => until(() => socket.connected, "reconnected")));
    },
  ];
  const measure = () => [...survivors(), ...workersOf(server)].map((pid) => ({ pid, fds: descriptors(pid), kb: written(pid) }));
  // clients may be on another worker than before, so only the sum counts
  const total = (all) => all.reduce((sum, { fds }) => sum + fds, 0);
  let most = 0; // after a single fault, a connection to Redis may still be missing
  for (let i = 0; i < 8; i++) {
    await faults[i % 4]();
    await proven(sockets, `warm-up ${i}`);
    most = Math.max(most, total(measure()));
  }
  const before = measure();
  for (let i = 0; i < 50; i++) {
    await faults[i % 4]();
    await proven(sockets, `round ${i}`);
  }
  await until(() => total(measure()) <= most, "descriptors are back");
  assert.deepEqual(measure().map(({ pid }) => pid), before.map(({ pid }) => pid), "no process was replaced");
  for (const [i, { kb }] of measure().entries()) assert.ok(kb < before[i].kb + 1024, `process ${i}: ${before[i].kb} KiB, then ${kb} KiB`);
  leave(sockets);
  await within(server.stop(), "the end");
  await redis.stop();
});
