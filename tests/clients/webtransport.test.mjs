// The server has no WebTransport. Stock clients that want it fall back to WebSocket, and the build says why it is missing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { launchChromium } from "./support/browser.mjs";
import { root, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { WAIT_MS } from "./support/wait.mjs";

let browser;
let certificate;
let server;

before(async () => {
  certificate = makeCertificate();
  server = await startSockeye("protocol", certificate.args);
  browser = await launchChromium({ quic: true });
});
after(async () => {
  await browser.close();
  await server.stop();
  certificate.remove();
});

/** Connects the stock client in the browser; resolves with the transports that it tried, or upgraded to, in order. */
async function transportsOf(options) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${server.url}/socket.io/socket.io.js`);
  await page.setContent("<!doctype html>");
  await page.addScriptTag({ url: `${server.url}/socket.io/socket.io.js` });
  const tried = await page.evaluate(async (options) => {
    if (typeof WebTransport !== "function") throw new Error("the browser has no WebTransport");
    const made = [];
    const RealWebTransport = window.WebTransport;
    window.WebTransport = function (...args) {
      made.push("webtransport");
      return new RealWebTransport(...args);
    };
    const socket = io({ ...options, reconnection: false });
    await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", (error) => reject(new Error(error.message))));
    const { engine } = socket.io;
    made.push(engine.transport.name);
    if (engine.transport.name === "polling") {
      await new Promise((resolve) => engine.on("upgrade", resolve));
      made.push(engine.transport.name);
    }
    const answer = await new Promise((resolve) => socket.emit("message-with-ack", "hello", resolve));
    if (answer !== "hello") throw new Error(`answered ${answer}`);
    socket.close();
    return made;
  }, options);
  await context.close();
  return tried;
}

test("polling, WebSocket and WebTransport: upgrades to WebSocket", async () => {
  assert.deepEqual(await transportsOf({ transports: ["polling", "websocket", "webtransport"] }), ["polling", "websocket"]);
});

test("WebTransport first: the client tries the next transport", async () => {
  assert.deepEqual(await transportsOf({ transports: ["webtransport", "websocket"], tryAllTransports: true }), ["webtransport", "websocket"]);
});

test("make WEBTRANSPORT=1 stops with one line", () => {
  const { status, stdout, stderr } = spawnSync("make", ["WEBTRANSPORT=1", "help"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, MAKEFLAGS: "", MAKELEVEL: "" }, // as at a prompt, although make runs this test
  });
  assert.equal(status, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /^Makefile:\d+: \*\*\* WEBTRANSPORT=1 cannot be built: [^\n]*docs\/clients\.md[^\n]*\n$/);
});
