// express-session, passport, helmet, allowRequest and header hooks, unchanged, under Node.js alone and behind the edge.
import test from "node:test";
import assert from "node:assert/strict";
import path from "node:path";
import { freePort } from "../clients/support/port.mjs";
import { next, within } from "../clients/support/wait.mjs";
import { root } from "../clients/support/server.mjs";
import { ask, client, joined } from "./support/clients.mjs";
import { startBehind } from "./support/edge.mjs";
import { Program } from "./support/program.mjs";

const file = path.join(root, "tests/backends/app/hooks.mjs");

async function startPlain(t) {
  const port = await freePort();
  const program = new Program([file], { env: { PORT: String(port) } });
  t.after(() => program.stop());
  await program.line(/listening/);
  return { url: `http://localhost:${port}`, said: (pattern) => program.line(pattern) };
}

async function startEdge(t) {
  const port = await freePort();
  const edge = await startBehind(t, `cd '${path.dirname(file)}' && PORT=${port} exec node --import @sockeye/backend/register hooks.mjs`, ["--port", String(port)]);
  return { url: edge.url, said: (pattern) => edge.line((fields) => fields.event === "exec" && pattern.test(fields.text)) };
}

async function logIn(url) {
  const response = await fetch(`${url}/login`, { method: "POST", body: new URLSearchParams({ username: "ann", password: "secret" }) });
  assert.equal(await response.text(), "welcome");
  return response.headers.get("set-cookie").split(";")[0];
}

for (const [where, start] of Object.entries({ "Node.js alone": startPlain, "behind the edge": startEdge })) {
  test(`the socket knows the user who has logged in through express, ${where}`, async (t) => {
    const { url } = await start(t);
    const cookie = await logIn(url);
    assert.equal(await (await fetch(url, { headers: { cookie } })).text(), "user ann");
    for (const [visits, transports] of [["websocket"], ["polling"]].entries()) {
      const socket = await joined(t, url, { transports, extraHeaders: { cookie } });
      assert.deepEqual(await ask(socket, "who"), { user: { id: 1, username: "ann" }, visits: visits + 1 });
    }
  });

  test(`clients that are not logged in are refused, and robots too, ${where}`, async (t) => {
    const { url, said } = await start(t);
    const handshake = `${url}/socket.io/?EIO=4&transport=polling`;
    const denied = await fetch(handshake);
    assert.deepEqual([denied.status, await denied.text()], [401, "log in"]);
    const robot = await fetch(`${handshake}&open=1`, { headers: { "user-agent": "robot" } });
    assert.equal(robot.status, 403);
    assert.deepEqual(await robot.json(), { code: 4, message: "no robots" });
    await within(said(/connection_error 4 Forbidden/), "connection_error of the robot");
    await fetch(`${url}/socket.io/?EIO=4&transport=polling&sid=unknown&open=1`);
    await within(said(/connection_error 1 Session ID unknown/), "connection_error of the session");
    const socket = client(t, url, { reconnection: false });
    await next(socket, "connect_error");
  });

  test(`the response of a handshake has the fields of helmet, of the session and of initial_headers, ${where}`, async (t) => {
    const { url } = await start(t);
    const { status, headers } = await fetch(`${url}/socket.io/?EIO=4&transport=polling&open=1`);
    assert.equal(status, 200);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("x-first"), "yes");
    assert.match(headers.get("set-cookie"), /^connect\.sid=/);
  });
}
