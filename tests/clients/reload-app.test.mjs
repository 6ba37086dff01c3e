// SIGHUP with a new application: stock clients move once and see no outage; a broken one changes nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync, renameSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { buildApplication } from "./support/application.mjs";
import { startSockeye } from "./support/server.mjs";
import { next, WAIT_MS, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-reload-app-"));
const app = path.join(dir, "app.so");
const successors = new Set();
after(() => rmSync(dir, { recursive: true }));
process.on("exit", () => {
  for (const pid of successors) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // the program has ended already
  }
});

/** An application that answers "version", and declares an option of this name. */
const build = (version, { option = "one", start = 0 } = {}) => buildApplication(app, `#include <sockeye.h>
const sio_option sio_app_options[] = {{.name = "${option}", .kind = SIO_OPTION_TEXT, .help = "Some text"}, {0}};
static void on_version(sio_socket *socket, sio_event *event, void *arg) { (void)socket, (void)arg; sio_ack(event, "i", ${version}); }
int sio_app(sio_server *io) { sio_on(sio_of(io, "/"), "version", on_version, NULL); return ${start}; }`);

const connect = (server, transports) => io(server.url, { transports, forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50 });

/** A client that asks for the version all the time. `sees(version)` resolves when it is the answer. */
async function talker(server, transports) {
  const socket = connect(server, transports);
  const one = { socket, errors: [], reasons: [], version: undefined, look() {} };
  socket.on("connect_error", (error) => one.errors.push(error.message));
  socket.on("disconnect", (reason) => one.reasons.push(reason));
  const talk = () => socket.connected && socket.emit("version", (version) => ((one.version = version), one.look(), setImmediate(talk)));
  socket.on("connect", talk);
  await next(socket, "connect");
  one.sees = (version) => within(new Promise((resolve) => (one.look = () => one.version === version && resolve())), () => `version ${version}, not ${one.version}`);
  return one;
}

/** New clients that connect one after the other until stop(), which resolves with the errors. */
function newcomers(server) {
  const errors = [];
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const socket = connect(server, ["websocket"]);
      socket.on("connect_error", (error) => errors.push(error.message));
      await next(socket, "connect");
      socket.disconnect();
    }
  })();
  return { async stop() {
    stopped = true;
    await within(loop, "the last newcomer");
    return errors;
  } };
}

/** Like server.until(), which gives up when the first program has ended: its successors write to the same log. */
async function logged(server, look) {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = look();
    if (found) return found;
    assert.ok(performance.now() < deadline, `${look}:\n${server.output}`);
    await sleep(20);
  }
}

const ask = (socket) => within(socket.emitWithAck("version"), "the version");
const reloadErrors = (server) => server.logged("reload").filter(({ error }) => error);

test("a new application is loaded, and each client moves once; a broken one keeps the old", async () => {
  build(1);
  const server = await startSockeye(app, ["--workers", "2", "--drain-time", "1s"]);
  const talkers = [];
  for (let i = 0; i < 10; i++) talkers.push(await talker(server, [i % 3 ? "websocket" : "polling"]));
  const crowd = newcomers(server);

  build(2, { option: "other" });
  process.kill(server.pid, "SIGHUP");
  const pid = Number((await server.line((fields) => fields.event === "upgraded")).pid);
  successors.add(pid);
  await Promise.all(talkers.map((one) => one.sees(2)));
  assert.deepEqual(await within(server.exited, "the end of the old workers"), { code: 0, signal: null });
  assert.deepEqual(await crowd.stop(), []);
  assert.equal(server.logged("reload").filter(({ application, replaced }) => application === app && replaced === "yes").length, 1);

  // one line names the file that cannot be loaded, and no client notices
  writeFileSync(`${app}.new`, "not a program");
  renameSync(`${app}.new`, app);
  process.kill(pid, "SIGHUP");
  await logged(server, () => reloadErrors(server).length === 1);
  assert.match(reloadErrors(server)[0].error, /cannot load application .*app\.so: not a shared object; build a C file with/);

  // if sio_app() of the new application refuses, the new program ends and the old one goes on
  build(3, { start: 7 });
  process.kill(pid, "SIGHUP");
  await logged(server, () => server.logged("upgrade_failed").length === 1);
  assert.match(server.output, /failed to start: sio_app\(\) returned 7/);

  for (const { socket, errors, reasons } of talkers) {
    assert.deepEqual({ errors, reasons }, { errors: [], reasons: ["transport close"] });
    assert.equal(await ask(socket), 2);
    socket.disconnect();
  }

  // a worker that starts again still has the application of its siblings
  const worker = server.logged("worker_ready").at(-1);
  const restarts = server.logged("worker_ready").length;
  process.kill(Number(worker.pid), "SIGKILL");
  await logged(server, () => server.logged("worker_ready").length > restarts);
  const others = Array.from({ length: 6 }, () => connect(server, ["websocket"]));
  for (const socket of others) assert.equal(await ask(socket), 2);

  for (const socket of others) socket.disconnect();
  assert.equal(reloadErrors(server).length, 1);
  const closed = once(server.child.stderr, "close");
  process.kill(pid, "SIGTERM");
  await within(closed, () => `the end of ${pid}:\n${server.output}`);
  successors.delete(pid);
});

test("without a change SIGHUP starts nothing; a single process says that it cannot", async () => {
  build(1);
  const server = await startSockeye(app, ["--workers", "2"]);
  process.kill(server.pid, "SIGHUP");
  await server.line((fields) => fields.event === "reload" && fields.replaced === "no");
  assert.equal(server.logged("upgrade").length, 0);
  await server.stop();

  const single = await startSockeye(app);
  build(2);
  process.kill(single.pid, "SIGHUP");
  await single.line((fields) => fields.event === "reload" && /single process/.test(fields.error));
  await single.stop();
});

test("SIGTERM does not wait for a new application that hangs while it is loaded", async () => {
  build(1);
  const server = await startSockeye(app, ["--workers", "1", "--master", "--drain-time", "0"]);
  buildApplication(app, `#include <stdio.h>
#include <unistd.h>
#include <sockeye.h>
__attribute__((constructor)) static void hang(void) { fprintf(stderr, "event=hanging\\n"); sleep(1000); }
int sio_app(sio_server *io) { (void)io; return 0; }`);
  process.kill(server.pid, "SIGHUP");
  await server.line((fields) => fields.event === "hanging");
  process.kill(server.pid, "SIGTERM");
  assert.deepEqual(await within(server.exited, "the end"), { code: 0, signal: null });
  assert.match(reloadErrors(server)[0].error, /cannot load application .*app\.so: the server is to stop/);
});
