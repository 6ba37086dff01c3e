// JSONP: the browser bundle of socket.io-client 2.5 with `forceJSONP` on pages in Chromium, most of them of another site
// than the server.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Browser } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";

const PAGE = "<!doctype html><meta charset=utf-8><title>JSONP</title><body></body>";
const TEXTS = ["é€😀", "a\nb\r\n\\n\\\\n\\", "\u2028\u2029", "</script><!--<script>", "a+b %41&d=x", "\"'\0\x1e", "x".repeat(50_000)];
const client = path.join(root, "tests/node_modules/socket.io-client-2/dist/socket.io.js");
let browser, pages;

before(async () => {
  browser = await Browser.start();
  pages = http.createServer((request, response) => response.setHeader("Content-Type", "text/html").end(PAGE)).listen(0, "127.0.0.1");
  await once(pages, "listening");
});

after(async () => {
  await browser.stop();
  pages.close();
});

/** A page at `address` with the client. */
async function openPage(address, cookies = [], route) {
  const page = await browser.page();
  if (cookies.length > 0) await page.context().addCookies(cookies);
  page.replies = []; // of the server to scripts and forms
  page.on("response", (response) => {
    if (response.url().includes("/socket.io/?")) page.replies.push(response);
  });
  if (route) await page.route(address, route);
  await page.goto(address);
  await page.addScriptTag({ path: client });
  return page;
}

/** The address of a page of another site: "localhost" and "127.0.0.1" are different sites. */
const elsewhere = () => `http://localhost:${pages.address().port}/`;

/** Connects the page's socket. Resolves with undefined, or with the text of its error. */
const connect = (page, url) => page.evaluate((url) => new Promise((resolve) => {
  window.socket = window.io(url, { forceJSONP: true, forceNew: true, reconnection: false, transports: ["polling"] });
  window.socket.on("connect", () => resolve());
  window.socket.on("connect_error", (error) => resolve(String(error)));
}), url);

/** Emits text and binary, with an acknowledgement, and returns what comes back. */
const talk = (page, text) => page.evaluate((text) => new Promise((resolve) => {
  const plain = (value) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);
  const bytes = new Uint8Array([0, 1, 4, 255]).buffer;
  window.socket.once("message-back", (...back) => {
    window.socket.emit("message-with-ack", bytes, text, (...answer) => resolve([back.map(plain), answer.map(plain)]));
  });
  window.socket.emit("message", text, bytes);
}), text);

/** Checks that every poll was a script, and every POST a form. */
function assertJsonp(page) {
  assert.ok(page.replies.length > 3);
  for (const reply of page.replies) {
    const request = reply.request();
    const post = request.method() === "POST";
    assert.match(reply.url(), /&j=0&/);
    assert.equal(request.resourceType(), post ? "document" : "script");
    assert.equal(reply.headers()["content-type"], post ? "text/html" : "application/javascript; charset=UTF-8");
    if (post) assert.equal(request.headers()["content-type"], "application/x-www-form-urlencoded");
    else assert.equal(reply.headers()["x-content-type-options"], "nosniff");
  }
}

describe("a page of another site", () => {
  let server;
  before(async () => {
    server = await startSockeye("protocol", ["--allow-eio3", "--ping-interval", "300", "--ping-timeout", "40000", "--log-level", "debug"]);
  });
  after(() => server.stop());

  test("talks in text and binary, pings, and closes", async () => {
    const page = await openPage(elsewhere());
    assert.equal(await connect(page, server.url), undefined);
    const [back, answer] = await talk(page, TEXTS);
    assert.deepEqual(back, [TEXTS, [0, 1, 4, 255]]);
    assert.deepEqual(answer, [[0, 1, 4, 255], TEXTS]);
    await page.evaluate(() => new Promise((resolve) => window.socket.once("pong", resolve)));
    const sid = await page.evaluate(() => window.socket.io.engine.id);
    await page.evaluate(() => window.socket.close());
    const ended = await server.line((line) => line.event === "session_ended" && sid.startsWith(line.sid));
    assert.equal(ended.reason, "transport close");
    assert.deepEqual(page.faults, []);
    assertJsonp(page);
    await page.context().close();
  });

  test("upgrades to WebSocket", async () => {
    const page = await openPage(elsewhere());
    assert.equal(await page.evaluate((url) => new Promise((resolve) => {
      window.socket = window.io(url, { forceJSONP: true, forceNew: true, reconnection: false });
      window.socket.io.engine.on("upgrade", (transport) => resolve(transport.name));
    }), server.url), "websocket");
    const [back, answer] = await talk(page, "after the upgrade");
    assert.deepEqual([back, answer], [["after the upgrade", [0, 1, 4, 255]], [[0, 1, 4, 255], "after the upgrade"]]);
    assert.ok(page.replies.some((reply) => reply.request().resourceType() === "script"));
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
});

test("with a cookie, only pages of this origin and of corsOrigin may connect", async () => {
  const page = `http://127.0.0.1:${pages.address().port}/`; // the same site, so that the browser sends the cookie
  const cookie = { name: "login", value: "1", domain: "127.0.0.1", path: "/" };
  const open = async (address, server, cookies = [cookie], route = undefined) => {
    const opened = await openPage(address, cookies, route);
    const error = await connect(opened, server.url);
    await opened.context().close();
    return error;
  };

  const strict = await startSockeye("protocol", ["--allow-eio3"]);
  assert.equal(await open(page, strict, []), undefined);
  assert.match(await open(page, strict), /jsonp poll error/);
  assert.equal((await strict.line((line) => line.event === "origin_refused")).origin, page.slice(0, -1));
  const own = (route) => route.fulfill({ contentType: "text/html", body: PAGE }); // as if the server itself served the page
  assert.equal(await open(`${strict.url}/`, strict, [cookie], own), undefined);
  await strict.stop();

  const listed = await startSockeye("protocol", ["--allow-eio3", "--cors-origin", page.slice(0, -1)]);
  assert.equal(await open(page, listed), undefined);
  await listed.stop();
});

test("with --no-allow-jsonp, the page gets an error at once", async () => {
  const server = await startSockeye("protocol", ["--allow-eio3", "--no-allow-jsonp"]);
  const page = await openPage(elsewhere());
  assert.match(await connect(page, server.url), /jsonp poll error/);
  await server.line((line) => line.event === "jsonp_refused");
  await page.context().close();
  await server.stop();
});
