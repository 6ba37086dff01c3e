// The file of the admins: SIGHUP reads it again.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { openAdmin } from "./support/admin-ui.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next } from "./support/wait.mjs";

const SECRET = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // bcrypt of "secret"
const OTHER = "$2y$05$abcdefghijklmnopqrstuuJmFztxYiIbtwm3ZuBsb8ifzhqKqR8Im"; // bcrypt of another password
const WORKERS = 2;
const sockets = [];
let folder;
let file;
let server;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "sockeye-admins-"));
  file = path.join(folder, "admins");
  await writeFile(file, `alice:${SECRET}\nbob:${SECRET}\ncarol:${SECRET}\n`);
  server = await startSockeye(path.join(build, "tests/peer.so"), ["--admin-ui", "--admin-ui-auth-file", file, "--workers", String(WORKERS), "--trust-proxy"],
    { PEER_NAME: "peer" });
});
after(async () => {
  for (const socket of sockets) socket.disconnect();
  await server.stop();
  await rm(folder, { recursive: true });
});

let last = 0;
/** Opens a connection of an admin from a new address, so that none reaches the limit of log-in attempts. */
function open(auth) {
  const socket = openAdmin(server, auth, { extraHeaders: { "x-forwarded-for": `192.0.2.${++last}` } });
  sockets.push(socket);
  return socket;
}

async function logIn(username) {
  const socket = open({ username, password: "secret" });
  await next(socket, "connect");
  return { socket, session: (await socket.until("session"))[0] };
}

const refusal = async (auth) => (await next(open(auth), "connect_error"))[0].message;

/** Sends SIGHUP, and waits until each worker has logged a line with this key. */
async function reload(key) {
  const count = () => server.logged("reload").filter((line) => line[key] !== undefined).length;
  const wanted = count() + WORKERS;
  process.kill(server.pid, "SIGHUP");
  await server.until(() => count() >= wanted);
}

test("admins who were removed or have another password are disconnected, and their sessions are no longer valid", async () => {
  const alice = await logIn("alice");
  const bob = await logIn("bob");
  const carol = await logIn("carol");
  const left = [next(bob.socket, "disconnect"), next(carol.socket, "disconnect")];

  await writeFile(file, `alice:${SECRET}\nbob:${OTHER}\ndave:${SECRET}\n`);
  await reload("admin_ui_users");
  for (const [reason] of await Promise.all(left)) assert.equal(reason, "io server disconnect");
  assert.equal(server.logged("reload").filter((line) => line.admin_ui_users === "3").reduce((sum, line) => sum + Number(line.dismissed), 0), 2);
  assert.ok(alice.socket.connected);

  for (let i = 0; i < 3 * WORKERS; i++) {
    assert.equal(await refusal({ sessionId: bob.session }), "invalid credentials");
    assert.equal(await refusal({ sessionId: carol.session }), "invalid credentials");
    const again = open({ sessionId: alice.session });
    await next(again, "connect");
  }
  assert.equal(await refusal({ username: "carol", password: "secret" }), "invalid credentials");
  assert.equal(await refusal({ username: "bob", password: "secret" }), "invalid credentials");
  await logIn("dave");
});

test("a bad file changes nothing", async () => {
  const { socket, session } = await logIn("alice");
  await writeFile(file, "alice:secret\n");
  await reload("error");
  assert.ok(server.logged("reload").some((line) => line.error?.includes("a user must be NAME:HASH")));
  assert.ok(socket.connected);
  await next(open({ sessionId: session }), "connect");
  await logIn("alice");
});
