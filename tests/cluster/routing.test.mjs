// Redis sends a worker only the broadcasts for its rooms, each once, whichever server publishes. A worker with
// --redis-routing all and a worker with too many rooms get all of them and deliver the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { ask, connect, members, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { Redis, freePort } from "./support/redis.mjs";
import { until, within } from "../clients/support/wait.mjs";

async function received(node) {
  const text = await (await fetch(`http://127.0.0.1:${node.admin}/metrics`)).text();
  return Number(/^sockeye_bus_received_total(?:{[^}]*})? (\d+)$/m.exec(text)[1]);
}

const channel = (room) => `socket.io#/#${room}#`;

async function start(name, redis, more = []) {
  const admin = await freePort();
  const node = await startNode(name, redis, ["--admin-port", String(admin), ...more]);
  node.admin = admin;
  return node;
}

test("broadcasts to rooms, to one socket and to all arrive once where there are clients", async () => {
  const redis = await Redis.start();
  const nodes = [await start("a", redis), await start("b", redis), await start("c", redis, ["--redis-routing-max", "3"]), await start("d", redis, ["--redis-routing", "all"])];
  const peer = await startPeer("js", redis);
  const publisher = await redis.client().connect();
  const emitter = new Emitter(publisher);
  await members(redis, 5);
  const [a, b, c, d, js] = await Promise.all([...nodes, peer].map((server) => connect(server)));
  // c has more rooms than it may subscribe to, and receives their messages through the pattern
  for (const room of ["red", "one", "two", "three", "four"]) await ask(c, "join", room);
  await ask(a, "join", "red");
  await ask(d, "join", "red");
  await ask(js, "join", "red");
  await subscribers(redis, 2, channel("red"));
  for (const socket of [a, b, c]) await subscribers(redis, 1, channel(socket.id));

  const got = new Map([a, b, c, d, js].map((socket) => [socket, []]));
  for (const [socket, list] of got) socket.on("said", (what) => list.push(what));
  const before = await Promise.all([nodes[1], nodes[3]].map(received));
  const senders = { a, c, d, js };
  for (const [name, sender] of Object.entries(senders)) {
    await ask(sender, "emit", { to: ["red"] }, "said", [`red by ${name}`]);
    await ask(sender, "emit", { to: ["nowhere"] }, "said", [`nowhere by ${name}`]);
    await ask(sender, "emit", { to: ["red", "four"] }, "said", [`both by ${name}`]);
    await ask(sender, "emit", { to: ["three"] }, "said", [`three by ${name}`]);
    await ask(sender, "emit", { to: [b.id] }, "said", [`b by ${name}`]);
    await ask(sender, "emit", { to: ["red"], except: ["one"] }, "said", [`not one by ${name}`]);
  }
  await emitter.to("red").emit("said", "red by emitter");
  await emitter.to(b.id).emit("said", "b by emitter");
  for (const [name, sender] of Object.entries(senders)) {
    const all = Promise.all([...got.keys()].map((socket) => within(new Promise((resolve) => socket.on("end", (from) => from === name && resolve())), "the end")));
    await ask(sender, "emit", {}, "end", [name]);
    await all;
  }
  const by = (text) => Object.keys(senders).map((name) => `${text} by ${name}`);
  const red = [...by("red"), ...by("both"), ...by("not one"), "red by emitter"];
  assert.deepEqual(got.get(a).sort(), red.sort());
  assert.deepEqual(got.get(d).sort(), red.sort());
  assert.deepEqual(got.get(js).sort(), red.sort());
  assert.deepEqual(got.get(c).sort(), [...red.filter((text) => !text.startsWith("not one")), ...by("three")].sort());
  assert.deepEqual(got.get(b).sort(), [...by("b"), "b by emitter"].sort());
  // Redis sent b's worker the messages to its own room, the messages to two rooms, and the messages to all
  let news = 0; // workers report their numbers at intervals
  await until(async () => (news = (await received(nodes[1])) - before[0]) >= 13, () => `b's worker has 13 messages, not ${news}`);
  assert.equal(news, 5 + 4 + 4);
  // Redis sent d's worker all messages
  await until(async () => (news = (await received(nodes[3])) - before[1]) >= 30, () => `d's worker has 30 messages, not ${news}`);
  assert.equal(news, 4 * 6 + 2 + 4);

  await ask(a, "leave", "red");
  await subscribers(redis, 1, channel("red")); // a worker unsubscribes ten seconds after the last client has left the room
  [a, b, c, d, js].forEach((socket) => socket.disconnect());
  await publisher.disconnect();
  for (const node of nodes) await node.stop();
  await peer.stop();
  await redis.stop();
});
