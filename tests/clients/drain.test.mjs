// A node that drains: its port stays open for the sessions that it has, but it refuses new sessions.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { freePort } from "./support/port.mjs";
import { Polling, request } from "./support/raw.mjs";
import { startSockeye } from "./support/server.mjs";
import { edge, httpServer } from "./support/upstream.mjs";
import { next, until, within } from "./support/wait.mjs";

const PATH = "/socket.io/";
const HANDSHAKE = `${PATH}?EIO=4&transport=polling`;
const WORKERS = ["1", "3"];

/** A node with an admin port. */
async function start(app, args) {
  const admin = await freePort();
  const server = await startSockeye(app, ["--admin-port", String(admin), ...args]);
  server.admin = { port: admin };
  return server;
}

/** `n` sessions, each with a connected socket. Every request opens a connection. */
const sessions = (server, n) => Promise.all(Array.from({ length: n }, async () => {
  const session = await Polling.open(server, PATH);
  await session.push("40");
  assert.match((await session.poll()).text, /^40/);
  return session;
}));

const ready = async (server) => JSON.parse((await request(server.admin, "/readyz")).text);

/** Resolves when all workers drain. */
const drains = (server, workers) => until(async () => (await ready(server)).draining === Number(workers), "all workers drain");

const refuses = (server) => request(server, HANDSHAKE).then(() => false, (error) => error.code === "ECONNREFUSED");

/** Polls until the engine says "close"; resolves with all packets. */
async function last(session) {
  const packets = [];
  while (packets.at(-1) !== "1") {
    const { status, text } = await session.poll();
    assert.equal(status, 200, text);
    packets.push(...text.split("\x1e"));
  }
  return packets;
}

for (const workers of WORKERS)
  test(`sessions get their queued packets on new connections, at any worker (workers: ${workers})`, async () => {
    const server = await start("protocol", ["--workers", workers, "--drain-time", "20s"]);
    const all = await sessions(server, 12);
    await Promise.all(all.map((session, i) => session.push(`42["message",${i}]`)));
    server.child.kill("SIGTERM");
    await drains(server, workers);
    assert.equal((await request(server.admin, "/readyz")).status, 503);
    // a session that is being closed still takes requests
    const packets = await Promise.all(all.map(last));
    for (const [i, got] of packets.entries()) assert.equal(got.filter((packet) => packet === `42["message-back",${i}]`).length, 1, got.join(" "));
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
    assert.ok(await refuses(server));
  });

for (const workers of WORKERS)
  test(`requests that would begin a session are answered 503, so that they go to another server (workers: ${workers})`, async () => {
    const server = await start("protocol", ["--workers", workers, "--drain-time", "20s"]);
    const all = await sessions(server, 2);
    server.child.kill("SIGTERM");
    await drains(server, workers);
    for (let i = 0; i < 6; i++) {
      const { status, headers } = await request(server, HANDSHAKE);
      assert.deepEqual([status, headers["retry-after"], headers.connection], [503, "1", "close"]);
      const ws = new WebSocket(`ws://127.0.0.1:${server.port}${PATH}?EIO=4&transport=websocket`);
      ws.on("error", () => {});
      const [, response] = await next(ws, "unexpected-response");
      assert.deepEqual([response.statusCode, response.headers["retry-after"]], [503, "1"]);
      ws.terminate();
      // the page is served, but its next request goes to another server
      const script = await request(server, `${PATH}socket.io.min.js`);
      assert.deepEqual([script.status, script.headers.connection], [200, "close"]);
      assert.equal((await request(server, "/nothing")).headers.connection, "close");
    }
    await Promise.all(all.map(last));
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
  });

test("a worker whose clients have gone accepts connections for the other workers until all have drained", async () => {
  const slotOf = (sid) => sid.slice(2, 4);
  const server = await start("protocol", ["--workers", "2", "--drain-time", "20s"]);
  const one = (await sessions(server, 1))[0];
  const all = [one];
  while (!all.some((session) => slotOf(session.sid) !== slotOf(one.sid))) all.push(...await sessions(server, 1));
  const others = all.filter((session) => slotOf(session.sid) !== slotOf(one.sid));
  const pids = server.logged("worker_ready").map((f) => f.pid);
  server.child.kill("SIGTERM");
  await drains(server, 2);
  await Promise.all(others.map(last)); // the worker has no clients left
  for (let i = 0; i < 20; i++) assert.equal((await request(server, HANDSHAKE)).status, 503);
  for (const pid of pids) assert.match(readFileSync(`/proc/${pid}/stat`, "latin1"), /\) [RSD] /);
  await Promise.all(all.filter((session) => !others.includes(session)).map(last));
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
});

test("workers that get their signal before their master open the port again when it drains the node", async () => {
  const server = await start("protocol", ["--workers", "2", "--drain-time", "20s"]);
  const all = await sessions(server, 12);
  for (const { pid } of server.logged("worker_ready")) process.kill(Number(pid), "SIGTERM");
  await drains(server, 2);
  const polls = Promise.all(all.map(last)); // their connections wait at the port
  server.child.kill("SIGTERM");
  await polls;
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
});

test("the drain time ends the drain, and the port closes", async () => {
  const server = await start("protocol", ["--workers", "2", "--drain-time", "300ms"]);
  const [session] = await sessions(server, 1); // this session never polls again
  server.child.kill("SIGTERM");
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
  assert.ok(await refuses(server));
  assert.ok(session.sid);
});

test("with --drain-time 0 the port closes at once", async () => {
  const server = await start("protocol", ["--workers", "2", "--drain-time", "0"]);
  // a peer that does not close its side keeps its worker for lingerTimeout
  const sockets = Array.from({ length: 8 }, () => net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true }));
  for (const socket of sockets) socket.on("error", () => {}); // a connection that was not accepted yet is reset
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  server.child.kill("SIGTERM");
  await until(() => refuses(server).catch(() => false), "the port closes");
  for (const socket of sockets) socket.destroy();
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
});

test("the HTTP server behind the edge gets requests during the drain, but no new WebSocket", async (t) => {
  const upstream = await httpServer(t, (req, res) => res.end("from behind"));
  upstream.on("upgrade", (req, socket) => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  const server = await edge(t, upstream, ["--drain-time", "20s"]);
  const session = await Polling.open(server, PATH);
  server.child.kill("SIGTERM");
  await server.line((f) => f.event === "stopping");
  await until(async () => (await request(server, HANDSHAKE)).status === 503, "the server drains");
  const { text, headers } = await request(server, "/page");
  assert.deepEqual([text, headers.connection], ["from behind", "close"]);
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/other`);
  ws.on("error", () => {});
  const [, response] = await next(ws, "unexpected-response");
  assert.deepEqual([response.statusCode, response.headers["retry-after"]], [503, "1"]);
  ws.terminate();
  await last(session);
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
});

test("when the clients have gone the port closes, and requests under way at the HTTP server behind the edge are answered", async (t) => {
  const upstream = await httpServer(t, () => {});
  for (const workers of WORKERS) {
    const server = await edge(t, upstream, ["--workers", workers, "--drain-time", "60s"]);
    const session = await Polling.open(server, PATH);
    const answer = request(server, "/page");
    const [, response] = await within(once(upstream, "request"), "the request");
    server.child.kill("SIGTERM");
    await last(session);
    await until(() => refuses(server).catch(() => false), "the port closes");
    response.end("from behind");
    const { status, text } = await answer;
    assert.deepEqual([status, text], [200, "from behind"]);
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
  }
});
