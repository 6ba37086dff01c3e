// Takes the pictures of the chat's page in docs/images: `make screenshots`. They are not compared, because fonts differ.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Browser } from "../clients/support/browser.mjs";
import { root, startSockeye } from "../clients/support/server.mjs";

const SIZES = { desktop: { width: 1100, height: 700 }, phone: { width: 360, height: 640 } };
const TALK = [["Grace", "The deploy is through. Has anybody noticed?"], ["Ada", "Not one reconnect here."], ["Linus", "My phone was in the tunnel. Its message waited and arrived."]];

async function user(browser, server, name, options) {
  const page = await browser.page(options);
  await page.addInitScript((value) => localStorage.setItem("name", value), name);
  await page.goto(server.url);
  await page.waitForSelector('#state[data-state="connected"]');
  return page;
}

async function say(page, text) {
  await page.fill("#message", text);
  await page.press("#message", "Enter");
  await page.locator('.own[data-state="sent"]', { hasText: text }).waitFor();
}

/** Chromium writes WebP, which is a fifth of the size of PNG. */
async function shoot(page, name) {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 75 });
  writeFileSync(path.join(root, "docs/images", `chat-${name}.webp`), Buffer.from(data, "base64"));
}

const browser = await Browser.start();
const server = await startSockeye("chat", ["--public", path.join(root, "node/apps/public")]);
for (const [size, viewport] of Object.entries(SIZES))
  for (const colorScheme of ["light", "dark"]) {
    const me = await user(browser, server, "Ada", { viewport, colorScheme, reducedMotion: "reduce" });
    const others = { Grace: await user(browser, server, "Grace"), Linus: await user(browser, server, "Linus") };
    for (const [name, text] of TALK) await say(name === "Ada" ? me : others[name], text);
    await others.Grace.locator("#message").pressSequentially("So");
    await me.locator("#typing", { hasText: "Grace is typing" }).waitFor();
    await shoot(me, `${size}-${colorScheme}`);
    await Promise.all([me, ...Object.values(others)].map((page) => page.context().close()));
  }
await server.stop();
await browser.stop();
