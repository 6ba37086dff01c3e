// What the log shows at level debug, for which clients, and how the level is switched while the server runs.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { freePort } from "../cluster/support/redis.mjs";
import { Polling, request } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next, until, within } from "./support/wait.mjs";

const app = path.join(build, "tests/everything.so");
const SECRET = "a-secret-that-no-log-may-hold";

async function connect(server, nsp = "/", options = {}) {
  const socket = io(server.url + nsp, { transports: ["websocket"], forceNew: true, reconnection: false, ...options });
  await next(socket, "connect");
  return socket;
}

const sidOf = (socket) => socket.io.engine.id;

/** Each client gets an answer from its worker. */
async function echo(sockets) {
  const answers = sockets.map((socket) => next(socket, "message-back"));
  for (const socket of sockets) socket.emit("message", 1);
  await Promise.all(answers);
}

test("the log shows handshakes, upgrades, packets, acknowledgements and disconnects, by name and size", async () => {
  const server = await startSockeye("chat", ["--log-level", "debug"]);
  const socket = await connect(server, "/", { transports: ["polling", "websocket"], auth: { token: SECRET } });
  const sid = sidOf(socket);
  const of = (fields) => fields.sid === sid.slice(0, 8);
  await server.line((f) => f.event === "upgraded" && of(f) && f.transport === "websocket");
  assert.equal(await within(socket.emitWithAck("chatMessage", { user: "x", message: SECRET }), "the ack"), "received");
  socket.disconnect();
  const ended = await server.line((f) => f.event === "session_ended" && of(f));
  assert.deepEqual([ended.reason, ended.cause], ["transport close", "connection closed"]);
  const [opened] = server.logged("session_opened").filter(of);
  assert.deepEqual([opened.address, opened.transport, opened.revision], ["127.0.0.1", "polling", "4"]);
  assert.equal(server.logged("upgrade_begun").filter(of).length, 1);
  const packets = (event) => server.logged(event).filter(of).map((f) => [f.namespace, f.type, f.name, f.id].join(" ").trim());
  assert.deepEqual(packets("packet_in"), ["/ connect", "/ event chatMessage 0", "/ disconnect"]);
  const out = packets("packet_out");
  for (const line of ["/ connect", "/ event welcome", "/ event chatMessage", "/ ack  0"]) assert.ok(out.includes(line), out.join("\n"));
  const [message] = server.logged("packet_in").filter((f) => of(f) && f.name === "chatMessage");
  assert.equal(Number(message.bytes), JSON.stringify(["chatMessage", { user: "x", message: SECRET }]).length);
  assert.deepEqual(server.logged("socket_left").filter(of).map((f) => f.reason), ["client namespace disconnect"]);
  assert.ok(!server.output.includes(SECRET), "contents are not logged");
  assert.ok(!server.output.includes(sid), "nor whole sids");
  await server.stop();
});

test("the log shows the cause of each refusal, and why a client was closed", async () => {
  const server = await startSockeye("chat", ["--log-level", "debug"]);
  assert.equal((await request(server, "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA")).status, 400);
  const refused = await server.line((f) => f.event === "request_refused");
  assert.deepEqual([refused.cause, refused.message, refused.address], ["UNKNOWN_SID", "Session ID unknown", "127.0.0.1"]);
  const admin = io(`${server.url}/admin`, { transports: ["websocket"], forceNew: true, reconnection: false });
  await next(admin, "connect_error");
  const denied = await server.line((f) => f.event === "connect_refused");
  assert.deepEqual([denied.namespace, denied.message], ["/admin", "Unauthorized"]);
  admin.disconnect();
  for (const [packet, reason] of [
    ['2["hello",{"a" 1}]', "decode error: position 15"],
    ["2", "decode error"],
    ["9", "decode error: position 0"],
    ['2["connect"]', "decode error"],
    ["4{}", "a packet type that only servers send"],
    ['2/other,["x"]', "not in this namespace"],
  ]) {
    const before = server.logged("client_closed").length;
    const session = await Polling.open(server, "/socket.io/");
    await session.push("40");
    await session.push(`4${packet}`);
    await server.line((f) => f.event === "client_closed" && server.logged("client_closed").length > before);
    assert.equal(server.logged("client_closed").at(-1).reason, reason, packet);
  }
  await server.stop();
});

test("a filter limits the log to one namespace, one address or one session", async () => {
  const server = await startSockeye("chat", ["--log-level", "debug", "--log-filter", "namespace=/admin"]);
  const [main, admin] = [await connect(server), await connect(server, "/admin", { auth: { token: "sesame" } })];
  const talk = async () => {
    await within(main.emitWithAck("join", "x"), "an answer");
    await within(admin.emitWithAck("announce", "x"), "an answer");
  };
  await talk();
  const all = [...server.logged("packet_in"), ...server.logged("packet_out")];
  assert.deepEqual([...new Set(all.map((f) => f.namespace))], ["/admin"]);
  assert.ok(all.some((f) => f.name === "announce"));
  assert.equal(server.logged("session_opened").length, 0);
  main.disconnect(), admin.disconnect();
  await server.stop();
});

test("the admin port switches all workers, optionally for one session", async () => {
  const port = await freePort();
  const server = await startSockeye("protocol", ["--workers", "2", "--admin-port", String(port)]);
  const put = (query) => fetch(`http://127.0.0.1:${port}/log?${query}`, { method: "PUT" });
  const sockets = await Promise.all(Array.from({ length: 12 }, () => connect(server)));
  const wanted = sockets[7];
  const sid = sidOf(wanted).slice(0, 8);
  assert.equal((await put("level=debug&filter=colour%3Dred")).status, 400);
  const answer = await put(`level=debug&filter=sid%3D${sid}`);
  assert.deepEqual(await answer.json(), { level: "debug", filter: `sid=${sid}` });
  await until(async () => {
    await echo(sockets);
    return server.logged("packet_out").length >= 3;
  }, () => `packets are logged:\n${server.output}`);
  for (const f of [...server.logged("packet_in"), ...server.logged("packet_out")]) assert.equal(f.sid, sid);
  for (const socket of sockets) socket.disconnect();
  await server.stop();
});

for (const workers of ["1", "2"])
  test(`SIGTTIN switches all processes, back and forth (workers: ${workers})`, async () => {
    const server = await startSockeye("protocol", ["--workers", workers]);
    const sockets = await Promise.all(Array.from({ length: 12 }, () => connect(server)));
    const seen = () => new Set(server.logged("packet_in").map((f) => f.worker)).size;
    server.child.kill("SIGTTIN");
    await server.line((f) => f.event === "log");
    assert.match(server.output, /event=log log_level=debug filter=""/);
    // a worker that has logged a packet has the new level; it reads the level as soon as the master tells it to
    await until(async () => {
      await echo(sockets);
      return seen() >= Number(workers);
    }, () => `each worker logs packets:\n${server.output}`);
    server.child.kill("SIGTTIN");
    await server.line(() => server.logged("log").length === 2);
    let quiet = 0, before = -1;
    await until(async () => {
      await echo(sockets);
      const now = server.logged("packet_in").length;
      quiet = now === before ? quiet + 1 : 0;
      before = now;
      return quiet >= 3;
    }, "no worker logs packets");
    for (const socket of sockets) socket.disconnect();
    await server.stop();
  });

test("the log shows messages between nodes, by namespace and kind", async () => {
  const server = await startSockeye("chat", ["--workers", "2", "--log-level", "debug"]);
  for (const worker of ["0", "1"]) await server.line((f) => f.event === "bus" && f.state === "up" && f.worker === worker);
  const socket = await connect(server);
  const out = await server.line((f) => f.event === "bus_out" && f.namespace === "/" && f.type === "broadcast");
  const same = await server.line((f) => f.event === "bus_in" && f.type === "broadcast" && f.worker !== out.worker);
  assert.deepEqual([same.namespace, same.bytes], ["/", out.bytes]);
  await server.line((f) => f.event === "bus_out" && f.type === "request"); // the count of clients
  await server.line((f) => f.event === "bus_in" && f.type === "response");
  socket.disconnect();
  await server.stop();
});
