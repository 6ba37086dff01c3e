// How a server ends: no output of an application is lost, whether printed, saved in sio_on_stop() or written by exit handlers.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { endsWithFile } from "./support/leftovers.mjs";
import { build, parseLine } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const trouble = path.join(build, "tests/trouble.so");

/** The program as the leader of its own process group, with a pipe as its standard output. */
async function start(workers, ...args) {
  const child = endsWithFile(spawn(path.join(build, "sockeye"),
    ["--app", trouble, "--host", "127.0.0.1", "--port", "0", "--workers", String(workers), ...args],
    { stdio: ["ignore", "pipe", "pipe"], detached: true }));
  const server = { child, out: "", log: "", exited: once(child, "close") };
  let port;
  const listening = new Promise((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      server.log += chunk;
      port ??= server.log.split("\n").slice(0, -1).map(parseLine).find((f) => f.event === "listening")?.port;
      if (port) resolve();
    });
    server.exited.then(() => reject(new Error(server.log)));
  });
  child.stdout.setEncoding("utf8").on("data", (chunk) => (server.out += chunk));
  await within(listening, "the start");
  server.url = `http://127.0.0.1:${port}`;
  return server;
}

const clients = async (server, n) => {
  const sockets = Array.from({ length: n }, () => io(server.url, { forceNew: true, reconnection: false, transports: ["websocket"] }));
  await Promise.all(sockets.map((socket) => next(socket, "connect")));
  return sockets;
};

const count = (text, part) => text.split(part).length - 1;

for (const workers of [1, 3])
  for (const whom of ["the process that was started", "the whole process group"])
    test(`SIGTERM to ${whom}: clients are drained, the application saves, exit handlers run (workers: ${workers})`, async () => {
      const server = await start(workers, "--drain-time", "500ms");
      // lines are written as soon as they are printed
      while (count(server.out, "hello\n") < workers) await next(server.child.stdout, "data");
      await clients(server, 20);
      process.kill(whom.endsWith("group") ? -server.child.pid : server.child.pid, "SIGTERM");
      assert.deepEqual(await within(server.exited, "the end"), [0, null], server.log);
      const saved = [...server.out.matchAll(/stopped after (\d+) disconnects/g)].map((m) => Number(m[1]));
      assert.equal(saved.length, workers, server.out);
      assert.equal(saved.reduce((a, b) => a + b), 20);
      assert.equal(count(server.out, "exit handlers run"), workers);
      assert.ok(!/event=(worker_ended|hub_ended|killed)|state=down/.test(server.log), server.log);
    });

test("a hub that ends while the workers drain is restarted, and the drain goes on", async () => {
  const server = await start(2, "--drain-time", "60s");
  const sockets = await clients(server, 20);
  const hub = () => readFileSync(`/proc/${server.child.pid}/task/${server.child.pid}/children`, "utf8").trim().split(" ")
    .find((pid) => { try { return readFileSync(`/proc/${pid}/comm`, "utf8") === "sockeye-hub\n"; } catch { return false; } });
  const first = hub();
  server.child.kill("SIGTERM");
  while (count(server.log, "event=stopping") < 1) await next(server.child.stderr, "data");
  process.kill(Number(first), "SIGKILL");
  while (count(server.log, "event=hub_ended") < 1) await next(server.child.stderr, "data");
  const restarted = (async () => { while ([undefined, first].includes(hub())) await sleep(20); })();
  await within(restarted, "the new hub");
  for (const socket of sockets) socket.close();
  assert.deepEqual(await within(server.exited, "the end"), [0, null], server.log);
  assert.equal(count(server.log, "event=hub_ended"), 1, server.log);
});

for (const workers of [1, 3])
  test(`two signals at the same moment, as timeout(1) sends them, count as one (workers: ${workers})`, async () => {
    const server = await start(workers);
    server.child.kill("SIGSTOP"); // so that both signals are pending when the server continues
    server.child.kill("SIGTERM");
    server.child.kill("SIGINT");
    server.child.kill("SIGCONT");
    assert.deepEqual(await within(server.exited, "the end"), [0, null], server.log);
    assert.equal(count(server.log, "event=stopping"), 1, server.log);
    assert.equal(count(server.log, "event=killed"), 0, server.log);
  });

test("two signals at the same moment count as one though no worker is there to drain", async () => {
  const server = await start(2);
  const ended = () => server.log.split("\n").map(parseLine).filter((f) => f.event === "worker_ended");
  const ready = () => server.log.split("\n").map(parseLine).filter((f) => f.event === "worker_ready");
  const until = async (condition) => {
    while (!condition()) await next(server.child.stderr, "data");
  };
  // workers that end again and again are started after ever longer pauses
  for (let kills = 0; Number(ended().at(-1)?.restart_ms ?? 0) < 1000; kills += 2) {
    await until(() => ready().length === kills + 2);
    for (const { pid } of ready().slice(-2)) process.kill(Number(pid), "SIGKILL");
    await until(() => ended().length === kills + 2);
  }
  server.child.kill("SIGSTOP");
  server.child.kill("SIGTERM");
  server.child.kill("SIGINT");
  server.child.kill("SIGCONT");
  assert.deepEqual(await within(server.exited, "the end"), [0, null], server.log);
  assert.equal(count(server.log, "event=killed"), 0, server.log);
});
