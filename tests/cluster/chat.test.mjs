// The chat counts the clients of the whole cluster, on every node, in C and in JavaScript.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { parse } from "yaml";
import { endsWithFile } from "../clients/support/leftovers.mjs";
import { freePort } from "../clients/support/port.mjs";
import { root, startSockeye } from "../clients/support/server.mjs";
import { Tunnel } from "../clients/support/tunnel.mjs";
import { collect, next, within } from "../clients/support/wait.mjs";
import { members } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

async function startNodeChat(...args) {
  const child = endsWithFile(spawn(process.execPath, [path.join(root, "tests/cluster/support/chat-server.mjs"), ...args], { stdio: ["ignore", "pipe", "inherit"] }));
  const exited = once(child, "exit");
  const [line] = await within(once(child.stdout, "data"), "the Node.js server");
  return { url: `http://127.0.0.1:${JSON.parse(line).port}`, stop: async () => (child.kill("SIGKILL"), await exited) };
}

/** A client that remembers the last count that it received. */
async function join(server, nsp = "/", options = {}) {
  const socket = io(server.url + nsp, { transports: ["websocket"], forceNew: true, reconnection: false, ...options });
  socket.on("users", (users) => (socket.users = users));
  await next(socket, "connect");
  return socket;
}

async function everyoneSees(sockets, users) {
  for (const socket of sockets) while (socket.users !== users) await next(socket, "users");
}

async function comeAndGo(servers) {
  const sockets = [];
  for (let round = 0; round < 4; round++)
    for (const server of servers) {
      sockets.push(await join(server));
      await everyoneSees(sockets, sockets.length);
    }
  for (const server of servers) {
    const admin = await join(server, "/admin", { auth: { token: "sesame" } });
    assert.deepEqual(await within(admin.emitWithAck("announce", "hear"), "the acknowledgement"), { users: sockets.length });
    admin.disconnect();
  }
  while (sockets.length > 1) {
    sockets.pop().disconnect();
    await everyoneSees(sockets, sockets.length);
  }
  sockets[0].disconnect();
}

test("two nodes of two workers and a Node.js server", async () => {
  const redis = await Redis.start();
  const servers = [
    await startSockeye("chat", ["--workers", "2", "--redis", redis.url, "--node-id", "1"]),
    await startSockeye("chat", ["--workers", "2", "--redis", redis.url, "--node-id", "2"]),
    await startNodeChat(redis.url),
  ];
  await members(redis, 5);
  for (const server of servers.slice(0, 2))
    for (const worker of ["0", "1"]) await server.line((f) => f.event === "bus" && f.state === "up" && f.worker === worker);
  await comeAndGo(servers);
  for (const server of servers) await server.stop();
  await redis.stop();
});

/** A metric of the first worker, once it has received so many events. */
async function metric(port, name, received) {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const of = (what) => Number(new RegExp(`^${what}\\{worker="0"[^}]*\\} (\\d+)`, "m").exec(text)[1]);
    if (of("sockeye_packets_received_total") >= received) return of(name);
  }
}

test("many who ask at the same time who is here share the answers of the other servers", async () => {
  const redis = await Redis.start();
  const admin = await freePort();
  const servers = [await startSockeye("chat", ["--redis", redis.url, "--node-id", "1", "--admin-port", String(admin)]),
    await startSockeye("chat", ["--redis", redis.url, "--node-id", "2"])];
  await members(redis, 2);
  for (const server of servers) await server.line((f) => f.event === "bus" && f.state === "up");
  const sockets = [await join(servers[0]), await join(servers[1])];
  await everyoneSees(sockets, 2);
  await within(sockets[0].emitWithAck("who"), "the answer");
  const before = await metric(admin, "sockeye_broker_requests_out_total", 2); // CONNECT and the first question
  const answers = await within(Promise.all(Array.from({ length: 50 }, () => sockets[0].emitWithAck("who"))), "the answers");
  for (const answer of answers) assert.deepEqual(answer.map(({ id }) => id).sort(), sockets.map(({ id }) => id).sort());
  const asked = await metric(admin, "sockeye_broker_requests_out_total", 52) - before;
  assert.ok(asked >= 1 && asked < 25, `the other server was asked ${asked} times`); // 2, unless the questions arrive slowly
  for (const socket of sockets) socket.disconnect();
  for (const server of servers) await server.stop();
  await redis.stop();
});

test("a server that does not answer is not counted, and delays no other", async () => {
  const redis = await Redis.start();
  const servers = [await startSockeye("chat", ["--redis", redis.url]), await startNodeChat(redis.url)];
  const silent = redis.client();
  await silent.connect();
  for (const nsp of ["/", "/admin"]) await silent.subscribe(`socket.io-request#${nsp}#`, () => {}); // like a server that hangs
  const sockets = [];
  for (const server of servers) sockets.push(await join(server));
  await Promise.all(servers.map(async (server) => {
    const admin = await join(server, "/admin", { auth: { token: "sesame" } });
    assert.deepEqual(await within(admin.emitWithAck("announce", "hear"), "the acknowledgement"), { users: 2 });
    admin.disconnect();
  }));
  for (const socket of sockets) socket.disconnect();
  await silent.disconnect();
  for (const server of servers) await server.stop();
  await redis.stop();
});

test("with the options of docker-compose.yml the death of a node takes nothing from a client, and newcomers see the past", async () => {
  const redis = await Redis.start();
  const { environment } = parse(readFileSync(path.join(root, "docker-compose.yml"), "utf8"), { merge: true }).services.node;
  const start = (id) => startSockeye("chat", ["--node-id", id, "--workers", "2"], { ...environment, SOCKEYE_REDIS: redis.url, SOCKEYE_WORKERS: "2" });
  const servers = [await start("1"), await start("2")];
  for (const server of servers) for (const worker of ["0", "1"]) await server.line((f) => f.event === "bus" && f.state === "up" && f.worker === worker);
  const tunnel = await Tunnel.to(servers[0].port);
  const ada = await join(tunnel, "/", { reconnection: true, reconnectionDelay: 50 });
  const bob = await join(servers[1]);
  const got = collect(ada, "chatMessage");
  const say = (message) => within(bob.emitWithAck("chatMessage", { user: "Bob", message, id: message }), "the acknowledgement");
  const { id } = ada;
  await say("a");
  await got.take(1);
  tunnel.cut();
  servers[0].child.kill("SIGKILL");
  await next(ada, "disconnect");
  await say("b");
  await say("c");
  tunnel.open(servers[1].port);
  await next(ada, "connect");
  assert.deepEqual([ada.recovered, ada.id], [true, id]);
  await say("d");
  const messages = ["a", "b", "c", "d"];
  assert.deepEqual((await got.take(4)).map(([{ message }]) => message), messages);
  for (let past = []; past.length < 4;) { // Redis may get the last one later
    const eve = io(servers[1].url, { transports: ["websocket"], forceNew: true });
    past = collect(eve, "chatMessage").seen;
    assert.deepEqual((await next(eve, "caught up"))[0], { ok: true }); // the second argument is the offset of the event
    assert.deepEqual(past.map(([{ message, time }]) => [message, Math.abs(time - Date.now()) < 60_000]), messages.slice(0, past.length).map((message) => [message, true]));
    eve.disconnect();
  }
  for (const socket of [ada, bob]) socket.disconnect();
  await tunnel.close();
  await servers[1].stop();
  await redis.stop();
});

for (const [what, start] of [["sockeye", () => startSockeye("chat", ["--workers", "1"])], ["Node.js", () => startNodeChat()]])
  test(`one server alone: ${what}`, async () => {
    const server = await start();
    await comeAndGo([server]);
    await server.stop();
  });
