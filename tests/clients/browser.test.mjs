// The chat's page in headless Chromium: two users, over each transport, with and without TLS.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { root, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";

const WAIT_MS = 20_000;
const pages = path.join(root, "node/apps/public");
const certificate = makeCertificate();
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser.close();
  certificate.remove();
});

/** A user, in a browser context that shares nothing with others. `faults` collects console errors and exceptions. */
async function user(server, query = "") {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  await page.goto(`${server.url}/${query}`);
  await page.waitForSelector('#state[data-state="connected"]');
  return page;
}

const says = (page, text, where = "#messages") => page.locator(`${where} li`, { hasText: text }).first().waitFor();

async function talk(server, query, transport) {
  const alice = await user(server, query);
  const bob = await user(server, query);
  await says(alice, "Hello! Welcome to the server.");
  await says(alice, `${await bob.textContent("#socket-id")} joined`);
  for (const page of [alice, bob]) await page.locator("#transport", { hasText: transport }).waitFor();

  await alice.fill("#name", "Alice");
  await alice.fill("#message", "good morning <b>all</b>");
  await alice.press("#message", "Enter");
  await says(bob, "good morning <b>all</b>");
  await says(bob, "Alice");
  await bob.fill("#message", "who is there?");
  await bob.press("#message", "Enter");
  await says(alice, "Anonymous");
  await says(alice, "who is there?");
  await bob.locator("#messages .tick").first().waitFor();

  await bob.fill("#notification", "Lunch is ready");
  await bob.press("#notification", "Enter");
  await alice.locator(".toast", { hasText: "Lunch is ready" }).waitFor();

  for (const page of [alice, bob]) await page.locator("#rooms label", { hasText: "music" }).click();
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

  const left = await bob.textContent("#socket-id");
  assert.deepEqual(bob.faults, []);
  await bob.context().close();
  await says(alice, `${left} left`);
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
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, colorScheme: "dark" });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.waitForSelector('#state[data-state="connected"]');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
  await context.close();
  await server.stop();
});
