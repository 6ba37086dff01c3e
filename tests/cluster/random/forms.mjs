// The forms in which servers keep sessions and events: how they start, and what can fail.
import { subscribers } from "../support/cluster.mjs";
import { hubOf, workersOf } from "../support/processes.mjs";
import { pidOf } from "../support/recovery.mjs";
import { NSP } from "./client.mjs";

const PAUSE_MS = 300;
const LONG_PAUSE_MS = 1500; // after 2 s, a worker takes a stream that does not answer for lost
const SHAKEN_MS = 3000; // as long as this after an outage, a worker may take another one for dead

/** A worker is killed. What it had emitted before has left it; the events of the others may still be on their way. */
async function worker(world, { node, slot, meanwhile }) {
  const server = world.nodes[node], pid = pidOf(server, slot), dying = 2 * node + slot;
  await world.settle();
  world.emitAll(meanwhile.filter(({ emitter }) => emitter !== dying));
  const gone = world.disconnections(server, slot);
  process.kill(pid, "SIGKILL");
  await gone;
  await server.until(() => pidOf(server, slot) !== pid);
  await world.observe(dying);
  await world.counted();
  if (world.form.unrecorded) world.mayBeNew("start");
}

/** The hub of a node is killed. Without Redis, it takes the sessions and events with it, and the events on their way. */
async function hub(world, { node, meanwhile }) {
  const server = world.nodes[node];
  const ups = () => server.logged("bus").filter(({ state }) => state === "up").length, before = ups();
  await world.settle();
  process.kill(hubOf(server), "SIGKILL");
  if (world.redis) world.emitAll(meanwhile);
  await server.until(() => ups() >= before + 2);
  await world.counted();
  if (!world.redis) world.mayBeNew("hub");
}

/** All processes of a node are killed. Another node takes its place, at another port. */
async function node(world, { node, meanwhile }) {
  const server = world.nodes[node];
  await world.settle();
  world.emitAll(meanwhile.filter(({ emitter }) => emitter >> 1 !== node));
  const gone = world.disconnections(server);
  // the master last: its end ends the others
  for (const pid of [...workersOf(server), hubOf(server), server.pid]) if (pid) process.kill(pid, "SIGKILL");
  await gone;
  await server.exited;
  world.nodes[node] = await world.start();
  for (const slot of [0, 1]) await world.observe(2 * node + slot);
  await world.counted();
  if (world.form.unrecorded) world.mayBeNew("start");
}

async function pause(world, { meanwhile }) {
  const began = performance.now();
  world.redis.pause();
  setTimeout(() => {
    world.redis.resume();
    if (world.form.doubts && performance.now() - began > LONG_PAUSE_MS) world.mayBeNew("Redis", SHAKEN_MS);
  }, PAUSE_MS);
  world.emitAll(meanwhile);
}

/** Redis is killed, and starts again with its data. */
async function restart(world, { meanwhile }) {
  await world.redis.kill();
  world.emitAll(meanwhile);
  await world.redis.run();
  if (world.form.doubts) world.mayBeNew("Redis", SHAKEN_MS);
}

/** The nodes lose connections to Redis. */
async function cut(world, { slot, meanwhile }) {
  world.emitAll(meanwhile);
  await world.redis.command("CLIENT", "KILL", "TYPE", slot ? "pubsub" : "normal");
  if (world.form.doubts) world.mayBeNew("Redis", SHAKEN_MS);
}

/**
 * `channel`: each worker subscribes to it in Redis. `doubts`: while a worker is without Redis, its clients get events without
 * offsets. `unrecorded`: nobody records the first events of a worker that has just started, so they make clients new that are away.
 */
export const FORMS = {
  hub: { nodes: 1, args: [], failures: { worker, hub } },
  log: { nodes: 2, redis: true, args: ["--redis-log"], channel: `socket.io-request#${NSP}#`, unrecorded: true, failures: { worker, hub, node, pause, restart, cut } },
  streams: { nodes: 2, redis: true, args: ["--redis-mode", "streams"], channel: `socket.io#${NSP}#`, doubts: true, failures: { worker, node, pause, restart, cut } },
};

/** Resolves when Redis counts all workers of all nodes. */
export async function counted({ form, redis }) {
  if (redis) await subscribers(redis, 2 * form.nodes, form.channel);
}
