// The whiteboard of node/examples: stock clients, two workers, a worker that starts again, the page.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Browser } from "./support/browser.mjs";
import { build, root, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const clients = [];
let server;

before(async () => {
  server = await startSockeye(path.join(build, "examples/whiteboard.so"), ["--workers", "2", "--board-lines", "20",
    "--public", path.join(root, "node/examples/whiteboard/public")]);
});

after(async () => {
  for (const client of clients) client.disconnect();
  await server.stop();
});

/** A client with the lines that it shows. */
async function join() {
  const client = io(server.url, { transports: ["websocket"], forceNew: true });
  client.on("board", (lines) => (client.lines = lines));
  client.on("line", (line) => client.lines.push(line));
  clients.push(client);
  await next(client, "board");
  return client;
}

const shows = (client, lines) => within(new Promise((resolve) => {
  const look = () => JSON.stringify(client.lines) === JSON.stringify(lines) && resolve();
  client.on("line", look).on("board", look);
  look();
}), () => `${JSON.stringify(lines)} instead of ${JSON.stringify(client.lines)}`);

const line = (i) => [i, i, i + 1, i + 1, i % 6];

test("a line reaches everyone, and those who come later; the board keeps the newest", async () => {
  const all = [];
  for (let i = 0; i < 6; i++) all.push(await join());
  const [first] = all;
  for (const bad of [null, [1, 2, 3, 4], [1, 2, 3, 4, 6], [-1, 2, 3, 4, 5], [1, 2, 3, 10001, 5], "line"]) first.emit("line", bad);
  first.emit("line", line(0));
  for (const client of all.slice(1)) await shows(client, [line(0)]);
  await shows(await join(), [line(0)]);
  for (let i = 1; i < 25; i++) first.emit("line", line(i));
  const every = Array.from({ length: 25 }, (_, i) => line(i));
  for (const client of all.slice(1)) await shows(client, every);
  for (let i = 0; i < 4; i++) await shows(await join(), every.slice(5));
  first.emit("clear");
  for (const client of all) await shows(client, []);
});

test("a worker that starts again gets the board from the others", async () => {
  const client = await join();
  const watcher = await join();
  client.emit("line", line(7));
  await shows(watcher, [line(7)]);
  await shows(await join(), [line(7)]);
  for (const worker of ["0", "1"]) {
    const taken = () => server.logged("board").filter((fields) => fields.worker === worker && fields.lines === "1").length;
    const before = taken();
    process.kill(Number(server.logged("worker_ready").filter((fields) => fields.worker === worker).at(-1).pid), "SIGKILL");
    await server.until(() => taken() > before);
    // whichever worker a client reaches, its board is complete
    for (let i = 0; i < 4; i++) await shows(await join(), [line(7)]);
  }
});

test("the page", async () => {
  const browser = await Browser.start();
  const one = await browser.page(), two = await browser.page({ viewport: { width: 320, height: 600 } });
  for (const page of [one, two]) {
    await page.goto(server.url);
    await page.locator("#state", { hasText: "Connected" }).waitFor();
  }
  const client = await join();
  await one.click("text=Clear for everyone");
  await shows(client, []);
  await one.click("[aria-label=Red]");
  const box = await one.locator("#canvas").boundingBox();
  await one.mouse.move(box.x + box.width / 4, box.y + box.height / 2);
  await one.mouse.down();
  await one.mouse.move(box.x + (box.width * 3) / 4, box.y + box.height / 2);
  await one.mouse.up();
  // crimson in the middle of the board, in the window that drew and in the narrow one
  const middle = `[...document.getElementById("canvas").getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data].join() === "220,20,60,255"`;
  for (const page of [one, two]) await page.waitForFunction(middle);
  assert.ok(await two.evaluate("document.documentElement.scrollWidth <= innerWidth"));
  for (const page of [one, two]) assert.deepEqual(page.faults, []);
  await browser.stop();
});
