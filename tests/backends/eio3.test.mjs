// Stock clients of Socket.IO 2 and 1 with a Node.js application behind an edge with --allow-eio3.
import test from "node:test";
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import io1 from "socket.io-client-1";
import io2 from "socket.io-client-2";
import { collect, next } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

const kinds = [
  ["2.5.0 by polling", io2, ["polling"]],
  ["2.5.0 by WebSocket", io2, ["websocket"]],
  ["2.5.0 with an upgrade", io2, ["polling", "websocket"]],
  ["1.7.4 by WebSocket", io1, ["websocket"]],
];

async function start(t) {
  const edge = await startEdge(t, ["--allow-eio3"]);
  const program = await startBackend(t, edge, { server: { allowEIO3: true }, options: { edgeOptions: "strict" } });
  return { edge, program, url: edge.url };
}

function client(t, lib, url, options) {
  const socket = lib(url, { forceNew: true, reconnection: false, transports: ["websocket"], ...options });
  socket.drops = 0;
  socket.on("disconnect", () => socket.drops++);
  t.after(() => socket.close());
  return socket;
}

async function joined(t, lib, url, options) {
  const socket = client(t, lib, url, options);
  const [welcome] = await next(socket, "welcome");
  return Object.assign(socket, { welcome });
}

test("events, acknowledgements both ways and binary", async (t) => {
  const { url } = await start(t);
  for (const [name, lib, transports] of kinds) {
    const socket = await joined(t, lib, url, { transports });
    assert.deepEqual([socket.welcome.nsp, socket.welcome.auth], ["/", {}], name);
    const bytes = Buffer.from([0, 1, 2, 255]);
    const [text, { list }] = await new Promise((resolve) => socket.emit("echo", "ü👋", { list: [bytes, null] }, (...args) => resolve(args)));
    assert.equal(text, "ü👋");
    assert.deepEqual([Buffer.from(list[0]), list[1]], [bytes, null]);
    socket.on("question", (a, b, reply) => reply(b, a));
    const [error, b, a] = await new Promise((resolve) => socket.emit("ask me", 20000, bytes, "b", (...args) => resolve(args)));
    assert.deepEqual([error, b, Buffer.from(a)], [null, "b", bytes], name);
    const { conn } = await ask(socket, "handshake");
    assert.equal(conn.protocol, 3, name);
    assert.equal(socket.id, conn.id, name);
    socket.close();
  }
});

test("namespaces: the query is the auth, middlewares refuse, unknown names are refused", async (t) => {
  const { url } = await start(t);
  const socket = await joined(t, io2, `${url}/pattern-12`, { query: { token: "a b" } });
  assert.deepEqual([socket.welcome.nsp, socket.welcome.auth], ["/pattern-12", { token: "a b" }]);
  assert.equal((await ask(socket, "who")).id, socket.id);
  assert.match(socket.id, /^\/pattern-12#./);
  const unknown = client(t, io2, `${url}/unknown`);
  assert.deepEqual(await next(unknown, "error"), [{ message: "Invalid namespace" }]);
  const denied = client(t, io2, url, { query: { refuse: "Unauthorized" } });
  assert.deepEqual(await next(denied, "error"), [{ code: 7 }]); // the data of the error, as socket.io sends it to these clients
});

test("clients of all versions share rooms, and stay when the application is killed", async (t) => {
  const { edge, program, url } = await start(t);
  const sockets = [await joined(t, io, url), await joined(t, io2, url, { transports: ["polling"] }), await joined(t, io2, url), await joined(t, io1, url)];
  for (const socket of sockets) await ask(socket, "join", "r");
  const ids = sockets.map(({ id }) => id);
  const say = async (from) => {
    const got = sockets.map((socket) => collect(socket, "news"));
    from.emit("to", "r", "news", Buffer.from([7]), from.id);
    for (const one of got) {
      const [[bytes, id]] = await one.take(1);
      assert.deepEqual([...Buffer.from(bytes)], [7]);
      assert.equal(id, from.id);
      one.stop();
    }
  };
  for (const socket of sockets) await say(socket);
  await program.stop("SIGKILL");
  const answers = sockets.map((socket) => ask(socket, "who"));
  await startBackend(t, edge, { name: "second", server: { allowEIO3: true } });
  for (const [i, who] of (await Promise.all(answers)).entries())
    assert.deepEqual([who.name, who.id, who.recovered, who.rooms.sort()], ["second", ids[i], true, [ids[i], "r"].sort()]);
  for (const socket of sockets) await say(socket);
  assert.equal(sockets.reduce((sum, { drops }) => sum + drops, 0), 0);
  const reason = next(sockets[2], "disconnect");
  sockets[0].emit("in", ids[2], "disconnectSockets", false);
  assert.deepEqual(await reason, ["io server disconnect"]);
});
