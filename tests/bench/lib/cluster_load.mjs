// One measurement of a cluster: a client speaks in a room of ten, five at the speaker's worker and five at the worker
// that is furthest away. The speaker sends the next message when a listener at the far worker has received the last one. To measure
// the cost in Redis, one message is under way at a time, so that Redis handles each alone. The time is cut into slices,
// and the lower quartile of the slices counts, because other work on the machine makes single slices expensive. The cost of
// bystanders is too small for slices, so more messages are under way when it is measured.
import { setTimeout as sleep } from "node:timers/promises";
import { nanoseconds } from "./cluster_setups.mjs";
import { Client, clientOf } from "./room_clients.mjs";

const HALF = 5;
const SLICE_MS = 100;
const AT_ONCE = 4;
const IDLE_MS = 1000;
const LATE_MS = 20_000;
const WARM_UP_MS = 500;
const SETTLE_MS = 200;
const NAMESPACES_PER_CLIENT = 50;

async function enterRoom(place, nsp) {
  const clients = [];
  for (let i = 0; i < HALF; i++) {
    const client = await clientOf(place);
    await client.enter(nsp);
    await client.join("room");
    clients.push(client);
  }
  return clients;
}

/** Clients that keep namespaces 1 to `count` - 1 in use on each of these workers. */
async function fillNamespaces(places, count) {
  const clients = [];
  for (const place of places) {
    for (let at = 1; at < count; ) {
      const client = await Client.open(place.port);
      clients.push(client);
      for (let i = 0; i < NAMESPACES_PER_CLIENT && at < count; i++) await client.enter(`/n-${at++}`);
    }
  }
  return clients;
}

/** Speaks for some time; resolves with the number of messages. `onSlice` gets the number so far after each slice. */
function speak(speaker, listener, ms, { atOnce, onSlice }) {
  return new Promise((resolve, reject) => {
    const until = performance.now() + ms;
    let sliced = performance.now();
    let sent = 0;
    let heard = 0;
    const late = setTimeout(() => reject(new Error(`${sent - heard} of ${sent} messages did not arrive`)), ms + LATE_MS);
    const done = () => {
      clearTimeout(late);
      resolve(heard);
    };
    const say = () => {
      sent++;
      speaker.send("room");
    };
    listener.onRoom = () => {
      heard++;
      const now = performance.now();
      if (onSlice && now >= sliced + SLICE_MS) {
        sliced = now;
        onSlice(heard);
      }
      if (now < until) say();
      else if (heard === sent) done();
    };
    for (let i = 0; i < atOnce; i++) say();
  });
}

const sum = (pids) => pids.reduce((total, pid) => total + nanoseconds(pid), 0);

/** The processor time of Redis and of the bystanders in nanoseconds, and the time in milliseconds. */
const snapshot = (redis, bystanders) => ({ at: performance.now(), redis: nanoseconds(redis), bystanders: sum(bystanders) });

const difference = (a, b) => Object.fromEntries(Object.keys(a).map((what) => [what, a[what] - b[what]]));

const lowerQuartile = (values) => values.sort((a, b) => a - b)[values.length >> 2] ?? NaN;

/** Returns { redis, bystander, rate }: the microseconds per message of Redis and of one bystander, which is NaN if there are none, and the messages per second. */
export async function measure(cluster, { seconds, namespaces = 1 }) {
  const { machines, redis } = cluster;
  const near = machines[0].workers[0];
  const far = machines.at(-1).workers.at(-1);
  const active = new Set([near.pid, far.pid]);
  const idleWorkers = machines.flatMap((machine) => machine.workers).filter(({ pid }) => !active.has(pid));
  const idleOthers = machines.slice(1, -1).flatMap((machine) => machine.others);
  const bystanders = [...new Set([...idleWorkers.map(({ pid }) => pid), ...idleOthers])];
  const nsp = namespaces > 1 ? "/n-0" : "/";
  const clients = [...(await enterRoom(near, nsp)), ...(await enterRoom(far, nsp))];
  const [speaker, listener] = [clients[0], clients.at(-1)];
  try {
    clients.push(...(await fillNamespaces(machines.flatMap((machine) => machine.workers), namespaces)));
    await speak(speaker, listener, WARM_UP_MS, { atOnce: AT_ONCE });
    await sleep(SETTLE_MS);
    const snapshots = [snapshot(redis, bystanders)];
    await sleep(IDLE_MS);
    snapshots.push(snapshot(redis, bystanders));
    const slices = [{ ...snapshot(redis, []), count: 0 }];
    await speak(speaker, listener, seconds * 1000, { atOnce: 1, onSlice: (count) => slices.push({ ...snapshot(redis, []), count }) });
    snapshots.push(snapshot(redis, bystanders));
    const many = await speak(speaker, listener, seconds * 1000, { atOnce: AT_ONCE });
    snapshots.push(snapshot(redis, bystanders));
    const [idle, , second] = [0, 1, 2].map((i) => difference(snapshots[i + 1], snapshots[i]));
    const costs = slices.slice(1).map((slice, i) => difference(slice, slices[i]));
    const cost = (what, phase, count) => (phase[what] - (idle[what] / idle.at) * phase.at) / 1000 / count;
    return { redis: lowerQuartile(costs.map((slice) => cost("redis", slice, slice.count))), bystander: cost("bystanders", second, many) / idleWorkers.length, rate: (many / second.at) * 1000 };
  } finally {
    for (const client of clients) client.close();
  }
}
