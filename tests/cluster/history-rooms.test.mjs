// The history of rooms in a cluster: all nodes read the same from Redis, in every mode, and it survives their restarts.
import assert from "node:assert/strict";
import { test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { ask, historyOverHttp, joinWhileWriting, keeps, kept, say } from "../clients/support/history.mjs";
import { collect } from "../clients/support/wait.mjs";
import { Api, apiEnv, apiFlags } from "./support/api.mjs";
import { connect, startNode } from "./support/cluster.mjs";
import { RedisCluster } from "./support/redis-cluster.mjs";
import { freePort, Redis } from "./support/redis.mjs";

const RULES = ["--history", "room:*=5/1h,many:*=200,short:*=10/1s"];
const FORMS = {
  classic: [],
  "classic with a log": ["--redis-log"],
  "classic, room by room": ["--redis-routing", "rooms"],
  sharded: ["--redis-mode", "sharded"],
  streams: ["--redis-mode", "streams"],
  "streams with recovery": ["--redis-mode", "streams", "--connection-state-recovery"],
};

for (const [form, args] of Object.entries(FORMS)) {
  test(`two nodes read the same history, and add to it without a gap: ${form}`, async () => {
    const redis = await Redis.start();
    const apis = [new Api(await freePort()), new Api(await freePort())];
    const one = await startNode("one", redis, ["--node-id", "1", ...args, ...RULES, "--workers", "2", ...apiFlags(apis[0].port)], apiEnv);
    const two = await startNode("two", redis, ["--node-id", "2", ...args, ...RULES, ...apiFlags(apis[1].port)], apiEnv);
    const ada = await connect(one);
    const bob = await connect(two, { parser });
    for (const api of apis) await historyOverHttp(api, ada, "many:http");
    for (let i = 1; i <= 6; i++) {
      await say(i % 2 ? ada : bob, "room:a", i);
      await keeps(ada, "room:a", [1, 2, 3, 4, 5, 6].slice(Math.max(0, i - 5), i)); // the next one may overtake it on its way to Redis
    }
    await say(bob, "room:a", Buffer.from([7, 255]));
    for (const socket of [ada, bob]) {
      while ((await kept(socket, "room:a"))[0] !== 3); // the last one may still be on its way
      const all = await kept(socket, "room:a");
      assert.deepEqual([...all.slice(0, 4)].sort(), [3, 4, 5, 6]);
      assert.deepEqual([...new Uint8Array(all[4])], [7, 255]);
    }
    const [first, second] = await Promise.all([ada, bob].map((socket) => ask(socket, "history", "room:a", {})));
    assert.deepEqual(first, second);
    const got = collect(ada, "said");
    assert.deepEqual(await ask(ada, "join with history", "room:a", 0), { error: 0, sent: 5 });
    await got.take(5);
    assert.deepEqual(await ask(bob, "history remove", "room:a", first.entries[0].id), { error: 0, removed: 1 });
    assert.equal((await kept(ada, "room:a")).length, 4);

    await joinWhileWriting(bob, (round) => connect(round % 3 ? one : two, round % 2 ? { parser } : {}), "many:busy");
    for (const socket of [ada, bob]) socket.disconnect();
    await one.stop();
    await two.stop();

    const three = await startNode("three", redis, ["--node-id", "3", ...args, ...RULES]);
    const eve = await connect(three);
    assert.deepEqual(await kept(eve, "room:a"), first.entries.slice(1).map((entry) => entry.args[0]));
    assert.equal((await ask(eve, "history remove", "room:a", null)).removed, 1);
    assert.deepEqual(await kept(eve, "room:a"), []);
    eve.disconnect();
    await three.stop();
    await redis.stop();
  });
}

test("entries end with their age, and their keys with them", async () => {
  const redis = await Redis.start();
  const one = await startNode("one", redis, RULES);
  const ada = await connect(one);
  await say(ada, "short:a", 1);
  await keeps(ada, "short:a", [1]);
  assert.deepEqual((await redis.command("KEYS", "socket.io-history#*")).length > 0, true);
  await keeps(ada, "short:a", []);
  ada.disconnect();
  await one.stop();
  await redis.stop();
});

test("while Redis is away joins work without history; what is said meanwhile is stored afterwards, once", async () => {
  const redis = await Redis.start();
  const one = await startNode("one", redis, RULES);
  const ada = await connect(one);
  await say(ada, "room:a", 1);
  await keeps(ada, "room:a", [1]);
  redis.child?.kill?.("SIGSTOP");
  await redis.kill();
  const got = collect(ada, "said");
  const joined = ask(ada, "join with history", "room:a", 0);
  await say(ada, "room:a", 2);
  await redis.run();
  const { error, sent } = await joined;
  assert.equal(error, 0);
  await got.take(sent + (sent > 0 && got.seen.some(([n]) => n === 2) ? 0 : 1));
  await say(ada, "room:a", 3);
  while (!(await kept(ada, "room:a")).includes(3)); // what Redis had before depends on its files
  const after = await kept(ada, "room:a");
  assert.deepEqual(after.slice(-2), [2, 3]);
  assert.deepEqual(got.seen.flat().filter((n) => n > 1), [2, 3]);
  ada.disconnect();
  await one.stop();
  await redis.stop();
});

test("what others write to Redis is left out, and sealed entries are verified", async () => {
  const redis = await Redis.start();
  const one = await startNode("one", redis, [...RULES, "--redis-secret", "a secret of some length"]);
  const two = await startNode("two", redis, [...RULES, "--redis-secret", "another secret of length"]);
  const ada = await connect(one);
  const bob = await connect(two);
  await say(ada, "room:a", 1);
  await keeps(ada, "room:a", [1]);
  assert.deepEqual(await kept(bob, "room:a"), []);
  await redis.command("XADD", "socket.io-history#/#room:a", "*", "d", "rubbish");
  await redis.command("XADD", "socket.io-history#/#room:a", "*", "other", "field", "x", "y");
  assert.deepEqual(await kept(ada, "room:a"), [1]);
  await redis.command("DEL", "socket.io-history#/#room:b");
  await redis.command("SET", "socket.io-history#/#room:b", "not a stream");
  assert.notEqual((await ask(ada, "history", "room:b", {})).error, 0);
  const got = collect(ada, "said");
  assert.notEqual((await ask(ada, "join with history", "room:b", 0)).error, 0);
  await say(ada, "room:b", "goes on");
  assert.deepEqual(await got.take(1), [["goes on"]]);
  for (const socket of [ada, bob]) socket.disconnect();
  await one.stop();
  await two.stop();
  await redis.stop();
});

test("a Redis Cluster keeps the history at one of its members", async () => {
  const cluster = await RedisCluster.start();
  const one = await startNode("one", cluster, ["--node-id", "1", "--redis-mode", "sharded", ...RULES]);
  const two = await startNode("two", cluster, ["--node-id", "2", "--redis-mode", "sharded", ...RULES]);
  const ada = await connect(one);
  const bob = await connect(two);
  for (let i = 1; i <= 6; i++) await say(ada, "room:a", i);
  for (const socket of [ada, bob]) await keeps(socket, "room:a", [2, 3, 4, 5, 6]);
  for (const socket of [ada, bob]) socket.disconnect();
  await one.stop();
  await two.stop();
  await cluster.stop();
});
