// Clients do not notice when a backend is killed, deployed or cut off.
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import path from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { collect, next, patiently, within } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

/** `count` clients of both transports in the room "lobby". */
async function lobby(t, url, count) {
  const sockets = [];
  for (let i = 0; i < count; i++) {
    const socket = await joined(t, url, { transports: i % 3 === 0 ? ["polling"] : ["websocket"] });
    await ask(socket, "join", "lobby");
    sockets.push(socket);
  }
  return sockets;
}

const drops = (sockets) => sockets.reduce((sum, socket) => sum + socket.drops, 0);

test("kill -9 and restart: no disconnect, same ids and rooms, recovered, and events sent meanwhile are answered", async (t) => {
  const edge = await startEdge(t);
  const first = await startBackend(t, edge, { name: "first" });
  const sockets = await lobby(t, edge.url, 12);
  const ids = sockets.map(({ id }) => id);
  await first.stop("SIGKILL");
  const gap = sockets.map((socket, i) => ask(socket, "echo", "gap", i));
  const newcomer = client(t, edge.url);
  const refused = (error) => assert.fail(`${error.message}: ${error.description}`);
  newcomer.on("connect_error", refused);
  const second = await startBackend(t, edge, { name: "second" });
  for (const [i, answer] of (await Promise.all(gap)).entries()) assert.equal(answer, "gap", String(i));
  if (!newcomer.connected) await next(newcomer, "connect");
  newcomer.off("connect_error", refused); // the edge ends before its clients do
  for (const [i, socket] of sockets.entries()) {
    const who = await ask(socket, "who");
    assert.deepEqual([who.name, who.id, who.recovered, who.rooms.sort()], ["second", ids[i], true, [ids[i], "lobby"].sort()]);
  }
  const heard = sockets.map((socket) => next(socket, "news"));
  newcomer.emit("to", "lobby", "news", 1);
  assert.deepEqual(await Promise.all(heard), sockets.map(() => [1]));
  assert.equal(drops(sockets), 0);
  assert.deepEqual(second.lines.filter((line) => /^disconnect/.test(line)), []);
});

test("the events of a client stay in order when its backend is killed", async (t) => {
  const edge = await startEdge(t);
  const first = await startBackend(t, edge);
  const [socket] = await lobby(t, edge.url, 1);
  const echoes = collect(socket, "echo");
  await first.stop("SIGKILL");
  for (let i = 0; i < 50; i++) socket.emit("echo", i);
  await startBackend(t, edge);
  for (let i = 50; i < 60; i++) socket.emit("echo", i);
  assert.deepEqual((await echoes.take(60)).flat(), [...Array(60).keys()]);
});

test("an event that a client sent after the end of the backend waits, although the edge learns of both at once", async (t) => {
  const edge = await startEdge(t);
  const first = await startBackend(t, edge);
  const sockets = await lobby(t, edge.url, 3);
  process.kill(edge.pid, "SIGSTOP");
  await first.stop("SIGKILL");
  const answers = sockets.map((socket) => ask(socket, "echo", "after"));
  try {
    await Promise.all(sockets.slice(1).map(({ io }) => next(io.engine, "drain"))); // the kernel has them
  } finally {
    process.kill(edge.pid, "SIGCONT");
  }
  await startBackend(t, edge);
  assert.deepEqual(await Promise.all(answers), ["after", "after", "after"]);
});

test("the answer to a question of a killed backend reaches no other backend", async (t) => {
  const edge = await startEdge(t);
  const first = await startBackend(t, edge);
  const [socket] = await lobby(t, edge.url, 1);
  const replies = [];
  const asked = new Promise((resolve) => {
    socket.on("question", (text, reply) => {
      replies.push(reply);
      resolve();
    });
  });
  socket.emit("ask me", 60000, "old", () => assert.fail("the backend that asked is gone"));
  await asked;
  await first.stop("SIGKILL");
  await startBackend(t, edge);
  const fresh = new Promise((resolve) => socket.emit("ask me", 60000, "new", (...args) => resolve(args)));
  while (replies.length < 2) await next(socket, "question");
  replies[0]("late answer");
  replies[1]("right answer");
  assert.deepEqual(await fresh, [null, "right answer"]);
});

test("a planned deploy loses no event: each is answered once, in order", async (t) => {
  const edge = await startEdge(t);
  const old = await startBackend(t, edge, { name: "old" });
  const sockets = await lobby(t, edge.url, 6);
  await ask(sockets[0], "set", "user", "ann");
  let running = true;
  const answered = sockets.map(async (socket, i) => {
    const got = [];
    for (let n = 0; running || n % 50 !== 0; n++) got.push(await ask(socket, n % 10 === 0 ? "slow" : "echo", n % 10 === 0 ? 20 : n));
    return got;
  });
  const slow = ask(sockets[1], "slow", 600);
  await startBackend(t, edge, { name: "new" });
  const exited = old.stop("SIGTERM");
  assert.equal(await slow, "old");
  assert.deepEqual(await exited, { code: 0, signal: null });
  running = false;
  for (const got of await within(Promise.all(answered), "all answers"))
    got.forEach((answer, n) => n % 10 !== 0 && assert.equal(answer, n));
  for (const socket of sockets) assert.equal((await ask(socket, "who")).name, "new");
  assert.equal((await ask(sockets[0], "who")).data.user, "ann");
  assert.equal(drops(sockets), 0);
});

test("the last backend drains: clients wait for the next one", async (t) => {
  const edge = await startEdge(t);
  const old = await startBackend(t, edge, { name: "old", options: { drainGrace: 200 } });
  const [socket] = await lobby(t, edge.url, 1);
  assert.equal((await old.stop("SIGTERM")).code, 0);
  const answer = ask(socket, "who");
  await startBackend(t, edge, { name: "new" });
  assert.equal((await answer).name, "new");
  assert.equal(socket.drops, 0);
});

test("mirrorData: socket.data survives a kill", async (t) => {
  const edge = await startEdge(t);
  const first = await startBackend(t, edge, { options: { mirrorData: true } });
  const [socket] = await lobby(t, edge.url, 1);
  await ask(socket, "set", "user", { name: "ann" });
  await ask(socket, "echo"); // one turn later the edge has a copy of socket.data
  await first.stop("SIGKILL");
  await startBackend(t, edge);
  assert.deepEqual((await ask(socket, "who")).data, { user: { name: "ann" } });
});

test("two backends share the clients and are killed in turn: no client is disconnected", async (t) => {
  const edge = await startEdge(t);
  let [a, b] = [await startBackend(t, edge, { name: "a" }), await startBackend(t, edge, { name: "b" })];
  const sockets = await lobby(t, edge.url, 10);
  const names = (await Promise.all(sockets.map((socket) => ask(socket, "who")))).map(({ name }) => name);
  assert.deepEqual([names.filter((name) => name === "a").length, names.filter((name) => name === "b").length], [5, 5]);
  for (let round = 0; round < 3; round++) {
    await a.stop("SIGKILL");
    for (const socket of sockets) assert.equal((await ask(socket, "who")).name, "b");
    a = await startBackend(t, edge, { name: "a" });
    await b.stop("SIGKILL");
    for (const socket of sockets) assert.equal((await ask(socket, "who")).name, "a");
    b = await startBackend(t, edge, { name: "b" });
  }
  assert.equal(drops(sockets), 0);
});

test("no backend comes back: clients are closed after --backend-wait and reconnect", async (t) => {
  const edge = await startEdge(t, ["--backend-wait", "300"]);
  const first = await startBackend(t, edge);
  const [socket] = await lobby(t, edge.url, 1);
  const dropped = next(socket, "disconnect");
  await first.stop("SIGKILL");
  await dropped;
  const refused = client(t, edge.url, { reconnection: false });
  await next(refused, "connect_error");
});

/** A relay before a Unix socket, whose connections can be cut or held. */
async function relay(t, target) {
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-relay-"));
  const file = path.join(folder, "relay.sock");
  const pairs = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(target.replace("unix://", ""));
    const pair = [near, far];
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const end of pair)
      end.on("error", () => {}).on("close", () => {
        pairs.delete(pair);
        pair.forEach((other) => other.destroy());
      });
  });
  await new Promise((resolve) => server.listen(file, resolve));
  const cut = () => [...pairs].forEach((pair) => pair.forEach((end) => end.destroy()));
  t.after(() => {
    cut();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { address: `unix://${file}`, cut, hold: () => [...pairs].forEach((pair) => pair.forEach((end) => end.pause().unpipe())) };
}

test("a link is cut while both processes live: the sockets come back", async (t) => {
  const edge = await startEdge(t);
  const between = await relay(t, edge.address);
  const program = await startBackend(t, between.address);
  const [socket] = await lobby(t, edge.url, 1);
  between.cut();
  await program.line(new RegExp(`^disconnect ${socket.id} transport close`));
  const who = await ask(socket, "who");
  assert.deepEqual([who.id, who.recovered, who.rooms.includes("lobby")], [socket.id, true, true]);
  assert.equal(socket.drops, 0);
});

test("a link that falls silent is replaced by a new link", async (t) => {
  const silence = async (ms) => {
    const edge = await startEdge(t, ["--backend-ping", String(ms / 3), "--backend-stall-timeout", String(ms)]);
    const between = await relay(t, edge.address);
    const program = await startBackend(t, between.address);
    const socket = await joined(t, edge.url, { transports: ["polling"] });
    between.hold();
    await program.line(/^edge \S+ 0 closed timeout/);
    // An event sent before the edge has noticed the silence would be lost with the link.
    await program.line(new RegExp(`^connection ${socket.id} recovered=true`));
    const answer = await Promise.race([socket.emitWithAck("who"), program.line(/^edge \S+ 0 closed/, 2)]);
    assert.equal(socket.drops, 0);
    return answer;
  };
  // on a busy machine, the new link may also seem silent
  assert.equal((await patiently(silence, ({ recovered }) => recovered, 600)).recovered, true);
});
