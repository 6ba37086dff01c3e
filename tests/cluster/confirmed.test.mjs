// A client that has read the answer to its CONNECT misses no later broadcast of another node: a namespace that is new
// on its node is answered once Redis has confirmed the subscription. Also, messages of emitters in other languages
// arrive.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { root } from "../clients/support/server.mjs";
import { collect, next } from "../clients/support/wait.mjs";
import { ask, connect, startNode } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const open = (server, nsp) => io(server.url + nsp, { transports: ["websocket"], forceNew: true, reconnection: false });

describe("a namespace that is new on a node", () => {
  let redis, a, b;

  before(async () => {
    redis = await Redis.start();
    [a, b] = await Promise.all([startNode("a", redis), startNode("b", redis)]);
    for (const node of [a, b]) await node.line((fields) => fields.event === "bus" && fields.state === "up");
  });
  after(async () => {
    await Promise.all([a, b].map((node) => node?.stop()));
    await redis?.stop();
  });

  /**
   * `speaker` keeps emitting numbers while Redis stops and goes on. `listener` must get each number that was sent after
   * the listener connected.
   */
  async function misses(speaker, listener) {
    let sent = 0,
      from = null;
    const got = new Set();
    listener.on("n", (n) => got.add(n));
    listener.once("connect", () => (from = sent));
    while (from === null || sent < from + 20) {
      speaker.emit("emit", {}, "n", [sent++], () => {});
      if (sent === 10) redis.resume();
      if (sent > 5000) throw new Error("never connected");
      await sleep(2); // so that messages are always under way
    }
    const end = next(listener, "end");
    await ask(speaker, "emit", {}, "end", []);
    await end;
    return Array.from({ length: sent - from }, (_, i) => from + i).filter((n) => !got.has(n));
  }

  test("made by a pattern, while Redis pauses", async () => {
    for (let round = 0; round < 10; round++) {
      const speaker = await connect(a, { nsp: `/new-${round}` });
      redis.pause();
      const listener = open(b, `/new-${round}`);
      assert.deepEqual(await misses(speaker, listener), []);
      listener.disconnect();
      speaker.disconnect();
    }
  });

  test('"/" of a node that has just been started', async () => {
    const speaker = await connect(a);
    redis.pause();
    const late = await startNode("late", redis);
    const listener = open(late, "/");
    assert.deepEqual(await misses(speaker, listener), []);
    listener.disconnect();
    speaker.disconnect();
    await late.stop();
  });

  test("fields that emitters in other languages omit", async () => {
    const listener = await connect(b);
    const news = collect(listener, "news");
    const wanted = [];
    await ask(listener, "join", "red");
    await ask(listener, "join", "7");
    const publisher = redis.client();
    await publisher.connect();
    for (const line of readFileSync(path.join(root, "tests/data/wire/emitters.txt"), "utf8").trim().split("\n")) {
      const [name, channel, hex] = line.split("\t");
      await publisher.publish(channel, Buffer.from(hex, "hex"));
      wanted.push(name === "binary-event" ? Buffer.from([1, 2, 255]) : /^(old-raw|new-str8)$/.test(name) ? "x".repeat(40) : 1);
      await news.take(wanted.length); // one after the other, because some are volatile
    }
    assert.deepEqual(news.seen.map(([value]) => value), wanted);
    await publisher.quit();
    listener.disconnect();
  });

  test("no client waits for an unreachable Redis", async () => {
    await redis.kill();
    await b.line((fields) => fields.event === "bus" && fields.state === "down");
    const listener = open(b, "/new-away");
    await next(listener, "connect", 4000); // shorter than the time limit of a wait for Redis
    listener.disconnect();
    const late = await startNode("late", redis);
    const early = open(late, "/");
    await next(early, "connect", 4000);
    early.disconnect();
    await late.stop();
    await redis.run();
  });
});
