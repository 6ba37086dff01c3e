// The server's half of @socket.io/admin-ui, asked by the stock client as the dashboard asks it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { openAdmin } from "./support/admin-ui.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { collect, next, within } from "./support/wait.mjs";

// bcrypt of "secret", with cost 4 (htpasswd -nbBC 4) and the prefixes of different programs
const HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const USERS = `alice:${HASH},bob:${HASH.replace("$2b$", "$2y$")}`;
const COMMANDS = ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"];
const peer = path.join(build, "tests/peer.so");
const sockets = new Set();

afterEach(() => {
  for (const socket of sockets) socket.disconnect();
  sockets.clear();
});

const start = (args = [], workers = 1, env = {}) =>
  startSockeye(peer, ["--admin-ui", "--workers", String(workers), ...args], { PEER_NAME: "peer", SOCKEYE_ADMIN_UI_AUTH: USERS, ...env });

function open(server, nsp, auth, options = {}) {
  const socket = io(server.url + nsp, { transports: ["websocket"], forceNew: true, reconnection: false, auth, ...options });
  sockets.add(socket);
  return socket;
}

async function connect(server, nsp = "/", options = {}) {
  const socket = open(server, nsp, undefined, options);
  await next(socket, "connect");
  return socket;
}

async function admin(server, auth = { username: "alice", password: "secret" }) {
  const socket = openAdmin(server, auth);
  sockets.add(socket);
  await next(socket, "connect");
  return socket;
}

async function refused(server, auth) {
  const socket = open(server, "/admin", auth);
  const [error] = await next(socket, "connect_error");
  return error.message;
}

const command = (server, result, name) => server.line((l) => l.event === "admin_ui_command" && l.command === name && l.result === result);

describe("log-in", () => {
  let server;
  before(async () => (server = await start([], 2)));
  after(() => server.stop());

  test("by a password, and later by the session at any worker", async () => {
    const first = await admin(server);
    const [session] = await first.until("session");
    assert.match(session, /^[\w-]{22}$/);
    assert.deepEqual((await first.until("config"))[0].supportedFeatures, [...COMMANDS, "AGGREGATED_EVENTS"]);
    for (let i = 0; i < 12; i++) {
      const again = await admin(server, { sessionId: session });
      await again.until("config");
      assert.equal(again.seen.filter(([event]) => event === "session").length, 0);
    }
    const bob = await admin(server, { username: "bob", password: "secret" });
    assert.notEqual((await bob.until("session"))[0], session);
    await server.line((l) => l.event === "admin_ui_login" && l.result === "ok" && l.user === "bob");
  });

  test("each worker reports its figures", async () => {
    const socket = await admin(server);
    const [[first], [second]] = await Promise.all(["0.0", "0.1"].map((place) => socket.until("server_stats", (s) => s.serverId.endsWith(`#${place}`))));
    assert.deepEqual(Object.keys(first), ["serverId", "hostname", "pid", "uptime", "clientsCount", "pollingClientsCount", "aggregatedEvents", "namespaces"]);
    assert.notEqual(first.pid, second.pid);
    await socket.until("server_stats", (s) => s.namespaces.some((n) => n.name === "/admin" && n.socketsCount > 0));
    const [{ aggregatedEvents }] = await socket.until("server_stats", (s) => s.aggregatedEvents.some((e) => e.type === "packetsOut"));
    for (const event of aggregatedEvents) {
      assert.equal(event.timestamp % 1000, 0);
      assert.ok(event.count > 0);
    }
  });
});

describe("refusals", () => {
  test("wrong credentials of every kind", async () => {
    const server = await start(["--trust-proxy"]);
    const wrong = [
      undefined,
      {},
      { username: "alice" },
      { password: "secret" },
      { username: "alice", password: 7 },
      { username: ["alice"], password: { secret: true } },
      { username: "nobody", password: "secret" },
      { username: "alice", password: "Secret" },
      { username: "alice", password: "s".repeat(1000) },
      { sessionId: "0123456789012345678901" },
      { sessionId: "" },
      { sessionId: { length: 22 } },
    ];
    for (const auth of wrong) assert.equal(await refused(server, auth), "invalid credentials", JSON.stringify(auth));
    await server.line((l) => l.event === "admin_ui_login" && l.result === "refused" && l.reason === "unknown-session");
    assert.ok(!server.output.includes("secret"), "no password is logged");
    await server.stop();
  });

  test("an address has five failed log-ins a minute; other addresses can still log in", async () => {
    const server = await start(["--trust-proxy"]);
    const from = (address) => ({ extraHeaders: { "x-forwarded-for": address } });
    const attempt = async (auth, address) => {
      const socket = open(server, "/admin", auth, from(address));
      return within(new Promise((resolve) => socket.once("connect", () => resolve("ok")).once("connect_error", (error) => resolve(error.message))), "an answer");
    };
    const guess = { username: "alice", password: "guess" };
    const right = { username: "alice", password: "secret" };
    for (let i = 0; i < 5; i++) assert.equal(await attempt(guess, "192.0.2.1"), "invalid credentials");
    assert.equal(await attempt(right, "192.0.2.1"), "too many attempts; wait a minute");
    assert.equal(await attempt(right, "192.0.2.2"), "ok");
    for (let i = 0; i < 5; i++) assert.equal(await attempt(guess, `2001:db8::${i}`), "invalid credentials");
    assert.equal(await attempt(right, "2001:db8::ffff:1"), "too many attempts; wait a minute");
    assert.equal(await attempt(right, "2001:db8:0:1::1"), "ok");
    await server.line((l) => l.event === "admin_ui_login" && l.reason === "too-many-attempts" && l.address === "192.0.2.1");
    await server.stop();
  });

  test("without users the program does not start; a hash is not shown", () => {
    for (const [args, error] of [
      [["--admin-ui"], /option --admin-ui: name the users who may log in/],
      [["--admin-ui", "--admin-ui-auth", `alice:${HASH}x`], /option --admin-ui-auth: a user must be NAME:HASH/],
      [["--admin-ui", "--admin-ui-auth-file", "/nowhere"], /option --admin-ui-auth-file: cannot read \/nowhere/],
    ]) {
      const { status, stderr } = spawnSync(path.join(build, "sockeye"), args, { encoding: "utf8", timeout: 120_000 });
      assert.equal(status, 2, stderr);
      assert.match(stderr, error);
      assert.ok(!stderr.includes("abcdefghijkl"), stderr);
    }
  });

  test("read-only and open to all: statistics, and no command", async () => {
    const server = await start(["--admin-ui-readonly", "--admin-ui-mode", "development"], 1, { SOCKEYE_ADMIN_UI_AUTH: "none" });
    const client = await connect(server);
    const socket = await admin(server, undefined);
    assert.deepEqual((await socket.until("config"))[0].supportedFeatures, ["AGGREGATED_EVENTS", "ALL_EVENTS"]);
    socket.emit("_disconnect", "/", true, client.id);
    socket.emit("join", "/", "room", client.id);
    const later = socket.io.socket("/team"); // over the same connection, so what came before has been handled
    await next(later, "connect");
    assert.equal(await within(new Promise((resolve) => client.emit("rooms", (rooms) => resolve(rooms.length))), "rooms"), 1);
    assert.equal(server.logged("admin_ui_command").length, 0);
    await server.stop();
  });
});

describe("development", () => {
  let server;
  before(async () => (server = await start(["--admin-ui-mode", "development"], 2)));
  after(() => server.stop());

  test("shows sockets and what happens to them, at both workers, without secrets", async () => {
    const secrets = { extraHeaders: { cookie: "a=cookie-secret", authorization: "Bearer header-secret", "x-token": "token-secret" }, query: { token: "query-secret" } };
    const before = [];
    for (let i = 0; i < 40; i++) before.push(await connect(server, "/", secrets));
    const socket = await admin(server);
    assert.deepEqual((await socket.until("config"))[0].supportedFeatures, [...COMMANDS, "AGGREGATED_EVENTS", "ALL_EVENTS"]);
    await socket.until("all_sockets");
    const listed = () => new Map(socket.seen.flatMap(([name, arg]) => (name === "all_sockets" ? arg : name === "socket_connected" ? [arg] : [])).map((s) => [s.id, s]));
    await socket.until("socket_connected", () => before.every(({ id }) => listed().has(id)));
    assert.equal(socket.seen.filter(([name]) => name === "all_sockets").length, 1, "the event clears the dashboard");
    const shown = listed().get(before[0].id);
    assert.deepEqual(Object.keys(shown), ["id", "clientId", "transport", "nsp", "data", "handshake", "rooms"]);
    assert.deepEqual(Object.keys(shown.handshake), ["headers", "time", "address", "xdomain", "secure", "issued", "url", "query"]);
    assert.equal(shown.transport, "websocket");
    assert.equal(shown.nsp, "/");
    assert.deepEqual(shown.rooms, [before[0].id]);
    assert.equal(shown.handshake.url, "/socket.io/");
    assert.equal(shown.handshake.query.EIO, "4");
    assert.equal(shown.handshake.query.token, "***");
    for (const header of ["cookie", "authorization", "x-token"]) assert.equal(shown.handshake.headers[header], "***");
    assert.ok(!JSON.stringify(socket.seen).includes("-secret"));

    const late = await connect(server, "/team");
    const [connected, date] = await socket.until("socket_connected", (s) => s.id === late.id);
    assert.equal(connected.nsp, "/team");
    assert.equal(new Date(date).toISOString(), date);
    await socket.until("room_joined", (nsp, room, id) => nsp === "/team" && room === late.id && id === late.id);
    await within(new Promise((resolve) => late.emit("join", "red", resolve)), "join");
    await socket.until("event_received", (nsp, id, [name, room]) => nsp === "/team" && id === late.id && name === "join" && room === "red");
    await socket.until("room_joined", (nsp, room, id) => room === "red" && id === late.id);
    const news = next(late, "news");
    late.emit("emit", { to: ["red"] }, "news", [1, Buffer.from("ab")], () => {});
    await news;
    const [, , args] = await socket.until("event_sent", (nsp, id, [name]) => id === late.id && name === "news");
    assert.deepEqual(args.slice(0, 2), ["news", 1]);
    late.emit("leave", "red", () => {});
    await socket.until("room_left", (nsp, room, id) => room === "red" && id === late.id);
    const { id } = late;
    late.disconnect();
    const [, , reason] = await socket.until("socket_disconnected", (nsp, gone) => nsp === "/team" && gone === id);
    assert.equal(reason, "client namespace disconnect");

    const slow = await connect(server, "/team", { transports: ["polling", "websocket"] });
    await socket.until("socket_updated", (update) => update.id === slow.id && update.transport === "websocket");
    assert.equal(socket.seen.filter(([name, nsp]) => ["event_sent", "event_received"].includes(name) && nsp === "/admin").length, 0);
  });
});

describe("commands", () => {
  let server;
  before(async () => (server = await start([], 2)));
  after(() => server.stop());

  test("join, leave, emit and disconnect, at both workers; each leaves a line", async () => {
    const all = [];
    for (let i = 0; i < 8; i++) all.push(await connect(server));
    const [one, two] = all;
    const socket = await admin(server);
    const rooms = (client) => within(new Promise((resolve) => client.emit("rooms", resolve)), "rooms");
    /** A marker to all proves that the commands before it have been carried out. */
    const marker = async (clients) => {
      const marks = clients.map((client) => next(client, "marker"));
      socket.emit("emit", "/", null, "marker");
      await Promise.all(marks);
    };

    socket.emit("join", "/", "red", one.id);
    socket.emit("join", "/", "blue");
    await marker(all);
    assert.deepEqual((await rooms(one)).sort(), [one.id, "blue", "red"].sort());
    assert.deepEqual((await rooms(two)).sort(), [two.id, "blue"].sort());
    const line = await command(server, "ok", "join");
    assert.deepEqual([line.user, line.namespace, line.filter, line.room, line.socket], ["alice", "/", one.id, "red", socket.id]);

    const got = all.map((client) => collect(client, "news"));
    socket.emit("emit", "/", "red", "news", { a: [1, null] }, Buffer.from("ab"), "text");
    await marker(all);
    assert.deepEqual(got.map((c) => c.seen.length), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual(got[0].seen[0], [{ a: [1, null] }, Buffer.from("ab"), "text"]);

    socket.emit("leave", "/", "red", one.id);
    socket.emit("leave", "/", "blue");
    await marker(all);
    for (const client of all) assert.deepEqual(await rooms(client), [client.id]);

    const gone = next(one, "disconnect");
    socket.emit("_disconnect", "/", false, one.id);
    assert.deepEqual((await gone)[0], "io server disconnect");
    const others = all.slice(1).map((client) => next(client, "disconnect"));
    socket.emit("_disconnect", "/", true, "");
    await Promise.all(others);
    await command(server, "ok", "_disconnect");
  });

  test("never make a namespace, and refuse what is malformed", async () => {
    const socket = await admin(server);
    for (const args of [[], ["/"], ["/", 7], ["/", "room", 7], ["/", "", "x"], [null, "room", "x"], ["/", "room", "x", "y"]]) socket.emit("join", ...args);
    for (const args of [[], ["/", "yes", "x"], ["/", true, {}]]) socket.emit("_disconnect", ...args);
    for (const args of [["/", null, 5], ["/", [], "x"], ["/", null, "x", ...Array(17).fill(0)]]) socket.emit("emit", ...args);
    socket.emit("emit", "/", null, "disconnect");
    socket.emit("emit", "/nowhere", null, "x");
    await command(server, "passed to the other servers", "emit");
    assert.equal(server.logged("admin_ui_command").filter((l) => l.result === "malformed").length, 13);
    assert.equal(server.logged("admin_ui_command").filter((l) => l.name === "disconnect" && l.result !== "ok").length, 1);
    socket.seen.length = 0;
    const stats = await Promise.all(["0.0", "0.1"].map((place) => socket.until("server_stats", (s) => s.serverId.endsWith(`#${place}`))));
    for (const [{ namespaces }] of stats) assert.ok(!namespaces.some(({ name }) => name === "/nowhere"), JSON.stringify(namespaces));
  });
});
