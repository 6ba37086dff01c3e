// A client that knows that it is in a room misses no message that another server sends to the room from then on,
// although its node subscribes to a room only when its first client joins. Redis is kept busy meanwhile, so that
// confirmations take their time.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { endsWithFile } from "../clients/support/leftovers.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const SOCKETS = 20;

/** Publishes at full rate to channels that nobody subscribes to, until it is killed. */
function noise(redis) {
  const args = ["-p", String(redis.port), "-n", "1000000000", "-c", "8", "-P", "64", "-q", "PUBLISH", "noise", "x".repeat(200)];
  return endsWithFile(spawn("redis-benchmark", args, { stdio: "ignore" }));
}

for (const workers of [1, 2]) describe(`a message of another server right after, at a node of ${workers}`, () => {
  let redis, a, b, js, load, speakers, settled = 0;

  before(async () => {
    redis = await Redis.start();
    [a, b, js] = await Promise.all([startNode("a", redis, ["--workers", String(workers)]), startNode("b", redis), startPeer("js", redis)]);
    await members(redis, 2 + workers);
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

  const connectMany = () => Promise.all(Array.from({ length: SOCKETS }, () => connect(a)));

  /** Waits until everything that the speaker has sent before has reached these sockets. */
  async function settle(speaker, sockets) {
    const end = `end ${++settled}`;
    const ends = sockets.map((socket) => next(socket, end));
    await ask(speaker, "emit", {}, end, []);
    await Promise.all(ends);
  }

  /**
   * Sockets of node a get into a new room, again and again. As soon as they are in, a speaker on another server sends a
   * message to the room. Returns the messages that did not arrive.
   */
  async function misses(kind, joins, getIn, names = Object.keys(speakers)) {
    const got = new Set();
    const said = [];
    const sockets = await connectMany();
    for (const socket of sockets) socket.on("said", (text) => got.add(text));
    for (const name of names) {
      const speaker = speakers[name];
      const all = sockets.map(async (socket, number) => {
        for (let i = 0; i < joins / SOCKETS; i++) {
          const room = `${kind} by ${name} ${number} ${i}`;
          said.push(room);
          await getIn(socket, room, speaker);
          await ask(speaker, "emit", { to: [room] }, "said", [room]);
        }
      });
      await Promise.all(all);
      await settle(speaker, sockets);
    }
    sockets.forEach((socket) => socket.disconnect());
    return said.filter((room) => !got.has(room));
  }

  test("the acknowledgement of a join", async () => {
    assert.deepEqual(await misses("join", 2000 / workers, (socket, room) => ask(socket, "join", room)), []);
  });

  test("the answer to CONNECT, to the room of the socket's id", async () => {
    for (const speaker of Object.values(speakers)) {
      const missed = [];
      const each = async () => {
        for (let i = 0; i < 30 / workers; i++) {
          const socket = await connect(a);
          const got = [];
          socket.on("said", (text) => got.push(text));
          await ask(speaker, "emit", { to: [socket.id] }, "said", [i]);
          await settle(speaker, [socket]);
          if (got.length !== 1 || got[0] !== i) missed.push(i);
          socket.disconnect();
        }
      };
      await Promise.all(Array.from({ length: SOCKETS }, each));
      assert.deepEqual(missed, []);
    }
  });

  test("a join that a third server has ordered, after the socket has been told of it", async () => {
    const getIn = async (socket, room, speaker) => {
      const third = speaker === speakers.c ? speakers.node : speakers.c;
      const invited = new Promise((resolve) => socket.once(`in ${room}`, resolve));
      await ask(third, "socketsJoin", { to: [socket.id] }, room);
      await ask(third, "emit", { to: [socket.id] }, `in ${room}`, []);
      await invited;
    };
    assert.deepEqual(await misses("invitation", 1000 / workers, getIn), []);
  });

  test("a join that the same C server has ordered, without waiting for anything", async () => {
    const getIn = (socket, room, speaker) => void speaker.emit("socketsJoin", { to: [socket.id] }, room, () => {});
    assert.deepEqual(await misses("order", 1000 / workers, getIn, ["c"]), []);
  });

  test("a question that a server asked after it had ordered a join", async () => {
    const getIn = async (socket, room, speaker) => {
      const third = speaker === speakers.c ? speakers.node : speakers.c;
      await ask(third, "socketsJoin", { to: [socket.id] }, room);
      await ask(third, "fetch", { to: [room] });
    };
    assert.deepEqual(await misses("question", 400 / workers, getIn), []);
  });
});
