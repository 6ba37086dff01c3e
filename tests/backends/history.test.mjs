// The history of rooms for sockets that a backend serves, with stock clients and backends in JavaScript and Python.
import test from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "../clients/support/server.mjs";
import { collect, next, within } from "../clients/support/wait.mjs";
import { Redis } from "../cluster/support/redis.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startBehind, startEdge } from "./support/edge.mjs";
import { programFolder } from "./support/program.mjs";
import { startFlavour } from "./support/python.mjs";

const RULES = ["--history", "room:*=5/1h,many:*=200,/fixed:room:*=3"];
const FAST = { transports: ["websocket"] };
const FLAVOURS = {
  JavaScript: { start: (t, edge, options) => startBackend(t, edge, options), workers: ["1", "2"], fixed: "/fixed" },
  aio: { start: (t, edge, options) => startFlavour(t, "aio", edge, options), workers: ["2"], fixed: "/admin" },
  threads: { start: (t, edge, options) => startFlavour(t, "threads", edge, options), workers: ["1"], fixed: "/admin" },
  small: { start: (t, edge, options) => startFlavour(t, "small", edge, options), workers: ["1"], fixed: "/admin" },
};

async function value(socket, ...args) {
  const answer = await ask(socket, ...args);
  assert.ok("value" in answer, answer.message);
  return answer.value;
}

const numbers = (events) => events.map(({ args: [n] }) => (Buffer.isBuffer(n) ? n[0] : n));

/** Waits until the history of a room has these numbers: with several workers it is written a little after an event has arrived. */
async function keeps(socket, room, wanted) {
  let last;
  const look = async () => {
    do last = numbers(await value(socket, "history", room, {}));
    while (JSON.stringify(last) !== JSON.stringify(wanted));
  };
  await within(look(), () => `${wanted} in the history, which has ${last}`);
}

for (const [flavour, { start, workers, fixed }] of Object.entries(FLAVOURS)) {
  for (const count of workers) {
    test(`${flavour}, ${count} worker(s): joins with history, reads and removes events`, async (t) => {
      const edge = await startEdge(t, [...RULES.slice(0, 1), RULES[1].replace("/fixed", fixed), "--workers", count]);
      const backend = await start(t, edge);
      const ada = await joined(t, edge.url, FAST);
      const bob = await joined(t, edge.url, FAST);
      const got = collect(bob, "n");
      // one after the other, because a threaded server handles each event in a thread of its own
      for (let i = 1; i <= 6; i++) {
        ada.emit("to", "room:a", "n", i === 4 ? Buffer.from([4, 255]) : i);
        await keeps(ada, "room:a", [1, 2, 3, 4, 5, 6].slice(Math.max(0, i - 5), i));
      }
      ada.emit("to", "other", "n", 0);
      assert.equal(await value(bob, "join_history", "room:a", 3), 3);
      ada.emit("to", "room:a", "n", 7);
      assert.deepEqual(numbers((await got.take(4)).map((args) => ({ args }))), [4, 5, 6, 7]);
      assert.deepEqual([...got.seen[0][0]], [4, 255]);
      assert.deepEqual((await ask(bob, "who")).rooms.sort(), [bob.id, "room:a"].sort());
      await keeps(ada, "room:a", [3, 4, 5, 6, 7]);

      const all = await value(bob, "history", "room:a", {});
      assert.deepEqual(all.map(({ event }) => event), Array(5).fill("n"));
      assert.ok(all.every(({ time }) => Math.abs(Date.now() - time) < 600_000));
      assert.deepEqual(numbers(await value(bob, "history", "room:a", { limit: 2 })), [6, 7]);
      assert.deepEqual(numbers(await value(bob, "history", "room:a", { limit: 2, before: all[3].id })), [4, 5]);
      assert.deepEqual(numbers(await value(bob, "history", "room:a", { limit: 2, after: all[0].id })), [4, 5]);
      assert.equal(await value(bob, "history_remove", "room:a", all[0].id), 1);
      assert.equal(await value(bob, "history_remove", "room:a", all[0].id), 0);
      await keeps(ada, "room:a", [4, 5, 6, 7]);

      // before the client is accepted; the events follow CONNECT
      const first = collect(client(t, edge.url, { ...FAST, auth: { early: "room:a" } }), "n");
      await first.take(4);
      assert.deepEqual(numbers(first.seen.map((args) => ({ args }))), [4, 5, 6, 7]);

      // The same room of another namespace has a history of its own. A worker may know this namespace only by its name.
      const fay = await joined(t, `${edge.url}${fixed}`, FAST);
      for (let i = 1; i <= 4; i++) {
        fay.emit("to", "room:a", "n", -i);
        await keeps(fay, "room:a", [-1, -2, -3, -4].slice(Math.max(0, i - 3), i));
      }
      assert.equal(await value(fay, "join_history", "room:a", true), 3);

      assert.equal(await value(bob, "join_history", "other", true), 0);
      assert.equal((await ask(bob, "history", "other", {})).code, "not-found");
      assert.equal((await ask(bob, "history", "room:a", { before: "never" })).code, "argument");
      assert.ok((await value(bob, "history_clear", "room:a")) > 0);
      await keeps(ada, "room:a", []);
      await keeps(fay, "room:a", [-2, -3, -4]);

      // another process of the same program: the clients that it takes over have missed nothing
      ada.emit("to", "room:a", "n", 8);
      await keeps(ada, "room:a", [8]);
      await got.take(5);
      const numbered = count > 1 ? [...Array(Number(count)).keys()].map(String) : [undefined];
      const workersLost = numbered.map((worker) => edge.line((fields) => fields.event === "backend_lost" && fields.worker === worker));
      await backend.stop("SIGKILL");
      await Promise.all(workersLost);
      await start(t, edge, { name: "second" });
      assert.equal(await value(bob, "join_history", "room:a", true), 0);
      assert.equal(await value(bob, "join_history", "room:b", true), 0);
      ada.emit("to", "room:a", "n", 9);
      await got.take(6);
      assert.deepEqual(got.seen.slice(4), [[8], [9]]);
    });
  }
}

for (const form of ["2 workers", "streams with recovery"])
  test(`JavaScript, ${form}: who joins while others write gets each event once, from the history on`, async (t) => {
    const args = ["--workers", "2"];
    if (form !== "2 workers") {
      const redis = await Redis.start();
      t.after(() => redis.stop());
      args.push("--redis", redis.url, "--redis-mode", "streams", "--connection-state-recovery");
    }
    const edge = await startEdge(t, [...RULES, ...args]);
    await startBackend(t, edge);
    const writer = await joined(t, edge.url, FAST);
    let number = 0;
    let writing = true;
    const written = (async () => {
      while (writing) {
        for (let i = 0; i < 5; i++) writer.emit("to", "many:a", "n", number++);
        await ask(writer, "who");
      }
    })();
    for (let round = 0; round < 8; round++) {
      const socket = await joined(t, edge.url, FAST);
      const got = collect(socket, "n");
      const sent = await value(socket, "join_history", "many:a", 20);
      await got.take(sent + 30);
      socket.disconnect();
      const values = got.seen.map(([n]) => n);
      assert.deepEqual(values, values.map((_, i) => values[0] + i));
    }
    writing = false;
    await written;
  });

for (const flavour of ["JavaScript", "aio"]) {
  test(`${flavour}: an edge without --history: the socket is in the room, and the error says what to do`, async (t) => {
    const edge = await startEdge(t);
    await FLAVOURS[flavour].start(t, edge);
    const socket = await joined(t, edge.url, FAST);
    for (const args of [["join_history", "room:a", true], ["history", "room:a", {}], ["history_remove", "room:a", "1-0"], ["history_clear", "room:a"]]) {
      const { code, message } = await ask(socket, ...args);
      assert.equal(code, "unsupported");
      assert.match(message, /start it with --history/);
    }
    const heard = next(socket, "n");
    socket.emit("to", "room:a", "n", 1);
    assert.deepEqual(await heard, [1]);
  });
}

test("the chat in JavaScript shows the last messages, as the chat in C does", async (t) => {
  const folder = programFolder(t);
  const chat = path.join(root, "node/apps/chat.js");
  writeFileSync(path.join(folder, "server.js"), `require(${JSON.stringify(chat)})(new (require("socket.io").Server)(Number(process.env.SOCKEYE_PORT)));`);
  const edge = await startBehind(t, `cd '${folder}' && exec node --import @sockeye/backend/register server.js`, ["--history", "everyone=100,room:*=100"]);
  const came = () => {
    const socket = client(t, edge.url, FAST), messages = [];
    socket.onAny((name, data) => name.endsWith("essage") && messages.push(data.message));
    return next(socket, "caught up").then(([answer]) => ({ socket, messages, answer }));
  };
  const ada = await came();
  await ask(ada.socket, "join", "music");
  await ask(ada.socket, "chatMessage", { user: "Ada", message: "to everyone", id: "1" });
  await ask(ada.socket, "room message", { room: "music", user: "Ada", message: "to the room", id: "2" });
  const bob = await came();
  assert.deepEqual(bob.answer, { ok: true });
  assert.deepEqual(bob.messages, ["to everyone"]);
  assert.deepEqual(await ask(bob.socket, "join", "music"), { ok: true });
  assert.deepEqual(bob.messages, ["to everyone", "to the room"]);
});
