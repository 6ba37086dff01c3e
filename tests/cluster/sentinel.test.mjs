// Nodes that find Redis through three sentinels: failovers, an old master that comes back, sentinels that are away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startSockeye } from "../clients/support/server.mjs";
import { WAIT_MS, within } from "../clients/support/wait.mjs";
import { connect, peerApp, startNode } from "./support/cluster.mjs";
import { freePort } from "./support/redis.mjs";
import { Sentinels } from "./support/sentinel.mjs";

const FAILOVER_MS = 5000; // from the election to a bus that is up
let number = 0;

const upAt = (node, server) => node.line(({ event, state, server: name }) => event === "bus" && state === "up" && name === `127.0.0.1:${server.port}`);

/** Emits numbers from each socket until one has reached all sockets. Every number must arrive at most once. */
async function proven(sockets, what) {
  for (const from of sockets) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const id = ++number;
      from.emit("emit", {}, "probe", [id], () => {});
      const patience = Date.now() + 500;
      while (Date.now() < patience && !sockets.every(({ got }) => got.includes(id))) await sleep(5);
      if (sockets.every(({ got }) => got.includes(id))) break;
      if (Date.now() > end) throw new Error(`no message reached all clients: ${what}`);
    }
  }
  for (const { got } of sockets) assert.equal(new Set(got).size, got.length, `a message arrived twice: ${what}`);
}

async function joined(nodes) {
  const sockets = [];
  for (const node of nodes) {
    const socket = await connect(node);
    socket.got = [];
    socket.on("probe", (id) => socket.got.push(id));
    sockets.push(socket);
  }
  return sockets;
}

test("the master dies, comes back as its replica, and is promoted again", async () => {
  const group = await Sentinels.start();
  const redis = { url: `redis+sentinel://127.0.0.1:${await freePort()},${group.hosts}/${group.name}` }; // no sentinel listens at the first address
  const nodes = [await startNode("a", redis), await startNode("b", redis, ["--workers", "2"])];
  const sockets = await joined(nodes);
  const [first, second] = group.servers;
  await proven(sockets, "the start");

  for (const [dying, heir] of [[first, second], [second, first]]) {
    const failover = await group.switched();
    const ups = nodes.map((node) => node.logged("bus").length);
    dying.args = []; // the restarted server believes that it is a master
    await dying.kill();
    const { server, at } = await failover.wait();
    assert.equal(server, heir);
    // the old master is back at its address at once, until the sentinels make it a replica
    await dying.run();
    for (const [i, node] of nodes.entries()) {
      const lines = await node.until(() => {
        const news = node.logged("bus").slice(ups[i]).filter((line) => line.state === "up");
        return news.length >= (i === 1 ? 2 : 1) && news;
      });
      for (const line of lines) {
        assert.equal(line.server, `127.0.0.1:${heir.port}`, "no worker goes back to the old master");
        assert.ok(Date.parse(line.time) - at < FAILOVER_MS, `up ${Date.parse(line.time) - at} ms after the election`);
      }
    }
    await proven(sockets, "after a failover");
    await group.ready();
  }
  for (const socket of sockets) assert.ok(socket.connected, "no client noticed");
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await group.stop();
});

test("a stopped master that continues and still claims to be master is ignored", async () => {
  const group = await Sentinels.start({ name: "chat", password: "sentinels-only" });
  const nodes = [];
  for (const name of ["a", "b"]) nodes.push(await startNode(name, group, [], { SOCKEYE_REDIS_SENTINEL_PASSWORD: "sentinels-only" }));
  const sockets = await joined(nodes);
  const [first, second] = group.servers;
  await proven(sockets, "the start");
  await group.sentinels[0].stop(); // the nodes watch this sentinel; the next one takes its place

  const failover = await group.switched();
  first.pause();
  const { server } = await failover.wait();
  assert.equal(server, second);
  for (const node of nodes) await upAt(node, second);
  first.resume();
  await proven(sockets, "after the failover");
  await group.ready(group.sentinels.slice(1)); // the old master is a replica by now
  await proven(sockets, "the old master follows");
  for (const node of nodes) assert.equal(node.logged("bus").filter((line) => line.state === "up").at(-1).server, `127.0.0.1:${second.port}`);
  sockets.forEach((socket) => socket.disconnect());
  for (const node of nodes) await node.stop();
  await group.stop();
});

test("sentinels that are away, refuse, or do not know the name are named in the log", async () => {
  const group = await Sentinels.start({ password: "sentinels-only" });
  const cases = [
    [`redis+sentinel://127.0.0.1:${await freePort()}/mymaster`, {}, /refused/i],
    [group.url, {}, /NOAUTH/],
    [group.url, { SOCKEYE_REDIS_SENTINEL_PASSWORD: "wrong" }, /login refused: WRONGPASS/],
    [group.url.replace("mymaster", "other"), { SOCKEYE_REDIS_SENTINEL_PASSWORD: "sentinels-only" }, /does not know a master named "other"/],
  ];
  for (const [url, env, reason] of cases) {
    const node = await startSockeye(peerApp, ["--redis", url], { ...env, PEER_NAME: "a" });
    const line = await node.line(({ event, state }) => event === "sentinel" && state === "down");
    assert.match(line.reason, reason);
    const bus = await node.line(({ event, state }) => event === "bus" && state === "down");
    assert.match(bus.reason, reason);
    await within(node.stop(), "the end");
  }
  await group.stop();
});
