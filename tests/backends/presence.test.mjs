// Presence for sockets that a backend serves: stock clients at two workers, with backends in JavaScript and Python.
import test from "node:test";
import assert from "node:assert/strict";
import { within } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";
import { startFlavour } from "./support/python.mjs";

const FAST = { transports: ["websocket"] };
const PRESENCE = { "/": { rooms: "room:", event: "who" } };
const FLAVOURS = {
  JavaScript: (t, edge, name) => startBackend(t, edge, { name, options: { presence: PRESENCE } }),
  aio: (t, edge, name) => startFlavour(t, "aio", edge, { name, env: { PRESENCE: JSON.stringify(PRESENCE) } }),
};

/** Keeps the users of a room from its events, as docs/presence.md shows. */
function watch(socket) {
  const users = new Map();
  let look = () => {};
  socket.on("who", ({ joined, changed, left }) => {
    for (const { user, data } of [...joined, ...changed]) users.set(user, data);
    for (const user of left) users.delete(user);
    look();
  });
  /** Waits until these users are there. */
  return (wanted) => {
    const sorted = () => [...users].sort(([a], [b]) => (a < b ? -1 : 1));
    const there = new Promise((resolve) => {
      look = () => JSON.stringify(sorted()) === JSON.stringify(wanted) && resolve();
      look();
    });
    return within(there, () => `the users ${JSON.stringify(wanted)}, but there are ${JSON.stringify(sorted())}`);
  };
}

for (const [flavour, start] of Object.entries(FLAVOURS)) {
  test(`${flavour}, 2 workers: who is in a room, on both workers`, async (t) => {
    const edge = await startEdge(t, ["--workers", "2"]);
    const backend = await start(t, edge, "first");
    const clients = await Promise.all(Array.from({ length: 4 }, () => joined(t, edge.url, FAST)));
    const [ada, bob, more, guest] = clients;
    const sees = clients.map(watch);
    for (const socket of clients) await ask(socket, "join", "room:a");
    await ask(ada, "present", "ada", { n: 1 });
    await ask(bob, "present", "bob", null);
    await ask(more, "present", "ada", { n: 1 }); // a second window
    await Promise.all(sees.map((see) => see([["ada", { n: 1 }], ["bob", null]])));
    await backend.line(/^joined \/ room:a ada {"n": ?1}$/);
    await backend.line(/^joined \/ room:a bob null$/);

    const { value } = await ask(guest, "presence", "room:a", {});
    value.users.sort((a, b) => (a.user < b.user ? -1 : 1));
    assert.deepEqual(value, { count: 2, users: [{ user: "ada", data: { n: 1 } }, { user: "bob", data: null }] });
    assert.deepEqual((await ask(guest, "presence", "room:a", { limit: 0 })).value, { count: 2, users: [] });
    assert.deepEqual((await ask(guest, "presence", "room:a", { user: "bob" })).value, { count: 1, users: [{ user: "bob", data: null }] });
    assert.deepEqual((await ask(guest, "presence", "room:b", {})).value, { count: 0, users: [] });

    more.disconnect(); // ada has another window
    bob.disconnect();
    await Promise.all([sees[0], sees[3]].map((see) => see([["ada", { n: 1 }]])));
    await backend.line(/^left \/ room:a bob null$/);

    // the edge keeps the users while another process takes over, which reports changes from then on
    await backend.stop("SIGKILL");
    const second = await start(t, edge, "second");
    const count = async () => (await ask(guest, "presence", "room:a", { limit: 0 })).value.count;
    const bobIsGone = async () => {
      while ((await count()) !== 1); // another worker may answer now, which may learn later that bob has left
    };
    await within(bobIsGone(), "the end of bob at the worker that answers");
    await ask(guest, "present", "guest", null);
    await second.line(/^joined \/ room:a guest null$/);
    await sees[0]([["ada", { n: 1 }], ["guest", null]]);
  });
}
