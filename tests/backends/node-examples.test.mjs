// The example programs, unchanged: clients see the same under Node.js alone and behind the edge.
import test from "node:test";
import assert from "node:assert/strict";
import { launchChromium } from "../clients/support/browser.mjs";
import { freePort } from "../clients/support/port.mjs";
import { plain } from "../clients/support/server.mjs";
import { collect, next } from "../clients/support/wait.mjs";
import { client, clientVersions, joined } from "./support/clients.mjs";
import { startBehind } from "./support/edge.mjs";
import { Program, programFolder } from "./support/program.mjs";

/** Starts an example; resolves to the URL at which clients and pages find it. */
async function startPlain(t, name) {
  const port = await freePort();
  const program = new Program(["server.js"], { cwd: programFolder(t, `backends/javascript/examples/${name}`), env: { PORT: String(port) } });
  t.after(() => program.stop());
  const url = `http://localhost:${port}`;
  for (;;) {
    const up = await fetch(`${url}/socket.io/?EIO=4&transport=polling`).then((response) => response.ok, () => false);
    if (up) return { url, port };
    if (program.child.exitCode !== null) throw new Error(program.lines.join("\n"));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startEdge(t, name) {
  const port = await freePort();
  const folder = programFolder(t, `backends/javascript/examples/${name}`);
  return startBehind(t, `cd '${folder}' && PORT=${port} exec node --import @sockeye/backend/register server.js`, ["--port", String(port), "--cors-origin", "*"]);
}

async function browse(t, port) {
  const browser = await launchChromium({ args: [`--host-resolver-rules=MAP localhost:3000 127.0.0.1:${port}`] });
  t.after(() => browser.close());
  return browser.newPage();
}

// Node.js alone is the same beside both builds.
for (const [where, start] of Object.entries({ ...(plain && { "Node.js alone": startPlain }), "behind the edge": startEdge })) {
  for (const version of Object.keys(clientVersions)) {
    test(`chat, ${where}, client ${version}`, async (t) => {
      const { url } = await start(t, "chat");
      const denied = client(t, url, { version });
      const [error] = await next(denied, "connect_error");
      assert.equal(error.message, "Unauthorized");
      const options = { version, auth: { token: "secret" } };
      const ann = await joined(t, url, options);
      const bobJoins = next(ann, "user joined");
      const bob = await joined(t, url, options);
      assert.deepEqual(await bobJoins, [bob.id]);
      const heard = Promise.all([next(ann, "chat message"), next(bob, "chat message")]);
      ann.emit("chat message", "hello");
      assert.deepEqual(await heard, [["hello"], ["hello"]]);
      const left = next(ann, "user left");
      const { id } = bob;
      bob.close();
      assert.deepEqual(await left, [id]);
    });

    test(`welcome, ${where}, client ${version}`, async (t) => {
      const { url } = await start(t, "welcome");
      assert.deepEqual(await next(client(t, url, { version }), "welcome"), ["Welcome to the server!"]);
    });

    test(`reply, ${where}, client ${version}`, async (t) => {
      const { url } = await start(t, "reply");
      const [ann, bob] = [await joined(t, url, { version }), await joined(t, url, { version })];
      const heard = Promise.all([next(ann, "reply"), next(bob, "reply")]);
      ann.emit("chatMessage", "hi");
      assert.deepEqual(await heard, [["You said: hi"], ["You said: hi"]]);
    });

    test(`notifications, ${where}, client ${version}`, async (t) => {
      const { url } = await start(t, "notifications");
      const [ann, bob] = [await joined(t, url, { version }), await joined(t, url, { version })];
      const messages = collect(bob, "message");
      const notified = next(bob, "notification");
      ann.emit("message", { user: "ann", message: "1" });
      ann.emit("message", { message: "2" });
      ann.emit("sendNotification", { text: "news" });
      assert.deepEqual(await notified, [{ text: "news" }]);
      assert.deepEqual(messages.seen, [[{ user: "ann", message: "1" }], [{ user: "Anonymous", message: "2" }]]);
    });

    test(`events, ${where}, client ${version}`, async (t) => {
      const { url } = await start(t, "events");
      const socket = client(t, url, { version });
      const toClients = collect(socket, "messageToClients");
      assert.deepEqual(await next(socket, "messageFromServer"), [{ data: "Welcome to the socket server!" }]);
      socket.emit("messageToServer", { text: "from here" });
      assert.deepEqual(await toClients.take(1), [[{ text: "from here" }]]);
    });
  }

  test(`pages in a browser, ${where}`, async (t) => {
    await t.test("chat", async (t) => {
      const { url, port } = await start(t, "chat");
      const page = await browse(t, port);
      await page.goto(url);
      await page.waitForFunction("socket.connected");
      const other = await joined(t, url, { auth: { token: "secret" } });
      await page.getByText(`${other.id} joined`).waitFor();
      const heard = next(other, "chat message");
      await page.fill("#input", "from the page");
      await page.click("button");
      assert.deepEqual(await heard, ["from the page"]);
      await page.getByText("from the page").waitFor();
    });
    await t.test("reply", async (t) => {
      const { port } = await start(t, "reply");
      const page = await browse(t, port);
      await page.goto(`http://127.0.0.1:${port}/`); // another origin than http://localhost:3000
      await page.fill("#message", "hi");
      await page.click("#send");
      await page.getByText("You said: hi").waitFor();
    });
    await t.test("notifications", async (t) => {
      const { url } = await start(t, "notifications");
      assert.equal(await (await fetch(url)).text(), "Notification server");
    });
    await t.test("events", async (t) => {
      const { url, port } = await start(t, "events");
      const page = await browse(t, port);
      await page.goto(url);
      for (const text of ["connected", "Welcome to the socket server!", "Data from the client!"])
        await page.getByText(text, { exact: true }).waitFor();
    });
  });
}
