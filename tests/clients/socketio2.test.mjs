// Stock clients of Socket.IO 2 and 1 with --allow-eio3: alone, beside clients of Socket.IO 4, and in a cluster with a
// Node.js server.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import io1 from "socket.io-client-1";
import io2 from "socket.io-client-2";
import { ask, members, startNode, startPeer } from "../cluster/support/cluster.mjs";
import { Redis } from "../cluster/support/redis.mjs";
import { Browser } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";
import { collect, next } from "./support/wait.mjs";

const kinds = [
  ["2.5.0 by polling", io2, ["polling"]],
  ["2.5.0 by WebSocket", io2, ["websocket"]],
  ["2.5.0 with an upgrade", io2, ["polling", "websocket"]],
  ["1.7.4 by WebSocket", io1, ["websocket"]],
];

describe("one server", () => {
  let server;
  const sockets = [];

  before(async () => {
    server = await startSockeye("protocol", ["--allow-eio3", "--ping-interval", "2000", "--ping-timeout", "40000"]);
  });
  after(async () => {
    for (const socket of sockets) socket.disconnect();
    await server.stop();
  });

  async function open(lib, transports, nsp = "/", options = {}) {
    const socket = lib(server.url + nsp, { transports, forceNew: true, reconnection: false, ...options });
    sockets.push(socket);
    const auth = next(socket, "auth");
    await next(socket, "connect");
    return { socket, auth: (await auth)[0] };
  }

  for (const [name, lib, transports] of kinds) {
    test(`${name}: connects, and echoes text and binary, with acknowledgements`, async () => {
      const { socket, auth } = await open(lib, transports);
      assert.deepEqual(auth, {});
      if (transports.length === 2 && socket.io.engine.transport.name !== "websocket") await next(socket.io.engine, "upgrade");
      const back = next(socket, "message-back");
      socket.emit("message", 1, "é€😀", { bytes: Buffer.from([0, 1, 255]) }, [Buffer.from("two")]);
      const [one, text, object, list] = await back;
      assert.deepEqual([one, text], [1, "é€😀"]);
      assert.deepEqual(Buffer.from(object.bytes), Buffer.from([0, 1, 255]));
      assert.equal(Buffer.from(list[0]).toString(), "two");
      const answer = await new Promise((resolve) => socket.emit("message-with-ack", Buffer.from([7]), "x", (...args) => resolve(args)));
      assert.deepEqual([...Buffer.from(answer[0])], [7]);
      assert.equal(answer[1], "x");
      socket.disconnect();
    });
  }

  for (const [name, lib, transports] of kinds.slice(1)) {
    test(`${name}: a namespace's query is its auth, and the id is the namespace with the session's id`, async () => {
      const { socket, auth } = await open(lib, transports, "/custom", { query: { a: "1", b: " ü&" } });
      assert.deepEqual(auth, { a: "1", b: " ü&" });
      assert.equal(socket.id, `${lib === io1 ? "" : "/custom#"}${socket.io.engine.id}`); // 1.x does not know its id in a namespace
      socket.disconnect();
    });
  }

  test("two namespaces share a connection, and one can be left and joined again", async () => {
    const { socket: root } = await open(io2, ["websocket"]);
    const custom = root.io.socket("/custom");
    await next(custom, "auth");
    custom.disconnect();
    const back = next(root, "message-back");
    root.emit("message", "still here");
    assert.deepEqual(await back, ["still here"]);
    const again = next(custom, "auth");
    custom.connect();
    await again;
    root.io.close();
  });

  test("an unknown namespace is an error", async () => {
    const { socket: root } = await open(io2, ["websocket"]);
    const [error] = await next(root.io.socket("/random"), "error");
    assert.deepEqual(error, { message: "Invalid namespace" });
    assert.ok(root.connected);
    root.io.close();
  });

  test("a client reconnects and has another id", async () => {
    const { socket } = await open(io2, ["websocket"], "/", { reconnection: true, reconnectionDelay: 10 });
    const before = socket.id;
    const [again, reason] = [next(socket, "connect"), next(socket, "disconnect")];
    socket.io.engine.close();
    assert.deepEqual(await reason, ["forced close"]);
    await again;
    assert.notEqual(socket.id, before);
    socket.disconnect();
  });

  // unlike the client in Node.js, a browser's takes binary payloads of long-polling
  test("the browser bundle of 2.5.0, in Chromium", async (t) => {
    const browser = await Browser.start();
    t.after(() => browser.stop());
    const page = await browser.page();
    await page.goto(`${server.url}/socket.io/socket.io.js`); // a document of the same origin: the page shows the script and does not run it
    await page.addScriptTag({ path: path.join(root, "tests/node_modules/socket.io-client-2/dist/socket.io.js") });
    const binary = page.waitForResponse((response) => response.headers()["content-type"] === "application/octet-stream");
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const answer = await page.evaluate(async (transports) => {
        const socket = window.io({ transports, forceNew: true, reconnection: false });
        await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));
        const { engine } = socket.io;
        if (engine.transport.name !== transports.at(-1)) await new Promise((resolve) => engine.once("upgrade", resolve));
        const bytes = new Uint8Array([0, 1, 4, 255]).buffer;
        const back = await new Promise((resolve) => socket.emit("message-with-ack", "é😀", { bytes }, (...args) => resolve(args)));
        socket.close();
        return [engine.transport.name, back[0], [...new Uint8Array(back[1].bytes)]];
      }, transports);
      assert.deepEqual(answer, [transports.at(-1), "é😀", [0, 1, 4, 255]]);
    }
    await binary;
  });

  test("a client of Socket.IO 4 is served as before", async () => {
    const { socket, auth } = await open(io, ["websocket"], "/", { auth: { token: 1 } });
    assert.deepEqual(auth, { token: 1 });
    assert.notEqual(socket.id, socket.io.engine.id);
    socket.disconnect();
  });
});

test("without the option, a client of Socket.IO 2 gets an error", async () => {
  const server = await startSockeye("protocol");
  const socket = io2(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
  await next(socket, "connect_error");
  socket.disconnect();
  await server.stop();
});

describe("a cluster of two nodes and a Node.js server", () => {
  const servers = {};
  const sockets = {};
  let redis;

  async function join(name, server, lib, transports, nsp) {
    const socket = lib(server.url + nsp, { transports, forceNew: true, reconnection: false });
    socket.server = server;
    await next(socket, "connect");
    sockets[name] = socket;
  }

  before(async () => {
    redis = await Redis.start();
    servers.c1 = await startNode("c1", redis, ["--workers", "1", "--allow-eio3"]);
    servers.c2 = await startNode("c2", redis, ["--workers", "1", "--allow-eio3"]);
    servers.js = await startPeer("js", redis, ["--v2"]);
    await members(redis, 3);
    await members(redis, 3, "/team");
  });

  after(async () => {
    for (const socket of Object.values(sockets)) socket.disconnect();
    for (const server of Object.values(servers)) await server.stop();
    await redis?.stop();
  });

  for (const nsp of ["/", "/team"]) {
    test(`${nsp}: clients of both versions share rooms and are known by the same ids everywhere`, async () => {
      await join("old1", servers.c1, io2, ["websocket"], nsp);
      await join("new1", servers.c1, io, ["websocket"], nsp);
      await join("old2", servers.c2, io2, ["polling"], nsp);
      await join("oldjs", servers.js, io2, ["websocket"], nsp);
      const names = ["old1", "new1", "old2", "oldjs"];
      const reached = async (by, spec, ...args) => {
        const got = names.map((name) => collect(sockets[name], "news"));
        const marks = names.map((name) => next(sockets[name], "marker"));
        await ask(sockets[by], "emit", spec, "news", args);
        await ask(sockets[by], "emit", {}, "marker", []);
        await Promise.all(marks);
        got.forEach((one) => one.stop());
        return { names: names.filter((_, i) => got[i].seen.length === 1), got: got.map((one) => one.seen[0]) };
      };

      for (const name of names) {
        await ask(sockets[name], "join", `room of ${nsp}`);
        sockets[name].on("how", (value, ack) => ack({ of: name, value }));
      }
      for (const by of names) {
        const all = await reached(by, { to: [`room of ${nsp}`] }, Buffer.from([1, 2]), "é");
        assert.deepEqual(all.names, names);
        for (const [bytes, text] of all.got) {
          assert.deepEqual([...Buffer.from(bytes)], [1, 2]);
          assert.equal(text, "é");
        }
        // each own room is reached from every node, and left out from every node
        for (const to of names) {
          assert.deepEqual((await reached(by, { to: [sockets[to].id] }, 1)).names, [to]);
          assert.deepEqual((await reached(by, { except: [sockets[to].id] }, 1)).names, names.filter((name) => name !== to));
        }
        assert.deepEqual((await reached(by, { from: "others" }, 1)).names, names.filter((name) => name !== by));
        const asked = await ask(sockets[by], "ask", { timeout: 20_000 }, "how", Buffer.from([0, 255]));
        assert.deepEqual([asked.error, asked.answers.map((one) => one.of).sort()], [null, [...names].sort()]);
        for (const { value } of asked.answers) assert.deepEqual([...Buffer.from(value)], [0, 255]);
        const { error, sockets: found } = await ask(sockets[by], "fetch", {});
        assert.equal(error, null);
        assert.deepEqual(found.map((one) => one.id).sort(), names.map((name) => sockets[name].id).sort());
        assert.ok(found.every((one) => one.rooms.includes(one.id)));
      }
      const reason = next(sockets.old2, "disconnect");
      await ask(sockets.oldjs, "disconnectSockets", { to: [sockets.old2.id] }, false);
      assert.deepEqual(await reason, ["io server disconnect"]);
      for (const name of names) sockets[name].disconnect();
    });
  }
});
