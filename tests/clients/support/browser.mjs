// Chromium without windows for the tests of pages. chromium-headless-shell is the engine and the network code of Chromium without
// the parts that draw on a screen. It needs less than half of the processor time.
import { chromium } from "playwright-core";
import { WAIT_MS } from "./wait.mjs";

const ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync"];

/** Starts Chromium, with HTTP/3 and WebTransport only if `quic` is true. `args` are more arguments of its command line. */
export function launchChromium({ quic = false, args = [] } = {}) {
  return chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: [...ARGS, ...(quic ? [] : ["--disable-quic"]), ...args] });
}

/** Each page has a context of its own, which shares nothing with the others. */
export class Browser {
  static async start() {
    const made = new Browser();
    made.chromium = await launchChromium();
    return made;
  }

  /** Opens a page. `options` are those of its context; `page.faults` collects the errors of its console and its exceptions. */
  async page(options = {}) {
    const context = await this.chromium.newContext({ ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.faults = [];
    page.on("pageerror", (error) => page.faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
    return page;
  }

  stop() {
    return this.chromium.close();
  }
}
