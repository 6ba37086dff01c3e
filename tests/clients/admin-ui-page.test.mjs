// The dashboard of @socket.io/admin-ui itself, in headless Chromium, against the server's half.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { io } from "socket.io-client";
import { build, root, startSockeye } from "./support/server.mjs";
import { next } from "./support/wait.mjs";

const WAIT_MS = 40_000;
const USERS = "alice:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // "secret"
const dashboard = path.join(root, "tests/node_modules/@socket.io/admin-ui/ui/dist");
let browser;
let server;
let client;

before(async () => {
  server = await startSockeye(path.join(build, "tests/peer.so"), ["--admin-ui", "--admin-ui-mode", "development", "--public", dashboard],
    { PEER_NAME: "peer", SOCKEYE_ADMIN_UI_AUTH: USERS });
  client = io(server.url, { transports: ["websocket"], reconnection: false });
  await next(client, "connect");
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  client?.disconnect();
  await server.stop();
});

test("log in, reload, see a socket, move it into a room and out of it", async () => {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1200 } });
  page.setDefaultTimeout(WAIT_MS);
  await page.route(/^https:/, (route) => route.abort()); // fonts from other servers
  await page.goto(`${server.url}/`);
  await page.getByLabel("Server URL").fill(server.url);
  await page.getByLabel("Username").fill("alice");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("Invalid credentials").waitFor();
  await page.getByLabel("Password").fill("secret");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("connected", { exact: true }).first().waitFor();

  await page.goto(`${server.url}/#/servers/`);
  await page.reload(); // logs in by the session
  await page.getByRole("cell", { name: /#0\.0$/ }).waitFor();

  await page.goto(`${server.url}/#/sockets/`);
  const { id } = client;
  await page.getByText(id).first().click();
  await page.waitForURL(`**/#/n/%2F/sockets/${id}`);
  await page.getByLabel("Join a room").fill("red");
  await page.locator("main button:has(.mdi-tag-plus-outline)").click();
  const red = page.getByRole("row").filter({ has: page.getByText("red", { exact: true }) });
  await red.waitFor();
  assert.deepEqual((await client.timeout(WAIT_MS).emitWithAck("rooms")).sort(), [id, "red"].sort());
  await red.locator("button:has(.mdi-tag-off-outline)").click();
  await server.line((l) => l.event === "admin-ui-command" && l.command === "leave"); // the page itself keeps the row
  assert.deepEqual(await client.timeout(WAIT_MS).emitWithAck("rooms"), [id]);

  assert.deepEqual(server.logged("admin-ui-command").map((l) => [l.command, l.user, l.result]), [
    ["join", "alice", "ok"],
    ["leave", "alice", "ok"],
  ]);
});
