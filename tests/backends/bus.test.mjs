// --backend-fanout bus: each broadcast of a backend reaches every node of a cluster, and every Node.js server with the Redis adapter, once.
import test from "node:test";
import assert from "node:assert/strict";
import { collect, within } from "../clients/support/wait.mjs";
import { startPeer, connect, members } from "../cluster/support/cluster.mjs";
import { Redis } from "../cluster/support/redis.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

/** Two edges with two workers, two backends behind both, a Node.js server; three clients at each edge and two at the server. */
async function start(t) {
  const redis = await Redis.start();
  t.after(() => redis.stop());
  const args = ["--workers", "2", "--redis", redis.url, "--backend-fanout", "bus"];
  const edges = [await startEdge(t, args), await startEdge(t, args)];
  const peer = await startPeer("js", redis);
  t.after(() => peer.stop());
  for (const name of ["a", "b"]) await startBackend(t, edges, { name, links: 4 });
  const ours = [];
  for (const edge of edges) for (let i = 0; i < 3; i++) ours.push(await joined(t, edge.url, { transports: ["websocket"] }));
  const whos = await Promise.all(ours.map((socket) => ask(socket, "who")));
  const of = (name) => ours[whos.findIndex((who) => who.name === name)];
  const theirs = [await connect(peer), await connect(peer)];
  t.after(() => theirs.forEach((socket) => socket.close()));
  await members(redis, 5); // four workers and the Node.js server
  const all = [...ours, ...theirs];
  return { redis, edges, ours, theirs, all, of };
}

/** Calls `act` and collects the arguments of each `event` that each client receives until a marker of the same sender has reached all clients. */
async function hears({ all, mark }, event, act) {
  const got = all.map((socket) => collect(socket, event));
  act();
  await mark();
  return got.map((each) => (each.stop(), each.seen.flat()));
}

let marks = 0;
function marker(all, send) {
  return async () => {
    const name = `mark ${marks++}`;
    const heard = all.map((socket) => collect(socket, name));
    send(name);
    await Promise.all(heard.map((each) => each.take(1)));
  };
}

test("broadcasts of backends and of a Node.js server reach every client once", async (t) => {
  const { all, ours, theirs, of } = await start(t);
  for (const name of ["a", "b"]) {
    const sender = of(name);
    const mark = marker(all, (event) => sender.emit("all", event));
    assert.deepEqual(await hears({ all, mark }, "news", () => sender.emit("all", "news", name)), all.map(() => [name]));
    const bytes = Buffer.from([1, 2, 3]);
    assert.deepEqual(await hears({ all, mark }, "news", () => sender.emit("all", "news", { bytes })), all.map(() => [{ bytes }]));
    const others = await hears({ all, mark }, "news", () => sender.emit("broadcast", "news", name));
    assert.deepEqual(others, all.map((socket) => (socket === sender ? [] : [name])));
  }
  const [sender] = theirs;
  const mark = marker(all, (event) => sender.emit("emit", {}, event, [], () => {}));
  assert.deepEqual(await hears({ all, mark }, "news", () => sender.emit("emit", {}, "news", [1], () => {})), all.map(() => [1]));
  await ask(ours[1], "join", "r");
  await ask(ours[5], "join", "r");
  await ask(theirs[1], "join", "r");
  const inRoom = all.map((socket) => ([ours[1], ours[5], theirs[1]].includes(socket) ? [2] : []));
  assert.deepEqual(await hears({ all, mark }, "room", () => sender.emit("emit", { to: ["r"] }, "room", [2], () => {})), inRoom);
  const markA = marker(all, (event) => of("a").emit("all", event));
  assert.deepEqual(await hears({ all, mark: markA }, "room", () => of("a").emit("to", "r", "room", 2)), inRoom);
});

test("a question to all clients is answered by all of them, whichever server asks", async (t) => {
  const { all, theirs, of } = await start(t);
  all.forEach((socket, i) => socket.on("question", (x, reply) => reply(i)));
  const everybody = [...all.keys()];
  const [error, answers] = await new Promise((resolve) => of("a").emit("ask all", 20000, (...args) => resolve(args)));
  assert.deepEqual([error, answers.sort()], [null, everybody]);
  const asked = await ask(theirs[0], "ask", { timeout: 20000 }, "question", 1);
  assert.deepEqual([asked.error, asked.answers.sort()], [null, everybody]);
});

test("Redis is restarted: no broadcast arrives twice, and later broadcasts reach every client again", async (t) => {
  const { redis, edges, all, ours, theirs, of } = await start(t);
  const senders = { a: of("a"), b: of("b"), js: theirs[0] };
  const send = (name, n) => (name === "js" ? senders.js.emit("emit", {}, "news", [`js ${n}`], () => {}) : senders[name].emit("all", "news", `${name} ${n}`));
  const heard = all.map((socket) => collect(socket, "news"));
  const got = (each, text) => each.seen.some(([seen]) => seen === text);
  let n = 0;
  const everybodyHears = async (name) => {
    const from = n + 1;
    const isHeard = () => {
      for (let i = from; i <= n; i++) if (heard.every((each) => got(each, `${name} ${i}`))) return true;
      return false;
    };
    const again = setInterval(() => send(name, ++n), 200);
    while (!isHeard()) await new Promise((resolve) => setTimeout(resolve, 10));
    clearInterval(again);
  };
  await redis.kill();
  for (const name of ["a", "b", "js"]) send(name, ++n);
  await redis.run();
  for (const name of ["a", "b", "js"]) await within(everybodyHears(name), `a broadcast of ${name} to reach every client`).catch((error) => {
      throw new Error(`${error.message}; the last message of each client: ${heard.map(({ seen }) => seen.at(-1))}\n${edges.map((edge) => edge.output).join("\n")}`);
    });
  for (const each of heard) {
    const texts = each.seen.map(([text]) => text);
    assert.equal(new Set(texts).size, texts.length, `twice: ${texts}`);
  }
  assert.ok(ours.every((socket) => socket.connected && socket.drops === 0));
});
