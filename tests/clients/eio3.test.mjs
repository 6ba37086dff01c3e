// Engine.IO 3: the stock engine.io-client 3.5 over both transports and the upgrade, with text and binary messages.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { startEcho } from "./support/server.mjs";
import { request } from "./support/raw.mjs";
import { next, within } from "./support/wait.mjs";

const connect = createRequire(import.meta.url)("engine.io-client-3");
const TEXTS = ["x", "é€😀", "\u2028 \u0000 \\n", "a".repeat(70_000)];
const BYTES = Buffer.from([0, 1, 4, 0xff, 0x1e, 0x62]);

/** Opens a client and waits for its open packet. */
async function open(server, options) {
  const socket = connect(`http://127.0.0.1:${server.port}`, { path: "/engine.io/", ...options });

  socket.on("error", () => {});
  await next(socket, "open");
  return socket;
}

/** Sends the messages at once and returns as many echoes. */
function echoes(socket, messages) {
  return within(new Promise((resolve, reject) => {
    const got = [];
    socket.on("close", (reason) => reject(new Error(reason)));
    socket.on("message", (data) => {
      got.push(typeof data === "string" ? data : Buffer.from(data));
      if (got.length === messages.length) resolve(got);
    });
    for (const message of messages) socket.send(message);
  }), "the echoes");
}

describe("with allowEIO3", () => {
  let server;
  before(async () => { server = await startEcho(["--allow-eio3", "--ping-interval", "300", "--ping-timeout", "20000"]); });
  after(() => server.stop());

  for (const [name, options] of [
    ["polling", { transports: ["polling"] }],
    ["polling with base64", { transports: ["polling"], forceBase64: true }],
    ["WebSocket", { transports: ["websocket"] }],
    ["WebSocket with base64", { transports: ["websocket"], forceBase64: true }],
  ])
    test(`texts and binary messages over ${name}`, async () => {
      const socket = await open(server, options);
      const messages = [TEXTS[0], BYTES, ...TEXTS, BYTES];
      assert.deepEqual(await echoes(socket, messages), messages);
      socket.close();
    });

  test("messages sent during the upgrade keep their order", async () => {
    const socket = await open(server, {});
    const messages = Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? Buffer.from([i]) : `${i}😀`));
    const upgraded = next(socket, "upgrade");
    assert.deepEqual(await echoes(socket, messages), messages);
    await upgraded;
    assert.equal(socket.transport.name, "websocket");
    socket.close();
  });

  for (const transport of ["polling", "websocket"])
    test(`the client pings over ${transport}`, async () => {
      const socket = await open(server, { transports: [transport] });
      await next(socket, "pong");
      await next(socket, "pong");
      socket.close();
    });

  test("clients of revision 4 are served as before", async () => {
    const answer = await request(server, "/engine.io/?EIO=4&transport=polling");
    assert.match(answer.text, /^0\{"sid":/);
  });
});

test("without allowEIO3, the log names the option once", async () => {
  const server = await startEcho([]);
  for (let i = 0; i < 3; i++)
    assert.equal((await request(server, "/engine.io/?EIO=3&transport=polling")).status, 400);
  await server.stop();
  assert.equal(server.output.match(/event=eio3_refused .*--allow-eio3/g)?.length, 1, server.output);
});
