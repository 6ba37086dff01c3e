// The chat's page shows the messages from before it was opened and from the time without a connection: with the options of
// `make run`, and without.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { Browser } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";
import { Tunnel } from "./support/tunnel.mjs";
import { next, within } from "./support/wait.mjs";

const OPTIONS = /^CHAT_OPTIONS := (.*)$/m.exec(readFileSync(path.join(root, "Makefile"), "utf8"))[1].replaceAll('"', "").split(" ");
const HISTORY = OPTIONS.slice(OPTIONS.indexOf("--history"), OPTIONS.indexOf("--history") + 2);
const WORKERS = 2; // a single worker looks the same to the page
let browser;

before(async () => (browser = await Browser.start()));
after(() => browser.stop());

/** Starts a server, a tunnel by which a page reaches it, and a client that writes messages. */
async function open(...args) {
  const server = await startSockeye("chat", ["--public", path.join(root, "node/apps/public"), ...args]);
  const tunnel = await Tunnel.to(server.port);
  const ada = io(server.url, { transports: ["websocket"], forceNew: true });
  await next(ada, "connect");
  let said = 0;
  const ask = (event, ...args) => within(ada.emitWithAck(event, ...args), event);
  return {
    server, tunnel,
    /** Ada says something to everyone, or in a room. */
    say: async (message, room) => assert.ok(await ask(room ? "room message" : "chatMessage", { user: "Ada", message, room, id: `ada-${said++}` })),
    join: (room) => ask("join", room),
    async close() {
      ada.disconnect();
      await tunnel.close();
      await server.stop();
    },
  };
}

async function come(url) {
  const page = await browser.page();
  await page.addInitScript(() => localStorage.setItem("name", "Bob"));
  await page.goto(`${url}/?delay=50&attempts=100000&transports=websocket`);
  await page.waitForSelector('#state[data-state="connected"]');
  return page;
}

const bubbles = (page) => page.locator(".message .bubble").allTextContents();
const sees = (page, text) => page.locator(".message .bubble", { hasText: new RegExp(`^${text}$`) }).waitFor();
/** The texts of the conversation, in order: messages, and what the page says about the time without a connection. */
const talk = (page) => page.locator("#messages .bubble, #messages .notice").filter({ hasNotText: /joined|left|Welcome|Select it/ }).allTextContents();
const tells = (page, count) => page.waitForFunction((n) => [...document.querySelectorAll(".notice")].filter((one) => /while you were away/.test(one.textContent)).length === n, count);

/** The page loses its connection; `act` happens; the page comes back. */
async function away(page, tunnel, act) {
  const lost = page.waitForSelector('#state[data-state="reconnecting"]');
  tunnel.cut();
  await lost;
  await act();
  const back = page.waitForSelector('#state[data-state="connected"]');
  tunnel.open();
  await back;
}

/** Waits until a new client gets this message. The hub may store the message after its author has received it. */
async function kept(server, message) {
  for (let found = false; !found;) {
    const probe = io(server.url, { transports: ["websocket"], forceNew: true });
    probe.on("chatMessage", (data) => (found ||= data.message === message));
    await next(probe, "caught up");
    probe.disconnect();
  }
}

describe("with the options of make run", () => {
  let chat, page;

  before(async () => (chat = await open("--workers", String(WORKERS), ...OPTIONS)));
  after(() => chat.close());

  test("a new user sees the last messages, in order, each once", async () => {
    for (let i = 1; i <= 60; i++) await chat.say(`m${i}`);
    await kept(chat.server, "m60");
    page = await come(chat.tunnel.url);
    const last = [...Array(50).keys()].map((i) => `m${i + 11}`);
    await sees(page, "m60");
    await chat.say("m61");
    await sees(page, "m61");
    await page.fill("#message", "mine");
    await page.press("#message", "Enter");
    await page.locator('.own[data-state="sent"]').waitFor();
    assert.deepEqual(await bubbles(page), [...last, "m61", "mine"]);
    await kept(chat.server, "mine");
    await page.reload();
    await sees(page, "mine");
    assert.deepEqual(await bubbles(page), [...last.slice(2), "m61", "mine"]);
    await tells(page, 0);
    assert.deepEqual(page.faults, []);
  });

  test("after tunnels nothing is missing and nothing is doubled, and the page says how much was said", async () => {
    await chat.join("music");
    await page.locator("#rooms label", { hasText: "music" }).click();
    await page.locator(".notice", { hasText: "You joined" }).waitFor();
    await chat.say("before");
    await sees(page, "before");
    const from = (await talk(page)).length - 1;
    const id = await page.textContent("#socket-id");

    await away(page, chat.tunnel, async () => {
      await page.fill("#message", "typed");
      await page.press("#message", "Enter");
      for (const [text, room] of [["a"], ["b", "music"], ["c"]]) await chat.say(text, room);
    });
    await page.locator('.own[data-state="sent"]', { hasText: "typed" }).waitFor();
    const wanted = ["before", "3 messages while you were away", "a", "b", "c", "typed"];
    assert.deepEqual((await talk(page)).slice(from), wanted);

    await away(page, chat.tunnel, () => chat.say("d"));
    await tells(page, 2);
    await away(page, chat.tunnel, () => {});
    await chat.say("e", "music");
    await sees(page, "e");
    assert.deepEqual((await talk(page)).slice(from), [...wanted, "1 message while you were away", "d", "e"]);

    for (const { pid } of chat.server.logged("worker_ready")) process.kill(Number(pid), "SIGKILL");
    await chat.server.until(() => chat.server.logged("worker_ready").length === 2 * WORKERS);
    await chat.say("f", "music");
    await sees(page, "f");
    assert.deepEqual((await bubbles(page)).slice(-3), ["d", "e", "f"]);
    assert.equal(await page.textContent("#socket-id"), id);
    await page.context().close();
  });
});

test("without recovery the history fills the gap, and the page says if it may not reach back", async () => {
  const chat = await open(...HISTORY);
  const page = await come(chat.tunnel.url);
  await page.locator("#rooms label", { hasText: "music" }).click();
  await page.locator(".notice", { hasText: "You joined" }).waitFor();
  await chat.join("music");
  await chat.say("known");
  await chat.say("in the room", "music");
  await sees(page, "in the room");
  const from = (await talk(page)).length - 2;
  await away(page, chat.tunnel, async () => {
    await chat.say("a");
    await chat.say("b", "music");
  });
  await tells(page, 1);
  const wanted = ["known", "in the room", "2 messages while you were away", "a", "b"];
  assert.deepEqual((await talk(page)).slice(from), wanted);
  await away(page, chat.tunnel, async () => {
    for (let i = 1; i <= 51; i++) await chat.say(`m${i}`);
  });
  await tells(page, 2);
  const last = [...Array(50).keys()].map((i) => `m${i + 2}`);
  assert.deepEqual((await talk(page)).slice(from), [...wanted, "50 messages while you were away; older ones may be missing", ...last]);
  await page.context().close();
  await chat.close();
});

test("without recovery and history the page says that messages may be missing", async () => {
  const chat = await open();
  const page = await come(chat.tunnel.url);
  await chat.say("known");
  await sees(page, "known");
  await away(page, chat.tunnel, () => chat.say("lost"));
  await page.locator(".notice", { hasText: /^Messages sent while you were away may be missing$/ }).waitFor();
  await chat.say("later");
  await sees(page, "later");
  assert.deepEqual(await bubbles(page), ["known", "later"]);
  await page.context().close();
  await chat.close();
});
