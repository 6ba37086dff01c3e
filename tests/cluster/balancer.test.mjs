// The configurations of deploy/ with real balancers before three nodes with two workers each. Over long-polling, WebSocket
// and the upgrade, no session is ever unknown, and each client gets each broadcast once, in the order of its sender. A
// drain of one node disconnects no clients of the others.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { endsWithFile } from "../clients/support/leftovers.mjs";
import { root } from "../clients/support/server.mjs";
import { next, until, within } from "../clients/support/wait.mjs";
import { balancers, connects, startBalancer } from "./support/balancer.mjs";
import { members, startNode } from "./support/cluster.mjs";
import { workerOf } from "./support/recovery.mjs";
import { Redis, freePort } from "./support/redis.mjs";

const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];
const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-balancer-"));
const started = []; // nodes; a failing test leaves some running
let redis;

before(async () => {
  redis = await Redis.start();
});
after(async () => {
  for (const node of started) node.child.kill("SIGKILL");
  await redis?.stop();
  rmSync(dir, { recursive: true });
});

const nodes = (...more) => Promise.all([1, 2, 3].map(async (id) => {
  const admin = await freePort();
  const node = await startNode(`n${id}`, redis, ["--workers", "2", "--node-id", String(id), "--trust-proxy", "--admin-port", String(admin), "--drain-time", "15s", ...more]);
  started.push(node);
  node.admin = { port: admin };
  return node;
}));

/** Runs deploy/doctor.sh, which examines the balancers between clients and nodes. */
async function doctor(...args) {
  const child = spawn(path.join(root, "deploy/doctor.sh"), args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await within(once(child, "close"), () => `the doctor, which says:\n${output}`);
  return { code, output };
}

test("the doctor names what is wrong with a balancer, or with a node", async () => {
  // the ping interval is much longer than the balancer's time-out of 1 s; the drain is short, because the doctor leaves sessions
  const servers = await nodes("--ping-interval", "6s", "--ping-timeout", "30s", "--drain-time", "1s");
  const [unsticky, hasty] = [await freePort(), await freePort()];
  const file = path.join(dir, "wrong.cfg");
  const server = ({ port }, i) => `\tserver n${i} 127.0.0.1:${port}`;
  writeFileSync(file, `defaults
	mode http
	timeout connect 5s
	timeout client 60s
listen unsticky
	bind 127.0.0.1:${unsticky}
	timeout server 60s
	balance roundrobin
${servers.map(server).join("\n")}
listen hasty
	bind 127.0.0.1:${hasty}
	timeout server 1s
	timeout tunnel 1s
${server(servers[0], 0)}
`);
  const balancer = endsWithFile(spawn("haproxy", ["-db", "-f", file], { stdio: "ignore" }));
  const exited = once(balancer, "exit");
  await until(async () => (await connects(unsticky)) && connects(hasty), "haproxy listens");
  const [one, two, three] = await Promise.all([
    doctor(`http://127.0.0.1:${unsticky}`),
    doctor(`http://127.0.0.1:${hasty}`),
    doctor(`http://127.0.0.1:${servers[0].port}`, "http://127.0.0.1:1"),
  ]);
  assert.deepEqual([one.code, two.code, three.code], [1, 1, 1]);
  assert.match(one.output, /FAIL {2}\d+ of 12 requests of one session were refused/);
  assert.match(two.output, /FAIL {2}a long poll ended after [1-5] s with status 504/);
  assert.match(two.output, /FAIL {2}WebSocket: cut off before the first ping/);
  assert.match(three.output, /FAIL {2}http:\/\/127.0.0.1:1: the node is not ready/);
  assert.equal(three.output.match(/FAIL/g).length, 1);
  balancer.kill("SIGTERM");
  await exited;
  assert.equal((await doctor(`http://127.0.0.1:${hasty}`)).code, 1, "no server is there");
  for (const node of servers) await node.stop();
});

for (const config of Object.keys(balancers))
  describe(config, () => {
    let servers, balancer, url;

    before(async () => {
      servers = await nodes();
      await members(redis, 6);
      balancer = await startBalancer(dir, config, servers);
      ({ url } = balancer);
    });
    after(async () => {
      await balancer?.stop();
      for (const server of servers ?? []) await server.stop().catch(() => {});
    });

    test("the doctor finds nothing wrong", async () => {
      const { code, output } = await doctor(url, `http://127.0.0.1:${servers[0].admin.port}`);
      assert.equal(code, 0, output);
      assert.match(output, /Nothing is wrong/);
      assert.doesNotMatch(output, /FAIL/);
    });

    test("no session is unknown; broadcasts arrive once and in order; a node drains", async () => {
      const sockets = [];
      for (let i = 0; i < 36; i++) {
        const socket = io(url, { transports: TRANSPORTS[i % 3], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500 });
        socket.kind = TRANSPORTS[i % 3].at(-1);
        socket.got = [];
        socket.faults = [];
        socket.on("news", (from, number) => socket.got.push([from, number]));
        socket.on("connect_error", (error) => socket.faults.push(error.message));
        socket.on("disconnect", (reason) => socket.faults.push(reason));
        sockets.push(socket);
      }
      await within(Promise.all(sockets.map((socket) => socket.connected || next(socket, "connect"))), "all to connect");
      await until(() => sockets.every((socket) => socket.io.engine.transport.name === socket.kind), "all upgrades are done");
      assert.equal(new Set(sockets.map((socket) => socket.io.engine.id.slice(0, 2))).size, 3, "all nodes have some");

      const senders = sockets.slice(0, 9);
      const each = 20;
      for (let number = 0; number < each; number++)
        for (const [from, socket] of senders.entries()) socket.emit("emit", {}, "news", [from, number], () => {});
      await until(() => sockets.every((socket) => socket.got.length >= senders.length * each), "all messages have come");
      for (const socket of sockets) {
        assert.deepEqual(socket.faults, []);
        assert.equal(socket.got.length, senders.length * each);
        for (const from of senders.keys()) assert.deepEqual(socket.got.filter(([sender]) => sender === from).map(([, number]) => number), Array.from({ length: each }, (_, i) => i));
      }

      // a node drains: its own clients reconnect elsewhere, no others notice
      const there = sockets.map((socket) => socket.io.engine.id.slice(0, 2) === "AB");
      servers[0].child.kill("SIGTERM");
      assert.deepEqual(await within(servers[0].exited, "the node's end"), { code: 0, signal: null });
      await until(() => sockets.every((socket) => socket.connected), "all clients are connected again");
      for (const [i, socket] of sockets.entries()) {
        if (!there[i]) assert.deepEqual(socket.faults, []);
        socket.got.length = 0;
      }
      await until(async () => {
        sockets[1].emit("emit", {}, "news", [0, 0], () => {});
        await sleep(100);
        return sockets.every((socket) => socket.got.length > 0);
      }, "everybody hears again");
      for (const socket of sockets) socket.disconnect();
    });

    // stock clients in Node.js open a connection for each request
    test("a node drains under clients that poll, and no client sees an error or misses a message", async () => {
      const options = { transports: ["polling"], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 100 };
      const faults = [];
      const late = []; // clients that come during the drain
      const join = () => {
        const socket = io(url, options);
        socket.got = [];
        socket.on("news", (number) => socket.got.push(number));
        socket.on("connect_error", (error) => faults.push(error.message));
        socket.on("disconnect", (reason, details) => {
          socket.before ??= socket.got; // messages that came before the drain
          socket.got = [];
          if (reason !== "io client disconnect" && reason !== "transport close") faults.push([reason, details?.message, details?.description, details?.context?.responseText, late.includes(socket)]);
        });
        return socket;
      };
      const sockets = Array.from({ length: 60 }, join);
      await within(Promise.all(sockets.map((socket) => next(socket, "connect"))), "all to connect");
      const there = sockets.filter((socket) => socket.io.engine.id.startsWith("AC"));
      assert.ok(there.length > 5, `${there.length} are at the node`);

      // a client of the node sends to all others, until it is disconnected itself
      let sender;
      const elsewhere = []; // clients at other nodes; they stay connected, because the balancer prefers the emptiest node
      while (!sender?.io.engine.id.startsWith("AC")) {
        if (sender) elsewhere.push(sender);
        assert.ok(elsewhere.length < 200, "a client gets to the node");
        sender = io(url, { transports: ["websocket"], forceNew: true, reconnection: false });
        await next(sender, "connect");
      }
      for (const socket of elsewhere) socket.disconnect();
      let sent = 0, answered = 0;
      const send = () => sender.emit("emit", {}, "news", [sent++], () => {
        answered++;
        send();
      });
      send();
      await until(() => answered >= 50, "the client has sent many messages");
      const least = answered; // messages that have reached every client of the sender's worker
      const slot = workerOf(sender);
      for (const socket of there) socket.slot = workerOf(socket);
      servers[1].child.kill("SIGTERM");
      let over = false;
      const arrivals = (async () => {
        while (!over) {
          late.push(join());
          await sleep(20);
        }
      })();
      assert.deepEqual(await within(servers[1].exited, "the node's end"), { code: 0, signal: null });
      await until(() => there.every((socket) => socket.connected && socket.before), "the clients of the drained node are back");
      over = true;
      await arrivals;
      await until(() => [...sockets, ...late].every((socket) => socket.connected), "all clients are connected");
      assert.deepEqual(faults, []);
      for (const { before, slot: own } of there) {
        // the node's other worker gets the messages through Redis, perhaps only after it has disconnected its clients
        if (own === slot) assert.ok(before.length >= least, `${before.length} of ${least} messages`);
        assert.deepEqual(before, Array.from({ length: before.length }, (_, i) => i));
      }
      for (const socket of [...sockets, ...late]) socket.disconnect();
    });
  });
