// The live scores of node/examples: stock clients, two workers, the file, the page.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Browser } from "./support/browser.mjs";
import { freePort } from "./support/port.mjs";
import { build, root, startSockeye } from "./support/server.mjs";
import { collect, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-scores-"));
const file = path.join(dir, "scores.txt");
const clients = [];
let server, admin;

before(async () => {
  admin = await freePort();
  appendFileSync(file, "1 Old\n2 Old\nnonsense\n\n");
  server = await startSockeye(path.join(build, "examples/scores.so"), ["--workers", "2", "--admin-port", String(admin), "--scores-file", file,
    "--public", path.join(root, "node/examples/scores/public")], { SOCKEYE_SCORES_KEY: "sesame" });
});

after(async () => {
  for (const client of clients) client.disconnect();
  await server.stop();
  rmSync(dir, { recursive: true });
});

function connect(auth) {
  const client = io(server.url, { transports: ["websocket"], forceNew: true, auth });
  client.table = new Map();
  client.on("scores", (list) => (client.table = new Map(list.map(({ team, points }) => [team, points]))));
  client.on("score", ({ team, points }) => client.table.set(team, points));
  clients.push(client);
  return client;
}

const shows = (client, team, points) => within(new Promise((resolve) => {
  const look = () => client.table.get(team) === points && resolve();
  client.on("score", look).on("scores", look);
  look();
}), () => `${points} of ${team} instead of ${client.table.get(team)}`);

const set = (client, ...args) => within(client.emitWithAck("set", ...args), "the acknowledgement");

test("a score is on the disk when it is acknowledged, and reaches the clients of all workers", async () => {
  const all = Array.from({ length: 6 }, () => connect({ key: "sesame" }));
  for (const client of all) await shows(client, "Old", 2); // of several lines of a team, the last one counts
  assert.deepEqual(await set(all[0], "Reds", 3), { ok: "written" });
  assert.match(readFileSync(file, "utf8"), /^3 Reds$/m);
  for (const client of all) await shows(client, "Reds", 3);
  appendFileSync(file, "7 Old\n"); // by another program
  for (const client of all) await shows(client, "Old", 7);
  const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`, { headers: { connection: "close" } })).text();
  const sum = [...metrics.matchAll(/^scores_written_total\{.*\} (\d+)$/gm)].reduce((total, [, n]) => total + Number(n), 0);
  assert.equal(sum, 1);
});

test("what is refused", async () => {
  for (const auth of [{}, { key: "wrong" }, { key: 1 }]) assert.deepEqual(await set(connect(auth), "Reds", 4), { error: "wrong key" });
  const client = connect({ key: "sesame" });
  for (const team of ["", "a\nb", "x".repeat(40), 5, null]) assert.deepEqual(await set(client, team, 4), { error: "not a team" });
  assert.deepEqual(await set(client, "Reds", "4"), { error: "not a number" });
  const many = await Promise.all(Array.from({ length: 300 }, (_, i) => set(client, "Many", i)));
  assert.ok(many.every(({ ok, error }) => ok === "written" || error === "busy"));
});

test("the page", async () => {
  const browser = await Browser.start();
  const page = await browser.page({ viewport: { width: 320, height: 600 } });
  await page.goto(server.url);
  await page.locator("#table tr", { hasText: "Reds" }).waitFor();
  await page.fill("#key", "sesame");
  await page.fill("#team", "<b>Blues</b>");
  await page.fill("#points", "9999");
  await page.locator("#state", { hasText: "Connected" }).waitFor();
  const seen = collect(clients[0], "score");
  await page.click("button");
  await page.locator("#state", { hasText: "Written" }).waitFor();
  await page.locator("#table tr.changed", { hasText: "<b>Blues</b>9999" }).waitFor();
  assert.equal(await page.locator("#table tr").first().textContent(), "<b>Blues</b>9999"); // the most points come first
  assert.deepEqual((await seen.take(1))[0][0], { team: "<b>Blues</b>", points: 9999 });
  assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"));
  assert.deepEqual(page.faults, []);
  await browser.stop();
});
