// Events that a backend may request from the edge: handshakes, upgrades, refused requests, and changes of
// rooms that the backend did not make itself.
import { test } from "node:test";
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import WebSocket from "ws";
import path from "node:path";
import { build } from "../clients/support/server.mjs";
import { startEdge, Link, FLAG, rooms } from "./harness.mjs";
import { freePort } from "../clients/support/port.mjs";
import { next, until, within } from "../clients/support/wait.mjs";

async function withEdge(args, run) {
  const edge = await startEdge(args);
  try {
    await run(edge);
    await edge.stop();
  } finally {
    edge.child.kill("SIGKILL");
  }
}

const asking = { hello: { hooks: { request: true, errors: true } } };
const handshake = (edge, query = "") => fetch(`${edge.url}/socket.io/?EIO=4&transport=polling${query}`, { headers: { "X-Test": "1" } });
const respond = (link, id, answer) => link.send("RESPONSE", { id }, JSON.stringify(answer));

test("the edge asks the backend about a handshake, and puts the backend's header fields into the response", () =>
  withEdge([], async (edge) => {
    const link = await Link.open(edge, asking);
    const other = await Link.open(edge, asking);
    const links = [link, other];
    for (let i = 0; i < 4; i++) {
      const reply = handshake(edge, `&n=${i}`);
      const asked = await Promise.race(
        links.map(async (l) => [l, await l.got("REQUEST", (f) => JSON.parse(f.bytes).url.endsWith(`n=${i}`))]));
      const request = JSON.parse(asked[1].bytes);
      assert.equal(request.method, "GET");
      assert.equal(request.httpVersion, "1.1");
      assert.equal(request.headers[request.headers.indexOf("X-Test") + 1], "1");
      respond(asked[0], asked[1].id, { allow: true, headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-Bad", "a\r\nb"], ["X-Good", "ä"]] });
      const response = await reply;
      assert.equal(response.status, 200);
      assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
      assert.equal(response.headers.get("x-bad"), null);
      const { sid } = JSON.parse((await response.text()).slice(1));
      // the session belongs to the backend that was asked, and contains the number of its REQUEST
      const session = await asked[0].got("SESSION", (f) => JSON.parse(f.bytes).id === sid);
      assert.equal(JSON.parse(session.bytes).request, asked[1].id);
      assert.ok(!links.find((l) => l !== asked[0]).frames.some((f) => f.type === "SESSION" && JSON.parse(f.bytes).id === sid));
    }
    for (const l of links) await l.kill();
  }));

test("a backend refuses a handshake, with its own response or with the engine's", () =>
  withEdge([], async (edge) => {
    const link = await Link.open(edge, asking);
    link.once("REQUEST", (f) =>
      respond(link, f.id, { allow: false, status: 401, headers: [["Content-Type", "text/x-why"], ["WWW-Authenticate", "Basic"]], body: "who are you?" }));
    let response = await handshake(edge);
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("content-type"), "text/x-why");
    assert.equal(response.headers.get("www-authenticate"), "Basic");
    assert.equal(await response.text(), "who are you?");
    link.once("REQUEST", (f) => respond(link, f.id, { allow: false, body: "no way" }));
    response = await handshake(edge);
    assert.equal(response.status, 403);
    assert.deepEqual(await response.json(), { code: 4, message: "no way" });
    // over WebSocket
    link.once("REQUEST", (f) => respond(link, f.id, { allow: false, status: 418, body: "tea" }));
    const ws = new WebSocket(`ws://127.0.0.1:${edge.port}/socket.io/?EIO=4&transport=websocket`);
    const [, answer] = await within(new Promise((resolve) => ws.once("unexpected-response", (...args) => resolve(args))), "the refusal");
    assert.equal(answer.statusCode, 418);
    answer.destroy();
    await link.kill();
  }));

test("if a backend dies before it has answered about a handshake, the edge asks another one", () =>
  withEdge([], async (edge) => {
    const first = await Link.open(edge, asking);
    const reply = handshake(edge);
    await first.got("REQUEST");
    await first.kill();
    // all backends are gone, but the edge remembers that this group must be asked
    const second = await Link.open(edge, asking);
    respond(second, (await second.got("REQUEST")).id, { allow: true });
    assert.equal((await reply).status, 200);
    await second.kill();
  }));

test("the edge reports an upgrade to the backend", () =>
  withEdge([], async (edge) => {
    const link = await Link.open(edge);
    const client = io(edge.url, { forceNew: true });
    await next(client, "connect");
    const told = await link.got("TRANSPORT");
    assert.equal(told.bytes.toString(), "websocket");
    assert.equal(told.handle, (await link.got("SESSION")).handle);
    client.close();
    await link.kill();
  }));

test("the edge reports refused requests to the backend", () =>
  withEdge([], async (edge) => {
    const link = await Link.open(edge, asking);
    await fetch(`${edge.url}/socket.io/?EIO=4&transport=polling&sid=nobody`);
    const told = JSON.parse((await link.got("CONNERR")).bytes);
    assert.equal(told.code, 1);
    assert.equal(told.message, "Session ID unknown");
    assert.equal(told.context, "UNKNOWN_SID");
    assert.equal(told.method, "GET");
    assert.equal(told.url, "/socket.io/?EIO=4&transport=polling&sid=nobody");
    assert.equal(told.address, "127.0.0.1");
    await link.kill();
  }));

test("health: not ready before the first backend, degraded while sockets wait for another one", async () => {
  const port = await freePort();
  await withEdge(["--admin-port", String(port)], async (edge) => {
    const ready = async (predicate) => {
      let body;
      const holds = async () => {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`);
        body = await response.json();
        return predicate(response.status, body);
      };
      await until(holds, () => `${predicate} holds for ${JSON.stringify(body)}`);
    };
    await ready((status, body) => status === 503 && body.accepting === 1 && body.backends === 0);
    const link = await Link.open(edge);
    await ready((status, body) => status === 200 && !body.degraded && body.backends === 1);
    const client = io(edge.url, { forceNew: true, transports: ["websocket"] });
    await next(client, "connect");
    await link.kill();
    await ready((status, body) => status === 200 && body.degraded && body.orphans === 1);
    client.close();
    await ready((status, body) => status === 200 && !body.degraded && body.orphans === 0);
  });
});

test("the edge tells the backend which rooms the HTTP API has changed", async () => {
  const port = await freePort();
  await withEdge(["--admin-port", String(port), "--api-key", "0123456789abcdef"], async (edge) => {
    const link = await Link.open(edge);
    const client = io(edge.url, { forceNew: true, transports: ["websocket"] });
    await next(client, "connect");
    const { open } = await link.got("OPEN");
    const call = async (name, body) => {
      const response = await fetch(`http://127.0.0.1:${port}/api/${name}`, {
        method: "POST",
        headers: { Authorization: "Bearer 0123456789abcdef", "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, 200, await response.text());
    };
    await call("join", { rooms: [open.sid], join: ["vip"] });
    const joined = await link.got("JOIN");
    assert.equal(joined.handle, open.handle);
    assert.deepEqual(joined.body.rooms(), ["vip"]);
    await call("leave", { rooms: [open.sid], leave: ["vip"] });
    assert.deepEqual((await link.got("LEAVE")).body.rooms(), ["vip"]);
    // the edge does not tell the backend about the backend's own changes
    link.send("JOIN", { handle: open.handle }, rooms(["own"]));
    link.cast(["there"], { to: ["own"] });
    await next(client, "there");
    assert.equal(link.frames.filter((f) => f.type === "JOIN").length, 1);
    await call("disconnect", { rooms: [open.sid] });
    assert.equal((await link.got("CLOSED")).reason, "server namespace disconnect");
    client.close();
    await link.kill();
  });
});

test("an application inside the edge keeps its own namespaces; the backend gets the others", () =>
  withEdge(["--app", path.join(build, "apps", "chat.so")], async (edge) => {
    const link = await Link.open(edge);
    link.on("NSPASK", (f) => link.send("NSPANSWER", { id: f.id, flags: FLAG.ACK }));
    const client = io(`${edge.url}/theirs`, { forceNew: true, transports: ["websocket"] });
    await next(client, "connect");
    assert.equal((await link.got("OPEN")).open.nsp, "/theirs");
    const inside = client.io.socket("/");
    inside.connect();
    await next(inside, "connect");
    assert.equal(link.frames.filter((f) => f.type === "OPEN").length, 1);
    client.io._close();
    await link.kill();
  }));
