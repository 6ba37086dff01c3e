// A handler that does not return: the log names it, other workers serve new clients, and its worker is restarted.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { build, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { next, within } from "./support/wait.mjs";

const trouble = path.join(build, "tests/trouble.so");
const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-hang-"));
after(() => rmSync(dir, { recursive: true }));

let files = 0;
const newFile = () => path.join(dir, String(files++));

async function connect(server, options = {}) {
  const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false, rejectUnauthorized: false, ...options });
  await next(socket, "connect");
  return socket;
}

for (const [kind, event] of [["plain", "spin"], ["plain", "block"], ["TLS", "spin"]])
  test(`while a handler does not return (${event}), all new clients are served by the other workers (${kind})`, async () => {
    const certificate = kind === "TLS" ? makeCertificate() : undefined;
    const server = await startSockeye(trouble, ["--workers", "3", "--hang-warning", "200ms", "--hang-timeout", "0", ...(certificate?.args ?? [])]);
    const file = newFile();
    const culprit = await connect(server);
    const answer = culprit.emitWithAck(event, file);
    const fields = await server.line((f) => f.event === "worker_hangs");
    assert.deepEqual([fields.namespace, fields.handler], ["/", event]);
    assert.ok(Number(fields.for_ms) >= 200, fields.for_ms);
    assert.match(fields.backtrace, /trouble\.so\(wait_for\+/);
    // the hanging worker owns a third of the port: 40 connections would not all miss it by chance
    const sockets = await Promise.all(Array.from({ length: 40 }, () => connect(server)));
    for (const socket of sockets) assert.equal(await within(socket.emitWithAck("echo", 1), "the echo"), 1);
    writeFileSync(file, "");
    assert.equal(await within(answer, "the answer"), "done");
    const over = await server.line((f) => f.event === "worker_goes_on" && f.worker === fields.worker);
    assert.ok(Number(over.after_ms) >= Number(fields.for_ms));
    assert.deepEqual(server.logged("worker_ended"), []);
    for (const socket of [culprit, ...sockets]) socket.disconnect();
    await server.stop();
    certificate?.remove();
  });

test("connections that wait at a hanging worker before its hang is noticed are served too", async () => {
  const server = await startSockeye(trouble, ["--workers", "2", "--hang-warning", "5s", "--hang-timeout", "0"]);
  const file = newFile();
  const culprit = await connect(server);
  const answer = culprit.emitWithAck("spin", file);
  while (!existsSync(`${file}.begun`)) await sleep(1); // the worker keeps connections that it has accepted before it hangs
  const raw = Array.from({ length: 20 }, () => net.connect(server.port, "127.0.0.1"));
  const answers = raw.map(async (socket) => {
    socket.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [bytes] = await next(socket, "data");
    assert.match(bytes.toString(), /^HTTP\/1.1 200 /);
    socket.destroy();
  });
  await Promise.all(answers);
  writeFileSync(file, "");
  await within(answer, "the answer");
  culprit.disconnect();
  await server.stop();
});

test("a worker that hangs for too long is killed with the log line of a crash, and restarted", async () => {
  const server = await startSockeye(trouble, ["--workers", "2", "--hang-warning", "100ms", "--hang-timeout", "400ms"],
    { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:handle_abort=0` });
  const culprit = await connect(server);
  const gone = next(culprit, "disconnect");
  culprit.emit("spin", newFile());
  const killed = await server.line((f) => f.event === "worker_killed");
  assert.ok(Number(killed.for_ms) >= 400, killed.for_ms);
  const ended = await server.line((f) => f.event === "worker_ended");
  assert.deepEqual([ended.worker, ended.signal, ended.handler, ended.restart_ms], [killed.worker, "6", "spin", "0"]);
  await gone;
  await server.line((f) => f.event === "worker_ready" && f.worker === killed.worker && f.pid !== killed.pid);
  const socket = await connect(server);
  assert.equal(await within(socket.emitWithAck("echo", 1), "the echo"), 1);
  socket.disconnect();
  await server.stop();
});

test("a single process names the handler that does not return, and is not killed", async () => {
  const server = await startSockeye(trouble, ["--workers", "1", "--hang-warning", "100ms", "--hang-timeout", "100ms"]);
  const file = newFile();
  const culprit = await connect(server);
  const answer = culprit.emitWithAck("block", file);
  const fields = await server.line((f) => f.event === "hangs");
  assert.deepEqual([fields.namespace, fields.handler], ["/", "block"]);
  assert.match(fields.backtrace, /trouble\.so\(wait_for\+/);
  writeFileSync(file, "");
  assert.equal(await within(answer, "the answer"), "done");
  await server.line((f) => f.event === "goes_on");
  culprit.disconnect();
  await server.stop();
});

for (const [workers, hangs] of [["1", "hangs"], ["2", "worker_hangs"]])
  test(`the log line waits for the place at which the handler hangs (workers: ${workers})`, async () => {
    const server = await startSockeye(trouble, ["--workers", workers, "--hang-warning", "100ms", "--hang-timeout", "0"]);
    const file = newFile();
    const culprit = await connect(server);
    const answer = culprit.emitWithAck("deaf", file);
    const fields = await server.line((f) => f.event === hangs);
    assert.deepEqual([fields.namespace, fields.handler], ["/", "deaf"]);
    writeFileSync(file, "");
    assert.equal(await within(answer, "the answer"), "done");
    culprit.disconnect();
    await server.stop();
  });

test("a process that a debugger or SIGSTOP has stopped does not hang", async () => {
  for (const workers of ["1", "2"]) {
    const server = await startSockeye(trouble, ["--workers", workers, "--hang-warning", "100ms", "--hang-timeout", "300ms"]);
    const pids = workers === "1" ? [server.pid] : server.logged("worker_ready").map((f) => Number(f.pid));
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 600));
    for (const pid of pids) process.kill(pid, "SIGCONT");
    const socket = await connect(server);
    assert.equal(await within(socket.emitWithAck("echo", 1), "the echo"), 1);
    assert.ok(!/event=(worker_hangs|hangs|worker_killed)/.test(server.output), server.output);
    socket.disconnect();
    await server.stop();
  }
});

test("while only one worker drains, new clients are served by the others", async () => {
  const server = await startSockeye(trouble, ["--workers", "2", "--drain-time", "30s"]);
  // clients that keep either worker busy for the drain time
  const old = await Promise.all(Array.from({ length: 100 }, () => connect(server)));
  const [{ pid, worker }] = server.logged("worker_ready");
  process.kill(Number(pid), "SIGTERM");
  const fresh = await Promise.all(Array.from({ length: 20 }, () => connect(server)));
  for (const socket of fresh) assert.equal(await within(socket.emitWithAck("echo", 1), "the echo"), 1);
  assert.deepEqual(server.logged("worker_ended").filter((f) => f.worker === worker), [], "it still drains");
  for (const socket of [...old, ...fresh]) socket.disconnect();
  await server.line((f) => f.event === "worker_ready" && f.worker === worker && f.pid !== pid);
  await server.stop();
});
