// The example node/examples/team: two nodes and one Redis, with stock clients and its page.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { Browser } from "../clients/support/browser.mjs";
import { build, root, startSockeye } from "../clients/support/server.mjs";
import { collect, next, within } from "../clients/support/wait.mjs";
import { members } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

let redis, servers;
const clients = [];

before(async () => {
  redis = await Redis.start();
  const args = ["--redis", redis.url, "--team-redis-port", new URL(redis.url).port, "--public", path.join(root, "node/examples/team/public")];
  servers = await Promise.all(["1", "2"].map((id) => startSockeye(path.join(build, "examples/team.so"), ["--node-id", id, ...args])));
  await members(redis, 2);
  for (const server of servers) await server.line((f) => f.event === "bus" && f.state === "up");
});

after(async () => {
  for (const client of clients) client.disconnect();
  for (const server of servers) await server.stop();
  await redis.stop();
});

const connect = (node, token) => {
  const client = io(servers[node].url, { transports: ["websocket"], forceNew: true, reconnection: false, auth: { token } });
  clients.push(client);
  return client;
};

async function login(node, token) {
  const client = connect(node, token);
  client.history = collect(client, "history");
  await next(client, "connect");
  return client;
}

const ask = (client, ...args) => within(client.emitWithAck(...args), args[0]);
const names = (found) => found.map(({ data }) => data.name).sort();

test("the login asks the database, which refuses a wrong token", async () => {
  for (const token of ["wrong", "", undefined]) assert.equal((await next(connect(0, token), "connect_error"))[0].message, "Unauthorized");
  const gone = connect(0, "ada-token"); // leaves before the database answers
  gone.disconnect();
});

test("messages, history, who is here, private messages, typing and kick across two nodes", async () => {
  const ada = await login(0, "ada-token");
  const bob = await login(1, "bob-token");
  assert.deepEqual(names(await ask(ada, "who")), ["Ada", "Bob"]);

  const heard = next(bob, "message");
  assert.deepEqual(await ask(ada, "message", 'say "hello"'), { ok: true });
  const [{ from, text, at }] = await heard;
  assert.deepEqual({ from, text }, { from: "Ada", text: 'say "hello"' });
  assert.ok(at > 1e9);
  assert.deepEqual(await ask(ada, "message", { not: "text" }), { error: "not a text" });

  bob.on("private", (message, received) => {
    bob.secret = message;
    received();
  });
  assert.deepEqual(await ask(ada, "private", "Bob", "psst"), [null]);
  assert.deepEqual(bob.secret, { from: "Ada", text: "psst" });
  assert.deepEqual(await ask(ada, "private", "Nobody", "psst"), []);

  const typing = next(ada, "typing");
  bob.emit("typing");
  assert.deepEqual(await typing, ["Bob"]);

  const eve = await login(1, "eve-token");
  const [[history]] = await eve.history.take(1);
  assert.deepEqual(history.map((one) => [one.from, one.text]), [["Ada", 'say "hello"']]);
  assert.deepEqual(await ask(eve, "kick", "Bob"), { ok: false });
  const kicked = next(bob, "kicked");
  const left = next(bob, "disconnect");
  assert.deepEqual(await ask(ada, "kick", "Bob"), { ok: true });
  assert.deepEqual(await kicked, ["Ada"]);
  await left;
  for (const client of [ada, eve]) client.disconnect();
});

test("a client that sends too fast is told so", async () => {
  const eve = await login(0, "eve-token");
  const got = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(eve, "message", `spam ${i}`)));
  assert.deepEqual(got[0], { ok: true });
  assert.ok(got.some(({ error }) => error === "too fast"));
  eve.disconnect();
});

test("the history goes on when Redis returns", async () => {
  const ada = await login(0, "ada-token");
  const ups = (server) => server.logged("bus").filter(({ state }) => state === "up").length;
  const before = servers.map(ups);
  await redis.kill();
  assert.deepEqual(await ask(ada, "message", "nobody keeps this"), { ok: true });
  await redis.run();
  const isKept = async () => (await redis.command("LRANGE", "team:history", "0", "-1")).some((one) => JSON.parse(one).text === "kept");
  while (!(await isKept())) {
    await ask(ada, "message", "kept"); // refused when sent too fast
    await sleep(100);
  }
  for (const [i, server] of servers.entries()) await server.until(() => ups(server) > before[i]); // the page needs the bus
  ada.disconnect();
});

test("the page", async () => {
  const browser = await Browser.start();
  const page = await browser.page();
  const bob = await login(1, "bob-token");
  await page.goto(servers[0].url);
  await page.fill("#token", "ada-token");
  await page.press("#token", "Enter");
  await page.locator("#people li", { hasText: "Bob" }).waitFor();
  const messages = collect(bob, "message");
  await page.fill("#text", "hello <b>all</b>");
  await page.press("#text", "Enter");
  await page.locator("#messages li", { hasText: "Ada: hello <b>all</b>" }).waitFor();
  assert.equal((await messages.take(1))[0][0].text, "hello <b>all</b>");
  bob.on("private", (message, received) => received());
  await page.selectOption("#to", "Bob");
  await page.fill("#text", "psst");
  await page.press("#text", "Enter");
  await page.locator("#messages li", { hasText: "you to Bob: psst (delivered)" }).waitFor();
  const left = next(bob, "disconnect");
  await page.click("text=Kick Bob");
  await left;
  await page.locator("#messages li", { hasText: "Bob left" }).waitFor();
  assert.deepEqual(page.faults, []);
  await browser.stop();
});
