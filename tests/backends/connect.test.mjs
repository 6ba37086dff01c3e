// Clients behind a backend in the real program: traffic in both directions.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { startEdge, Link, FLAG, rooms } from "./harness.mjs";
import { next, collect } from "../clients/support/wait.mjs";

let edge;
before(async () => { edge = await startEdge(); });
after(() => edge.stop());

for (const transports of [["websocket"], ["polling"]]) {
  test(`a session over ${transports}`, async () => {
    const link = (await Link.open(edge)).serveEcho();
    const client = io(edge.url, { transports, auth: { token: "abc" }, forceNew: true, extraHeaders: { "X-Test": "1" } });
    await next(client, "connect");
    const session = JSON.parse((await link.got("SESSION")).bytes);
    const { open } = await link.got("OPEN");
    assert.equal(session.transport, transports[0]);
    assert.equal(session.headers[session.headers.indexOf("X-Test") + 1], "1");
    assert.match(session.url, /^\/socket\.io\/\?EIO=4/);
    assert.equal(client.id, open.sid);
    assert.deepEqual(open.auth, { token: "abc" });
    const echoes = collect(client, "echo");
    client.emit("echo", 1, { deep: [Buffer.from([1, 2]), "ä"] });
    await link.got("EVENT");
    assert.deepEqual(await client.emitWithAck("ask", 1, "two"), 1);
    assert.deepEqual((await link.got("EVENT", (f) => f.args[0] === "echo")).args[2].deep[0], Buffer.from([1, 2]));
    // an acknowledgement in the other direction
    client.on("question", (n, answer) => answer(n + 1, "fine"));
    link.emitTo(open.handle, ["question", 41], { flags: FLAG.ACK, id: 7 });
    const acked = await link.got("ACKED", (f) => f.id === 7);
    assert.deepEqual(acked.args, [42, "fine"]);
    // rooms
    link.send("JOIN", { handle: open.handle }, rooms(["r1"]));
    const casts = collect(client, "cast");
    link.cast(["cast", "in"], { to: ["r1"] });
    link.cast(["cast", "out"], { except: ["r1"] });
    link.cast(["cast", "all"]);
    assert.deepEqual(await casts.take(2), [["in"], ["all"]]);
    link.send("DISC", { handle: open.handle });
    assert.equal((await next(client, "disconnect"))[0], "io server disconnect");
    assert.equal((await link.got("CLOSED", (f) => f.handle === open.handle)).reason, "server namespace disconnect");
    client.close();
    assert.equal((await link.got("CLOSED", (f) => f.handle === open.session)).handle, open.session);
    echoes.stop();
    await link.kill();
  });
}

test("the backend learns that a client has left, and the reason", async () => {
  const link = await Link.open(edge);
  const client = io(edge.url, { transports: ["websocket"], forceNew: true });
  await next(client, "connect");
  const { open } = await link.got("OPEN");
  client.io.engine.close();
  assert.equal((await link.got("CLOSED", (f) => f.handle === open.handle)).reason, "transport close");
  client.close();
  await link.kill();
});

test("a backend refuses a client with a message and data, or because the namespace does not exist", async () => {
  const link = await Link.open(edge, { accept: false });
  link.on("OPEN", (f) => link.send("REFUSE", { handle: f.handle }, JSON.stringify({ message: "no", data: { code: 7 } })));
  link.on("NSPASK", (f) => link.send("NSPANSWER", { id: f.id }));
  const client = io(edge.url, { transports: ["websocket"], forceNew: true, reconnection: false });
  const [error] = await next(client, "connect_error");
  assert.equal(error.message, "no");
  assert.deepEqual(error.data, { code: 7 });
  const other = client.io.socket("/nowhere");
  other.connect();
  assert.equal((await next(other, "connect_error"))[0].message, "Invalid namespace");
  client.io._close();
  await link.kill();
});
