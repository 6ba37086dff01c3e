// The admin port: what it says of clients that come, misbehave and go, in the text format of Prometheus.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { freePort } from "../cluster/support/redis.mjs";
import { request } from "./support/raw.mjs";
import { root, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

async function start(app, args = []) {
  const port = await freePort();
  const server = await startSockeye(app, ["--admin-port", String(port), ...args]);
  server.admin = { port };
  return server;
}

/** Every sample of a text, which must keep to the format: { 'name{labels}': value }; types by name. */
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
        assert.match(comment[3], /^(counter|gauge)$/);
        assert.equal(comment[3] === "counter", current.endsWith("_total"), current);
        types.set(current, comment[3]);
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} ([0-9.]+)$/.exec(line);
    assert.ok(sample, line);
    assert.equal(sample[1], current, line);
    assert.ok(!samples.has(`${sample[1]}{${sample[2]}}`), line);
    samples.set(`${sample[1]}{${sample[2]}}`, Number(sample[3]));
  }
  return { samples, types };
}

const scrape = async (server) => parse((await request(server.admin, "/metrics")).text);

/** Sums the samples of a name whose labels hold the text. */
const sum = ({ samples }, name, label = "") => {
  let total = 0;
  for (const [key, value] of samples) if (key.startsWith(`${name}{`) && key.includes(label)) total += value;
  return total;
};

/** Scrapes until it is so: the pages are written twice a second. */
async function until(server, condition, what) {
  const end = Date.now() + 10_000;
  for (;;) {
    const all = await scrape(server);
    if (condition(all)) return all;
    if (Date.now() > end) throw new Error(`never so: ${what}`);
    await sleep(50);
  }
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
    const later = await until(server, (now) => sum(now, "sockeye_bytes_sent_total") > bytes + 10_000, "more bytes");
    assert.equal(sum(later, "sockeye_requests_refused_total", 'cause="UNKNOWN_SID"'), 5);
    sockets[0].disconnect();
    sockets[1].io.engine.close();
    const gone = await until(server, (now) => sum(now, "sockeye_clients") === 1, "two have left");
    assert.equal(sum(gone, "sockeye_disconnects_total", "client namespace disconnect") + sum(gone, "sockeye_disconnects_total", "transport close"), 2);
    sockets[2].disconnect();
    await server.stop();
  });

test("health, readiness, and what is not there", async () => {
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

test("a taken admin port is one error line", async () => {
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
