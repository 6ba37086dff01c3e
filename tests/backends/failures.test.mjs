// Backends die, lose their links, fall silent or block. The stock clients should notice as little as possible.
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import readline from "node:readline";
import { io } from "socket.io-client";
import { startEdge, Link, LinkEnded, FLAG, orEnded, rooms } from "./harness.mjs";
import { next, collect, patiently, within } from "../clients/support/wait.mjs";
import { endsWithFile } from "../clients/support/leftovers.mjs";

const ECHO = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "echo-backend.mjs");

async function withEdge(args, run) {
  const edge = await startEdge(args);
  try {
    const result = await run(edge);
    await edge.stop();
    return result;
  } finally {
    edge.child.kill("SIGKILL");
  }
}

function open(edge, options = {}) {
  const client = io(edge.url, { forceNew: true, transports: ["websocket"], ...options });
  client.lost = [];
  client.on("disconnect", (reason) => client.lost.push(reason));
  return client;
}

/** A client that counts how often it was disconnected. */
async function connect(edge, options) {
  const client = open(edge, options);
  await next(client, "connect");
  return client;
}

async function startProcess(edge) {
  const child = endsWithFile(spawn(process.execPath, [ECHO, edge.address], { stdio: ["ignore", "pipe", "inherit"] }));
  child.opened = [];
  const ready = new Promise((resolve) => {
    readline.createInterface({ input: child.stdout }).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.type === "OPEN") child.opened.push(said);
      else resolve();
    });
  });
  await within(ready, "the backend");
  return child;
}

async function killProcess(child) {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("kill -9: no client is disconnected, ids and rooms stay, and events sent meanwhile are answered", () =>
  withEdge([], async (edge) => {
    const first = await startProcess(edge);
    const clients = [];
    for (let i = 0; i < 20; i++)
      clients.push(await connect(edge, { transports: i % 2 ? ["websocket"] : ["polling"], upgrade: false }));
    const ids = clients.map((client) => client.id);
    await Promise.all(clients.map((client) => client.emitWithAck("ask", 1)));
    await killProcess(first);
    await edge.line((fields) => fields.event === "backend_lost");
    // the clients send while all backends are gone
    const answers = clients.map((client, i) => client.emitWithAck("ask", i));
    const late = io(edge.url, { forceNew: true, transports: ["websocket"] });
    const second = await startProcess(edge);
    assert.deepEqual(await within(Promise.all(answers), "the answers"), clients.map((_, i) => i));
    if (!late.connected) await next(late, "connect");
    assert.deepEqual(clients.map((client) => client.id), ids);
    assert.deepEqual(clients.flatMap((client) => client.lost), []);
    const again = second.opened.filter((open) => open.again);
    assert.deepEqual(again.map((open) => open.sid).sort(), [...ids].sort());
    assert.ok(again.every((open) => open.rooms.includes("lobby")));
    for (const client of [...clients, late]) client.close();
    await killProcess(second);
  }));

test("a cut link: another backend takes over, and its broadcasts reach the room", () =>
  withEdge([], async (edge) => {
    const a = await Link.open(edge);
    const client = await connect(edge);
    const { open } = await a.got("OPEN");
    a.send("JOIN", { handle: open.handle }, rooms(["r"]));
    a.send("DATA", { handle: open.handle }, JSON.stringify({ user: "ann" }));
    a.send("EMIT", { handle: open.handle }, JSON.stringify(["done"]));
    await next(client, "done");
    const b = await Link.open(edge);
    await a.kill();
    const again = (await b.got("OPEN")).open;
    assert.deepEqual(again.rooms, ["r"]);
    assert.deepEqual(JSON.parse(again.data), { user: "ann" });
    assert.equal(again.sid, client.id);
    const casts = collect(client, "cast");
    b.cast(["cast", 1], { to: ["r"] });
    await casts.take(1);
    // the edge forgets acknowledgements of the lost backend, and must not confuse them with acknowledgements of the new one
    client.on("question", (answer) => answer("b"));
    b.send("EMIT", { handle: again.handle, flags: FLAG.ACK, id: 1 }, JSON.stringify(["question"]));
    assert.deepEqual((await b.got("ACKED")).args, ["b"]);
    assert.deepEqual(client.lost, []);
    client.close();
    await b.kill();
  }));

test("the edge ends a silent link, and its clients go to the other backend", async () => {
  const silence = (ms) =>
    withEdge(["--backend-ping", String(ms / 10), "--backend-stall-timeout", String(ms)], async (edge) => {
      const links = [(await Link.open(edge)).serveEcho(), (await Link.open(edge)).serveEcho()];
      const client = open(edge);
      try {
        const connected = new Promise((resolve) => client.once("connect", resolve));
        const ended = links.map(({ closed }) => closed.then(() => Promise.reject(new LinkEnded("a link ended before the client came"))));
        await within(Promise.race([connected, ...ended]), '"connect"');
        const [silent, other] = links.sort((a, b) => b.sockets.size - a.sockets.size);
        silent.options.pong = false;
        assert.equal((await silent.got("BYE")).reason, "timeout");
        const answer = await Promise.race([client.emitWithAck("ask", 5), other.closed.then(() => "no backend is left")]);
        assert.deepEqual(client.lost, []);
        await other.kill();
        return answer;
      } finally {
        client.close();
      }
    });
  // on a busy machine, the PONGs of the other backend may also come too late
  assert.equal(await patiently((ms) => orEnded(silence(ms)), (answer) => answer === 5, 1000), 5);
});

test("a new client goes to the backend that has the fewest clients", () =>
  withEdge([], async (edge) => {
    const links = [await Link.open(edge), await Link.open(edge)];
    const clients = [];
    for (let i = 0; i < 10; i++) clients.push(await connect(edge));
    assert.deepEqual(links.map((link) => link.sockets.size), [5, 5]);
    // the next clients go to a third backend
    links.push(await Link.open(edge));
    for (let i = 0; i < 5; i++) clients.push(await connect(edge));
    assert.deepEqual(links.map((link) => link.sockets.size), [5, 5, 5]);
    for (const client of clients) client.close();
    for (const link of links) await link.kill();
  }));

test("a client that comes before any backend waits for one", () =>
  withEdge([], async (edge) => {
    const client = io(edge.url, { forceNew: true, transports: ["websocket"] });
    const connected = next(client, "connect");
    await within(new Promise((resolve) => client.io.once("open", resolve)), "the engine");
    const link = await Link.open(edge);
    await connected;
    client.close();
    await link.kill();
  }));

test("no backend comes in time: a new client gets Service unavailable, and a client that had a backend is disconnected", () =>
  withEdge(["--backend-wait", "300"], async (edge) => {
    const late = io(edge.url, { forceNew: true, transports: ["websocket"], reconnection: false });
    assert.equal((await next(late, "connect_error"))[0].message, "Service unavailable");
    late.io._close();
    const link = await Link.open(edge);
    const client = await connect(edge, { reconnection: false });
    await link.kill();
    assert.equal((await next(client, "disconnect"))[0], "transport close");
    client.close();
  }));

test("a client that sends too many events while no backend is there is closed; the other clients wait on", () =>
  withEdge(["--backend-orphan-queue", "10k"], async (edge) => {
    const first = await Link.open(edge);
    const loud = await connect(edge, { reconnection: false });
    const quiet = await connect(edge);
    await first.kill();
    await edge.line((fields) => fields.event === "backend_lost");
    const closed = next(loud, "disconnect");
    for (let i = 0; i < 200; i++) loud.emit("echo", "x".repeat(100));
    assert.equal((await closed)[0], "transport close");
    const answer = quiet.emitWithAck("ask", 1);
    const second = (await Link.open(edge)).serveEcho();
    assert.equal(await answer, 1);
    assert.deepEqual(quiet.lost, []);
    quiet.close();
    loud.close();
    await second.kill();
  }));

for (const transports of [["websocket"], ["polling"]]) {
  test(`a blocked backend: clients over ${transports} get back-pressure and stay connected`, () =>
    withEdge(
      ["--backend-window", "64k", "--backend-stall-timeout", "60000", "--ping-interval", "200", "--ping-timeout", "1500"],
      async (edge) => {
        const link = await Link.open(edge, { windows: false });
        const client = await connect(edge, { transports, upgrade: false, reconnection: false });
        const pings = collect(client.io.engine, "ping");
        const other = await connect(edge, { reconnection: false });
        for (let i = 0; i < 40; i++) client.emit("data", i, "x".repeat(5000));
        await link.got("EVENT");
        // much longer than pingInterval and pingTimeout: pings arrive, and unread pongs do not cause a time-out
        await pings.take(12);
        assert.ok(link.frames.filter((f) => f.type === "EVENT").length < 40);
        assert.deepEqual(client.lost, []);
        assert.deepEqual(other.lost, []);
        // meanwhile the backend keeps sending
        link.emitTo((await link.got("OPEN")).handle, ["hello"]);
        await next(client, "hello");
        link.options.windows = true;
        link.giveWindow();
        await link.got("EVENT", (f) => f.args[1] === 39);
        assert.deepEqual(
          link.frames.filter((f) => f.type === "EVENT").map((f) => f.args[1]),
          Array.from({ length: 40 }, (_, i) => i),
        );
        await pings.take(pings.seen.length + 3);
        assert.deepEqual(client.lost, []);
        client.close();
        other.close();
        await link.kill();
      },
    ));
}

test("a hand-off: no message is lost, and the old backend finishes the work that it began", () =>
  withEdge([], async (edge) => {
    const old = await Link.open(edge);
    const client = await connect(edge);
    const { open } = await old.got("OPEN");
    const slow = client.emitWithAck("slow");
    const event = await old.got("EVENT");
    const fresh = (await Link.open(edge)).serveEcho();
    old.send("DRAIN", {});
    await old.got("DRAIN");
    const quick = client.emitWithAck("quick", 2);
    old.send("HANDOFF", { handle: open.session });
    assert.equal((await fresh.got("OPEN")).open.sid, client.id);
    assert.equal(await quick, 2);
    old.ack(event, ["finished"]);
    assert.equal(await slow, "finished");
    assert.deepEqual(client.lost, []);
    await old.kill();
    assert.equal(await client.emitWithAck("ask", 3), 3);
    client.close();
    await fresh.kill();
  }));

test("onLoss: the effect of each value when the link of a backend is lost", () =>
  withEdge([], async (edge) => {
    const link = await Link.open(edge, { hello: { onLoss: "close" } });
    const client = await connect(edge, { reconnection: false });
    const other = await Link.open(edge);
    await link.kill();
    assert.equal((await next(client, "disconnect"))[0], "transport close");
    client.close();
    await other.kill();
  }));

test("malformed bytes end the link, and its clients go to another backend", () =>
  withEdge([], async (edge) => {
    const mad = await Link.open(edge);
    const client = await connect(edge);
    const sane = (await Link.open(edge)).serveEcho();
    mad.send("SESSION", { handle: 1 });
    assert.equal((await mad.got("BYE")).reason, "protocol");
    assert.equal(await client.emitWithAck("ask", 1), 1);
    assert.deepEqual(client.lost, []);
    client.close();
    await sane.kill();
  }));
