// Messages sent while Redis is away reach every node afterwards: once, in order, whichever node reconnects first.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const COUNT = 50;

const down = (node, since, workers) => node.until(() => node.logged("bus").slice(since).filter(({ state }) => state === "down").length >= workers);

test("three nodes publish while Redis is away: no message is lost", async () => {
  const redis = await Redis.start();
  const nodes = [];
  for (const name of ["a", "b", "c"]) nodes.push(await startNode(name, redis, ["--workers", "2", "--redis-settle", "60s"])); // on a busy machine the last server is back late
  const peer = await startPeer("js", redis);
  await members(redis, 7);
  const sockets = [];
  for (const server of [...nodes, peer])
    for (let i = 0; i < 4; i++) {
      const socket = await connect(server);
      socket.got = [];
      socket.on("kept", (from, i) => socket.got.push([from, i]));
      sockets.push(socket);
    }
  await sleep(5_500); // by then each worker has counted the others, as it does with each check of the bus
  for (let round = 0; round < 3; round++) {
    const lines = nodes.map((node) => node.logged("bus").length);
    sockets.forEach((socket) => (socket.got.length = 0));
    await redis.kill();
    for (const [i, node] of nodes.entries()) await down(node, lines[i], 2);
    for (const [from, node] of nodes.entries()) {
      const sender = sockets.find(({ server }) => server === node);
      for (let i = 0; i < COUNT; i++) await ask(sender, "emit", {}, "kept", [`${round} ${from}`, i]);
    }
    await redis.run();
    for (const socket of sockets) while (socket.got.length < COUNT * nodes.length) await next(socket, "kept");
    for (const socket of sockets)
      for (const from of nodes.keys())
        assert.deepEqual(socket.got.filter(([sender]) => sender === `${round} ${from}`).map(([, i]) => i), [...Array(COUNT).keys()], `what ${socket.server.name} heard of ${nodes[from].name}`);
  }
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await peer.stop();
  await redis.stop();
});
