// The compared servers do the same work: a stock client cannot tell them apart.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test, { after } from "node:test";
import { endAll, endWithThis } from "./lib/processes.mjs";
import { hasTls, present, servers, start } from "./lib/servers.mjs";

const require = createRequire(new URL("../package.json", import.meta.url));
const { io } = require("socket.io-client");
endWithThis();
after(endAll); // ends also the processes of a test that has timed out

const LISTENERS = 5;
// lengths near those at which a frame's head grows, and longer than one read
const SIZES = [1, 64, ...Array.from({ length: 20 }, (_, i) => 106 + i), 16_384, 65_510, 65_536, 200_000];

const next = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

async function connect(url) {
  const socket = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, rejectUnauthorized: false });
  await next(socket, "connect");
  return socket;
}

const connectAll = (urls) => Promise.all(Array.from({ length: LISTENERS }, (_, i) => connect(urls[i % urls.length])));

async function judge(sender, listeners, payload) {
  const echoed = next(sender, "echo");
  sender.emit("echo", payload);
  assert.deepEqual(await echoed, [payload]);
  const heard = listeners.map((socket) => next(socket, "broadcast"));
  sender.emit("broadcast", payload);
  for (const args of await Promise.all(heard)) assert.deepEqual(args, [payload]);
}

async function judgeOrder(sender) {
  const got = [];
  const all = new Promise((resolve) => sender.on("echo", (i) => got.push(i) === 3000 && resolve()));
  for (let i = 0; i < 3000; i++) sender.emit("echo", i);
  await all;
  sender.off("echo");
  assert.deepEqual(got, [...got.keys()]);
}

async function judgeRooms([inside, outside]) {
  outside.on("room", () => assert.fail("heard outside of the room"));
  await inside.emitWithAck("join", "kitchen");
  const heard = next(inside, "room");
  outside.emit("room", "kitchen", "soup");
  assert.deepEqual(await heard, ["kitchen", "soup"]);
  const after = next(outside, "echo");
  outside.emit("echo", 1);
  await after;
}

async function withClients(kind, id, work) {
  const setup = await start(kind, id, 4096);
  const sockets = await connectAll(setup.urls);
  try {
    await work(sockets, setup);
  } finally {
    sockets.forEach((socket) => socket.disconnect());
    await setup.stop();
  }
}

for (const [id, { title, clustered }] of Object.entries(servers)) {
  const skip = present(id) ? false : "make bench installs Bun";
  test(`${title}: echo, broadcast and acknowledgement of texts and of bytes`, { timeout: 300_000, skip }, () =>
    withClients("alone", id, async (sockets, { urls }) => {
      for (const size of SIZES) {
        await judge(sockets[0], sockets, "x".repeat(size - 1) + "é");
        await judge(sockets[0], sockets, Buffer.alloc(size, size));
        const text = "y".repeat(size);
        assert.equal(await sockets[1].emitWithAck("ack", text), text);
        if (hasTls(id)) assert.equal(await sockets[1].emitWithAck("fetch", text), LISTENERS);
      }
      await judgeOrder(sockets[2]);
      sockets.splice(1, 2).forEach((socket) => socket.disconnect());
      sockets.push(await connect(urls[0]));
      await judge(sockets.at(-1), sockets, "after some have left");
    }));

  if (!hasTls(id)) continue; // the floor has no rooms either
  test(`${title}: rooms`, { timeout: 30_000, skip }, () => withClients("alone", id, judgeRooms));
  test(`${title}: TLS`, { timeout: 30_000, skip }, () => withClients("tls", id, (sockets) => judge(sockets[0], sockets, "secret")));
  if (!clustered) continue;
  test(`${title}: two nodes`, { timeout: 30_000 }, () =>
    withClients("cluster", id, async (sockets, setup) => {
      assert.equal(setup.pids.length, 3);
      // the nodes do not report when they have found each other, so broadcasts are repeated until one has arrived
      // everywhere
      const heard = Promise.all(sockets.map((socket) => next(socket, "broadcast")));
      const again = setInterval(() => sockets[0].emit("broadcast", "far"), 50);
      for (const args of await heard) assert.deepEqual(args, ["far"]);
      clearInterval(again);
      assert.equal(await sockets[0].emitWithAck("fetch all", ""), sockets.length);
    }));
}
