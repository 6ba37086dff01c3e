// The dashboard of @socket.io/admin-ui itself, as the admin port serves it, in headless Chromium.
import assert from "node:assert/strict";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { logIn, openPage } from "./support/admin-page.mjs";
import { launchChromium } from "./support/browser.mjs";
import { freePort } from "./support/port.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { next, WAIT_MS, within } from "./support/wait.mjs";

const USERS = "alice:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // "secret"
const PAGE = path.join(build, "admin-ui");
let browser;
let server;
let admin;
let client;

async function start(args) {
  const port = await freePort();
  admin = `http://127.0.0.1:${port}`;
  server = await startSockeye(path.join(build, "tests/peer.so"),
    ["--admin-ui", "--admin-ui-mode", "development", "--admin-port", String(port), "--cors-origin", admin, "--cors-credentials", ...args],
    { PEER_NAME: "peer", SOCKEYE_ADMIN_UI_AUTH: USERS });
}

before(async () => {
  await start(["--workers", "2"]);
  client = io(server.url, { transports: ["websocket"], reconnection: false });
  await next(client, "connect");
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  client?.disconnect();
  await server.stop();
});

test("log in, reload, see a socket, move it into a room and out of it, and disconnect it", async () => {
  const page = await openPage(browser, `${admin}/ui`);
  await logIn(page, server.url, "alice", "wrong");
  await page.getByText("Invalid credentials").waitFor();
  await logIn(page, server.url, "alice", "secret");
  await page.getByText("connected", { exact: true }).first().waitFor();

  await page.goto(`${admin}/ui/#/servers/`);
  await page.reload(); // logs in by the session
  for (const worker of ["0.0", "0.1"]) await page.getByRole("cell", { name: new RegExp(`#${worker}$`) }).waitFor();

  await page.goto(`${admin}/ui/#/sockets/`);
  const { id } = client;
  await page.getByText(id).first().click();
  await page.waitForURL(`**/#/n/%2F/sockets/${id}`);
  await page.getByLabel("Join a room").fill("red");
  await page.locator("main button:has(.mdi-tag-plus-outline)").click();
  const red = page.getByRole("row").filter({ has: page.getByText("red", { exact: true }) });
  await red.waitFor();
  assert.deepEqual((await client.timeout(WAIT_MS).emitWithAck("rooms")).sort(), [id, "red"].sort());
  await red.locator("button:has(.mdi-tag-off-outline)").click();
  await server.line((l) => l.event === "admin_ui_command" && l.command === "leave"); // the page itself keeps the row
  const left = async () => { // the client may be at the other worker, which gets the command through the hub
    while ((await client.timeout(WAIT_MS).emitWithAck("rooms")).length > 1) await new Promise(setImmediate);
  };
  await within(left(), "the room to be left");

  await page.goto(`${admin}/ui/#/sockets/`);
  const row = page.getByRole("row").filter({ has: page.getByText(id) }).filter({ has: page.locator(".mdi-logout") });
  const gone = next(client, "disconnect");
  await row.locator("button:has(.mdi-logout)").click();
  assert.equal((await gone)[0], "io server disconnect");
  await row.waitFor({ state: "detached" });

  assert.deepEqual(server.logged("admin_ui_command").map((l) => [l.command, l.user, l.result]), [
    ["join", "alice", "ok"],
    ["leave", "alice", "ok"],
    ["_disconnect", "alice", "ok"],
  ]);
  assert.ok(await page.evaluate(() => document.fonts.load("24px 'Material Design Icons'", "\u{F0BFB}").then((fonts) => fonts.length === 1 && fonts[0].status === "loaded")));
  assert.ok(await page.evaluate(() => document.fonts.load("16px Roboto", "a").then((fonts) => fonts.length > 0)));
  assert.deepEqual(page.strangers, [], "the page works without other servers");
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("the files have a strict policy, and nothing else is served", async () => {
  const get = (where, options) => fetch(admin + where, { redirect: "manual", ...options });
  const index = await get("/ui/");
  assert.equal(index.status, 200);
  assert.match(index.headers.get("content-type"), /^text\/html/);
  assert.match(index.headers.get("content-security-policy"), /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
  assert.equal(index.headers.get("x-content-type-options"), "nosniff");
  assert.equal((await get("/ui")).headers.get("location"), "ui/");
  assert.equal((await get("/ui/favicon.png")).status, 200);
  for (const where of ["/ui/css", "/ui/nothing", "/ui/../sockeye", "/ui/%2e%2e/sockeye", "/ui//"]) assert.equal((await get(where)).status, 404, where);
  assert.equal((await get("/ui/", { method: "POST" })).status, 405);
  assert.equal((await get("/uix")).status, 404);
  await server.line((l) => l.event === "admin_ui" && l.page === PAGE);
});

test("without the page's files, one line says how to get them, and the server runs", async () => {
  const one = server;
  for (const args of [["--workers", "1"], ["--workers", "2"]]) {
    await start([...args, "--admin-ui-page", path.join(os.tmpdir(), "sockeye-no-page")]);
    const answer = await fetch(`${admin}/ui/`);
    assert.equal(answer.status, 404);
    assert.match(await answer.text(), /^the page of the admin UI is not installed \(get it with: make admin-ui\)\n$/);
    assert.equal(server.logged("admin_ui").filter((l) => /make admin-ui/.test(l.error)).length, 1);
    assert.equal((await fetch(`${admin}/healthz`)).status, 200);
    await server.stop();
  }
  server = one;
});
