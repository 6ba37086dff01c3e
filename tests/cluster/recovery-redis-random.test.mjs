// Connection state recovery through Redis against a model: two nodes with two workers each, random emits of all workers,
// joins, losses, deaths of workers and of whole nodes, a Redis that pauses or loses its connections, and returns to either
// node. A recovered client has got exactly what the model says, each emitter's events in order. Any other client has a new
// id, and no earlier events. SEED sets another run, STRETCHES sets its length.
import assert from "node:assert/strict";
import { test } from "node:test";
import { next, within } from "../clients/support/wait.mjs";
import { members } from "./support/cluster.mjs";
import { Modelled, random } from "./support/recovery-model.mjs";
import { WORKERS, clientAt, moveTo, pidOf, startRedisNode, workerOf } from "./support/recovery.mjs";
import { Redis } from "./support/redis.mjs";

const STRETCHES = Number(process.env.STRETCHES ?? 12), STEPS = 40, CLIENTS = 4;
const ROOMS = ["a", "b", "c"];
const EMITTERS = [0, 1, 2, 3]; // node * 2 + worker
const first = Number(process.env.SEED ?? 1);
const below = random(first);
const some = (list) => list.filter(() => below(2));

test("what recovered clients of two nodes have got is what the model says", async (t) => {
  const redis = await Redis.start(["--appendonly", "yes"]);
  t.after(() => redis.stop());
  const nodes = [await startRedisNode(t, redis), await startRedisNode(t, redis)];
  const seen = [];
  let number = 0, recovered = 0, refused = 0;
  /** A client at each worker that emits, and sees what arrives there. */
  const observe = async (emitter) => {
    seen[emitter]?.socket.disconnect();
    const socket = await clientAt(t, nodes[emitter >> 1], emitter & 1, { transports: ["websocket"], reconnection: false });
    for (const room of ROOMS) await socket.emitWithAck("join", room);
    const last = seen[emitter]?.last ?? 0;
    seen[emitter] = { socket, last };
    socket.on("mark", (n) => {
      seen[emitter].last = Math.max(n, seen[emitter].last);
      seen[emitter].wake?.();
    });
  };
  /** Waits until all that was emitted so far has been delivered at all workers. */
  const settle = async () => {
    for (const from of EMITTERS) {
      const mark = ++number;
      await seen[from].socket.emitWithAck("emit", { to: [] }, "mark", mark);
      for (const at of EMITTERS)
        while (seen[at].last < mark) await within(new Promise((resolve) => (seen[at].wake = resolve)), "a mark");
    }
  };
  const killWorker = async (clients, node, slot) => {
    const server = nodes[node], pid = pidOf(server, slot);
    const gone = [seen[node * 2 + slot], ...clients].map(({ socket }) => socket)
      .filter((socket) => socket.connected && socket.io.uri === server.url && workerOf(socket) === slot)
      .map((socket) => next(socket, "disconnect"));
    process.kill(pid, "SIGKILL");
    await Promise.all(gone);
    await server.until(() => pidOf(server, slot) !== pid);
    await members(redis, EMITTERS.length);
    await observe(node * 2 + slot);
  };
  for (const emitter of EMITTERS) await observe(emitter);
  try {
    for (let stretch = 0; stretch < STRETCHES; stretch++) {
      const clients = Array.from({ length: CLIENTS }, () => new Modelled(nodes[below(2)].url, EMITTERS.length));
      for (const client of clients) await client.connect();
      for (let step = 0; step < STEPS; step++) {
        const client = clients[below(CLIENTS)];
        const act = below(24);
        if (act < 12) {
          const target = { to: some(ROOMS), except: below(4) === 0 ? some(ROOMS) : [] };
          const emitter = below(EMITTERS.length);
          do number++;
          while (number % EMITTERS.length !== emitter);
          for (const each of clients) each.wants(target, number);
          await seen[emitter].socket.emitWithAck("emit", target, "n", number);
        } else if (act < 15 && client.socket.connected) {
          const room = ROOMS[below(ROOMS.length)];
          await settle();
          await client.socket.emitWithAck(client.rooms.has(room) ? "leave" : "join", room);
          if (!client.rooms.delete(room)) client.rooms.add(room);
        } else if (act < 19 && client.socket.connected) {
          if (below(2)) await settle();
          client.left = below(8) === 0;
          if (client.left) client.socket.disconnect();
          else if (below(2)) client.socket.io.engine.close();
          else {
            const gone = next(client.socket, "disconnect");
            client.socket.io.engine.transport.ws._socket.resetAndDestroy();
            await gone;
          }
        } else if (act === 19 && below(10) === 0) {
          // what a worker has emitted must have left it before it dies
          await settle();
          await killWorker(clients, below(2), below(2));
        } else if (act === 20 && below(10) === 0) {
          await redis.command("CLIENT", "KILL", "TYPE", below(2) ? "pubsub" : "normal");
        } else if (act === 21 && below(10) === 0) {
          redis.pause();
          setTimeout(() => redis.resume(), 300);
        } else if (!client.socket.connected) {
          if (client.left) await settle(); // what is on its way reaches a client that is new
          moveTo(client.socket, nodes[below(2)]);
          if (await client.connect()) recovered++;
          else {
            refused++;
            await settle();
            client.got.length = 0;
            client.wanted.length = 0;
          }
        }
      }
      await settle();
      for (const client of clients) {
        if (!client.socket.connected && !(await client.connect())) continue;
        await client.socket.emitWithAck("rooms");
        client.check();
      }
      for (const client of clients) client.socket.disconnect();
    }
  } catch (error) {
    error.message += ` (SEED=${first})`;
    throw error;
  }
  console.log(`# seed ${first}: ${recovered} recovered, ${refused} not`);
  assert.ok(recovered > refused && refused > 0);
});
