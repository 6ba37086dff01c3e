// The workers of a cluster know one another: /cluster, sio_nodes(), which workers are silent, and which settings contradict each other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until as holds } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis, freePort } from "./support/redis.mjs";

const BEATS = ["--heartbeat-interval", "200", "--heartbeat-timeout", "1000", "--requests-timeout", "60000"];

async function start(name, redis, id, more = []) {
  const admin = await freePort();
  const node = await startNode(name, redis, ["--admin-port", String(admin), "--node-id", String(id), ...BEATS, ...more]);
  node.admin = `http://127.0.0.1:${admin}`;
  return node;
}

const cluster = async (node) => (await fetch(`${node.admin}/cluster`)).json();

/** Polls the admin page, which workers refresh twice a second, until `look` returns something truthy. */
async function until(node, look) {
  let page;
  await holds(async () => look((page = await cluster(node))), () => `${look} holds for ${JSON.stringify(page)}`);
  return page;
}

const states = (page) => page.members.map(({ node, worker, state }) => `${node}.${worker} ${state}`).sort();
const becomes = (node, id, state) => node.line((line) => line.event === "member" && line.node === String(id) && line.state === state);

test("members are listed, and told apart when they leave, die or stop", async () => {
  const redis = await Redis.start();
  const one = await start("a", redis, 1, ["--workers", "2"]);
  const [two, three, four] = [await start("b", redis, 2), await start("c", redis, 3), await start("d", redis, 4)];
  const peer = await startPeer("js", redis);
  await members(redis, 6);

  const whole = (p) => p.foreign === 1 && p.members.length === 5 && p.up;
  await until(two, whole);
  const page = await until(one, whole);
  assert.deepEqual(states(page), ["1.0 serving", "1.1 serving", "2.0 serving", "3.0 serving", "4.0 serving"]);
  assert.deepEqual([page.form, page.mode, page.members.map(({ mode }) => mode)], ["redis", "classic", page.members.map(() => "classic")]);
  assert.deepEqual(page.conflicts, []);
  assert.deepEqual(page.members.filter(({ local }) => local).map(({ node }) => node), [1, 1]);
  assert.equal(page.members.find(({ self }) => self).id, page.id);
  assert.equal(page.members.find(({ node }) => node === 2).port, two.port);
  assert.equal((await fetch(`${one.admin}/cluster`, { method: "POST" })).status, 405);

  const client = await connect(two);
  const { nodes, foreign } = await ask(client, "nodes");
  assert.equal(foreign, 1);
  assert.deepEqual(nodes[0], { node: 2, worker: 0, state: "serving", self: true, clients: 1 });
  assert.deepEqual(nodes.map(({ node }) => node).sort(), [1, 1, 2, 3, 4]);
  await until(one, (p) => p.members.find(({ node }) => node === 2).clients === 1);
  assert.deepEqual(await ask(client, "silence"), { error: 0, sockets: 1, silent: 0, named: [] });

  // SIGSTOP: node 3 is still connected. A question does not wait for it for long, and its answer names it.
  three.child.kill("SIGSTOP");
  assert.deepEqual(await ask(client, "silence"), { error: -13, sockets: 1, silent: 1, named: [3] });
  await becomes(two, 3, "silent");
  const before = Date.now();
  assert.deepEqual(await ask(client, "silence"), { error: -13, sockets: 1, silent: 1, named: [3] });
  assert.ok(Date.now() - before < 20_000); // far less than --requests-timeout
  await until(one, (p) => p.members.find(({ node }) => node === 3).state === "silent");
  const metrics = await (await fetch(`${one.admin}/metrics`)).text();
  assert.match(metrics, /^sockeye_cluster_members\{worker="0",state="silent"\} 1$/m);
  assert.match(metrics, /^sockeye_cluster_members\{worker="0",state="foreign"\} 1$/m);
  const serving = () => two.logged("member").filter(({ node, state }) => node === "3" && state === "serving").length;
  const times = serving();
  three.child.kill("SIGCONT");
  await two.until(() => serving() > times);
  await until(one, (p) => p.members.find(({ node }) => node === 3).state === "serving");

  // SIGKILL: its connections close, and a question that waits for it ends without it
  three.child.kill("SIGSTOP");
  const asked = ask(client, "silence");
  three.child.kill("SIGKILL");
  await three.exited;
  const { silent, sockets } = await asked;
  assert.equal(sockets, 1);
  assert.ok(silent <= 1); // 1 if node 3 was silent for longer than the time-out before its end was noticed
  await becomes(two, 3, "lost");
  assert.deepEqual(await ask(client, "silence"), { error: 0, sockets: 1, silent: 0, named: [] });

  // SIGTERM: node 4 announces that it leaves
  await four.stop();
  await becomes(two, 4, "left");
  assert.deepEqual(await ask(client, "silence"), { error: 0, sockets: 1, silent: 0, named: [] });
  const last = "1.0 serving,1.1 serving,2.0 serving,3.0 lost,4.0 left";
  await until(one, (p) => String(states(p)) === last);

  client.disconnect();
  await peer.stop();
  await Promise.all([one.stop(), two.stop()]);
  await redis.stop();
});

test("workers of one machine and a single process are members too", async () => {
  const admin = await freePort();
  const node = await startNode("hub", { url: "" }, ["--admin-port", String(admin), "--workers", "2", ...BEATS]);
  node.admin = `http://127.0.0.1:${admin}`;
  const page = await until(node, (p) => p.members?.length === 2 && p.foreign === 0 && p.up); // a worker that was counted before its first heartbeat is foreign for a moment
  assert.deepEqual([page.form, states(page)], ["hub", ["0.0 serving", "0.1 serving"]]);
  await node.stop();

  const alone = await startNode("alone", { url: "" }, ["--admin-port", String(admin), ...BEATS]);
  alone.admin = node.admin;
  const self = await until(alone, (p) => p.members?.length === 1);
  assert.deepEqual([self.form, self.up, states(self)], ["alone", true, ["0.0 serving"]]);
  const client = await connect(alone);
  assert.deepEqual((await ask(client, "nodes")).nodes, [{ node: 0, worker: 0, state: "serving", self: true, clients: 1 }]);
  client.disconnect();
  await alone.stop();
});

test("contradicting settings in a cluster are named, in the log and at /cluster", async () => {
  const redis = await Redis.start();
  const warned = (node, text) => node.line((line) => line.event === "cluster" && line.warning?.includes(text));
  const a = await start("a", redis, 1);

  const twin = await start("b", redis, 1);
  await Promise.all([warned(a, "same --node-id"), warned(twin, "same --node-id")]);
  await until(a, (p) => p.conflicts.includes("node-id"));
  await twin.stop();
  await until(a, (p) => p.conflicts.length === 0);

  const other = await start("c", { url: `${redis.url}/3` }, 2);
  await Promise.all([warned(a, "another Redis database"), warned(other, "another Redis database")]);
  await until(a, (p) => p.conflicts.includes("db"));
  await other.stop();
  await until(a, (p) => p.conflicts.length === 0);

  const sealed = await start("d", redis, 3, ["--redis-secret", "secret"]);
  await Promise.all([warned(a, "another --redis-secret"), warned(sealed, "another --redis-secret")]);
  await until(sealed, (p) => p.conflicts.includes("secret") && p.members.length === 1);
  await sealed.stop();

  const sharded = await startPeer("js", redis, ["--sharded=dynamic"]);
  assert.equal(Number((await warned(a, "adapters of another mode")).servers), 1);
  await until(a, (p) => p.conflicts.includes("strangers"));
  await sharded.stop();
  await until(a, (p) => p.conflicts.length === 0);

  const logging = await start("e", redis, 4, ["--redis-log"]);
  await Promise.all([warned(a, "another --redis-mode"), warned(logging, "another --redis-mode")]);
  await logging.stop();

  // what the streams adapter of Node.js publishes: MessagePack of {type, data, uid, nsp}
  const client = await connect(a);
  await redis.command("PUBLISH", "socket.io#/#", Buffer.from("84a47479706507a46461746180a3756964a178a36e7370a12f", "hex"));
  await warned(a, "streams adapter");
  await until(a, (p) => p.conflicts.includes("streams"));
  client.disconnect();
  assert.equal(a.logged("cluster").length, 6); // one line for each contradiction, although heartbeats came all the time
  await a.stop();
  await redis.stop();
});

test("a Redis user without the channels of heartbeats is a warning, not an outage", async () => {
  const redis = await Redis.start();
  await redis.command("ACL", "SETUSER", "old", "on", ">pw", "resetchannels", "&socket.io-check*", "&socket.io-re*", "&socket.io#*",
    "&socket.io#/#*", "&socket.io#/team#*", "-@all", "+publish", "+subscribe", "+psubscribe", "+unsubscribe", "+punsubscribe", "+pubsub", "-pubsub|shardnumsub", "+select", "+info");
  const url = redis.url.replace("redis://", "redis://old:pw@");
  const [a, b] = [await start("a", { url }, 1), await start("b", { url }, 2)];
  await members(redis, 2);
  await a.line((line) => line.event === "bus" && line.advice?.includes("KEY-members#*"));
  const [from, to] = [await connect(a), await connect(b)];
  const got = new Promise((resolve) => to.once("said", resolve));
  await ask(from, "emit", {}, "said", ["hello"]);
  assert.equal(await got, "hello");
  await until(a, (p) => p.up && p.members.length === 1 && p.foreign === 1);
  // a server that cannot count sharded channels, such as Redis 6, is no fault either
  assert.ok(!a.logged("bus").some((line) => line.warning?.includes("the number of nodes is unknown")), a.output);
  [from, to].forEach((socket) => socket.disconnect());
  await Promise.all([a.stop(), b.stop()]);
  await redis.stop();
});

test("a namespace of a cluster is cleaned up when its last client leaves", async () => {
  const redis = await Redis.start();
  const node = await start("a", redis, 1);
  const client = await connect(node, { nsp: "/new-one" });
  await members(redis, 1, "/new-one");
  client.disconnect();
  await members(redis, 0, "/new-one");
  await node.stop();
  await redis.stop();
});

test("in sharded and in streams mode nodes know one another too", async () => {
  const redis = await Redis.start();
  const sharded = [await start("a", redis, 1, ["--redis-mode", "sharded"]), await start("b", redis, 2, ["--redis-mode", "sharded"])];
  const page = await until(sharded[0], (p) => p.members.length === 2 && p.foreign === 0);
  assert.deepEqual([page.form, page.mode, page.members[0].mode, page.conflicts], ["sharded", "sharded dynamic", "sharded dynamic", []]);
  const client = await connect(sharded[0]);
  sharded[1].child.kill("SIGSTOP");
  assert.deepEqual(await ask(client, "silence"), { error: -13, sockets: 1, silent: 1, named: [2] });
  sharded[1].child.kill("SIGCONT");
  const classic = await startPeer("js", redis);
  await sharded[0].line((line) => line.event === "cluster" && line.warning?.includes("adapters of another mode"));
  client.disconnect();
  await classic.stop();
  await Promise.all(sharded.map((node) => node.stop()));

  const streams = [await start("c", redis, 3, ["--redis-mode", "streams"]), await start("d", redis, 4, ["--redis-mode", "streams"])];
  await until(streams[1], (p) => p.members.length === 2 && p.form === "streams" && p.conflicts.length === 0);
  await streams[0].stop();
  await becomes(streams[1], 3, "left");
  await streams[1].stop();
  await redis.stop();
});
