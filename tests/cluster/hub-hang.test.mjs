// A hub that hangs: the master notices it, restarts it, and the workers reach one another and other nodes again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startSockeye } from "../clients/support/server.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, peerApp, startNode } from "./support/cluster.mjs";
import { hubOf, workersOf } from "./support/processes.mjs";
import { Redis, freePort } from "./support/redis.mjs";

/** A client at each worker of a node. The kernel spreads new connections over the workers, so it may take a few. */
async function oneAtEachWorker(node) {
  const sockets = new Map();
  while (sockets.size < workersOf(node).length) {
    const socket = await connect(node);
    const { worker } = (await ask(socket, "nodes")).nodes.find(({ self }) => self);
    if (sockets.has(worker)) socket.disconnect();
    else sockets.set(worker, socket);
  }
  return [...sockets.values()];
}

/** Asserts that a broadcast of the first socket reaches all sockets. */
async function reaches(sockets, what) {
  const heard = sockets.map((socket) => next(socket, "said"));
  sockets[0].emit("emit", {}, "said", [what], () => {});
  assert.deepEqual(await Promise.all(heard), sockets.map(() => [what]));
}

const numbers = async (admin) => {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  return [...text.matchAll(/^sockeye_hub_(?:restarts|kills)_total (\d+)$/gm)].map((m) => Number(m[1]));
};

for (const bus of ["no Redis: the hub is the bus", "Redis: the hub subscribes for the workers"])
  test(`a hub that is stopped is restarted after the limit (${bus})`, async () => {
    const redis = bus.startsWith("Redis") ? await Redis.start() : undefined;
    const admin = await freePort();
    const args = ["--workers", "2", "--hang-warning", "1s", "--hang-timeout", "2s", "--admin-port", String(admin)];
    const node = redis ? await startNode("a", redis, args) : await startSockeye(peerApp, args, { PEER_NAME: "a" });
    const other = redis && (await startNode("b", redis));
    if (redis) await members(redis, 3);
    const sockets = await oneAtEachWorker(node);
    if (other) sockets.push(await connect(other));
    await reaches(sockets, "before");
    assert.deepEqual(await numbers(admin), [0, 0]);

    const pid = hubOf(node);
    const ups = node.logged("bus").filter(({ state }) => state === "up").length;
    process.kill(pid, "SIGSTOP");
    const hangs = await node.line((f) => f.event === "hub_hangs");
    assert.deepEqual([hangs.pid, hangs.effect], [String(pid), "workers hear no other worker"]);
    const killed = await node.line((f) => f.event === "hub_killed");
    assert.deepEqual([killed.pid, killed.error], [String(pid), "its event loop does not turn"]);
    assert.ok(Number(killed.for_ms) >= 2000, killed.for_ms);
    const ended = await node.line((f) => f.event === "hub_ended");
    assert.deepEqual([ended.pid, ended.signal, ended.restart_ms], [String(pid), "6", "0"]);
    await node.until(() => node.logged("bus").filter(({ state }) => state === "up").length >= ups + 2);
    if (redis) await members(redis, 3);
    await reaches(sockets, "after");
    assert.deepEqual(await numbers(admin), [1, 1]);
    assert.deepEqual(node.logged("worker_ended"), []);
    for (const socket of sockets) socket.disconnect();
    await node.stop();
    await other?.stop();
    await redis?.stop();
  });
