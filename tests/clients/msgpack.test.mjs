// Clients of socket.io-msgpack-parser, which share the port with clients of the default parser.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { launchChromium } from "./support/browser.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { collect, next, within } from "./support/wait.mjs";

const everything = path.join(build, "tests/everything.so");
const timers = ["--ping-interval", "2000", "--ping-timeout", "40000"];

const ask = (socket, event, ...args) =>
  within(new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))), `an answer to "${event}"`);

const connect = (url, options) => io(url, { parser, forceNew: true, reconnection: false, ...options });

describe("a client of the MessagePack parser", () => {
  let server;
  const sockets = [];

  before(async () => {
    server = await startSockeye("protocol", timers);
  });
  after(async () => {
    for (const socket of sockets) socket.disconnect();
    await server.stop();
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`${transports}: connects with auth, echoes values and binary, and gets answers`, async () => {
      const socket = connect(server.url, { transports, auth: { token: "ü" } });
      sockets.push(socket);
      const auth = next(socket, "auth");
      await next(socket, "connect");
      assert.deepEqual(await auth, [{ token: "ü" }]);
      if (transports.length === 2 && socket.io.engine.transport.name !== "websocket") await next(socket.io.engine, "upgrade");
      const values = [1, -1, 1.5, 2 ** 40, "é€😀", null, true, [], {}, { a: [{ b: Buffer.from([0, 1, 255]) }] }, Buffer.alloc(70_000, 7), "x".repeat(70_000)];
      const back = next(socket, "message-back");
      socket.emit("message", ...values);
      assert.deepEqual(await back, values);
      assert.deepEqual(await ask(socket, "message-with-ack", Buffer.from("one"), "two", { three: Buffer.alloc(0) }),
        [Buffer.from("one"), "two", { three: Buffer.alloc(0) }]);
      // values that JSON does not have: undefined arrives as null, a Date as its text
      assert.deepEqual(await ask(socket, "message-with-ack", undefined, new Date(0)), [null, "1970-01-01T00:00:00.000Z"]);
      // bytes may be written in any of the forms that the parser accepts
      const forms = await ask(socket, "message-with-ack", new Uint8Array([1, 2]).buffer, new Uint8Array([3]).buffer);
      assert.deepEqual(forms.map((bytes) => [...new Uint8Array(bytes)]), [[1, 2], [3]]);
    });
  }

  test("namespaces share the connection; one that does not exist is refused", async () => {
    const socket = connect(server.url, { transports: ["websocket"] });
    sockets.push(socket);
    await next(socket, "connect");
    const custom = socket.io.socket("/custom", { auth: { a: 1 } });
    assert.deepEqual(await next(custom, "auth"), [{ a: 1 }]);
    const [error] = await next(socket.io.socket("/unknown"), "connect_error");
    assert.equal(error.message, "Invalid namespace");
    custom.disconnect();
    assert.deepEqual(await ask(socket, "message-with-ack", 1), [1]);
  });

  test("reconnects after the connection is lost", async () => {
    const socket = connect(server.url, { transports: ["websocket"], reconnection: true, reconnectionDelay: 10 });
    sockets.push(socket);
    await next(socket, "connect");
    const id = socket.id;
    const again = next(socket, "connect");
    socket.io.engine.close();
    await again;
    assert.notEqual(socket.id, id);
    assert.deepEqual(await ask(socket, "message-with-ack", "still"), ["still"]);
  });

  // On a Node.js server, such an event would run the clean-up although the socket stays connected.
  for (const event of ["disconnect", "disconnecting", "connect", "connect_error", "newListener", "removeListener"]) {
    test(`is closed if it sends the reserved event "${event}"`, async () => {
      const socket = connect(server.url, { transports: ["websocket"] });
      sockets.push(socket);
      await next(socket, "connect");
      const gone = next(socket, "disconnect");
      socket.io._packet({ type: 2, nsp: "/", data: [event, "hello"], options: {} });
      assert.equal((await gone)[0], "transport close");
    });
  }

  test("is closed if it speaks JSON in between", async () => {
    const socket = connect(server.url, { transports: ["websocket"] });
    sockets.push(socket);
    await next(socket, "connect");
    const gone = next(socket, "disconnect");
    socket.io.engine.write('2["message",1]');
    await gone;
  });
});

describe("clients of both parsers", () => {
  let server, json, msgpack;

  before(async () => {
    server = await startSockeye(everything, timers);
  });
  after(() => server.stop());

  async function both(nsp, options) {
    json = io(server.url + nsp, { forceNew: true, reconnection: false, ...options });
    msgpack = connect(server.url + nsp, options);
    await Promise.all([json, msgpack].map((socket) => next(socket, "connect")));
    return [json, msgpack];
  }

  for (const transports of [["websocket"], ["polling"]]) {
    test(`share a room, ${transports}`, async () => {
      const sockets = await both("/", { transports });
      for (const socket of sockets) await ask(socket, "join", "room");
      for (const from of sockets) {
        const value = { bytes: Buffer.from([1, 2, 255]), list: [1.5, "é", null, Buffer.alloc(300, 1)] };
        const got = sockets.map((socket) => next(socket, "news"));
        assert.deepEqual(await ask(from, "emit", { to: ["room"] }, "news", value), [0]);
        assert.deepEqual(await Promise.all(got), [[value], [value]]);
        const order = sockets.map((socket) => collect(socket, "tick"));
        await ask(from, "emit", { from: "everyone", times: 100 }, "tick", value);
        for (const one of order) {
          assert.deepEqual(await one.take(100), Array(100).fill([value]));
          one.stop();
        }
      }
      sockets.forEach((socket) => socket.disconnect());
    });
  }

  test("get the same refusal", async () => {
    const refused = [undefined, parser].map((one) =>
      io(`${server.url}/guarded`, { ...(one && { parser: one }), forceNew: true, reconnection: false, auth: { what: "refuse" } }));
    for (const [error] of await Promise.all(refused.map((socket) => next(socket, "connect_error")))) {
      assert.equal(error.message, "Refused");
      assert.deepEqual(error.data, { code: 42, why: "auth said so" });
    }
    refused.forEach((socket) => socket.disconnect());
    for (const socket of await both("/guarded", { auth: { what: "late" } })) socket.disconnect();
  });
});

test("--parser json and --parser msgpack serve one kind of client only", async () => {
  for (const only of ["json", "msgpack"]) {
    const server = await startSockeye("protocol", [...timers, "--parser", only]);
    const options = { transports: ["websocket"], forceNew: true, reconnection: false };
    const sockets = { json: io(server.url, options), msgpack: io(server.url, { parser, ...options }) };
    const other = sockets[only === "json" ? "msgpack" : "json"];
    const closed = next(other.io, "close");
    await next(sockets[only], "connect");
    await closed;
    assert.equal(other.connected, false);
    sockets[only].disconnect();
    await server.stop();
  }
});

describe("a page with the served bundle, in Chromium", () => {
  let server, browser;

  before(async () => {
    server = await startSockeye("protocol", timers);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server.stop();
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`${transports}`, async () => {
      const bundle = `${server.url}/socket.io/socket.io.msgpack.min.js`;
      const page = await browser.newPage();
      await page.goto(bundle); // a document of the same origin
      await page.addScriptTag({ url: bundle });
      const answer = await page.evaluate((wanted) => new Promise((resolve, reject) => {
        const socket = globalThis.io({ transports: wanted });
        socket.on("connect_error", reject);
        socket.emit("message-with-ack", "hé", new Uint8Array([0, 255]).buffer, { a: [1.5, null] }, (text, bytes, object) =>
          resolve([text, [...new Uint8Array(bytes)], object]));
      }), transports);
      assert.deepEqual(answer, ["hé", [0, 255], { a: [1.5, null] }]);
      await page.close();
    });
  }
});
