// The admin port: its metrics of clients that connect, misbehave and leave, in the text format of Prometheus.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { freePort, Redis } from "../cluster/support/redis.mjs";
import { request } from "./support/raw.mjs";
import { build, root, startSockeye } from "./support/server.mjs";
import { next, until as holds, within } from "./support/wait.mjs";

async function start(app, args = []) {
  const port = await freePort();
  const server = await startSockeye(app, ["--admin-port", String(port), ...args]);
  server.admin = { port };
  return server;
}

/** All samples of a text, which must be well-formed: { 'name{labels}': value }; and the types by name. */
function parse(text) {
  const samples = new Map();
  const types = new Map();
  let current;
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment) {
      if (comment[1] === "HELP") {
        assert.ok(!types.has(comment[2]), `${comment[2]} comes twice`);
        current = comment[2];
      } else {
        assert.equal(comment[2], current);
        assert.match(comment[3], /^(counter|gauge|histogram)$/);
        assert.equal(comment[3] === "counter", current.endsWith("_total"), current);
        types.set(current, comment[3]);
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? ([0-9.]+)$/.exec(line);
    assert.ok(sample, line);
    const name = types.get(current) === "histogram" ? sample[1].replace(/_(bucket|sum|count)$/, "") : sample[1];
    assert.equal(name, current, line);
    const key = `${sample[1]}{${sample[2] ?? ""}}`;
    assert.ok(!samples.has(key), line);
    samples.set(key, Number(sample[3]));
  }
  return { samples, types };
}

const scrape = async (server) => parse((await request(server.admin, "/metrics")).text);

/** Adds up the samples of a name whose labels contain the text. */
const sum = ({ samples }, name, label = "") => {
  let total = 0;
  for (const [key, value] of samples) if (key.startsWith(`${name}{`) && key.includes(label)) total += value;
  return total;
};

/** Scrapes until the condition holds. Pages are written twice per second. */
async function until(server, condition, what) {
  let all;
  await holds(async () => condition((all = await scrape(server))), what);
  return all;
}

for (const workers of ["1", "3"])
  test(`clients, namespaces, refusals and bytes are counted (${workers} workers)`, async () => {
    const server = await start("protocol", ["--workers", workers]);
    await until(server, (all) => sum(all, "sockeye_ready") === Number(workers), "all workers are ready");
    const sockets = [];
    for (const [nsp, transport] of [["/", "polling"], ["/", "websocket"], ["/custom", "websocket"]]) {
      const socket = io(server.url + nsp, { transports: [transport], forceNew: true, reconnection: false });
      sockets.push(socket);
      await next(socket, "connect");
    }
    const all = await until(server, (now) => sum(now, "sockeye_clients") === 3, "three clients");
    assert.equal(sum(all, "sockeye_clients", 'transport="polling"'), 1);
    assert.equal(sum(all, "sockeye_clients", 'transport="websocket"'), 2);
    assert.equal(sum(all, "sockeye_sockets", 'namespace="/"'), 2);
    assert.equal(sum(all, "sockeye_sockets", 'namespace="/custom"'), 1);
    assert.equal(sum(all, "sockeye_sessions_opened_total"), 3);
    assert.ok(sum(all, "process_open_fds") > 5 && sum(all, "process_resident_memory_bytes") > 1e6);
    const bytes = sum(all, "sockeye_bytes_sent_total");
    await sockets[1].emitWithAck("message-with-ack", "x".repeat(10_000));
    for (let i = 0; i < 5; i++) await request(server, "/socket.io/?EIO=4&transport=polling&sid=unknown");
    const later = await until(server, (now) => sum(now, "sockeye_bytes_sent_total") > bytes + 10_000
      && sum(now, "sockeye_requests_refused_total") >= 5, "more bytes, and the refusals by all workers");
    assert.equal(sum(later, "sockeye_requests_refused_total", 'code="1",cause="UNKNOWN_SID"'), 5);
    assert.equal(sum(later, "sockeye_requests_refused_total"), 5);
    sockets[0].disconnect();
    sockets[1].io.engine.close();
    const gone = await until(server, (now) => sum(now, "sockeye_clients") === 1, "two clients have left");
    assert.equal(sum(gone, "sockeye_disconnects_total", "client namespace disconnect") + sum(gone, "sockeye_disconnects_total", "transport close"), 2);
    assert.equal(sum(gone, "sockeye_sessions_ended_total"), 2);
    assert.equal(sum(gone, "sockeye_sessions_closed_total"), 2);
    sockets[2].disconnect();
    await server.stop();
  });

test("a flood of unknown sids is counted and logs nothing", async () => {
  const server = await start("protocol");
  await scrape(server);
  const before = server.output;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 10 });
  const send = () => request(server, "/socket.io/?EIO=4&transport=polling&sid=unknown", { agent });
  await Promise.all(Array.from({ length: 1000 }, send));
  agent.destroy();
  await until(server, (all) => sum(all, "sockeye_requests_refused_total", "UNKNOWN_SID") === 1000, "all refusals are counted");
  assert.equal(server.output, before);
  await server.stop();
});

test("requests to the admin port are not counted as requests of clients", async () => {
  const server = await start("protocol");
  await request(server, "/socket.io/?EIO=4&transport=polling");
  const first = await until(server, (all) => sum(all, "sockeye_http_requests_total") === 1 && sum(all, "sockeye_bytes_sent_total") > 0, "one request");
  for (let i = 0; i < 5; i++) await request(server.admin, "/readyz");
  // the page has been written since, so the heartbeat is recent
  await until(server, (all) => sum(all, "sockeye_heartbeat_age_seconds") > 0.3, "an old page");
  const second = await until(server, (all) => sum(all, "sockeye_heartbeat_age_seconds") < 0.1, "a new page");
  assert.equal(sum(second, "sockeye_http_requests_total"), 1);
  assert.equal(sum(second, "sockeye_connections_accepted_total"), 1);
  assert.equal(sum(second, "sockeye_connections"), 0);
  assert.equal(sum(second, "sockeye_bytes_sent_total"), sum(first, "sockeye_bytes_sent_total"));
  await server.stop();
});

test("the metrics name a limited number of namespaces; the others are counted as `other`", async () => {
  const server = await start(path.join(build, "tests/everything.so"), ["--max-namespaces", "200"]);
  const sockets = Array.from({ length: 80 }, (_, i) => io(`${server.url}/room-${i}`, { transports: ["websocket"], reconnection: false }));
  await Promise.all(sockets.map((socket) => next(socket, "connect")));
  const all = await until(server, (now) => sum(now, "sockeye_sockets") === 80, "all sockets");
  const names = [...all.samples.keys()].filter((key) => key.startsWith("sockeye_sockets{"));
  assert.equal(names.length, 65);
  assert.ok(sum(all, "sockeye_sockets", 'namespace="other"') >= 80 - 64);
  assert.ok(sum(all, "sockeye_namespaces") > 80);
  sockets[0].io.engine.close();
  await server.stop();
});

test("a worker that was killed no longer counts", async () => {
  const server = await start("protocol", ["--workers", "2"]);
  const before = await until(server, (all) => sum(all, "sockeye_ready") === 2, "both workers");
  const clients = Array.from({ length: 10 }, () => io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false }));
  await Promise.all(clients.map((socket) => next(socket, "connect")));
  const all = await until(server, (now) => sum(now, "sockeye_clients") === 10, "ten clients");
  const victim = sum(all, "sockeye_clients", 'worker="0"') > 0 ? "0" : "1";
  const theirs = sum(all, "sockeye_clients", `worker="${victim}"`);
  const { pid } = await server.line((fields) => fields.event === "worker_ready" && fields.worker === victim);
  process.kill(Number(pid), "SIGKILL");
  const started = (now) => sum(now, "sockeye_start_time_seconds", `worker="${victim}"`);
  const after = await until(server, (now) => sum(now, "sockeye_ready") === 2 && started(now) > started(before), "the successor of the killed worker");
  assert.equal(sum(after, "sockeye_clients", `worker="${victim}"`), 0);
  assert.equal(sum(after, "sockeye_clients"), 10 - theirs);
  await server.stop();
});

test("an unreachable Redis: degraded, but ready", async () => {
  const redis = await Redis.start();
  await redis.kill();
  const server = await start("protocol", ["--redis", redis.url]);
  const ready = async () => JSON.parse((await request(server.admin, "/readyz")).text);
  const away = await until(server, (all) => sum(all, "sockeye_ready") === 1 && all.samples.has('sockeye_bus_up{worker="0",form="redis"}'), "a worker without its bus");
  assert.equal(sum(away, "sockeye_bus_up"), 0);
  assert.equal((await request(server.admin, "/readyz")).status, 200);
  const { degraded, bus, busUp } = await ready();
  assert.deepEqual({ degraded, bus, busUp }, { degraded: true, bus: "redis", busUp: 0 });
  await redis.run();
  const there = await until(server, (all) => sum(all, "sockeye_bus_up", 'form="redis"') === 1, "the bus is up");
  const lag = sum(there, "sockeye_bus_lag_seconds");
  assert.ok(lag > 0 && lag < 10, `lag ${lag}`);
  assert.equal((await ready()).degraded, false);
  assert.equal(sum(there, "sockeye_bytes_received_total"), 0, "bytes from Redis are not counted as bytes from clients");
  await server.stop();
  await redis.stop();
});

test("health, readiness, and unknown paths", async () => {
  const server = await start("protocol", ["--workers", "2", "--drain-time", "3s"]);
  await until(server, (all) => sum(all, "sockeye_ready") === 2, "ready");
  assert.equal((await request(server.admin, "/healthz")).text, "ok\n");
  const ready = await request(server.admin, "/readyz");
  assert.equal(ready.status, 200);
  assert.equal(JSON.parse(ready.text).accepting, 2);
  assert.equal((await request(server.admin, "/")).status, 404);
  const wrong = await request(server.admin, "/metrics", { method: "POST" });
  assert.deepEqual([wrong.status, wrong.headers.allow], [405, "GET, HEAD"]);
  assert.equal((await request(server.admin, "/metrics", { method: "HEAD" })).text, "");
  const sockets = Array.from({ length: 20 }, () => io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false }));
  await Promise.all(sockets.map((socket) => next(socket, "connect")));
  const gone = sockets.map((socket) => next(socket, "disconnect"));
  server.child.kill("SIGTERM");
  const end = Date.now() + 2500;
  let draining;
  do draining = await request(server.admin, "/readyz");
  while (draining.status === 200 && Date.now() < end);
  assert.equal(draining.status, 503);
  assert.equal(JSON.parse(draining.text).ready, false);
  await Promise.all(gone);
  assert.deepEqual(await within(server.exited, "the end"), { code: 0, signal: null });
});

test("an admin port in use gives one error line", async () => {
  const server = await start("protocol");
  await assert.rejects(startSockeye("protocol", ["--workers", "2", "--admin-port", String(server.admin.port)]), /port \d+ is in use/);
  await assert.rejects(startSockeye("protocol", ["--admin-port", String(server.admin.port)]), /port \d+ is in use/);
  await server.stop();
});

test("the dashboard shows metrics that exist", async () => {
  const server = await start("protocol");
  const { types } = await scrape(server);
  const dashboard = JSON.parse(readFileSync(path.join(root, "deploy/grafana-dashboard.json"), "utf8"));
  const used = new Set();
  for (const panel of dashboard.panels)
    for (const target of panel.targets ?? []) for (const [name] of target.expr.matchAll(/\b(?:sockeye|process)_[a-z_]+\b/g)) used.add(name);
  assert.ok(used.size >= 15);
  for (const name of used) assert.ok(types.has(name), name);
  await server.stop();
});
