// The admin UI in a cluster: one dashboard for all servers, whichever of them it is connected to.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { openAdmin } from "../clients/support/admin-ui.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const USERS = "alice:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // "secret"
const sockets = new Set();
let redis;
let one;
let two;

before(async () => {
  redis = await Redis.start();
  const start = (id) => startNode(`node-${id}`, redis, ["--node-id", String(id), "--admin-ui", "--admin-ui-mode", "development"], { SOCKEYE_ADMIN_UI_AUTH: USERS });
  [one, two] = await Promise.all([start(1), start(2)]);
  await members(redis, 2, "/admin");
  await members(redis, 2, "/");
});
afterEach(() => {
  for (const socket of sockets) socket.disconnect();
  sockets.clear();
});
after(async () => {
  await Promise.all([one.stop(), two.stop()]);
  await redis.stop();
});

async function client(server, nsp = "/") {
  const socket = await connect(server, { nsp });
  sockets.add(socket);
  return socket;
}

async function admin(server, auth = { username: "alice", password: "secret" }) {
  const socket = openAdmin(server, auth);
  sockets.add(socket);
  await next(socket, "connect");
  return socket;
}

test("a session of one node is valid at the other", async () => {
  const first = await admin(one);
  const [session] = await first.until("session");
  const second = await admin(two, { sessionId: session });
  await second.until("config");
});

test("both nodes show their figures, their sockets and their events", async () => {
  const here = await client(one);
  const there = await client(two);
  const socket = await admin(one);
  await socket.until("all_sockets", (all) => all.some((s) => s.id === here.id));
  const [shown] = await socket.until("socket_connected", (s) => s.id === there.id); // the other node reports its sockets one by one
  assert.deepEqual([shown.nsp, shown.transport, shown.rooms], ["/", "websocket", [there.id]]);
  for (const place of ["1.0", "2.0"]) await socket.until("server_stats", (s) => s.serverId.endsWith(`#${place}`));
  const late = await client(two, "/team");
  await socket.until("socket_connected", (s) => s.id === late.id);
  await ask(late, "join", "red");
  await socket.until("room_joined", (nsp, room, id) => nsp === "/team" && room === "red" && id === late.id);
  await socket.until("event_received", (nsp, id, [name]) => id === late.id && name === "join");
  const { id } = late;
  late.disconnect();
  await socket.until("socket_disconnected", (nsp, gone) => gone === id);
});

test("commands reach the other node, and a child namespace that only it has", async () => {
  const there = await client(two);
  const child = await client(two, "/new-child");
  const socket = await admin(one);
  for (const socketThere of [there, child]) {
    const nsp = socketThere === there ? "/" : "/new-child";
    const joined = socket.until("room_joined", (name, room, id) => name === nsp && room === "red" && id === socketThere.id);
    socket.emit("join", nsp, "red", socketThere.id);
    await joined;
    const news = next(socketThere, "news");
    socket.emit("emit", nsp, "red", "news", { n: 1 });
    assert.deepEqual(await news, [{ n: 1 }]);
    const gone = next(socketThere, "disconnect");
    socket.emit("_disconnect", nsp, false, socketThere.id);
    assert.equal((await gone)[0], "io server disconnect");
  }
  await one.line((l) => l.event === "admin_ui_command" && l.namespace === "/new-child" && l.result === "passed to the other servers");
});
