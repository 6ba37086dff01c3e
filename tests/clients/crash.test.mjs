// An application that crashes: what it costs, and what the log says of it.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const trouble = path.join(build, "tests/trouble.so");
const QUICK = { transports: ["websocket"], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 20 };

test("an event that crashes the application, sent again and again, brings no pause in which nobody is served", async () => {
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
