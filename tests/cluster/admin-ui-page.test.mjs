// The dashboard itself in a cluster of two nodes and a Node.js server: it is connected to one node, and acts on sockets of the others.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { logIn, openPage } from "../clients/support/admin-page.mjs";
import { launchChromium } from "../clients/support/browser.mjs";
import { freePort } from "../clients/support/port.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const USERS = "alice:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"; // "secret"
const sockets = [];
let redis;
let one;
let two;
let peer;
let admin;
let browser;

before(async () => {
  redis = await Redis.start();
  const port = await freePort();
  admin = `http://127.0.0.1:${port}`;
  const options = ["--admin-ui", "--admin-ui-mode", "development", "--cors-origin", admin, "--cors-credentials"];
  const env = { SOCKEYE_ADMIN_UI_AUTH: USERS };
  [one, two, peer, browser] = await Promise.all([
    startNode("one", redis, ["--node-id", "1", "--admin-port", String(port), ...options], env),
    startNode("two", redis, ["--node-id", "2", ...options], env),
    startPeer("node-js", redis, ["--admin-ui"]),
    launchChromium(),
  ]);
  for (const nsp of ["/", "/admin"]) await members(redis, 3, nsp);
});
after(async () => {
  await browser?.close();
  for (const socket of sockets) socket.disconnect();
  await Promise.all([one.stop(), two.stop(), peer.stop()]);
  await redis.stop();
});

async function client(server) {
  const socket = await connect(server);
  sockets.push(socket);
  return socket;
}

test("sees the servers and sockets of all, and moves and disconnects a socket of another node and of the Node.js server", async () => {
  const there = [await client(two), await client(peer)];
  const page = await openPage(browser, `${admin}/ui/`);
  await logIn(page, one.url, "alice", "secret");
  await page.getByText("connected", { exact: true }).first().waitFor();
  await page.goto(`${admin}/ui/#/servers/`);
  for (const name of [/#1\.0$/, /#2\.0$/]) await page.getByRole("cell", { name }).waitFor();

  for (const socket of there) {
    const { id } = socket;
    await page.goto(`${admin}/ui/#/sockets/`);
    const row = page.getByRole("row").filter({ has: page.getByText(id) }).filter({ has: page.locator(".mdi-logout") });
    await row.getByText(id).click();
    await page.waitForURL(`**/#/n/%2F/sockets/${id}`);
    await page.getByLabel("Join a room").fill("red");
    await page.locator("main button:has(.mdi-tag-plus-outline)").click();
    const red = page.getByRole("row").filter({ has: page.getByText("red", { exact: true }) });
    await red.waitFor(); // shown after the server of the socket has said so
    assert.deepEqual((await ask(socket, "rooms")).sort(), [id, "red"].sort());

    await page.goto(`${admin}/ui/#/sockets/`);
    const gone = next(socket, "disconnect");
    await row.locator("button:has(.mdi-logout)").click();
    assert.equal((await gone)[0], "io server disconnect");
    await row.waitFor({ state: "detached" });
  }
  assert.deepEqual(one.logged("admin_ui_command").map((line) => [line.command, line.result]), [
    ["join", "ok"], ["_disconnect", "ok"], ["join", "ok"], ["_disconnect", "ok"],
  ]);
  assert.deepEqual(page.complaints, []);
});
