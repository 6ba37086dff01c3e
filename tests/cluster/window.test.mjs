// With --redis-routing rooms, a client that knows that it has joined a room misses no message that another server
// sends to the room afterwards, although its node subscribes to the room only when the client joins. Redis is kept
// busy meanwhile, so that confirmations take their time.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { endsWithFile } from "../clients/support/leftovers.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const JOINS = 2000;
const SOCKETS = 20;

/** Publishes at full rate to channels that nobody subscribes to, until it is killed. */
function noise(redis) {
  const args = ["-p", String(redis.port), "-n", "1000000000", "-c", "8", "-P", "64", "-q", "PUBLISH", "noise", "x".repeat(200)];
  return endsWithFile(spawn("redis-benchmark", args, { stdio: "ignore" }));
}

describe("a message of another server right after", () => {
  let redis, a, b, js, load, speakers;

  before(async () => {
    redis = await Redis.start();
    [a, b, js] = await Promise.all([startNode("a", redis, ["--redis-routing", "rooms"]), startNode("b", redis, ["--redis-routing", "rooms"]), startPeer("js", redis)]);
    await members(redis, 3);
    speakers = { c: await connect(b), node: await connect(js) };
    load = noise(redis);
  });
  after(async () => {
    load?.kill("SIGKILL");
    if (load) await once(load, "exit");
    Object.values(speakers ?? {}).forEach((socket) => socket.disconnect());
    await Promise.all([a, b, js].map((server) => server?.stop()));
    await redis?.stop();
  });

  /**
   * Sockets of node a get into a new room, again and again. As soon as they are in, each speaker sends a message to the
   * room. Returns the messages that did not arrive.
   */
  async function misses(kind, getIn) {
    const got = new Set();
    const said = [];
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connect(a)));
    for (const socket of sockets) socket.on("said", (text) => got.add(text));
    for (const [name, speaker] of Object.entries(speakers)) {
      const joins = sockets.map(async (socket, number) => {
        for (let i = 0; i < JOINS / SOCKETS; i++) {
          const room = `${kind} by ${name} ${number} ${i}`;
          said.push(room);
          await getIn(socket, room, speaker);
          await ask(speaker, "emit", { to: [room] }, "said", [room]);
        }
      });
      await Promise.all(joins);
      // what the speaker has sent before arrives before the end
      const ends = sockets.map((socket) => next(socket, "end"));
      await ask(speaker, "emit", {}, "end", []);
      await Promise.all(ends);
    }
    sockets.forEach((socket) => socket.disconnect());
    return said.filter((room) => !got.has(room));
  }

  test("the acknowledgement of a join", async () => {
    assert.deepEqual(await misses("join", (socket, room) => ask(socket, "join", room)), []);
  });
});
