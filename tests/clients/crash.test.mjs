// An application that crashes: which clients are disconnected, and what the log contains.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const trouble = path.join(build, "tests/trouble.so");
const QUICK = { transports: ["websocket"], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 20 };

test("the service does not pause while an event crashes the application again and again", async () => {
  const server = await startSockeye(trouble, ["--workers", "2"]);
  const attacker = io(server.url, QUICK);
  for (let round = 0; round < 12; round++) {
    if (!attacker.connected) await next(attacker, "connect");
    const gone = next(attacker, "disconnect");
    attacker.emit("crash", "SIGKILL");
    await gone;
  }
  attacker.disconnect();
  const socket = io(server.url, QUICK);
  socket.on("connect_error", () => {});
  await next(socket, "connect");
  assert.equal(await within(socket.emitWithAck("echo", 1), "the echo"), 1);
  socket.disconnect();
  await server.stop();
  const ended = server.logged("worker_ended");
  assert.equal(ended.length, 12);
  for (const fields of ended) assert.equal(fields.restart_ms, "0");
});

// a sanitizer's own handlers would end the process with an exit code instead of the signal
const PLAIN = { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0` };
const NUMBERS = { SIGSEGV: 11, SIGABRT: 6, SIGFPE: 8, SIGBUS: 7, SIGILL: 4 };

/** A socket that ignores the end of the server. */
const connected = async (server, nsp = "/") => {
  const socket = io(server.url + nsp, { ...QUICK, reconnection: false });
  await next(socket, "connect");
  return socket;
};

function assertSaysWhere(fields, signal, nsp, handler) {
  assert.equal(Number(fields.signal), NUMBERS[signal]);
  assert.equal(fields.namespace, nsp);
  assert.equal(fields.handler, handler);
  assert.match(fields.backtrace, /(^|(libc|libasan)\S+ )trouble\.so\(fall_down(\.cold)?\+0x[0-9a-f]+\) .*sockeye\(/);
}

for (const signal of Object.keys(NUMBERS))
  test(`the line of a worker that ends by ${signal} names namespace, event and function`, async () => {
    const server = await startSockeye(trouble, ["--workers", "2"], PLAIN);
    const socket = await connected(server);
    socket.emit("crash", signal);
    assertSaysWhere(await server.line((f) => f.event === "worker_ended"), signal, "/", "crash");
    assert.deepEqual(server.logged("crash"), []);
    await server.stop();
  });

test("a single process that crashes logs it itself, and ends by the signal", async () => {
  for (const signal of Object.keys(NUMBERS)) {
    const server = await startSockeye(trouble, ["--workers", "1"], PLAIN);
    const socket = await connected(server, "/chat");
    socket.emit("crash", signal);
    const ended = await within(server.exited, "the end");
    assert.deepEqual(ended, { code: null, signal });
    const [fields] = server.logged("crash");
    assertSaysWhere(fields, signal, "/chat", "crash");
    assert.equal(fields.level, "error");
  }
});

test("an event name cannot forge a line, and a long one is cut", async () => {
  const server = await startSockeye(trouble, ["--workers", "2"], PLAIN);
  const socket = await connected(server);
  const name = `crash\n${"x".repeat(200)}" level=error`;
  socket.emit(name, "SIGSEGV");
  const fields = await server.line((f) => f.event === "worker_ended");
  assert.equal(fields.handler, `crashn${"x".repeat(127 - 6)}`); // parseLine() reads \n as n
  await server.stop();
});

test("a crash by exhausting the stack, in a connection handler or by a broken invariant is logged too", async () => {
  const server = await startSockeye(trouble, ["--workers", "2"], PLAIN);
  const ends = async (n) => {
    await server.line((f) => f.event === "worker_ended" && server.logged("worker_ended").length >= n);
    return server.logged("worker_ended")[n - 1];
  };
  (await connected(server)).emit("recurse");
  let fields = await ends(1);
  assert.deepEqual([fields.signal, fields.handler], ["11", "recurse"]);
  assert.match(fields.backtrace, /^trouble\.so\(sink\+0x[0-9a-f]+\)/);
  io(`${server.url}/fragile`, { ...QUICK, reconnection: false });
  fields = await ends(2);
  assert.deepEqual([fields.signal, fields.namespace, fields.handler], ["6", "/fragile", "connection"]);
  (await connected(server)).emit("misuse");
  fields = await ends(3);
  assert.match(fields.error, /^broken invariant at node\/process\/server\.c:\d+/);
  assert.equal(fields.handler, "misuse");
  await server.stop();
});

/** Each function sends an event that crashes the server, so it gets no answer. */
const ask = (server, query) => fetch(`${server.url}/socket.io/?transport=polling&${query}`).catch(() => {});
const later = async (server, where) => (await connected(server)).emit("crash later", where);
const OTHERS = {
  headers: [(server) => ask(server, "EIO=4&fall=1")],
  "connection error": [(server) => ask(server, "EIO=2&stumble=1")],
  "new namespace": [(server) => io(`${server.url}/new-one`, { ...QUICK, reconnection: false }), "/new-one"],
  fetch: [later],
  "all rooms": [later],
};
for (const [handler, [crash, nsp]] of Object.entries(OTHERS))
  test(`the line of a crash names the function that ran outside of an event: ${handler}`, async () => {
    const server = await startSockeye(trouble, ["--workers", "2"], PLAIN);
    await crash(server, handler);
    assertSaysWhere(await server.line((f) => f.event === "worker_ended"), "SIGSEGV", nsp, handler);
    await server.stop();
  });

test("a crash in a function of sio_on_stop() is logged too", async () => {
  const server = await startSockeye(trouble, ["--workers", "2"], PLAIN);
  const socket = await connected(server);
  await within(socket.emitWithAck("crash later", "stop"), "the answer");
  server.child.kill("SIGTERM");
  assertSaysWhere(await server.line((f) => f.event === "worker_ended" && f.signal === "11"), "SIGSEGV", undefined, "stop");
  socket.disconnect();
});
