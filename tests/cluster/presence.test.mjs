// Presence: every server knows who is in a room, whichever server they are at, and tells its clients of changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, within } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const BEATS = ["--heartbeat-interval", "200", "--heartbeat-timeout", "1000"];
const FORMS = { classic: [], sharded: ["--redis-mode", "sharded"], streams: ["--redis-mode", "streams"] };

async function enter(server, user, data, nsp = "/presence") {
  const socket = await connect(server, { nsp });
  socket.changes = collect(socket, "presence");
  await ask(socket, "join", "room");
  socket.found = await ask(socket, "who", "room");
  assert.equal(await ask(socket, "present", user, data), 0);
  return socket;
}

/** The users that a client believes to be in the room, from the list that it got and the events since. */
function believed(socket) {
  const map = new Map(socket.found.map(({ user, data }) => [user, data ?? null]));
  for (const [{ joined, changed, left }] of socket.changes.seen) {
    for (const { user, data } of [...joined, ...changed]) map.set(user, data ?? null);
    for (const user of left) map.delete(user);
  }
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Waits until a client has heard of exactly these users. */
async function hears(socket, wanted) {
  const text = JSON.stringify(wanted);
  await within(
    new Promise((resolve) => {
      const look = () => JSON.stringify(believed(socket)) === text && resolve(socket.off("presence", look));
      socket.on("presence", look);
      look();
    }),
    () => `${text} at ${socket.server.name}, which has heard ${JSON.stringify(believed(socket))}`,
  );
}

const who = async (socket) => Object.fromEntries((await ask(socket, "who", "room")).map(({ user, data }) => [user, data ?? null]).sort(([a], [b]) => (a < b ? -1 : 1)));

for (const [form, args] of Object.entries(FORMS)) {
  test(`users are seen from every server: ${form}`, async () => {
    const redis = await Redis.start();
    const one = await startNode("one", redis, ["--node-id", "1", ...args, ...BEATS, "--workers", "2"]);
    const two = await startNode("two", redis, ["--node-id", "2", ...args, ...BEATS]);
    const ada = await enter(one, "ada", { age: 36 });
    const bob = await enter(two, "bob", null);
    const eve = await enter(one, "eve", "é😀");
    for (const socket of [ada, bob, eve]) {
      await hears(socket, { ada: { age: 36 }, bob: null, eve: "é😀" });
      assert.deepEqual(Object.keys(await who(socket)), ["ada", "bob", "eve"]);
    }
    // a second socket of a user, at another server, changes nothing when the first leaves
    const again = await enter(two, "ada", { age: 36 });
    await hears(again, { ada: { age: 36 }, bob: null, eve: "é😀" });
    ada.disconnect();
    assert.equal(await ask(bob, "present", "bob", 7), 0);
    await hears(eve, { ada: { age: 36 }, bob: 7, eve: "é😀" });
    await ask(again, "leave", "room");
    await hears(eve, { bob: 7, eve: "é😀" });

    // a server that comes later learns who is there; one that is killed takes its users with it
    const three = await startNode("three", redis, ["--node-id", "3", ...args, ...BEATS]);
    const kim = await enter(three, "kim", 1);
    await hears(kim, { bob: 7, eve: "é😀", kim: 1 });
    await hears(eve, { bob: 7, eve: "é😀", kim: 1 });
    two.child.kill("SIGKILL");
    await two.exited;
    await hears(eve, { eve: "é😀", kim: 1 });
    await hears(kim, { eve: "é😀", kim: 1 });
    assert.deepEqual(await who(kim), { eve: "é😀", kim: 1 });

    for (const socket of [eve, kim, again]) socket.disconnect();
    await three.stop();
    await one.stop();
    await redis.stop();
  });
}

test("a namespace made by a pattern, beside a Node.js server, which ignores the messages", async () => {
  const redis = await Redis.start();
  const one = await startNode("one", redis, ["--node-id", "1", ...BEATS]);
  const two = await startNode("two", redis, ["--node-id", "2", ...BEATS]);
  const node = await startPeer("js", redis);
  await members(redis, 3);
  const ada = await enter(one, "ada", 1, "/presence-x");
  const bob = await enter(two, "bob", 2, "/presence-x");
  await hears(ada, { ada: 1, bob: 2 });
  await hears(bob, { ada: 1, bob: 2 });
  bob.disconnect(); // the namespace goes with its last socket
  await hears(ada, { ada: 1 });
  const bob2 = await enter(two, "bob", 3, "/presence-x");
  await hears(ada, { ada: 1, bob: 3 });
  await hears(bob2, { ada: 1, bob: 3 });
  for (const socket of [ada, bob2]) socket.disconnect();
  await node.stop();
  await two.stop();
  await one.stop();
  await redis.stop();
});

test("changes that were lost while Redis was away reach the other node afterwards", async () => {
  const redis = await Redis.start();
  const one = await startNode("one", redis, ["--node-id", "1", ...BEATS, "--redis-max-queue", "4k"]);
  const two = await startNode("two", redis, ["--node-id", "2", ...BEATS, "--redis-max-queue", "4k"]);
  const ada = await enter(one, "ada", 1);
  const bob = await enter(two, "bob", 2);
  await hears(bob, { ada: 1, bob: 2 });
  await hears(ada, { ada: 1, bob: 2 });
  const down = two.line(({ event, state }) => event === "bus" && state === "down");
  await redis.kill();
  await down;
  for (let i = 0; i < 200; i++) await ask(ada, "present", `ada-${i}`, "x".repeat(100)); // more than the queue keeps
  await redis.run();
  await hears(bob, { "ada-199": "x".repeat(100), bob: 2 });
  await hears(ada, { "ada-199": "x".repeat(100), bob: 2 });
  for (const socket of [ada, bob]) socket.disconnect();
  await two.stop();
  await one.stop();
  await redis.stop();
});
