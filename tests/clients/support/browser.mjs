// Headless Chromium for the tests of pages. Each page has a context of its own, which shares nothing with the others.
import { chromium } from "playwright-core";

const WAIT_MS = 40_000; // only a failure uses it up
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

export class Browser {
  static async start() {
    const made = new Browser();
    made.chromium = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ARGS });
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
