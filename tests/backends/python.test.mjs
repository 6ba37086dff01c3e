// Applications in Python behind the edge, in four flavours: socketio.AsyncServer, threaded socketio.Server, Flask-SocketIO and the
// package's own class. The clients are the stock clients in JavaScript, and Debian's python3-socketio.
import test from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { root } from "../clients/support/server.mjs";
import { collect, next } from "../clients/support/wait.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";
import { python, startFlavour, startPython } from "./support/python.mjs";

const flavours = ["aio", "threads", "flask_app", "small"];
const drops = (sockets) => sockets.reduce((sum, socket) => sum + socket.drops, 0);

for (const flavour of flavours) {
  test(`${flavour}: echo, acknowledgements, binary, rooms, namespaces, refusals`, async (t) => {
    const edge = await startEdge(t);
    const backend = await startFlavour(t, flavour, edge);
    for (const options of [{ transports: ["polling"] }, { transports: ["websocket"] }, { version: "3.1" }]) {
      const socket = client(t, edge.url, { extraHeaders: { "user-agent": "tester" }, ...options });
      const welcome = next(socket, "welcome");
      await next(socket, "connect");
      assert.deepEqual(await welcome, ["backend"]);
      await backend.line(new RegExp(`^connect ${socket.id} False tester`));
      const heard = next(socket, "echo");
      const values = [1, "grüß 👋", { deep: [Buffer.from("bin"), null] }, Buffer.from([0, 255])];
      const answer = await new Promise((resolve) => socket.emit("echo", ...values, (...args) => resolve(args)));
      assert.deepEqual(answer, values);
      assert.deepEqual(await heard, values);
      const who = await ask(socket, "who");
      assert.deepEqual([who.name, who.id, who.recovered, who.rooms], ["backend", socket.id, false, [socket.id]]);
      if (options.transports) assert.equal(who.transport, options.transports[0]);
      const { id } = socket;
      socket.close();
      await backend.line(new RegExp(`^disconnect ${id}`));
    }

    const [a, b, c] = await Promise.all([1, 2, 3].map(() => joined(t, edge.url)));
    await Promise.all([ask(a, "join", "r"), ask(b, "join", "r")]);
    const heard = [a, b, c].map((socket) => collect(socket, "news"));
    // one after the other, because a threaded server handles each event in a thread of its own
    for (const [i, event] of [["to", "r", "news", 1, Buffer.from("x")], ["others", "news", 2], ["to", a.id, "news", 3]].entries()) {
      c.emit(...event);
      await heard[0].take(i + 1);
    }
    assert.deepEqual(heard[0].seen, [[1, Buffer.from("x")], [2], [3]]);
    assert.deepEqual(await heard[1].take(2), [[1, Buffer.from("x")], [2]]);
    assert.deepEqual(heard[2].seen, []);

    const admin = await joined(t, `${edge.url}/admin`);
    const all = [a, b].map((socket) => collect(socket, "admins"));
    const own = next(admin, "admins");
    admin.emit("to", admin.id, "admins", "only here");
    assert.deepEqual(await own, ["only here"]);
    assert.deepEqual(all.map(({ seen }) => seen), [[], []]);
    const [none] = await next(client(t, `${edge.url}/none`), "connect_error");
    assert.equal(none.message, "Invalid namespace");
    const [refused] = await next(client(t, edge.url, { auth: { refuse: "not you" } }), "connect_error");
    assert.deepEqual([refused.message, refused.data], ["not you", { code: 7 }]);

    a.on("question", (x, answer) => answer(x + 1));
    assert.equal(await ask(b, "ask", a.id, 41), 42);
    const gone = next(a, "disconnect");
    b.emit("close", a.id);
    assert.deepEqual((await gone)[0], "io server disconnect");
  });

  test(`${flavour}: kill -9 and restart, two workers: no client notices, rooms and session are kept`, async (t) => {
    const edge = await startEdge(t, ["--workers", "2"]);
    const first = await startFlavour(t, flavour, edge, { name: "first" });
    const sockets = await Promise.all([...Array(8).keys()].map((i) => joined(t, edge.url, { transports: [i % 2 ? "polling" : "websocket"] })));
    const ids = sockets.map(({ id }) => id);
    await Promise.all(sockets.map((socket) => ask(socket, "join", "lobby")));
    await Promise.all(sockets.map((socket, i) => ask(socket, "set", "n", i)));
    await first.stop("SIGKILL");
    // messages sent before the edge has noticed the end go to the dead backend, and are lost
    await Promise.all(["0", "1"].map((worker) => edge.line((fields) => fields.event === "backend_lost" && fields.worker === worker)));
    const gap = sockets.map((socket, i) => ask(socket, "echo", i));
    const second = await startFlavour(t, flavour, edge, { name: "second" });
    assert.deepEqual(await Promise.all(gap), [...sockets.keys()]);
    const heard = sockets.map((socket) => next(socket, "news"));
    for (const [i, socket] of sockets.entries()) {
      const { name, id, recovered, rooms, session } = await ask(socket, "who");
      assert.deepEqual({ name, id, recovered, rooms }, { name: "second", id: ids[i], recovered: true, rooms: [ids[i], "lobby"].sort() });
      assert.equal(session.n, i);
    }
    sockets[0].emit("to", "lobby", "news", 1);
    await Promise.all(heard);
    assert.equal(drops(sockets), 0);
    assert.deepEqual(second.lines.filter((line) => line.startsWith("disconnect")), []);
  });

  test(`${flavour}: a deploy under load loses no message`, async (t) => {
    const edge = await startEdge(t);
    const first = await startFlavour(t, flavour, edge, { name: "first" });
    const sockets = await Promise.all([...Array(6).keys()].map(() => joined(t, edge.url)));
    await Promise.all(sockets.map((socket, i) => ask(socket, "set", "n", i)));
    const slow = sockets.map((socket) => ask(socket, "slow", 300));
    let stop = false;
    t.after(() => (stop = true));
    const load = sockets.map(async (socket) => {
      let n = 0;
      while (!stop) {
        assert.equal(await ask(socket, "echo", n), n);
        n++;
      }
      return n;
    });
    await startFlavour(t, flavour, edge, { name: "second" });
    const end = await first.stop("SIGTERM");
    assert.deepEqual([end.code, end.signal], [null, "SIGTERM"]);
    assert.deepEqual(await Promise.all(slow), sockets.map(() => "first"));
    for (const [i, socket] of sockets.entries()) {
      const who = await ask(socket, "who");
      assert.deepEqual([who.name, who.session.n], ["second", i]);
    }
    stop = true;
    for (const n of await Promise.all(load)) assert.ok(n > 0);
    assert.equal(drops(sockets), 0);
    assert.deepEqual(first.lines.filter((line) => line.startsWith("disconnect")), []);
  });
}

test("two Python backends: broadcasts, questions and disconnects reach the clients of the other backend", async (t) => {
  const edge = await startEdge(t);
  await startFlavour(t, "aio", edge, { name: "asyncio" });
  await startFlavour(t, "threads", edge, { name: "threads" });
  const sockets = await Promise.all([...Array(6).keys()].map(() => joined(t, edge.url)));
  const names = await Promise.all(sockets.map(async (socket) => (await ask(socket, "who")).name));
  assert.deepEqual(new Set(names), new Set(["asyncio", "threads"]));
  for (const from of ["asyncio", "threads"]) {
    const mine = sockets[names.indexOf(from)];
    const theirs = sockets[names.findIndex((name) => name !== from)];
    await ask(theirs, "join", `room of ${from}`);
    const heard = next(theirs, "news");
    mine.emit("to", `room of ${from}`, "news", from);
    assert.deepEqual(await heard, [from]);
    theirs.removeAllListeners("question");
    theirs.on("question", (answer) => answer("from the other"));
    assert.equal(await ask(mine, "ask", theirs.id), "from the other");
    await ask(mine, "close_room", `room of ${from}`);
    for (;;) {
      const { rooms } = await ask(theirs, "who");
      if (rooms.length === 1) break;
    }
  }
  const mine = sockets[names.indexOf("asyncio")];
  const theirs = sockets[names.indexOf("threads")];
  const gone = next(theirs, "disconnect");
  mine.emit("close", theirs.id);
  assert.deepEqual((await gone)[0], "io server disconnect");
});

test("the edge accepts a backend that knows the secret", async (t) => {
  const edge = await startEdge(t, ["--backend-secret", "open sesame"]);
  await assert.rejects(startFlavour(t, "aio", edge, { env: { SECRET: "guess" } }), /secret/);
  await assert.rejects(startFlavour(t, "threads", edge, { env: { SECRET: "guess" } }), /secret/);
  await startFlavour(t, "aio", edge, { env: { SECRET: "open sesame" } });
  await startFlavour(t, "threads", edge, { env: { SOCKEYE_BACKEND_SECRET: "open sesame" } });
  assert.match((await ask(await joined(t, edge.url), "who")).name, /backend/);
});

test("links over TLS", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-python-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [cert, key] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
  const edge = await startEdge(t, ["--backend", "tls://127.0.0.1:0", "--backend-tls-cert", cert, "--backend-tls-key", key,
    "--backend-secret", "open sesame", "--workers", "2"]);
  const { port } = await edge.line((fields) => fields.event === "backend_listening" && fields.kind === "tls");
  for (const flavour of ["aio", "threads"]) {
    const backend = await startFlavour(t, flavour, `tls://localhost:${port}`, { name: flavour, env: { SECRET: "open sesame", SSL_CERT_FILE: cert } });
    const socket = await joined(t, edge.url);
    const who = await ask(socket, "who");
    assert.equal(who.name, flavour);
    const values = [Buffer.alloc(200_000, 7), "x".repeat(200_000)];
    assert.deepEqual(await new Promise((resolve) => socket.emit("echo", ...values, (...args) => resolve(args))), values);
    await backend.stop("SIGTERM");
  }
});

for (const example of ["chat.py", "chat_flask.py", "chat_small.py"]) {
  test(`the example ${example}, unchanged`, async (t) => {
    const edge = await startEdge(t);
    const script = path.join(root, "backends/python/examples", example);
    const args = example === "chat_small.py" ? [script] : ["-m", "sockeye", script];
    const start = () => startPython(t, args, { SOCKEYE_BACKEND: edge.address, SOCKEYE_PORT: String(edge.port), PORT: String(edge.port) });
    const first = start();
    const [refused] = await next(client(t, edge.url), "connect_error");
    assert.equal(refused.message, "Unauthorized");
    const a = await joined(t, edge.url, { auth: { token: "secret" } });
    const joins = next(a, "user joined");
    const b = await joined(t, edge.url, { auth: { token: "secret" } });
    assert.deepEqual(await joins, [b.id]);
    await first.stop("SIGKILL");
    start();
    const heard = next(b, "chat message");
    assert.equal(await ask(a, "chat message", "hello"), "ok");
    assert.deepEqual(await heard, ["hello"]);
    if (example !== "chat_small.py") assert.match(await (await fetch(edge.url)).text(), /<title>Chat/);
    const left = next(a, "user left");
    const { id } = b;
    b.close();
    assert.deepEqual(await left, [id]);
    assert.equal(a.drops, 0);
  });
}

test("Debian's Python client behind the edge", async (t) => {
  const edge = await startEdge(t);
  await startFlavour(t, "aio", edge);
  const script = path.join(root, "tests/backends/app/python/client.py");
  for (const transport of ["polling", "websocket"]) await promisify(execFile)(python, [script, edge.url, transport], { timeout: 60_000 });
});
