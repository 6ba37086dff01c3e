// JSONP: the stock engine.io-client 3.5 with `forceJSONP`, in Node.js with a document that does what a browser's would.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, beforeEach, test } from "node:test";
import { Document } from "./support/document.mjs";
import { request } from "./support/raw.mjs";
import { startEcho } from "./support/server.mjs";
import { collect, next } from "./support/wait.mjs";

const connect = createRequire(import.meta.url)("engine.io-client-3");
const TEXTS = ["x", "é€😀", "\u2028\u2029 \u0000 \\n \n \\\\n", "</script>\"'%41+&d=", "a".repeat(70_000)];
const BYTES = Buffer.from([0, 1, 4, 0xff, 0x1e, 0x62]);
let server;

before(async () => { server = await startEcho(["--allow-eio3", "--ping-interval", "300", "--ping-timeout", "40000"]); });
beforeEach(() => { globalThis.document = new Document(); });
after(() => server.stop());

function client(options) {
  return connect(`http://127.0.0.1:${server.port}`, { path: "/engine.io/", forceJSONP: true, transports: ["polling"], ...options });
}

async function echo(socket) {
  const back = collect(socket, "message");
  for (const message of [...TEXTS, BYTES]) socket.send(message);
  assert.deepEqual((await back.take(TEXTS.length + 1)).map(([data]) => (typeof data === "string" ? data : Buffer.from(data))), [...TEXTS, BYTES]);
}

test("echoes text and binary, pings, and closes", async () => {
  const socket = client();
  await next(socket, "open");
  await echo(socket);
  await next(socket, "pong");
  const closed = next(socket, "close");
  socket.close();
  assert.deepEqual((await closed).slice(0, 1), ["forced close"]);
  assert.ok(document.answers.every(({ status, headers }) =>
    status === 200 && ["application/javascript; charset=UTF-8", "text/html"].includes(headers["content-type"])));
});

test("several clients of a page have an index each", async () => {
  const sockets = [client(), client(), client()];
  await Promise.all(sockets.map((socket) => next(socket, "open")));
  assert.equal(new Set(sockets.map((socket) => socket.transport.query.j)).size, 3);
  await Promise.all(sockets.map(echo));
  for (const socket of sockets) socket.close();
});

test("upgrades to WebSocket while it sends", async () => {
  const socket = client({ transports: ["polling", "websocket"] });
  const upgraded = next(socket, "upgrade");
  await next(socket, "open");
  await echo(socket);
  assert.equal((await upgraded)[0].name, "websocket");
  await echo(socket);
  socket.close();
});

test("a session that the server does not know is an error", async () => {
  const socket = client();
  await next(socket, "open");
  const [closed, errors] = [next(socket, "close"), next(socket, "error")];
  const form = { method: "POST", body: "d=1%3A1", headers: { "Content-Type": "application/x-www-form-urlencoded" } };
  assert.equal((await request(server, `/engine.io/?EIO=3&transport=polling&sid=${socket.id}`, form)).text, "ok"); // someone else closes it
  assert.match(String((await errors)[0]), /jsonp poll error/);
  assert.equal((await closed)[0], "transport error");
});
