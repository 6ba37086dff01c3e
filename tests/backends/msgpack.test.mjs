// A client of the MessagePack parser and one of the JSON parser, both of one Node.js application behind the edge.
import assert from "node:assert/strict";
import test from "node:test";
import parser from "socket.io-msgpack-parser";
import { next } from "../clients/support/wait.mjs";
import { startBackend } from "./support/backend.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startEdge } from "./support/edge.mjs";

for (const transports of [["websocket"], ["polling"]]) {
  test(`events, answers, questions, rooms and refusals, ${transports}`, async (t) => {
    const edge = await startEdge(t);
    await startBackend(t, edge);
    const options = { transports, auth: { token: "x" } };
    const socket = client(t, edge.url, { parser, ...options });
    assert.deepEqual((await next(socket, "welcome"))[0], { name: "backend", nsp: "/", auth: { token: "x" } });
    const bytes = Buffer.from([0, 1, 2, 255]);
    const value = ["ü👋", 1.5, null, true, [], { a: [{ b: bytes }] }, bytes];
    const echoed = next(socket, "echo");
    assert.deepEqual(await new Promise((resolve) => socket.emit("echo", ...value, (...args) => resolve(args))), value);
    assert.deepEqual(await echoed, value);
    socket.on("question", (a, b, reply) => reply(b, a));
    assert.deepEqual(await new Promise((resolve) => socket.emit("ask me", 20000, bytes, "b", (...args) => resolve(args))), [null, "b", bytes]);

    const other = await joined(t, edge.url, options);
    for (const one of [socket, other]) await ask(one, "join", "r");
    for (const from of [socket, other]) {
      const got = [socket, other].map((one) => next(one, "news"));
      from.emit("to", "r", "news", ...value);
      assert.deepEqual(await Promise.all(got), [value, value]);
    }

    const denied = client(t, edge.url, { parser, ...options, auth: { refuse: "Unauthorized" } });
    const [error] = await next(denied, "connect_error");
    assert.deepEqual([error.message, error.data], ["Unauthorized", { code: 7 }]);
    const lost = client(t, `${edge.url}/unknown`, { parser, ...options });
    assert.equal((await next(lost, "connect_error"))[0].message, "Invalid namespace");
  });
}
