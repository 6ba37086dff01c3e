// The dashboard of @socket.io/admin-ui in headless Chromium.
import { WAIT_MS, within } from "./wait.mjs";

/**
 * Opens the dashboard at `address`. `page.strangers` collects requests to hosts other than this one; `page.complaints` collects the
 * browser's errors about the page's Content-Security-Policy and its scripts.
 */
export async function openPage(browser, address) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1200 } });
  page.setDefaultTimeout(WAIT_MS);
  page.strangers = [];
  page.complaints = [];
  await page.route((url) => url.hostname !== "127.0.0.1", (route) => {
    page.strangers.push(route.request().url());
    return route.abort();
  });
  page.on("console", (message) => /Content Security Policy/i.test(message.text()) && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await within(page.goto(address), address);
  return page;
}

/** Fills the form of the dashboard and submits it. */
export async function logIn(page, url, username, password) {
  await page.getByLabel("Server URL").fill(url);
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Connect" }).click();
}
