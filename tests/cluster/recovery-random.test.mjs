// Connection state recovery with two workers against a model: random emits, joins, losses, deaths of a worker and
// returns to either worker. A recovered client has got exactly what the model says, each emitter's events in order.
// Any other client has a new id, and no earlier events. SEED sets another run, STRETCHES sets its length.
import assert from "node:assert/strict";
import { test } from "node:test";
import { next, within } from "../clients/support/wait.mjs";
import { Modelled, random } from "./support/recovery-model.mjs";
import { WORKERS, clientAt, pidOf, startRecovering, workerOf } from "./support/recovery.mjs";

const STRETCHES = Number(process.env.STRETCHES ?? 40), STEPS = 40, CLIENTS = 4;
const ROOMS = ["a", "b", "c"];
const first = Number(process.env.SEED ?? 1);
const below = random(first);
const some = (list) => list.filter(() => below(2));

test("what recovered clients of two workers have got is what the model says", async (t) => {
  const server = await startRecovering(t);
  const seen = [];
  let number = 0, recovered = 0, refused = 0;
  /** A client at each worker that emits, and sees what arrives there. */
  const observe = async (slot) => {
    seen[slot]?.socket.disconnect();
    const socket = await clientAt(t, server, slot, { transports: ["websocket"], reconnection: false });
    for (const room of ROOMS) await socket.emitWithAck("join", room);
    seen[slot] = { socket, last: 0 };
    socket.on("mark", (n) => {
      seen[slot].last = n;
      seen[slot].wake?.();
    });
  };
  /** Waits until all that was emitted so far has been delivered at both workers. */
  const settle = async () => {
    for (const from of WORKERS) {
      const mark = ++number;
      await seen[from].socket.emitWithAck("emit", { to: [] }, "mark", mark);
      for (const at of WORKERS)
        while (seen[at].last < mark) await within(new Promise((resolve) => (seen[at].wake = resolve)), "a mark");
    }
  };
  for (const slot of WORKERS) await observe(slot);
  try {
    for (let stretch = 0; stretch < STRETCHES; stretch++) {
      const clients = Array.from({ length: CLIENTS }, () => new Modelled(server.url, WORKERS.length));
      for (const client of clients) await client.connect();
      for (let step = 0; step < STEPS; step++) {
        const client = clients[below(CLIENTS)];
        const act = below(12);
        if (act < 6) {
          const target = { to: some(ROOMS), except: below(4) === 0 ? some(ROOMS) : [] };
          const emitter = below(2);
          number += 1 + ((number + 1 + emitter) % 2);
          for (const each of clients) each.wants(target, number);
          await seen[emitter].socket.emitWithAck("emit", target, "n", number);
        } else if (act < 8 && client.socket.connected) {
          const room = ROOMS[below(ROOMS.length)];
          await settle();
          await client.socket.emitWithAck(client.rooms.has(room) ? "leave" : "join", room);
          if (!client.rooms.delete(room)) client.rooms.add(room);
        } else if (act < 10 && client.socket.connected) {
          if (below(2)) await settle();
          client.left = below(8) === 0;
          if (client.left) client.socket.disconnect();
          else client.socket.io.engine.close();
        } else if (act === 10 && below(20) === 0) {
          if (below(2)) await settle();
          const slot = below(2), pid = pidOf(server, slot);
          const gone = [seen[slot], ...clients].map(({ socket }) => socket)
            .filter((socket) => socket.connected && workerOf(socket) === slot)
            .map((socket) => next(socket, "disconnect"));
          process.kill(pid, "SIGKILL");
          await Promise.all(gone);
          await server.until(() => pidOf(server, slot) !== pid);
          await observe(slot);
        } else if (!client.socket.connected) {
          if (client.left) await settle(); // what is on its way reaches a client that is new
          if (await client.connect()) recovered++;
          else refused++;
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
