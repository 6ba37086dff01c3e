// Nodes at a Redis Cluster of three masters and three replicas: members die, restart and lose slots under load.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { createClient } from "redis";
import { makeCertificate } from "../clients/support/tls.mjs";
import { collect, next, until } from "../clients/support/wait.mjs";
import { ask, connect, startNode, startPeer } from "./support/cluster.mjs";
import { clientAt, comeBack, startRedisNode } from "./support/recovery.mjs";
import { freePort } from "./support/redis.mjs";
import { RedisCluster } from "./support/redis-cluster.mjs";

let cluster;
let redis; // the URL has a seed that is dead and two that live
before(async () => {
  cluster = await RedisCluster.start();
  redis = { url: `redis+cluster://127.0.0.1:${await freePort()},${cluster.servers.slice(1, 3).map(({ port }) => `127.0.0.1:${port}`)}` };
});
after(() => cluster.stop());

/** Clients that emit numbers without end, and record what they hear of one another. */
class Load {
  static async start(servers, spec = {}) {
    const load = new Load();
    load.sockets = [];
    for (const server of servers) {
      const socket = await connect(server);
      socket.sent = 0;
      socket.heard = new Map(servers.map(({ name }) => [name, []]));
      socket.on("n", (name, i) => socket.heard.get(name).push(i));
      if (spec.to) for (const room of spec.to) await ask(socket, "join", room);
      load.sockets.push(socket);
    }
    load.timer = setInterval(() => {
      for (const socket of load.sockets) socket.emit("emit", spec, "n", [socket.server.name, ++socket.sent], () => {});
    }, 5);
    return load;
  }

  /** Resolves when each client has heard a number from every client that was sent after this call. */
  async flows(what) {
    const since = this.sockets.map(({ sent }) => sent);
    const heard = (to, from, i) => to.heard.get(from.server.name).some((n) => n > since[i]);
    const missing = () => this.sockets.flatMap((to) => this.sockets.filter((from, i) => !heard(to, from, i)).map((from) => `${from.server.name}>${to.server.name}`));
    await until(() => missing().length === 0, () => `everything arrives, ${what}, but: ${missing()}`);
    // the cluster client of Node.js publishes each message at a random member, so its messages have no order
    for (const to of this.sockets)
      for (const [name, numbers] of to.heard)
        if (name === "js") assert.equal(new Set(numbers).size, numbers.length, `${what}: ${to.server.name} heard a message of ${name} twice`);
        else for (let i = 1; i < numbers.length; i++) assert.ok(numbers[i] > numbers[i - 1], `${what}: ${to.server.name} heard ${numbers[i]} of ${name} after ${numbers[i - 1]}`);
  }

  leave(name) {
    const socket = this.sockets.find(({ server }) => server.name === name);
    this.sockets = this.sockets.filter((other) => other !== socket);
    socket.disconnect();
  }

  stop() {
    clearInterval(this.timer);
    for (const socket of this.sockets) {
      assert.ok(socket.connected, "no client noticed");
      socket.disconnect();
    }
  }
}

function passwordFile(dir) {
  const file = path.join(dir, "password");
  writeFileSync(file, "of-the-cluster\n", { mode: 0o600 });
  return file;
}

const serverOf = (node) => node.logged("bus").filter(({ state }) => state === "up").at(-1).server;

test("classic: nodes at different members count one another, and a master is killed under load", async () => {
  const nodes = [await startNode("a", redis), await startNode("b", redis, ["--workers", "2"]), await startNode("c", redis)];
  const peer = await startPeer("js", redis);
  const load = await Load.start([...nodes, peer]);
  await load.flows("the start");
  for (const socket of load.sockets.slice(0, 3)) {
    const { silent, answers } = await ask(socket, "serverAsk", "question", 1);
    assert.equal(silent, 0, "every server is known");
    assert.equal(answers.length, 4, "the other workers and the Node.js server");
  }

  load.leave("js"); // The cluster client of the Node.js server (redis 4) hears nothing any more if its subscriber's member dies.
  await peer.stop();

  const victim = cluster.servers.find(({ port }) => serverOf(nodes[0]) === `127.0.0.1:${port}`);
  await cluster.kill(victim);
  await load.flows("a master is dead");
  assert.notEqual(serverOf(nodes[0]), `127.0.0.1:${victim.port}`);
  await victim.run();
  await cluster.ready();
  await load.flows("it is back");
  load.stop();
  for (const node of nodes) await node.stop();
});

/** The sum of a metric over the workers of a node. */
async function metric(node, name) {
  const text = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, "gm"))].reduce((sum, [, value]) => sum + Number(value), 0);
}

test("sharded: a slot moves, a master is killed, and all masters restart, under load", async () => {
  const nodes = [];
  const args = ["--redis-mode", "sharded"];
  for (const name of ["a", "b"]) {
    const adminPort = await freePort();
    nodes.push(await startNode(name, redis, [...args, "--admin-port", String(adminPort), ...(name === "b" ? ["--workers", "2"] : [])]));
    nodes.at(-1).adminPort = adminPort;
  }
  const peer = await startPeer("js", redis, ["--sharded=dynamic"]);
  const load = await Load.start([...nodes, peer], { to: ["room b"] });
  await load.flows("the start");
  for (const socket of load.sockets.slice(0, 2)) {
    const { silent, answers } = await ask(socket, "serverAsk", "question", 1);
    assert.equal(silent, 0, "every server is known");
    assert.equal(answers.length, 3, "the other workers and the Node.js server");
  }
  load.leave("js"); // The cluster client of the Node.js server (redis 4) does not follow a moved slot.
  await peer.stop();

  const slot = await cluster.slot("socket.io#/#room b#");
  const from = await cluster.owner(slot);
  const to = (await cluster.masters()).find((server) => server !== from);
  await cluster.move(slot, to);
  await load.flows("a slot has moved");
  for (const node of nodes) {
    for (const name of ["gaps", "moved", "resubscribes"]) await cluster.until(async () => (await metric(node, `sockeye_bus_${name}_total`)) > 0, `the ${name} are counted`);
  }

  await cluster.kill(to);
  await load.flows("a master is dead");
  await to.run();
  await cluster.ready();

  const masters = await cluster.masters();
  for (const master of masters) await master.kill();
  for (const master of masters) await master.run();
  await cluster.ready();
  await load.flows("all masters have restarted");
  load.stop();
  for (const node of nodes) await node.stop();
});

test("streams: the streams' slots move without a loss, and their masters are killed, under load", async () => {
  const nodes = [];
  const args = ["--redis-mode", "streams", "--redis-stream-count", "2", "--redis-stream-sharded-pub-sub"];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, redis, [...args, ...(name === "b" ? ["--workers", "2"] : [])]));
  const load = await Load.start(nodes);
  /** Nothing is missing between the first number that a client has heard and the last one. */
  const whole = () => load.sockets.flatMap(({ heard }) => [...heard.values()]).every((numbers) => numbers.at(-1) - numbers[0] + 1 === numbers.length);
  await load.flows("the start");

  // the first stream is that of the main namespace
  const slots = await Promise.all(["socket.io-1", "socket.io-0", "socket.io--1"].map((stream) => cluster.slot(stream)));
  const refused = nodes[0].line(({ event, writer, reason }) => event === "stream" && writer === "down" && / ASK /.test(reason));
  for (const slot of slots) {
    const from = await cluster.owner(slot);
    await cluster.move(slot, (await cluster.masters()).find((server) => server !== from), () => (slot === slots[0] ? refused : undefined));
  }
  await load.flows("the slots have moved");
  for (const node of nodes) assert.deepEqual(node.logged("bus").filter(({ server }) => server === "streams"), [], "a moving slot is not reported as a fault");
  assert.ok(whole(), "a slot takes its stream with it");

  // entries that the dead master had not passed on to its replica are lost
  const dead = await cluster.owner(slots[0]);
  await cluster.kill(dead);
  await load.flows("a master is dead");
  await dead.run();
  await cluster.ready();
  await load.flows("it is back");
  load.stop();
  for (const node of nodes) await node.stop();
});

test("connection state recovery: at each node, also after the log's slot has moved; beside a Node.js server, clients are new", async (t) => {
  const nodes = [await startRedisNode(t, redis), await startRedisNode(t, redis)];
  const [socket, driver] = [await clientAt(t, nodes[0], 0, { reconnection: false }), await clientAt(t, nodes[1], 1, {})];
  const { id } = socket;
  const got = collect(socket, "n");
  let sent = 0;
  /** The client is away while `happens`, and misses two events. */
  const away = async (node, happens = async () => {}) => {
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    await driver.emitWithAck("emit", { to: [id] }, "n", ++sent);
    await happens();
    await driver.emitWithAck("emit", { to: [id] }, "n", ++sent);
    await comeBack(socket, node);
  };
  for (const node of [nodes[1], nodes[0]]) {
    await away(node);
    assert.equal(socket.recovered, true);
  }
  const slot = await cluster.slot("socket.io-log");
  const from = await cluster.owner(slot);
  await away(nodes[1], async () => cluster.move(slot, (await cluster.masters()).find((server) => server !== from)));
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  await got.take(sent);
  assert.deepEqual(got.seen.map(([n]) => n), Array.from({ length: sent }, (_, i) => i + 1));

  // stands for a Node.js server: it subscribes at another master than the log's, whose scripts see their own subscribers only
  const owner = await cluster.owner(slot);
  const foreign = createClient({ url: (await cluster.masters()).find((server) => server !== owner).url });
  await foreign.connect();
  await foreign.subscribe("socket.io-request#/#", () => {});
  await comeBack(socket, nodes[0]);
  assert.equal(socket.recovered, false);
  await foreign.disconnect();
  for (const node of nodes) await node.stop();
});

test("with TLS and a password: each member is verified by the name that it announces", async () => {
  const certificate = makeCertificate("localhost", "DNS:localhost"); // the certificate is not valid for 127.0.0.1
  const ports = [];
  const args = async () => {
    ports.push(await freePort());
    return ["--tls-port", String(ports.at(-1)), "--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key, "--tls-ca-cert-file", certificate.cert,
      "--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes", "--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"];
  };
  const guarded = await RedisCluster.start({ args, password: "of-the-cluster" });
  const url = `rediss+cluster://localhost:${ports[0]}`;
  for (const mode of ["classic", "sharded", "streams"]) {
    const nodes = [];
    for (const name of ["a", "b"]) nodes.push(await startNode(name, { url }, ["--redis-mode", mode, "--redis-ca", certificate.cert, "--redis-password-file", passwordFile(certificate.dir)]));
    const load = await Load.start(nodes, { to: ["room b"] });
    await load.flows(mode);
    const { silent, answers } = await ask(load.sockets[0], "serverAsk", "question", 1);
    assert.deepEqual([silent, answers.length], [0, 1]);
    load.stop();
    for (const node of nodes) await node.stop();
  }
  await guarded.stop();
  certificate.remove();
});
