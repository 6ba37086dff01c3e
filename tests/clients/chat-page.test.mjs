// The chat's page for its users: messages typed while the server is away, names, the list of users, typing notices, phones, colours.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { Browser } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";

const pages = ["--public", path.join(root, "node/apps/public")];
const TOAST_MS = 6000; // chat.js
const PHONE = { viewport: { width: 320, height: 568 } };
let browser;

before(async () => (browser = await Browser.start()));
after(() => browser.stop());

const says = (page, text) => page.locator("#messages li", { hasText: text }).first().waitFor();
const isHere = (page, name) => page.locator("#people li", { hasText: name }).first().waitFor();
const has = (page, state, text) => page.locator(`.own[data-state="${state}"]`, { hasText: text }).waitFor();

async function say(page, text) {
  await page.fill("#message", text);
  await page.press("#message", "Enter");
}

/** A page whose user has a name. */
async function user(server, name, query = "", options = {}) {
  const page = await browser.page(options);
  await page.addInitScript((value) => localStorage.getItem("name") ?? localStorage.setItem("name", value), name);
  await page.goto(`${server.url}/${query}`);
  await page.waitForSelector('#state[data-state="connected"]');
  return page;
}

test("messages typed while the page reconnects wait, and are sent in order afterwards", async () => {
  let server = await startSockeye("chat", pages);
  const { port } = server;
  const page = await user(server, "Ada", "?delay=100&attempts=1000");
  await server.stop();
  await page.waitForSelector('#state[data-state="reconnecting"]');
  await say(page, "first");
  await say(page, "second");
  for (const text of ["first", "second"]) await has(page, "waiting", text);
  await page.locator(".status", { hasText: "Waiting for the connection" }).first().waitFor();

  server = await startSockeye("chat", [...pages, "--port", String(port)]);
  for (const text of ["first", "second"]) await has(page, "sent", text);
  const other = await user(server, "Bob");
  await say(other, "third");
  await says(page, "third");
  assert.deepEqual(await page.locator(".message .bubble").allTextContents(), ["first", "second", "third"]);
  await server.stop();
  await Promise.all([page, other].map((one) => one.context().close()));
});

test("what cannot be sent says so, and is sent on request", async () => {
  let server = await startSockeye("chat", pages);
  const { port } = server;
  const page = await user(server, "Ada", "?delay=1000&attempts=2");
  const lost = page.waitForSelector('#state[data-state="reconnecting"]'); // awaited before the stop, because this state may be over when the server has ended
  await server.stop();
  await lost;
  await say(page, "hello?");
  await page.waitForSelector('#state[data-state="failed"]');
  await has(page, "failed", "hello?");
  await page.locator(".own", { hasText: "Not sent: there is no connection" }).waitFor();
  await say(page, "nobody?");
  await has(page, "failed", "nobody?");

  server = await startSockeye("chat", [...pages, "--port", String(port)]);
  await page.locator(".own", { hasText: "nobody?" }).locator(".again").click();
  await has(page, "sent", "nobody?");
  await has(page, "failed", "hello?");
  await page.locator(".own", { hasText: "hello?" }).locator(".again").click();
  await has(page, "sent", "hello?");
  await page.context().close();
  await server.stop();
});

test("a message whose acknowledgement is lost is not confirmed", async () => {
  const server = await startSockeye("chat", pages);
  const page = await user(server, "Ada", "?transports=websocket");
  server.child.kill("SIGSTOP");
  await say(page, "into the void");
  await has(page, "sending", "into the void");
  await page.click("#link");
  await has(page, "failed", "Not confirmed");
  server.child.kill("SIGCONT");
  await page.context().close();
  await server.stop();
});

test("names instead of ids, who is here, and who is typing", async () => {
  const server = await startSockeye("chat", [...pages, "--workers", "2"]);
  const ada = await user(server, "Ada");
  const bob = await user(server, "Bob");
  await says(ada, "Bob joined");
  for (const page of [ada, bob]) {
    await isHere(page, /^.?(Ada|Bob) \(you\)$/);
    for (const name of ["Ada", "Bob"]) await isHere(page, name);
    await page.locator("#users", { hasText: "2 here" }).waitFor();
  }

  const typing = bob.locator("#typing", { hasText: "Ada is typing" }).waitFor(); // shown for some seconds only
  await ada.locator("#message").pressSequentially("I think");
  await typing;
  await ada.press("#message", "Enter");
  await says(bob, "I think");
  await bob.locator("#typing", { hasText: /^$/ }).waitFor({ state: "attached" });

  await ada.fill("#name", "Countess");
  await ada.press("#name", "Enter");
  await says(bob, "Ada is now Countess");
  await isHere(bob, "Countess");
  const guest = await user(server, "");
  const guestName = `Guest ${(await guest.textContent("#socket-id")).slice(0, 4)}`;
  await says(bob, `${guestName} joined`);
  await isHere(guest, "Countess");
  await say(guest, "hi");
  await says(bob, guestName);

  await ada.context().close();
  await says(bob, "Countess left");
  await bob.locator("#people li", { hasText: "Countess" }).waitFor({ state: "detached" });
  for (const page of [bob, guest]) {
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
  await server.stop();
});

test("a phone asks for the name first, and an empty room says what to try", async () => {
  const server = await startSockeye("chat", pages);
  const phone = await browser.page(PHONE);
  await phone.goto(server.url);
  await phone.waitForSelector("#ask[open]");
  assert.equal(await phone.getAttribute("#state", "data-state"), "connecting");
  assert.equal(server.logged("connection").length, 0);
  await phone.fill("#ask-name", "Grace");
  await phone.press("#ask-name", "Enter");
  await phone.waitForSelector('#state[data-state="connected"]');
  await phone.locator("#empty", { hasText: "Say hello" }).waitFor();
  const desktop = await user(server, "Bob");
  await isHere(desktop, "Grace");
  await say(desktop, "hello");
  await says(phone, "hello");
  await phone.locator("#empty").waitFor({ state: "hidden" });

  await phone.reload(); // the name is remembered
  await phone.waitForSelector('#state[data-state="connected"]');
  assert.equal(await phone.inputValue("#name"), "Grace");
  const guest = await browser.page(PHONE);
  await guest.goto(server.url);
  await guest.click("text=Stay a guest");
  await guest.waitForSelector('#state[data-state="connected"]');
  assert.equal(await guest.inputValue("#name"), "");
  await Promise.all([phone, desktop, guest].map((page) => page.context().close()));
  await server.stop();
});

/* Lists the elements that stick out of the window or hold more text than fits, in CSS pixels. */
const cut = (page) => page.evaluate(() => {
  const visible = (element) => element.checkVisibility({ checkVisibilityCSS: true }) && !element.closest(".hidden, .skip, [inert]");
  const measure = document.createElement("canvas").getContext("2d");
  const faults = document.documentElement.scrollWidth > innerWidth ? ["the page scrolls sideways"] : [];
  for (const element of document.body.querySelectorAll("*")) {
    if (!visible(element) || element.closest("svg")) continue;
    const box = element.getBoundingClientRect();
    const name = `${element.tagName}#${element.id}.${element.className}`;
    if (box.left < 0 || box.right > innerWidth) faults.push(`${name}: ${box.left} to ${box.right}`);
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1 && element.tagName !== "INPUT") faults.push(`${name}: ${element.scrollWidth} in ${element.clientWidth}`);
    if (element.tagName !== "INPUT" || !element.placeholder) continue;
    const style = getComputedStyle(element);
    measure.font = style.font;
    const room = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (measure.measureText(element.placeholder).width > room) faults.push(`${name}: placeholder`);
  }
  return faults;
});

test("nothing is cut at 320 pixels, and toasts cover nothing", async () => {
  const server = await startSockeye("chat", pages);
  const page = await user(server, "W".repeat(40), "?attempts=12", PHONE);
  await say(page, "x".repeat(300));
  await says(page, "xxx");
  assert.deepEqual(await cut(page), []);
  await page.click("#menu");
  await page.waitForFunction(() => document.getElementById("panel").getAnimations().length === 0);
  await page.locator("#rooms label", { hasText: "music" }).click();
  await page.evaluate((ms) => { // a toast stays, however long the machine takes
    const start = window.setTimeout;
    window.setTimeout = (fn, after, ...args) => (after === ms ? 0 : start(fn, after, ...args));
  }, TOAST_MS);
  await page.fill("#notification", "lunch ".repeat(20));
  await page.press("#notification", "Enter");
  await page.locator(".toast").waitFor();
  assert.deepEqual(await cut(page), []);
  await page.click("#menu");
  await page.waitForFunction(() => document.getElementById("panel").getAnimations().length === 0);
  await page.locator("#room").waitFor();
  assert.deepEqual(await cut(page), []);
  const boxes = await page.evaluate(() => ["toasts", "scroll", "composer", "state"].map((id) => document.getElementById(id).getBoundingClientRect().toJSON()));
  const [toasts, ...others] = boxes;
  assert.ok(toasts.height > 0);
  for (const other of others) assert.ok(toasts.bottom <= other.top || toasts.top >= other.bottom, JSON.stringify({ toasts, other }));

  await server.stop();
  await page.waitForSelector('#state[data-state="reconnecting"]');
  assert.deepEqual(await cut(page), []);
  await page.context().close();
});

test("focus, errors, own bubbles and the brand have colours of their own", async () => {
  const server = await startSockeye("chat", pages);
  for (const colorScheme of ["light", "dark"]) {
    const page = await user(server, "Ada", "", { colorScheme });
    const hues = await page.evaluate(() => ["--focus", "--bad", "--own", "--accent"].map((name) => {
      const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue(name).match(/\w\w/g).map((digits) => parseInt(digits, 16) / 255);
      const max = Math.max(r, g, b);
      const span = max - Math.min(r, g, b);
      const sector = max === r ? (g - b) / span : max === g ? 2 + (b - r) / span : 4 + (r - g) / span;
      return (sector * 60 + 360) % 360;
    }));
    for (const [i, one] of hues.entries())
      for (const other of hues.slice(i + 1)) {
        const apart = Math.min(Math.abs(one - other), 360 - Math.abs(one - other));
        assert.ok(apart >= 15, `${colorScheme}: ${hues}`);
      }
    await page.focus("#message");
    await page.keyboard.press("Tab");
    const [outline, focus] = await page.evaluate(() => {
      const probe = document.createElement("i");
      probe.style.color = "var(--focus)";
      document.body.append(probe);
      return [getComputedStyle(document.activeElement).outlineColor, getComputedStyle(probe).color];
    });
    assert.equal(outline, focus);
    await page.context().close();
  }
  await server.stop();
});
