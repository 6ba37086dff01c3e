// What an operator sees of running clients: histograms, the sampled log of connections, and trace ids.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { freePort } from "./support/port.mjs";
import { request } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736", PARENT = "00f067aa0ba902b7";

async function connect(server, options = {}) {
  const socket = io(server.url, { forceNew: true, transports: ["websocket"], reconnection: false, ...options });
  await next(socket, "connect");
  return socket;
}

/** Scrapes until the text has all of these lines. Pages are written twice a second. */
async function metrics(port, ...lines) {
  let text;
  const look = async () => {
    do text = (await request({ port }, "/metrics")).text;
    while (!lines.every((line) => line.test(text)));
    return text;
  };
  return within(look(), () => `${lines} in\n${text}`);
}

test("histograms show turns of the loop, handlers by event and the way through the bus", async () => {
  const admin = await freePort();
  const server = await startSockeye("protocol", ["--admin-port", String(admin), "--workers", "2"]);
  const socket = await connect(server);
  for (let i = 0; i < 65; i++) await within(socket.emitWithAck("message-with-ack", i), "the answer");
  socket.emit("nobody listens");
  const text = await metrics(admin, /^sockeye_handler_seconds_count\{worker="\d",event="message-with-ack"\} 2$/m,
    /^sockeye_handler_seconds_bucket\{worker="\d",event="message-with-ack",le="\+Inf"\} 2$/m,
    /^sockeye_loop_turn_seconds_count\{worker="0"\} [1-9]/m, /^sockeye_loop_turn_seconds_bucket\{worker="1",le="0.0001"\} /m,
    /^sockeye_bus_echo_seconds_count\{worker="0"\} [1-9]/m);
  assert.doesNotMatch(text, /nobody/);
  socket.disconnect();
  await server.stop();
});

test("--log-connections N logs one client in N, when it connects and when it leaves", async () => {
  const server = await startSockeye("protocol", ["--log-connections", "3"]);
  const extraHeaders = { "user-agent": "a test", traceparent: `00-${TRACE}-${PARENT}-01` };
  const sockets = [];
  for (let i = 0; i < 7; i++) sockets.push(await connect(server, { extraHeaders }));
  const sids = sockets.map((socket) => socket.io.engine.id.slice(0, 8));
  for (const socket of sockets) socket.disconnect();
  await server.until(() => server.logged("client_left").length === 2);
  const came = server.logged("client_came"), left = server.logged("client_left");
  assert.deepEqual(came.map(({ sid, address, transport, revision, agent, trace }) => [sid, address, transport, revision, agent, trace]),
    [sids[2], sids[5]].map((sid) => [sid, "127.0.0.1", "websocket", "4", "a test", TRACE]));
  assert.deepEqual(left.map(({ sid }) => sid).sort(), came.map(({ sid }) => sid).sort());
  for (const line of left) {
    assert.deepEqual([line.level, line.reason, line.cause, line.trace], ["info", "transport close", "connection closed", TRACE]);
    assert.match(line.ms, /^\d+$/);
  }
  await server.stop();
});

test("--health asks the server at its admin port", async () => {
  const port = await freePort();
  const health = (...args) => spawnSync(path.join(build, "sockeye"), ["--health", ...args], { encoding: "utf8" });
  const server = await startSockeye("protocol", ["--admin-port", String(port)]);
  const good = health("--admin-port", String(port));
  assert.deepEqual([good.status, good.stdout, good.stderr], [0, "", ""]);
  assert.equal(health("--admin-port", String(port), "--admin-host", "0.0.0.0").status, 0);
  await server.stop();
  const gone = health("--admin-port", String(port));
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, new RegExp(`^sockeye: the admin port ${port} does not answer: Connection refused\n$`));
  assert.match(health().stderr, /^sockeye: --health needs the server's --admin-port\n$/);
  const other = http.createServer((request, response) => response.writeHead(503).end()).listen(0, "127.0.0.1");
  await once(other, "listening");
  const asked = spawn(path.join(build, "sockeye"), ["--health", "--admin-port", String(other.address().port)], { stdio: "ignore" });
  assert.deepEqual(await within(once(asked, "exit"), "the end"), [1, null]);
  other.close();
});

test("debug lines of a session have the trace id of its handshake, if it is valid", async () => {
  const server = await startSockeye("protocol", ["--log-level", "debug"]);
  const cases = [
    [`00-${TRACE}-${PARENT}-01`, TRACE],
    [`cc-${TRACE}-${PARENT}-01-more`, TRACE], // a later version
    [`00-${TRACE}-${PARENT}-01-more`, undefined],
    [`ff-${TRACE}-${PARENT}-01`, undefined],
    [`00-${TRACE.toUpperCase()}-${PARENT}-01`, undefined],
    [`00-${"0".repeat(32)}-${PARENT}-01`, undefined],
    [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
    [`00-${TRACE}`, undefined],
  ];
  for (const [i, [traceparent, trace]] of cases.entries()) {
    const socket = await connect(server, { extraHeaders: { traceparent } });
    socket.disconnect();
    await server.until(() => server.logged("session_ended").length === i + 1);
    assert.equal(server.logged("session_opened")[i].trace, trace, traceparent);
    assert.equal(server.logged("session_ended")[i].trace, trace, traceparent);
  }
  await server.stop();
});
