// One cluster of Sockeye and of Node.js servers with @socket.io/admin-ui: a dashboard shows all sockets, whichever server it is
// connected to, and its commands reach all.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { openAdmin } from "../clients/support/admin-ui.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const sockets = new Set();
let redis;
let ours;
let other;
let theirs;

before(async () => {
  redis = await Redis.start();
  const start = (id) => startNode(`node-${id}`, redis, ["--node-id", String(id), "--admin-ui", "--admin-ui-mode", "development"], { SOCKEYE_ADMIN_UI_AUTH: "none" });
  [ours, other, theirs] = await Promise.all([start(1), start(2), startPeer("node-js", redis, ["--admin-ui"])]);
  for (const nsp of ["/", "/team", "/admin"]) await members(redis, 3, nsp);
});
afterEach(() => {
  for (const socket of sockets) socket.disconnect();
  sockets.clear();
});
after(async () => {
  await Promise.all([ours.stop(), other.stop(), theirs.stop()]);
  await redis.stop();
});

async function client(server, nsp = "/", options = {}) {
  const socket = await connect(server, { nsp, ...options });
  sockets.add(socket);
  return socket;
}

/** An admin. `listed()` returns the sockets that servers have reported to it. */
async function admin(server) {
  const socket = openAdmin(server);
  sockets.add(socket);
  await next(socket, "connect");
  socket.listed = () => new Map(socket.seen.flatMap(([name, arg]) => (name === "all_sockets" ? arg : name === "socket_connected" ? [arg] : [])).map((s) => [s.id, s]));
  return socket;
}

/** Waits until the admin knows all these sockets. */
async function lists(socket, wanted) {
  const have = () => wanted.every(({ id }) => socket.listed().has(id));
  await Promise.race([socket.until("all_sockets", have), socket.until("socket_connected", have)]);
}

test("an admin of Sockeye is told of the sockets that all servers had before, once, and without secrets", async () => {
  const secret = { extraHeaders: { cookie: "a=cookie-secret", authorization: "Bearer header-secret" }, auth: { token: "auth-secret" }, query: { token: "query-secret" } };
  const before = [await client(ours), await client(other), await client(theirs, "/", secret), await client(theirs, "/team", secret)];
  await ask(before[2], "join", "red");
  const socket = await admin(ours);
  await lists(socket, before);
  const shown = socket.listed().get(before[2].id);
  assert.deepEqual(Object.keys(shown), ["id", "clientId", "transport", "nsp", "data", "handshake", "rooms"]);
  assert.deepEqual([shown.transport, shown.nsp, shown.data, shown.rooms.sort()], ["websocket", "/", { node: "node-js" }, [before[2].id, "red"].sort()]);
  assert.equal(shown.clientId, before[2].io.engine.id.slice(0, 12));
  assert.equal(shown.handshake.headers.cookie, "***");
  assert.equal(shown.handshake.auth, undefined);
  assert.equal(socket.listed().get(before[3].id).nsp, "/team");
  assert.ok(!JSON.stringify([...socket.listed().values()]).includes("-secret"));

  // each server reports its later events itself
  const late = await client(theirs);
  await lists(socket, [late]);
  await ask(late, "join", "blue");
  await socket.until("room_joined", (nsp, room, id) => room === "blue" && id === late.id);
  for (const { id } of before) {
    const times = socket.seen.filter(([name, arg]) => (name === "all_sockets" && arg.some((s) => s.id === id)) || (name === "socket_connected" && arg.id === id));
    assert.equal(times.length, 1, "each socket is listed once");
  }

  // commands reach the sockets of the Node.js server
  socket.emit("join", "/team", "green", before[3].id);
  await socket.until("room_joined", (nsp, room, id) => nsp === "/team" && room === "green" && id === before[3].id);
  const news = next(before[3], "news");
  socket.emit("emit", "/team", "green", "news", 1);
  assert.deepEqual(await news, [1]);
  const gone = next(before[3], "disconnect");
  socket.emit("_disconnect", "/team", false, before[3].id);
  assert.equal((await gone)[0], "io server disconnect");
});

test("an admin of the Node.js server sees the sockets of Sockeye with client and transport", async () => {
  const before = [await client(ours), await client(other, "/team"), await client(ours, "/", { transports: ["polling"] })];
  await ask(before[0], "data", { colour: "red" });
  const socket = await admin(theirs);
  await socket.until("all_sockets");
  const shown = before.map(({ id }) => socket.listed().get(id));
  assert.deepEqual(shown.map((s) => s?.transport), ["websocket", "websocket", "polling"]);
  assert.deepEqual(shown.map((s) => s.nsp), ["/", "/team", "/"]);
  assert.deepEqual(shown[0].data, { colour: "red" });
  assert.equal(new Set(shown.map((s) => s.clientId)).size, 3);
  for (const { clientId } of shown) assert.match(clientId, /^[0-9a-f]{12}$/);
  for (const server of ["#1.0", "#2.0"]) await socket.until("server_stats", (s) => s.serverId.endsWith(server));

  // Sockeye itself reports the same client id
  const late = await client(ours);
  const [connected] = await socket.until("socket_connected", (s) => s.id === late.id);
  const again = await admin(theirs);
  await lists(again, [late]);
  assert.equal(again.listed().get(late.id).clientId, connected.clientId);
  const gone = next(late, "disconnect");
  again.emit("_disconnect", "/", false, late.id);
  await gone;
});

test("applications do not see the mark of other servers", async () => {
  const asker = await client(ours);
  const there = [await client(other), await client(theirs)];
  const { error, sockets: found } = await ask(asker, "fetch", {});
  assert.equal(error, null);
  const data = new Map(found.map((s) => [s.id, s.data]));
  assert.deepEqual(data.get(there[1].id), { node: "node-js" });
  assert.ok([...data.values()].every((value) => !("_admin" in value)), JSON.stringify([...data]));
});

test("a change of socket.data is shown", async () => {
  const here = await client(ours);
  const socket = await admin(other);
  await lists(socket, [here]); // now the server knows that there is an admin
  await ask(here, "data", { colour: ["blue", 1] });
  const [{ nsp, data }] = await socket.until("socket_updated", (update) => update.id === here.id && update.data?.colour); // the condition skips updates of the members that the node itself sets
  assert.deepEqual([nsp, data], ["/", { colour: ["blue", 1] }]);
});
