// Every supported client version over every transport, plain and TLS, against the `protocol` and `chat` applications.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io as io484 } from "socket.io-client";
import { io as io454 } from "socket.io-client-4.5";
import { io as io402 } from "socket.io-client-4.0";
import io313 from "socket.io-client-3";
import { startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { collect, next, within } from "./support/wait.mjs";

const clients = { "4.8.4": io484, "4.5.4": io454, "4.0.2": io402, "3.1.3": io313.io ?? io313 };
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const sockets = new Set();

function connect(io, url, transport, options = {}) {
  const socket = io(url, { forceNew: true, rejectUnauthorized: false, ...options, transports: transport });
  sockets.add(socket);
  return socket;
}

function closeAll() {
  for (const socket of sockets) socket.disconnect();
  sockets.clear();
}

const values = [
  null, true, false, 0, -1, 1.5, 1e21, Number.MAX_SAFE_INTEGER, "", "text", "quote \" backslash \\ newline \n nul \u0000",
  "ünïcödé \u2028 \u{1F600}", [], {}, [1, [2, [3]]], { a: { b: [{ c: null }] }, "": 1 },
];

for (const tls of [false, true]) {
  describe(tls ? "over TLS" : "plain", () => {
    let certificate, protocol, chat;
    before(async () => {
      const args = [];
      if (tls) {
        certificate = makeCertificate();
        args.push(...certificate.args);
      }
      protocol = await startSockeye("protocol", args);
      chat = await startSockeye("chat", args);
    });
    after(async () => {
      closeAll();
      await protocol.stop();
      await chat.stop();
      certificate?.remove();
    });

    for (const [version, io] of Object.entries(clients)) {
      for (const [name, transport] of Object.entries(transports)) {
        test(`client ${version}, ${name}: auth, values, binary, acknowledgements, order`, async () => {
          const socket = connect(io, protocol.url, transport, { auth: { token: "t", n: 1 } });
          const auth = next(socket, "auth");
          const back = collect(socket, "message-back");
          await next(socket, "connect");
          assert.deepEqual(await auth, [{ token: "t", n: 1 }]);

          socket.emit("message", ...values);
          assert.deepEqual((await back.take(1))[0], values);

          const bytes = Buffer.from([0, 1, 2, 255, 0x1e, 0x62]);
          socket.emit("message", bytes, { deep: [bytes, "x"] });
          const [, [first, second]] = await back.take(2);
          assert.deepEqual(Buffer.from(first), bytes);
          assert.deepEqual(Buffer.from(second.deep[0]), bytes);
          assert.equal(second.deep[1], "x");

          const answer = await within(new Promise((resolve) =>
            socket.emit("message-with-ack", 1, "two", bytes, (...args) => resolve(args))), "an acknowledgement");
          assert.deepEqual([answer[0], answer[1], Buffer.from(answer[2])], [1, "two", bytes]);

          const large = "x".repeat(900_000);
          socket.emit("message", large);
          assert.equal((await back.take(3))[2][0], large);

          for (let i = 0; i < 500; i++) socket.emit("message", i);
          assert.deepEqual((await back.take(503)).slice(3).map(([i]) => i), Array.from({ length: 500 }, (_, i) => i));
          if (name === "upgrade") assert.equal(socket.io.engine.transport.name, "websocket");
          const gone = next(socket, "disconnect");
          socket.disconnect();
          assert.equal((await gone)[0], "io client disconnect");
        });
      }
    }

    for (const [name, transport] of Object.entries(transports)) {
      test(`order is kept from the first packet through the upgrade: ${name}`, async () => {
        const socket = connect(io484, protocol.url, transport);
        const back = collect(socket, "message-back");
        for (let i = 0; i < 2000; i++) socket.emit("message", i);
        assert.deepEqual((await back.take(2000)).map(([i]) => i), Array.from({ length: 2000 }, (_, i) => i));
      });

      test(`namespaces and refusals: ${name}`, async () => {
        const custom = connect(io484, `${protocol.url}/custom`, transport, { auth: { a: 1 } });
        assert.deepEqual(await next(custom, "auth"), [{ a: 1 }]);
        const unknown = connect(io484, `${protocol.url}/unknown`, transport);
        assert.equal((await next(unknown, "connect_error"))[0].message, "Invalid namespace");
        const refused = connect(io484, `${chat.url}/admin`, transport, { auth: { token: "wrong" } });
        assert.equal((await next(refused, "connect_error"))[0].message, "Unauthorized");
        const admitted = connect(io484, `${chat.url}/admin`, transport, { auth: { token: "sesame" } });
        await next(admitted, "connect");
      });

      test(`the chat: ${name}`, async () => {
        const alice = connect(io484, chat.url, transport);
        assert.deepEqual(await next(alice, "welcome"), ["Hello! Welcome to the server."]);
        const joined = collect(alice, "user joined");
        const bob = connect(io484, chat.url, transport);
        const welcome = next(bob, "welcome");
        const own = collect(bob, "user joined");
        await welcome;
        assert.equal((await joined.take(1))[0][0].id, bob.id);
        for (const socket of [alice, bob]) socket.seen = collect(socket, "chat message");
        alice.emit("chat message", "hi all");
        for (const socket of [alice, bob]) assert.deepEqual((await socket.seen.take(1))[0], ["hi all"]);
        const messages = [next(alice, "chatMessage"), next(bob, "chatMessage"), next(bob, "reply")];
        const ack = await within(new Promise((resolve) => bob.emit("chatMessage", { message: "m" }, resolve)), "ack");
        assert.equal(ack, "received");
        for (const got of await Promise.all(messages)) assert.deepEqual(got, [{ user: "Anonymous", message: "m" }]);
        const notified = next(alice, "notification");
        bob.emit("sendNotification", "look");
        assert.deepEqual(await notified, ["look"]);

        const ask = (socket, event, ...args) =>
          within(new Promise((resolve) => socket.emit(event, ...args, resolve)), event);
        const room = `r-${name}`;
        assert.deepEqual(await ask(alice, "join", room), { ok: true });
        assert.deepEqual(await ask(bob, "room message", { room, message: "no" }), { ok: false });
        const inRoom = next(alice, "room message");
        assert.deepEqual(await ask(alice, "room message", { room, message: "yes" }), { ok: true });
        assert.deepEqual(await inRoom, [{ room, message: "yes" }]);

        assert.equal(own.seen.length, 0);
        const left = next(alice, "user left");
        const id = bob.id;
        bob.disconnect();
        assert.equal((await left)[0].id, id);
        alice.disconnect();
        await chat.line((fields) => fields.event === "disconnect" && fields.id === id);
      });
    }
  });
}

test("a stopping server disconnects its clients, and they come back to the next one", async () => {
  let server = await startSockeye("protocol");
  const socket = connect(io484, server.url, ["websocket"], { reconnectionDelay: 50, reconnectionDelayMax: 100 });
  await next(socket, "connect");
  const gone = next(socket, "disconnect");
  const { port } = server;
  await server.stop();
  assert.equal((await gone)[0], "transport close");
  const back = next(socket, "connect");
  server = await startSockeye("protocol", ["--port", String(port)]);
  await back;
  closeAll();
  await server.stop();
});
