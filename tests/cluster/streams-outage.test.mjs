// Streams mode while Redis restarts, stops or loses entries: entries arrive once and in order, or the gap is counted. Also
// several streams, several workers, the HTTP API, and a secret.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../clients/support/server.mjs";
import { collect, next, within } from "../clients/support/wait.mjs";
import { Api, apiEnv, apiFlags } from "./support/api.mjs";
import { ask, connect, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { settle } from "./support/operations.mjs";
import { workersOf } from "./support/processes.mjs";
import { freePort, Redis } from "./support/redis.mjs";

const MODE = ["--redis-mode", "streams"];
const PATIENT = ["--ping-timeout", "10m"]; // clients of stopped workers get no ping for a long time

describe("two nodes", () => {
  let redis, sockets;
  const nodes = {};

  before(async () => {
    redis = await Redis.start(["--appendonly", "yes", "--appendfsync", "always"]);
    for (const name of ["a", "b"]) nodes[name] = await startNode(name, redis, ["--workers", "2", ...MODE, ...PATIENT]);
    await subscribers(redis, 4, "socket.io#/#");
  });

  after(async () => {
    for (const node of Object.values(nodes)) await node.stop();
    await redis?.stop();
  });

  afterEach(() => sockets.forEach((socket) => socket.disconnect()));

  /** Four clients on each node; `got` holds the events that they got. */
  async function everybody() {
    sockets = [];
    for (const node of Object.values(nodes))
      for (let i = 0; i < 4; i++) {
        const socket = await connect(node);
        socket.got = [];
        socket.on("kept", (from, i) => socket.got.push([from, i]));
        sockets.push(socket);
      }
  }

  const senderOf = (name) => sockets.find(({ server }) => server === nodes[name]);
  const heard = (socket, name) => socket.got.filter(([from]) => from === name).map(([, i]) => i);
  const lines = (name) => nodes[name].logged("stream");

  /** Emits from both nodes, one event after the other, until `act` has ended. Resolves with how many each has sent. */
  async function whileSending(act) {
    let going = true;
    const sending = Object.keys(nodes).map(async (name) => {
      let i = 0;
      for (; going; i++) {
        await ask(senderOf(name), "emit", {}, "kept", [name, i]);
        await sleep(1); // no more than the queue of a stopped Redis can hold
      }
      return i;
    });
    await act();
    going = false;
    return Promise.all(sending);
  }

  async function assertAllKept(counts) {
    for (const [k, name] of Object.keys(nodes).entries())
      for (const socket of sockets) {
        while (heard(socket, name).at(-1) !== counts[k] - 1) await next(socket, "kept");
        assert.deepEqual(heard(socket, name), [...Array(counts[k]).keys()], `what ${socket.server.name} heard of ${name}`);
      }
  }

  const heardSome = () => Promise.all(sockets.map((socket) => next(socket, "kept")));
  /** Waits until a writer of each node has been down, and all of them are up again. */
  const writersUp = async (since) => {
    for (const [name, from] of Object.entries(since))
      await nodes[name].until(() => {
        const last = new Map(lines(name).slice(from).filter(({ writer }) => writer).map((line) => [line.worker, line.writer]));
        return last.size > 0 && [...last.values()].every((state) => state === "up");
      });
  };
  const now = () => Object.fromEntries(Object.keys(nodes).map((name) => [name, lines(name).length]));

  test("a Redis that restarts with its data loses nothing and repeats nothing", async () => {
    await everybody();
    const counts = await whileSending(async () => {
      for (let round = 0; round < 3; round++) {
        await heardSome();
        const since = now();
        await redis.kill();
        await redis.run();
        await writersUp(since);
      }
      await heardSome();
    });
    await assertAllKept(counts);
    for (const name of Object.keys(nodes)) assert.ok(!lines(name).some(({ warning }) => warning), "a gap");
  });

  test("a Redis that stops for a while loses nothing and repeats nothing", async () => {
    await everybody();
    const counts = await whileSending(async () => {
      await heardSome();
      const since = now();
      redis.pause();
      for (const name of Object.keys(nodes)) await nodes[name].until(() => lines(name).slice(since[name]).some(({ writer }) => writer === "down"));
      redis.resume();
      await writersUp(since);
      await heardSome();
    });
    await assertAllKept(counts);
  });

  test("a node that is away for too long counts a gap", async () => {
    await everybody();
    const workers = workersOf(nodes.b);
    const from = lines("b").length;
    const sender = senderOf("a");
    await redis.command("XTRIM", "socket.io", "MAXLEN", "200"); // so that no later XADD trims the stream
    const before = Number(await redis.command("XLEN", "socket.io"));
    for (const pid of workers) process.kill(pid, "SIGSTOP");
    for (let i = 0; i < 400; i++) await ask(sender, "emit", {}, "kept", ["a", i]);
    await settle(async () => assert.ok(Number(await redis.command("XLEN", "socket.io")) >= before + 400));
    await redis.command("XTRIM", "socket.io", "MAXLEN", "200");
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    for (const pid of workers) process.kill(pid, "SIGCONT");
    await nodes.b.until(() => lines("b").slice(from).filter(({ warning }) => /entries may be missing/.test(warning ?? "")).length === workers.length);
    for (const socket of sockets) {
      while (heard(socket, "a").at(-1) !== 399) await next(socket, "kept");
      const all = heard(socket, "a");
      assert.deepEqual(all, [...new Set(all)].sort((x, y) => x - y), "once, in order");
      assert.ok(socket.server === nodes.a ? all.length === 400 : all.length < 250, `${all.length} of 400`);
    }
  });
});

test("several streams, workers, the HTTP API and a Node.js server", async () => {
  const redis = await Redis.start();
  const port = await freePort();
  const args = [...MODE, "--redis-stream-count", "4", "--workers", "2"];
  const nodes = [await startNode("c1", redis, [...args, ...apiFlags(port)], apiEnv), await startNode("c2", redis, args)];
  const peer = await startPeer("js", redis, ["--streams=4"]);
  const api = new Api(port);
  const servers = [...nodes, peer];
  for (const nsp of ["/", "/team"]) {
    await subscribers(redis, 5, `socket.io#${nsp}#`);
    const sockets = [];
    for (const server of [...servers, ...servers]) sockets.push(await connect(server, { nsp }));
    for (const sender of sockets) {
      const news = sockets.map((socket) => next(socket, "news"));
      await ask(sender, "emit", {}, "news", [sender.id]);
      for (const [id] of await Promise.all(news)) assert.equal(id, sender.id);
    }
    const news = sockets.map((socket) => next(socket, "news"));
    const answer = await api.post("emit", { namespace: nsp, event: "news", args: ["api"] });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    for (const [from] of await Promise.all(news)) assert.equal(from, "api");
    const found = await ask(sockets[0], "fetch", {});
    assert.deepEqual([found.error, found.sockets.length], [null, sockets.length]);
    sockets.forEach((socket) => socket.disconnect());
  }
  assert.deepEqual((await redis.command("KEYS", "*")).sort(), ["socket.io-0", "socket.io-3"]);
  for (const node of nodes) await node.stop();
  await peer.stop();
  await redis.stop();
});

for (const [what, refuse, allow, reason] of [
  ["for want of memory", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], /writing to the stream refused: OOM/],
  ["for want of rights", ["ACL", "SETUSER", "node", "-xadd"], ["ACL", "SETUSER", "node", "+xadd"], /writing to the stream refused: .*NOPERM/],
])
  test(`entries that Redis refuses ${what} wait; the bus is down and says why`, async () => {
    const redis = await Redis.start(["--maxmemory-policy", "noeviction"]);
    await redis.command("ACL", "SETUSER", "node", "reset", "on", ">of the nodes", "+@all", "allchannels", "allkeys");
    const url = `redis://node:of%20the%20nodes@127.0.0.1:${redis.port}`;
    const admin = await freePort();
    const nodes = [await startNode("a", { url }, ["--workers", "1", "--admin-port", String(admin), ...MODE]), await startNode("b", { url }, ["--workers", "1", ...MODE])];
    await subscribers(redis, 2, "socket.io#/#");
    const sockets = await Promise.all(nodes.map((node) => connect(node)));
    const got = collect(sockets[1], "kept");
    await redis.command(...refuse);
    for (let i = 0; i < 5; i++) await ask(sockets[0], "emit", {}, "kept", [i]);
    const down = await nodes[0].line(({ event, state }) => event === "bus" && state === "down");
    assert.equal(down.server, "streams");
    assert.match(down.reason, reason);
    await settle(async () => {
      const { ready, degraded } = await (await fetch(`http://127.0.0.1:${admin}/readyz`)).json();
      assert.deepEqual([ready, degraded], [true, true]);
    });
    await redis.command(...allow);
    await nodes[0].line(({ event, state, server }) => event === "bus" && state === "up" && server === "streams");
    assert.deepEqual(await got.take(5), [[0], [1], [2], [3], [4]]);
    assert.equal(nodes[0].logged("bus").filter(({ state }) => state === "down").length, 1, nodes[0].output);
    for (const socket of sockets) socket.disconnect();
    for (const node of nodes) await node.stop();
    await redis.stop();
  });

test("a secret seals entries and published messages", async () => {
  const redis = await Redis.start();
  const secret = { SOCKEYE_REDIS_SECRET: "a secret of the nodes" };
  const nodes = [await startNode("a", redis, MODE, secret), await startNode("b", redis, MODE, secret)];
  await subscribers(redis, 2, "socket.io#/#");
  const sockets = [await connect(nodes[0]), await connect(nodes[1])];
  const forged = JSON.stringify({ packet: { type: 2, data: ["news", "forged"] }, opts: { rooms: [], except: [], flags: {} } });
  await redis.command("XADD", "socket.io", "*", "uid", "emitter", "nsp", "/", "type", "3", "data", forged);
  for (const args of [[1, "two", null, []], [Buffer.from("b"), 1, 2, 3]]) {
    const news = sockets.map((socket) => next(socket, "news"));
    await ask(sockets[0], "emit", {}, "news", args);
    for (const got of await Promise.all(news)) assert.deepEqual(got, args);
  }
  const { error, sockets: found } = await ask(sockets[1], "fetch", {});
  assert.deepEqual([error, found.length], [null, 2]);
  const [[, fields]] = await redis.command("XREVRANGE", "socket.io", "+", "-", "COUNT", "1");
  assert.deepEqual([fields.at(-4), fields.at(-2)], ["seal", "order"]);
  await within(nodes[1].until(() => nodes[1].logged("broker").some(({ error }) => /without a valid redisSecret tag/.test(error))), "the forged entry to be logged");
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("a server with the classic adapter beside the streams is noticed", async () => {
  const redis = await Redis.start();
  const node = await startNode("a", redis, [...MODE, "--heartbeat-interval", "200ms", "--heartbeat-timeout", "1s"]);
  const peer = await startPeer("js", redis);
  await node.until(() => node.logged("cluster").some(({ warning }) => /adapters of another mode/.test(warning ?? "")));
  await peer.stop();
  await node.stop();
  await redis.stop();
});

test("the Redis user of docs/cluster.md may do all that streams need", async () => {
  const redis = await Redis.start(["--appendonly", "yes", "--appendfsync", "no"]);
  const [rules] = readFileSync(path.join(root, "docs/cluster.md"), "utf8").match(/^ACL SETUSER sockeye .*xadd.*$/m);
  const login = async () => redis.command(...rules.replace(">PASSWORD", ">secret").split(" "));
  await login();
  const url = redis.url.replace("//", "//sockeye:secret@");
  const nodes = [await startNode("a", { url }, MODE), await startNode("b", { url }, MODE)];
  await subscribers(redis, 2, "socket.io#/#");
  const sockets = [await connect(nodes[0]), await connect(nodes[1])];
  for (let i = 0; i < 2; i++) {
    const news = sockets.map((socket) => next(socket, "news"));
    await ask(sockets[0], "emit", {}, "news", [i, null, null, null]);
    for (const [n] of await Promise.all(news)) assert.equal(n, i);
    const { error, sockets: found } = await ask(sockets[1], "fetch", {});
    assert.deepEqual([error, found.length], [null, 2]);
    if (i > 0) break;
    await redis.command("CLIENT", "KILL", "TYPE", "normal"); // the writer looks for its messages
    await nodes[0].until(() => nodes[0].logged("stream").filter(({ writer }) => writer === "up").length === 2);
  }
  const refusals = (await redis.command("ACL", "LOG")).filter((entry) => !String(entry).includes("ping"));
  assert.deepEqual(refusals, []);
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
});
