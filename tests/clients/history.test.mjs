// The history of rooms with stock clients: kept by one worker, and in the hub for several.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { Api, apiEnv, apiFlags } from "../cluster/support/api.mjs";
import { peerApp } from "../cluster/support/cluster.mjs";
import { ask, historyOverHttp, joinWhileWriting, keeps, kept, say } from "./support/history.mjs";
import { freePort } from "./support/port.mjs";
import { startSockeye } from "./support/server.mjs";
import { collect, next } from "./support/wait.mjs";

const RULES = ["--history", "room:*=5/1h,many:*=200,/team:*=3"];

async function connect(server, options = {}, nsp = "/") {
  const socket = io(server.url + nsp, { transports: ["websocket"], forceNew: true, ...options });
  await next(socket, "connect");
  return socket;
}

for (const workers of [1, 2]) {
  const start = (args = [], env = {}) => startSockeye(peerApp, ["--workers", String(workers), ...RULES, ...args], env);

  test(`${workers} workers: those who join get the last events, in order, of each parser and with binary`, async () => {
    const server = await start();
    const ada = await connect(server);
    for (let i = 1; i <= 4; i++) await say(ada, "room:a", i);
    await say(ada, "room:a", Buffer.from([5, 255]));
    await say(ada, "room:a", { text: "é😀", list: [1.5, null, true] });
    await say(ada, "other", "no rule");
    await say(ada, "room:a", "volatile", { volatile: true });
    await say(ada, "room:a", "local", { local: true });
    const last = [2, 3, 4, Buffer.from([5, 255]), { text: "é😀", list: [1.5, null, true] }];
    await keeps(ada, "room:a", last);
    for (const options of [{}, { transports: ["polling"] }, { parser }]) {
      const bob = await connect(server, options);
      const got = collect(bob, "said");
      assert.deepEqual(await ask(bob, "join with history", "room:a", 0), { error: 0, sent: 5 });
      const seen = (await got.take(5)).map(([value]) => value);
      assert.deepEqual([seen[0], seen[1], seen[2], [...new Uint8Array(seen[3])], seen[4]], [2, 3, 4, [5, 255], { text: "é😀", list: [1.5, null, true] }]);
      await say(ada, "room:a", { text: "é😀", list: [1.5, null, true] });
      await got.take(6); // an event with equal content is kept, too
      bob.disconnect();
      await say(ada, "room:a", 2), await say(ada, "room:a", 3), await say(ada, "room:a", 4);
      await say(ada, "room:a", Buffer.from([5, 255])), await say(ada, "room:a", { text: "é😀", list: [1.5, null, true] });
      await keeps(ada, "room:a", last); // the next client may be at the other worker
    }
    const few = await connect(server);
    const got = collect(few, "said");
    assert.deepEqual(await ask(few, "join with history", "room:a", 2), { error: 0, sent: 2 });
    await got.take(2);
    assert.deepEqual(await ask(few, "join with history", "other", 2), { error: 0, sent: 0 });
    await say(ada, "other", "now");
    assert.deepEqual((await got.take(3))[2], ["now"]);
    assert.deepEqual(await ask(few, "history", "other", {}), { error: -7 });
    few.disconnect();
    ada.disconnect();
    await server.stop();
  });

  test(`${workers} workers: pages, removal, exceptions and events for several rooms`, async () => {
    const api = new Api(await freePort());
    const server = await start(apiFlags(api.port), apiEnv);
    const ada = await connect(server);
    await historyOverHttp(api, ada, "many:http");
    const id = ada.id;
    for (let i = 1; i <= 30; i++) await say(ada, "many:a", i);
    await keeps(ada, "many:a", [...Array(30).keys()].map((i) => i + 1));
    const all = (await ask(ada, "history", "many:a", {})).entries;
    const ids = all.map((entry) => entry.id);
    assert.equal(new Set(ids).size, 30);
    assert.ok(all.every(({ event, time }) => event === "said" && Math.abs(time - Date.now()) < 60_000));
    assert.deepEqual(await kept(ada, "many:a", { count: 3 }), [28, 29, 30]);
    assert.deepEqual(await kept(ada, "many:a", { count: 3, before: ids[9] }), [7, 8, 9]);
    assert.deepEqual(await kept(ada, "many:a", { count: 3, after: ids[9] }), [11, 12, 13]);
    assert.deepEqual(await kept(ada, "many:a", { after: ids[9], before: ids[12] }), [11, 12]);
    assert.deepEqual(await ask(ada, "history", "many:a", { before: "nonsense" }), { error: -9 });
    assert.deepEqual(await ask(ada, "history remove", "many:a", ids[29]), { error: 0, removed: 1 });
    assert.deepEqual(await ask(ada, "history remove", "many:a", ids[29]), { error: 0, removed: 0 });
    assert.deepEqual(await kept(ada, "many:a", { count: 2 }), [28, 29]);
    assert.equal((await ask(ada, "history remove", "many:a", null)).error, 0);
    assert.deepEqual(await kept(ada, "many:a"), []);

    // the excluded sender and members of other rooms get an event from the history; members of an excluded room do not
    await say(ada, "many:a", "not to ada", { from: "others" });
    await say(ada, "many:a", "not to the banned", { except: ["banned"] });
    await say(ada, ["many:a", "many:b"], "to both");
    await keeps(ada, "many:b", ["to both"]);
    const got = collect(ada, "said");
    assert.deepEqual(await ask(ada, "join with history", "many:a", 0), { error: 0, sent: 3 });
    assert.deepEqual(await ask(ada, "join with history", "many:b", 0), { error: 0, sent: 0 });
    assert.deepEqual((await got.take(3)).flat(), ["not to ada", "not to the banned", "to both"]);
    const eve = await connect(server);
    const heard = collect(eve, "said");
    await ask(eve, "join", "banned");
    assert.deepEqual(await ask(eve, "join with history", "many:a", 0), { error: 0, sent: 2 });
    assert.deepEqual((await heard.take(2)).flat(), ["not to ada", "to both"]);
    assert.equal(ada.id, id);
    ada.disconnect();
    eve.disconnect();
    await server.stop();
  });

  test(`${workers} workers: a room that is never silent has no gap and no repetition between history and the present`, async () => {
    const server = await start();
    const writer = await connect(server);
    await joinWhileWriting(writer, (round) => connect(server, round % 2 ? { parser } : {}), "many:busy");
    writer.disconnect();
    await server.stop();
  });
}

test("the history outlives a worker, and two workers read the same", async () => {
  const server = await startSockeye(peerApp, ["--workers", "2", ...RULES]);
  const ada = await connect(server, { reconnectionDelay: 10, reconnectionDelayMax: 20 });
  for (let i = 1; i <= 5; i++) await say(ada, "room:a", i);
  await keeps(ada, "room:a", [1, 2, 3, 4, 5]);
  for (const { pid } of server.logged("worker_ready")) {
    const sockets = await Promise.all([...Array(8)].map(() => connect(server, { reconnectionDelay: 10, reconnectionDelayMax: 20 })));
    for (const socket of sockets) assert.deepEqual(await kept(socket, "room:a"), [1, 2, 3, 4, 5]);
    const ready = server.logged("worker_ready").length;
    process.kill(Number(pid), "SIGKILL");
    await server.until(() => server.logged("worker_ready").length > ready);
    for (const socket of sockets) socket.disconnect();
  }
  const bob = await connect(server);
  assert.deepEqual(await kept(bob, "room:a"), [1, 2, 3, 4, 5]);
  for (const socket of [ada, bob]) socket.disconnect();
  await server.stop();
});

test("the oldest events go first when the memory is full", async () => {
  const port = await freePort();
  const server = await startSockeye(peerApp, ["--history", "many:*=1000", "--history-max-bytes", "64k", "--admin-port", String(port)]);
  const ada = await connect(server);
  for (let i = 0; i < 40; i++) await say(ada, `many:${i % 2}`, `${i} ${"x".repeat(4000)}`);
  const left = [...(await kept(ada, "many:0")), ...(await kept(ada, "many:1"))].map((text) => parseInt(text));
  assert.ok(left.length > 5 && left.length < 17, String(left));
  assert.deepEqual([...left].sort((a, b) => a - b), [...Array(left.length).keys()].map((i) => 40 - left.length + i));
  await say(ada, "many:big", "x".repeat(70_000));
  assert.deepEqual(await kept(ada, "many:big"), []);
  assert.equal(server.logged("history").length, 1);
  let metrics;
  const value = (name) => Number(metrics.split("\n").find((line) => line.startsWith(`sockeye_history_${name}`)).split(" ").at(-1));
  do metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(); // the worker writes them twice a second
  while (value("dropped_total") === 0);
  assert.equal(value("events"), left.length);
  assert.equal(value("rooms"), 2);
  assert.equal(value("stored_total"), 40);
  assert.equal(value("displaced_total"), 40 - left.length);
  assert.equal(value("dropped_total"), 1);
  assert.ok(value("bytes") > 0 && value("bytes") <= 65536);
  ada.disconnect();
  await server.stop();
});

test("an answer of the HTTP API has at most 8 MiB, and pages reach all events, each once", async () => {
  const api = new Api(await freePort());
  const server = await startSockeye(peerApp, [...RULES, ...apiFlags(api.port)], apiEnv);
  const ada = await connect(server);
  const EVENTS = 25;
  for (let i = 0; i < EVENTS; i++) await say(ada, "many:big", `${i} ${"\x01".repeat(60_000)}`); // 360 KB of JSON
  const page = async (query) => (await api.get(`history?room=many:big&${query}`)).body.events;
  const number = ({ args }) => parseInt(args[0]);
  for (const [side, end] of [["before", (events) => events[0]], ["after", (events) => events.at(-1)]]) {
    const pages = [];
    let id = side === "before" ? "18446744073709551615-0" : "0-1";
    for (let events; (events = await page(`${side}=${id}`)).length > 0; id = end(events).id) pages.push(events.map(number));
    assert.ok(pages.length === 2 && pages[0].length === 23, JSON.stringify(pages));
    assert.deepEqual(pages.flat().sort((a, b) => a - b), [...Array(EVENTS).keys()]);
  }
  ada.disconnect();
  await server.stop();
});

test("faulty rules are refused in one line", async () => {
  for (const [rules, why] of [["room", "no =COUNT"], ["room=0", "count"], ["room=1001", "count"], ["room=5/1", "age"], ["/x=5", "names no room"], ["=5", "names no room"]])
    await assert.rejects(startSockeye(peerApp, ["--history", rules]), (error) => error.message.includes("option --history:") && error.message.includes(why));
});
