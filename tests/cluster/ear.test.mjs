// The hub of a node subscribes at Redis for all workers: Redis sends each broadcast once per node, and still counts every
// worker. Faults of the hub, of Redis and of single connections heal.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCertificate } from "../clients/support/tls.mjs";
import { next, until } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { hubOf, workersOf } from "./support/processes.mjs";
import { Redis, freePort } from "./support/redis.mjs";

const notepack = createRequire(import.meta.url)("notepack.io");

/** A broadcast of another server. Resolves with the number of copies that Redis has sent. */
async function publish(redis, room, event, ...args) {
  const message = notepack.encode(["another", { type: 2, data: [event, ...args], nsp: "/" }, { rooms: [room], except: [], flags: {} }]);
  const client = await redis.client().connect();
  const copies = await client.publish(`socket.io#/#${room}#`, message);
  await client.disconnect();
  return copies;
}

async function start(name, redis, workers, args = []) {
  const admin = await freePort();
  const node = await startNode(name, redis, ["--workers", String(workers), "--admin-port", String(admin), ...args]);
  node.admin = admin;
  return node;
}

async function metric(node, name) {
  const text = await (await fetch(`http://127.0.0.1:${node.admin}/metrics`)).text();
  const line = new RegExp(`^${name} (\\S+)$`, "m").exec(text);
  return line && Number(line[1]);
}

/** The connections with subscriptions, as Redis sees them: id, number of channels, number of patterns. */
async function subscribers(redis) {
  const list = String(await redis.command("CLIENT", "LIST", "TYPE", "pubsub"));
  return list.trim().split("\n").map((line) => Object.fromEntries(line.split(" ").map((pair) => pair.split("=")))).map(({ id, sub, psub, ssub }) => ({ id, sub: Number(sub), psub: Number(psub), ssub: Number(ssub) }));
}

const crowd = (node, n) => Promise.all(Array.from({ length: n }, () => connect(node)));

/** Every server answers every question of `socket` once: each socket is found once, each worker and each client answers once. */
async function answered(socket, sockets, servers) {
  const { error, sockets: found } = await ask(socket, "fetch", {});
  assert.equal(error, null);
  assert.deepEqual(found.map(({ id }) => id).sort(), sockets.map(({ id }) => id).sort());
  const { error: late, answers } = await ask(socket, "serverAsk", "question", 7);
  assert.equal(late, null);
  assert.equal(answers.length, servers - 1);
  const acks = await ask(socket, "ask", { timeout: 10_000 }, "count me", 1);
  assert.equal(acks.error, null);
  assert.equal(acks.answers.length, sockets.length);
}

for (const routing of ["all", "rooms"]) {
  test(`one subscription per node, and every worker is counted (--redis-routing ${routing})`, async () => {
    const redis = await Redis.start();
    const args = ["--redis-routing", routing];
    const nodes = [await start("a", redis, 4, args), await start("b", redis, 3, args), await start("c", redis, 1, args)];
    const js = await startPeer("js", redis);
    await members(redis, 4 + 3 + 1 + 1);
    await members(redis, 9, "/team");
    const sockets = (await Promise.all([crowd(nodes[0], 3), crowd(nodes[1], 2), crowd(nodes[2], 1), crowd(js, 1)])).flat();
    for (const socket of sockets) socket.on("count me", (value, ack) => ack(value));

    // two namespaces, so two patterns for each subscriber: the two hubs, c's worker and the Node.js server
    const listening = (await subscribers(redis)).filter(({ psub }) => psub > 0);
    if (routing === "all") assert.deepEqual(listening.map(({ psub }) => psub), [2, 2, 2, 2]);
    else assert.equal(listening.length, 1, "only the Node.js server has patterns");
    // Redis sends one copy to each node; PUBLISH returns the number of copies
    for (const socket of sockets) socket.got = [];
    for (const socket of sockets) socket.on("news", (n) => socket.got.push(n));
    const red = [0, 3, 5, 6];
    for (const i of red) await ask(sockets[i], "join", "red");
    if (routing === "rooms") await until(async () => Number((await redis.command("PUBSUB", "NUMSUB", "socket.io#/#red#"))[1]) === 3, "each node has subscribed to the room");
    assert.equal(await publish(redis, "red", "news", 0), 4);

    const servers = { a: sockets[0], b: sockets[3], c: sockets[5], js: sockets[6] };
    for (const from of Object.values(servers)) for (let i = 0; i < 5; i++) await answered(from, sockets, 9);
    let n = 0;
    for (const from of Object.values(servers)) {
      const all = Promise.all(sockets.map((socket) => next(socket, "end")));
      await ask(from, "emit", {}, "news", [++n]);
      await ask(from, "emit", { to: ["red"] }, "news", [++n]);
      await ask(from, "emit", {}, "end", []);
      await all;
    }
    for (const [i, socket] of sockets.entries()) assert.deepEqual(socket.got, red.includes(i) ? [0, 1, 2, 3, 4, 5, 6, 7, 8] : [1, 3, 5, 7], `client ${i}`);

    // the hub's part on /metrics
    assert.equal(await metric(nodes[0], "sockeye_hub_up"), 1);
    assert.equal(await metric(nodes[0], "sockeye_hub_workers"), 4);
    assert.equal(await metric(nodes[0], "sockeye_hub_counting_connections"), 3);
    assert.ok((await metric(nodes[0], "sockeye_hub_received_total")) > 8);
    assert.ok((await metric(nodes[0], "sockeye_hub_subscriptions")) < (await metric(nodes[0], "sockeye_hub_worker_subscriptions")));
    assert.equal(await metric(nodes[2], "sockeye_hub_up"), null, "a node with one worker has no hub");

    // a worker that is killed no longer counts, and its successor does
    process.kill(workersOf(nodes[0])[2], "SIGKILL");
    await until(() => nodes[0].logged("worker_ready").length === 5, "the worker is replaced");
    await members(redis, 9);
    const left = sockets.filter((socket) => socket.connected);
    await answered(servers.js, left, 9);
    sockets.forEach((socket) => socket.disconnect());
    await nodes[1].stop(); // a node that drains
    await members(redis, 6);
    await nodes[0].stop();
    await members(redis, 2);
    await nodes[2].stop();
    await js.stop();
    await redis.stop();
  });
}

test("--redis-subscriber worker: each worker subscribes by itself", async () => {
  const redis = await Redis.start();
  const node = await start("a", redis, 3, ["--redis-subscriber", "worker"]);
  const other = await start("b", redis, 3);
  await members(redis, 6);
  await members(redis, 6, "/team");
  assert.equal(Number(await redis.command("PUBLISH", "socket.io-request#/#", "not a message")), 6);
  assert.equal(await metric(node, "sockeye_hub_up"), null);
  assert.equal(await metric(other, "sockeye_hub_up"), 1);
  const sockets = [...(await crowd(node, 4)), ...(await crowd(other, 4))];
  for (const socket of sockets) socket.on("count me", (value, ack) => ack(value));
  for (const from of [sockets[0], sockets[7]]) await answered(from, sockets, 6);
  sockets.forEach((socket) => socket.disconnect());
  await node.stop();
  await other.stop();
  await redis.stop();
});

/** Clients that keep the numbers that `traffic` sends. */
async function witnesses(nodes, each) {
  const sockets = (await Promise.all(nodes.map((node) => crowd(node, each)))).flat();
  for (const socket of sockets) {
    socket.got = [];
    socket.on("n", (n) => socket.got.push(n));
    socket.on("count me", (value, ack) => ack(value));
  }
  return sockets;
}

/** Emits numbers to all from one socket, as fast as the server takes them, until stopped. */
function traffic(socket) {
  const running = { last: 0, stopped: false };
  running.done = (async () => {
    while (!running.stopped) {
      await ask(socket, "emit", {}, "n", [++running.last]);
      await sleep(1);
    }
  })();
  return running;
}

/** The traffic goes on until each witness has heard one number that was sent from now on. Returns the numbers that each has missed. */
async function heard(sockets, running, what) {
  const from = running.last + 1;
  await until(() => sockets.every(({ got }) => got.at(-1) >= from), `all hear again: ${what}`);
  for (const { got } of sockets) {
    for (let i = 1; i < got.length; i++) assert.ok(got[i] > got[i - 1], `${got[i]} after ${got[i - 1]}: ${what}`);
  }
  return sockets.map(({ got }) => got.at(-1) - got[0] + 1 - got.length);
}

test("under traffic: the hub is killed, Redis restarts, connections are cut", async () => {
  const redis = await Redis.start();
  const nodes = [await start("a", redis, 3), await start("b", redis, 2)];
  const js = await startPeer("js", redis);
  await members(redis, 6);
  await members(redis, 6, "/team");
  const sockets = await witnesses([...nodes, js], 4);
  const sender = sockets[0];
  const running = traffic(sender);
  const lost = async (what) => (await heard(sockets, running, what)).reduce((sum, n) => sum + n, 0);
  assert.equal(await lost("the start"), 0);

  // connections that make Redis count a worker are cut: no message is lost, and the count is right again
  const counting = (await subscribers(redis)).filter(({ sub, psub }) => sub === 2 && psub === 0);
  assert.equal(counting.length, 2 + 1, "one less than there are workers, in two namespaces");
  for (const { id } of counting) await redis.command("CLIENT", "KILL", "ID", id);
  await nodes[0].line(({ event, error }) => event === "hub" && /lost a connection by which Redis counts a worker/.test(error));
  await members(redis, 6);
  assert.equal(await lost("counting connections cut"), 0);

  for (const node of nodes) {
    const ups = node.logged("bus").filter(({ state }) => state === "up").length;
    const pid = hubOf(node);
    process.kill(pid, "SIGKILL");
    await node.until(() => node.logged("bus").filter(({ state }) => state === "up").length >= ups + workersOf(node).length);
    assert.ok(node.logged("bus").some(({ state, server, worker }) => state === "down" && server === "hub" && worker !== undefined));
    await members(redis, 6);
    await lost("hub killed");
    assert.notEqual(hubOf(node), pid);
    assert.equal(await metric(node, "sockeye_hub_up"), 1);
    await answered(sockets.at(-1), sockets, 6);
  }

  await redis.kill();
  await sleep(300);
  await redis.run();
  await members(redis, 6);
  await lost("Redis restarted");
  assert.ok((await metric(nodes[0], "sockeye_hub_downs_total")) >= 1);
  await answered(sockets.at(-1), sockets, 6);

  // the ear alone is cut: workers subscribe again
  const ears = (await subscribers(redis)).filter(({ sub }) => sub > 4);
  for (const { id } of ears) await redis.command("CLIENT", "KILL", "ID", id);
  await members(redis, 6);
  await lost("subscriptions cut");
  await answered(sockets.at(-1), sockets, 6);

  running.stopped = true;
  await running.done;
  for (const socket of sockets) assert.ok(socket.connected, "no client noticed");
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await js.stop();
  await redis.stop();
});

test("with --redis-log, a killed hub and a cut subscription lose nothing and repeat nothing", async () => {
  const redis = await Redis.start();
  const nodes = [await start("a", redis, 3, ["--redis-log"]), await start("b", redis, 2, ["--redis-log"])];
  await members(redis, 5);
  await members(redis, 5, "/team");
  const sockets = await witnesses(nodes, 4);
  const running = traffic(sockets[0]);
  await heard(sockets, running, "the start");
  for (const node of nodes) {
    process.kill(hubOf(node), "SIGKILL");
    await node.until(() => node.logged("hub_ended").length === 1 && node.logged("hub").at(-1)?.state === "up");
    await members(redis, 5);
    assert.deepEqual(await heard(sockets, running, "hub killed"), sockets.map(() => 0));
  }
  for (const { id } of await subscribers(redis)) await redis.command("CLIENT", "KILL", "ID", id);
  await members(redis, 5);
  assert.deepEqual(await heard(sockets, running, "subscriptions cut"), sockets.map(() => 0));
  running.stopped = true;
  await running.done;
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("what Redis refuses reaches each worker: without patterns the rooms are subscribed to one by one", async () => {
  const redis = await Redis.start();
  // a user who may use neither patterns nor the channels of heartbeats
  await redis.command("ACL", "SETUSER", "plain", "reset", "on", ">secret", "+@all", "-psubscribe", "resetchannels", "&socket.io#*", "&socket.io-re*", "&socket.io-check#*");
  const nodes = [];
  const url = `redis://plain:secret@127.0.0.1:${redis.port}`;
  for (const name of ["a", "b"]) nodes.push(await start(name, { url }, 2, ["--redis-routing", "rooms", "--redis-routing-max", "1"]));
  await members(redis, 4);
  await members(redis, 4, "/team");
  const sockets = await witnesses(nodes, 4); // four clients at the two workers of a node: at least one worker has two rooms or more
  for (const node of nodes) await node.line(({ event, warning, worker }) => event === "routing" && worker !== undefined && /refuses patterns/.test(warning));
  await ask(sockets[7], "join", "red");
  const heard = next(sockets[7], "n");
  await ask(sockets[0], "emit", { to: ["red"] }, "n", [1]);
  assert.deepEqual(await heard, [1]);
  await answered(sockets[0], sockets, 4);
  for (const node of nodes) assert.equal(node.logged("bus").filter(({ state }) => state === "down").length, 0, node.output);
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("a hub that hangs and is not restarted: its workers notice, say so, and go on when the hub does", async () => {
  const redis = await Redis.start();
  const nodes = [await start("a", redis, 2, ["--hang-timeout", "0"]), await start("b", redis, 1)];
  await members(redis, 3);
  await members(redis, 3, "/team");
  const sockets = await witnesses(nodes, 2);
  const pid = hubOf(nodes[0]);
  process.kill(pid, "SIGSTOP");
  await nodes[0].until(() => nodes[0].logged("bus").filter(({ reason }) => /did not come back through the hub/.test(reason)).length >= 2);
  sockets.push(...(await witnesses(nodes, 1))); // clients still come
  process.kill(pid, "SIGCONT");
  await nodes[0].until(() => nodes[0].logged("bus").filter(({ state }) => state === "up").length >= 4);
  assert.equal(hubOf(nodes[0]), pid);
  await members(redis, 3);
  for (const from of [sockets[0], sockets[3]]) {
    // the workers have heard no heartbeat for longer than --heartbeat-timeout, so they count as silent until the next one; and
    // Redis counts workers twice until the hub closes its connections for their former links
    await until(async () => {
      const { error, answers } = await ask(from, "serverAsk", "question", 7);
      const found = await ask(from, "fetch", {});
      return error === null && answers.length === 2 && found.error === null; // a server that counts as silent may answer nevertheless
    }, "answers of the others");
    await answered(from, sockets, 3);
  }
  for (const socket of sockets) assert.ok(socket.connected, "no client noticed");
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
});

test("two addresses of Redis: hub and workers go to the one that lives", async () => {
  const [one, two] = [await Redis.start(), await Redis.start()];
  const redis = { url: `redis://127.0.0.1:${one.port},127.0.0.1:${two.port}` };
  const nodes = [await start("a", redis, 2), await start("b", redis, 2)];
  await members(one, 4);
  const sockets = await witnesses(nodes, 2);
  const running = traffic(sockets[0]);
  for (const [dying, heir] of [[one, two], [two, one]]) {
    await dying.kill();
    await members(heir, 4);
    await heard(sockets, running, "the other server");
    await dying.run();
  }
  running.stopped = true;
  await running.done;
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await one.stop();
  await two.stop();
});

test("TLS, a client certificate, a password file that changes, a secret and a prefix", async () => {
  const certificate = makeCertificate();
  const port = await freePort();
  const redis = await Redis.start(["--tls-port", String(port), "--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key, "--tls-ca-cert-file", certificate.cert]);
  await redis.command("ACL", "SETUSER", "node", "reset", "on", ">first", "allcommands", "allchannels");
  const file = path.join(certificate.dir, "password");
  writeFileSync(file, "first\n");
  const args = ["--redis-password-file", file, "--redis-ca", certificate.cert, "--redis-tls-cert", certificate.cert, "--redis-tls-key", certificate.key, "--redis-secret", "of the nodes", "--redis-key", "mine"];
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await start(name, { url: `rediss://node@127.0.0.1:${port}` }, 2, args));
  await members(redis, 4, "/", "mine");
  await members(redis, 4, "/team", "mine");
  const sockets = await witnesses(nodes, 4);
  await answered(sockets[0], sockets, 4);
  const connected = (await subscribers(redis)).map(({ id }) => id).sort();
  assert.equal(connected.length, 4, "an ear and a counting connection for each node");

  // every connection of the hub renews its login, too
  await redis.command("ACL", "SETUSER", "node", ">second");
  writeFileSync(file, "second\n");
  for (const node of nodes) await node.until(() => node.output.split("\n").filter((line) => /login=renewed/.test(line)).length >= 2 + 3);
  await redis.command("ACL", "SETUSER", "node", "<first");
  assert.deepEqual((await subscribers(redis)).map(({ id }) => id).sort(), connected);
  const running = traffic(sockets[0]);
  await heard(sockets, running, "the new password");
  for (const id of connected) await redis.command("CLIENT", "KILL", "ID", id);
  await members(redis, 4, "/", "mine");
  await heard(sockets, running, "connected with the new password");
  running.stopped = true;
  await running.done;
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await redis.stop();
  certificate.remove();
});
