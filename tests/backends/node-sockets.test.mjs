// The server API of a Node.js application behind one edge, with stock clients.
import test from "node:test";
import assert from "node:assert/strict";
import { collect, next, patiently } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, client, clientVersions, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

async function start(t, args, options) {
  const edge = await startEdge(t, args);
  const program = await startBackend(t, edge, options);
  return { edge, program, url: edge.url };
}

for (const version of Object.keys(clientVersions)) {
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    test(`events, answers and binary both ways, client ${version}, ${transports}`, async (t) => {
      const { url } = await start(t);
      const socket = client(t, url, { version, transports, auth: { token: "x" } });
      const [welcome] = await next(socket, "welcome");
      assert.deepEqual(welcome, { name: "backend", nsp: "/", auth: { token: "x" } });
      const bytes = Buffer.from([0, 1, 2, 255]);
      const value = ["ü👋", 1.5, null, true, [], { a: [{ b: bytes }] }, bytes];
      const echoed = next(socket, "echo");
      const answer = await new Promise((resolve) => socket.emit("echo", ...value, (...args) => resolve(args)));
      assert.deepEqual(answer, value);
      assert.deepEqual(await echoed, value);
      socket.on("question", (a, b, reply) => reply(b, a));
      assert.deepEqual(await new Promise((resolve) => socket.emit("ask me", 20000, bytes, "b", (...args) => resolve(args))), [null, "b", bytes]);
    });
  }
}

test("a question that the client does not answer times out", async (t) => {
  const { url } = await start(t);
  const socket = await joined(t, url);
  assert.equal(await ask(socket, "ask me", 30, "x"), "operation has timed out");
});

test("middlewares refuse a client with data, or admit it later", async (t) => {
  const { url } = await start(t);
  const denied = client(t, url, { auth: { refuse: "Unauthorized", delay: 20 } });
  const [error] = await next(denied, "connect_error");
  assert.deepEqual([error.message, error.data], ["Unauthorized", { code: 7 }]);
  await joined(t, url, { auth: { delay: 50 } });
});

test("namespaces: fixed, by pattern, by function, unknown", async (t) => {
  const { url } = await start(t);
  for (const [nsp, auth] of [["/fixed"], ["/pattern-12"], ["/by-function-1", { key: "k" }]]) {
    const socket = client(t, `${url}${nsp}`, { auth });
    assert.equal((await next(socket, "welcome"))[0].nsp, nsp);
    const [one, two] = [collect(socket, "news"), await joined(t, url)];
    socket.emit("all", "news", nsp);
    await one.take(1);
    two.on("news", () => assert.fail("the event of another namespace"));
  }
  for (const [nsp, auth] of [["/unknown"], ["/pattern-x"], ["/by-function-1", { key: "wrong" }]]) {
    const socket = client(t, `${url}${nsp}`, { auth });
    const first = await Promise.race([next(socket, "connect_error"), next(socket, "connect").then(() => [{ message: "connected" }])]);
    // A namespace that was admitted once exists, whatever the next client's auth contains.
    assert.equal(first[0].message, nsp === "/by-function-1" ? "connected" : "Invalid namespace");
  }
});

test("rooms: join, leave, except, numbers, in the order of the calls", async (t) => {
  const { url } = await start(t);
  const [ann, bob, eve] = [await joined(t, url), await joined(t, url), await joined(t, url)];
  await ask(ann, "join", "r");
  await ask(bob, "join", ["r", 7]);
  const got = { ann: collect(ann, "news"), bob: collect(bob, "news"), eve: collect(eve, "news") };
  eve.emit("to", "r", "news", 1);
  eve.emit("to", 7, "news", 2);
  await got.bob.take(2); // ann leaves only then
  await ask(ann, "leave", "r");
  eve.emit("to", "r", "news", 3);
  ann.emit("broadcast", "news", 4);
  eve.emit("all", "news", 5);
  await got.bob.take(5);
  await got.ann.take(2);
  await got.eve.take(2);
  assert.deepEqual(got.ann.seen.flat(), [1, 5]);
  assert.deepEqual(got.eve.seen.flat().sort(), [4, 5]);
  assert.deepEqual((await ask(bob, "who")).rooms, [bob.id, "r", 7]);
});

test("a broadcast with acknowledgements gives all answers, or on time-out those that came", async (t) => {
  const { url } = await start(t, ["--workers", "2"], { links: 2 });
  const sockets = [];
  for (let i = 0; i < 4; i++) {
    const socket = await joined(t, url);
    socket.on("question", (x, reply) => reply(x + i));
    sockets.push(socket);
  }
  const all = await new Promise((resolve) => sockets[0].emit("ask all", 20000, (...args) => resolve(args)));
  assert.deepEqual([all[0], all[1].sort()], [null, [1, 2, 3, 4]]);
  const mute = await joined(t, url);
  mute.on("question", () => {});
  const askAll = (ms) => new Promise((resolve) => sockets[0].emit("ask all", ms, (...args) => resolve(args)));
  const some = await patiently(askAll, ([, answers]) => answers.length === 4);
  assert.deepEqual([some[0], some[1].sort()], ["operation has timed out", [1, 2, 3, 4]]);
});

test("disconnect: of a namespace, of all, of the connection, by the client", async (t) => {
  const { url, program } = await start(t);
  const first = await joined(t, url);
  const fixed = first.io.socket("/fixed");
  await next(fixed, "connect");
  fixed.emit("close", false);
  assert.deepEqual((await next(fixed, "disconnect"))[0], "io server disconnect");
  assert.equal(first.connected, true);
  first.emit("close", true);
  assert.deepEqual((await next(first, "disconnect"))[0], "io server disconnect");
  const second = await joined(t, url, { reconnection: false });
  second.emit("close conn");
  assert.deepEqual((await next(second, "disconnect"))[0], "transport close");
  const third = await joined(t, url);
  const { id } = third;
  third.disconnect();
  await program.line(new RegExp(`^disconnect ${id} client namespace disconnect`));
  const fourth = await joined(t, url, { transports: ["websocket"] });
  const lost = fourth.id;
  fourth.io.engine.close();
  await program.line(new RegExp(`^disconnect ${lost} transport close`));
});

test("handshake, request, conn, upgrade", async (t) => {
  const { url } = await start(t);
  const socket = client(t, url, { query: { x: "1" }, extraHeaders: { "X-Mine": "m" }, auth: { a: 1 } });
  const upgraded = next(socket, "upgraded");
  await next(socket, "connect");
  assert.deepEqual(await upgraded, ["websocket"]);
  const { handshake, request, conn } = await ask(socket, "handshake");
  assert.equal(handshake.headers["x-mine"], "m");
  assert.equal(handshake.query.x, "1");
  assert.deepEqual(handshake.auth, { a: 1 });
  assert.equal(handshake.secure, false);
  assert.match(handshake.url, /^\/socket\.io\/\?.*x=1/);
  assert.ok(Math.abs(handshake.issued - Date.now()) < 60000);
  assert.match(request.remoteAddress, /127\.0\.0\.1$|^::1$/);
  assert.deepEqual([conn.transport, conn.protocol, conn.readyState], ["websocket", 4, "open"]);
  assert.equal(conn.id, socket.io.engine.id);
});

test("an exception in a handler ends the application, as under Node.js; its clients stay connected", async (t) => {
  const { url, program, edge } = await start(t);
  const socket = await joined(t, url);
  socket.emit("exception");
  assert.equal((await program.exited).code, 1);
  await startBackend(t, edge, { name: "second" });
  assert.equal((await ask(socket, "who")).name, "second");
  assert.equal(socket.drops, 0);
});

test("a blocked backend: heartbeats go on, and all events are answered afterwards", async (t) => {
  const { url } = await start(t, ["--ping-interval", "200", "--ping-timeout", "1000"]);
  const socket = await joined(t, url);
  socket.emit("block", 2500);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(socket, "echo", i)));
  assert.deepEqual(answers, [...Array(20).keys()]);
  assert.equal(socket.drops, 0);
});
