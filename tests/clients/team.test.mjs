// The team chat of node/examples without its Redis: recovered sockets, and an end while a login is under way.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { freePort } from "./support/port.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const start = async (...args) => startSockeye(path.join(build, "examples/team.so"), ["--team-redis-port", String(await freePort()), ...args]);
const login = (server, token) => io(server.url, { transports: ["websocket"], forceNew: true, reconnectionDelay: 10, auth: { token } });

test("a recovered socket has its user again; an unreachable Redis is logged once", async () => {
  const server = await start("--connection-state-recovery");
  const ada = login(server, "ada-token");
  await next(ada, "connect");
  assert.equal(ada.recovered, false);
  await within(ada.emitWithAck("message", "hello"), "the acknowledgement"); // ada has got her message, whose offset recovery needs
  const again = next(ada, "connect");
  ada.io.engine.close();
  await again;
  assert.equal(ada.recovered, true);
  const heard = next(ada, "message");
  assert.deepEqual(await within(ada.emitWithAck("message", "back"), "the acknowledgement"), { ok: true });
  const [{ from, text }] = await heard;
  assert.deepEqual([from, text], ["Ada", "back"]);
  assert.deepEqual(await within(ada.emitWithAck("kick", "Nobody"), "the acknowledgement"), { ok: true }); // still an admin
  assert.equal(server.logged("team_redis").length, 1);
  ada.disconnect();
  await server.stop();
});

test("the server ends while logins are under way", async () => {
  const server = await start();
  const clients = Array.from({ length: 8 }, () => login(server, "ada-token"));
  await within(Promise.all(clients.map((client) => new Promise((resolve) => client.io.once("open", resolve)))), "the connections");
  process.kill(server.pid, "SIGTERM");
  for (const client of clients) client.disconnect();
  assert.deepEqual(await within(server.exited, "the end"), { code: 0, signal: null });
});
