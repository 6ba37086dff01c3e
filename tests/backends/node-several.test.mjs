// Several backends behind several edges with several workers: one cluster for the application.
import test from "node:test";
import assert from "node:assert/strict";
import { collect, next } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, askUntilAnswered, client, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

/** Two edges with two workers each, two backends, and clients of all four combinations. */
async function start(t) {
  const edges = [await startEdge(t, ["--workers", "2"]), await startEdge(t, ["--workers", "2"])];
  const backends = [await startBackend(t, edges, { name: "a", links: 4 }), await startBackend(t, edges, { name: "b", links: 4 })];
  const sockets = [];
  for (const edge of edges) for (let i = 0; i < 4; i++) sockets.push(await joined(t, edge.url, { transports: ["websocket"] }));
  const whos = await Promise.all(sockets.map((socket) => ask(socket, "who")));
  const of = (name) => sockets.find((socket, i) => whos[i].name === name);
  return { edges, backends, sockets, whos, of };
}

test("broadcasts, rooms and questions reach every client once", async (t) => {
  const { sockets, of } = await start(t);
  const news = sockets.map((socket) => collect(socket, "news"));
  for (const name of ["a", "b"]) of(name).emit("all", "news", name);
  for (const each of news) {
    await each.take(2);
    assert.deepEqual(each.seen.flat().sort(), ["a", "b"]);
  }
  await ask(sockets[0], "join", "r");
  await ask(sockets[7], "join", "r");
  const got = Promise.all([next(sockets[0], "room"), next(sockets[7], "room")]);
  of("b").emit("to", "r", "room", 1);
  assert.deepEqual(await got, [[1], [1]]);
  sockets.forEach((socket, i) => socket.on("question", (x, reply) => reply(i)));
  for (const name of ["a", "b"]) {
    const [error, answers] = await new Promise((resolve) => of(name).emit("ask all", 20000, (...args) => resolve(args)));
    assert.deepEqual([error, answers.sort()], [null, [...sockets.keys()]]);
  }
  assert.ok(news.every((each) => each.seen.length === 2));
});

test("fetchSockets, socketsJoin, socketsLeave, disconnectSockets, serverSideEmit over both backends", async (t) => {
  const { sockets, whos, of } = await start(t);
  const ids = sockets.map(({ id }) => id).sort();
  for (const name of ["a", "b"]) {
    assert.equal(await ask(of(name), "servers"), 2);
    assert.deepEqual((await ask(of(name), "fetch")).map(({ id }) => id).sort(), ids);
    assert.equal((await ask(of(name), "fetch local")).length, whos.filter((who) => who.name === name).length);
    assert.deepEqual(await ask(of(name), "ask servers", "?"), [name === "a" ? "b ?" : "a ?"]);
  }
  const [a, b] = [of("a"), of("b")];
  a.emit("in", b.id, "socketsJoin", ["x", "y"]);
  a.emit("in", b.id, "socketsLeave", "y");
  for (;;) {
    const { rooms } = await ask(b, "who");
    if (rooms.includes("x") && !rooms.includes("y")) break;
  }
  const heard = next(b, "news");
  a.emit("to", "x", "news", 1);
  assert.deepEqual(await heard, [1]);
  const dropped = next(b, "disconnect");
  a.emit("in", "x", "disconnectSockets", true);
  assert.deepEqual((await dropped)[0], "io server disconnect");
});

test("local broadcasts reach the clients of that backend alone", async (t) => {
  const { sockets, whos, of } = await start(t);
  const got = sockets.map((socket) => collect(socket, "news"));
  of("a").emit("local", "news", 1);
  of("a").emit("all", "news", 2);
  await Promise.all(got.map((each, i) => each.take(whos[i].name === "a" ? 2 : 1)));
  got.forEach((each, i) => assert.deepEqual(each.seen.flat().includes(1), whos[i].name === "a"));
});

test("a worker of an edge dies: its clients reconnect, and no other client notices", async (t) => {
  const edge = await startEdge(t, ["--workers", "2"]);
  const program = await startBackend(t, edge, { links: 2 });
  const sockets = [];
  const workers = new Set(); // the sid of the engine names the worker
  while (sockets.length < 6 || workers.size < 2) {
    const socket = await joined(t, edge.url, { transports: ["websocket"], reconnectionDelay: 20 });
    sockets.push(socket);
    workers.add(socket.io.engine.id.slice(0, 4));
  }
  const { pid } = await edge.line((fields) => fields.event === "worker_ready" && fields.worker === "1");
  process.kill(Number(pid), "SIGKILL");
  await program.line(/^edge \S+ 1 closed/);
  const answers = await Promise.all(sockets.map((socket) => askUntilAnswered(socket, "who")));
  assert.deepEqual(answers.map(({ id }) => id), sockets.map(({ id }) => id));
  assert.ok(sockets.some((socket) => socket.drops === 0));
  const news = sockets.map((socket) => collect(socket, "news"));
  sockets[0].emit("all", "news", 1);
  for (const each of news) await each.take(1);
});

test("weights: a backend of weight 3 has three quarters of the clients", async (t) => {
  const edge = await startEdge(t);
  await startBackend(t, edge, { name: "small" });
  await startBackend(t, edge, { name: "big", options: { weight: 3 } });
  const names = [];
  for (let i = 0; i < 8; i++) names.push((await ask(await joined(t, edge.url), "who")).name);
  assert.equal(names.filter((name) => name === "big").length, 6);
});

test("groups: each group serves its own namespaces of every client", async (t) => {
  const edge = await startEdge(t);
  await startBackend(t, edge, { name: "main" });
  await startBackend(t, edge, { name: "other", options: { group: "other", namespaces: ["/fixed"] } });
  const socket = await joined(t, edge.url);
  const fixed = socket.io.socket("/fixed");
  await next(fixed, "connect");
  assert.deepEqual([(await ask(socket, "who")).name, (await ask(fixed, "who")).name], ["main", "other"]);
});

test("a secret: a backend that knows it is accepted, and another one learns why it is not", async (t) => {
  const edge = await startEdge(t, ["--backend-secret", "open sesame"]);
  await startBackend(t, edge, { options: { secret: "open sesame" } });
  assert.equal((await ask(await joined(t, edge.url), "who")).name, "backend");
  await assert.rejects(startBackend(t, edge, { options: { secret: "wrong" } }), /rejects the secret/);
});
