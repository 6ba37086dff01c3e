// The chat's page in headless Chromium: two users, over each transport, with and without TLS.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { Browser } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";

const pages = path.join(root, "node/apps/public");
const certificate = makeCertificate();
let browser;

before(async () => (browser = await Browser.start()));

after(async () => {
  await browser.stop();
  certificate.remove();
});

async function user(server, query = "") {
  const page = await browser.page();
  await page.goto(`${server.url}/${query}`);
  await page.waitForSelector('#state[data-state="connected"]');
  return page;
}

const says = (page, text, where = "#messages") => page.locator(`${where} li`, { hasText: text }).first().waitFor();

async function talk(server, query, transport) {
  const alice = await user(server, query);
  const bob = await user(server, query);
  await says(alice, "Hello! Welcome to the server.");
  const guest = `Guest ${(await bob.textContent("#socket-id")).slice(0, 4)}`;
  await says(alice, `${guest} joined`);
  for (const page of [alice, bob]) await page.locator("#transport", { hasText: transport }).waitFor();

  await alice.fill("#name", "Alice");
  await alice.fill("#message", "good morning <b>all</b>");
  await alice.press("#message", "Enter");
  await says(bob, "good morning <b>all</b>");
  await says(bob, "Alice");
  await bob.fill("#message", "who is there?");
  await bob.press("#message", "Enter");
  await says(alice, guest);
  await says(alice, "who is there?");
  await bob.locator("#messages .tick").first().waitFor();

  await bob.fill("#notification", "Lunch is ready");
  const toast = alice.locator(".toast", { hasText: "Lunch is ready" }).waitFor(); // awaited before the key is pressed, because the toast vanishes after some seconds
  await Promise.all([toast, bob.press("#notification", "Enter")]);

  for (const page of [alice, bob]) {
    await page.locator("#rooms label", { hasText: "music" }).click();
    await says(page, "You joined # music");
  }
  await alice.selectOption("#room", "music");
  await alice.fill("#message", "only for us");
  await alice.press("#message", "Enter");
  await says(bob, "only for us");

  await alice.fill("#token", "wrong");
  await alice.press("#token", "Enter");
  await alice.locator("#admin-state", { hasText: "Unauthorized" }).waitFor();
  await alice.fill("#token", "sesame");
  await alice.press("#token", "Enter");
  await alice.locator("#admin-state", { hasText: /^connected$/ }).waitFor();
  await alice.fill("#announcement", "We close at six");
  await alice.press("#announcement", "Enter");
  await says(bob, "We close at six");

  assert.deepEqual(bob.faults, []);
  await bob.context().close();
  await says(alice, `${guest} left`);
  assert.deepEqual(alice.faults, []);
  await alice.context().close();
}

for (const [query, transport] of [["?transports=polling", "polling"], ["?transports=websocket", "websocket"], ["", "websocket"]]) {
  for (const tls of [false, true]) {
    test(`two users talk: ${query || "upgrade"}${tls ? ", TLS" : ""}`, async () => {
      const server = await startSockeye("chat", ["--public", pages, ...(tls ? certificate.args : [])]);
      await talk(server, query, transport);
      await server.stop();
    });
  }
}

test("the page shows every client event while the server stops and returns", async () => {
  let server = await startSockeye("chat", ["--public", pages]);
  const page = await user(server);
  await says(page, "connect", "#events");
  const { port } = server;
  await server.stop();
  for (const event of ["disconnect transport close", "reconnect_attempt", "reconnect_error"]) await says(page, event, "#events");
  server = await startSockeye("chat", ["--public", pages, "--port", String(port)]);
  await says(page, "reconnect after", "#events");
  await page.waitForSelector('#state[data-state="connected"]');
  await page.context().close();

  const hopeless = await user(server, "?attempts=1");
  await server.stop();
  await says(hopeless, "reconnect_failed", "#events");
  await hopeless.waitForSelector('#state[data-state="failed"]');
  await hopeless.context().close();
});

test("the page fits a phone and follows the dark scheme", async () => {
  const server = await startSockeye("chat", ["--public", pages]);
  const page = await browser.page({ viewport: { width: 360, height: 640 }, colorScheme: "dark" });
  await page.goto(server.url);
  await page.click("text=Start chatting");
  await page.waitForSelector('#state[data-state="connected"]');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
  await page.context().close();
  await server.stop();
});
