// A mixed cluster in sharded mode: two C nodes and two Node.js servers with createShardedAdapter, in each of the three
// subscription modes. Every operation of the adapter is requested and checked on each side.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { collect, next, patiently } from "../clients/support/wait.mjs";
import { ask, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { operations } from "./support/operations.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];

for (const mode of ["dynamic", "dynamic-private", "static"]) {
  describe(`subscription mode ${mode}`, () => {
    const servers = {};
    let redis;

    before(async () => {
      redis = await Redis.start();
      const args = ["--redis-mode", "sharded", "--redis-subscription-mode", mode];
      [servers.c1, servers.c2, servers.js1, servers.js2] = await Promise.all([
        startNode("c1", redis, ["--workers", "1", ...args]),
        startNode("c2", redis, ["--workers", "1", ...args]),
        startPeer("js1", redis, [`--sharded=${mode}`]),
        startPeer("js2", redis, [`--sharded=${mode}`]),
      ]);
      for (const nsp of ["/", "/team"]) await subscribers(redis, 4, `socket.io#${nsp}#`, "SHARDNUMSUB");
    });
    after(async () => {
      for (const server of Object.values(servers)) await server.stop();
      await redis?.stop();
    });

    // the adapter of Node.js servers has no allRooms()
    const { sockets, everybody } = operations(NAMES, servers, { asksRooms: ["c1", "c2"] });

    test("rooms that look like ids, are numbers, or have characters of several bytes", async () => {
      await everybody();
      for (const room of ["twenty-characters-20", "7", "ü🐟ü🐟ü🐟ü🐟ü🐟ü🐟ab", "a#b", ""]) {
        for (const name of ["c1", "js1"]) await ask(sockets[name], "join", room);
        for (const from of NAMES) {
          const got = NAMES.map((name) => collect(sockets[name], "news"));
          const marks = NAMES.map((name) => next(sockets[name], "marker"));
          await ask(sockets[from], "emit", { to: [room] }, "news", [Buffer.from("b")]);
          await ask(sockets[from], "emit", {}, "marker", []);
          await Promise.all(marks);
          assert.deepEqual(got.map((one) => one.seen.length), [1, 0, 1, 0], `"${room}" from ${from}`);
          got.forEach((one) => one.stop());
        }
      }
    });

    test("a question that no server answers ends with the number of silent servers", async () => {
      await everybody();
      const mute = (timeout) => ask(sockets.c1, "serverAsk", "mute", 1, timeout);
      const { error, silent, answers } = await patiently(mute, ({ silent }) => silent === 3);
      assert.notEqual(error, null);
      assert.deepEqual([silent, answers], [3, []]);
    });

    test("Redis holds the channels of the mode", async () => {
      await everybody();
      for (const name of ["c1", "js1"]) await ask(sockets[name], "join", "red");
      const { id } = sockets.c2;
      await subscribers(redis, mode === "static" ? 0 : 2, "socket.io#/#red#", "SHARDNUMSUB");
      await subscribers(redis, mode === "dynamic-private" ? 1 : 0, `socket.io#/#${id}#`, "SHARDNUMSUB");
      sockets.c2.disconnect();
      await subscribers(redis, 0, `socket.io#/#${id}#`, "SHARDNUMSUB");
    });
  });
}
