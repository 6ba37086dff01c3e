// The forms in which servers keep sessions and events: how they start, and what can fail.
import { subscribers } from "../support/cluster.mjs";
import { hubOf, workersOf } from "../support/processes.mjs";
import { pidOf } from "../support/recovery.mjs";

const PAUSE_MS = 300;
const LONG_PAUSE_MS = 1500; // after 2 s, a worker takes a stream that does not answer for lost
export const SHAKEN_MS = 3000; // as long as this after an outage, a worker may take another one for dead

/** Workers have started. The hub does not keep what they emit before it has answered them, so older offsets lead nowhere. */
async function begun(world) {
  if (!world.form.unrecorded) return;
  await world.recording();
  if (!world.redis) world.mayBeNew("start");
}

/**
 * A worker is killed. With Redis, what it had emitted before has arrived everywhere, and only events of the others are on their way.
 * Without, its own may be, too: they are safe as soon as the worker has acknowledged them.
 */
async function worker(world, { node, slot, meanwhile }) {
  const server = world.nodes[node], pid = pidOf(server, slot), dying = 2 * node + slot;
  if (world.redis) await world.settle();
  world.emitAll(world.redis ? meanwhile.filter(({ emitter }) => emitter !== dying) : meanwhile);
  if (!world.redis) await world.acknowledged(dying);
  const gone = world.disconnections(server, slot);
  process.kill(pid, "SIGKILL");
  await gone;
  await server.until(() => pidOf(server, slot) !== pid);
  await world.observe(dying);
  await world.counted();
  await begun(world);
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
  await world.recording();
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
  await begun(world);
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

/** The Node.js server is killed, with the sessions of its clients. Another one takes its place, at another port. */
async function peer(world, { meanwhile }) {
  const at = world.form.nodes, gone = world.disconnections(world.nodes[at]);
  await world.nodes[at].stop();
  await gone;
  world.emitAll(meanwhile);
  world.nodes[at] = await world.startPeer();
  await world.observe(2 * at);
  await world.counted();
}

/** The nodes lose connections to Redis. */
async function cut(world, { slot, meanwhile }) {
  world.emitAll(meanwhile);
  await world.redis.command("CLIENT", "KILL", "TYPE", slot ? "pubsub" : "normal");
  if (world.form.doubts) world.mayBeNew("Redis", SHAKEN_MS);
}

const LOG = { redis: true, args: ["--redis-log"], channel: (nsp) => `socket.io-request#${nsp}#`, unrecorded: true };
const STREAMS = { redis: true, args: ["--redis-mode", "streams"], channel: (nsp) => `socket.io#${nsp}#`, doubts: true };

/**
 * `nodes`: of two workers each. `peer`: the flags of a Node.js server that is there, too (tests/cluster/support/peer.mjs). `refuses`:
 * the reason for which every client is new. `channel`: each worker subscribes to it in Redis. `doubts`: while a worker is without Redis, its clients get events without
 * offsets. `unrecorded`: the first events of a worker that has just started have no numbers.
 */
export const FORMS = {
  hub: { nodes: 1, args: [], unrecorded: true, failures: { worker, hub } },
  log: { ...LOG, nodes: 2, failures: { worker, hub, node, pause, restart, cut } },
  streams: { ...STREAMS, nodes: 2, failures: { worker, node, pause, restart, cut } },
  "log-nodejs": { ...LOG, nodes: 1, peer: [], refuses: "foreign", failures: { worker, hub, node, pause, peer } },
  "streams-nodejs": { ...STREAMS, args: [...STREAMS.args, "--recovery-trust-foreign"], nodes: 1, peer: ["--streams=1", "--recovery"], failures: { worker, node, pause, peer } },
};

/** Resolves when Redis counts all workers of all nodes, and the Node.js server. */
export async function counted({ form, redis, nsp, emitters }) {
  if (redis) await subscribers(redis, emitters, form.channel(nsp));
}
