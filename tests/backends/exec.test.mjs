// `sockeye --exec` with an ordinary Socket.IO program: its clients notice neither a deploy nor a crash, and receive the
// program's last messages.
import test from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../clients/support/wait.mjs";
import { ask, joined } from "./support/clients.mjs";
import { startBehind, startSockeye } from "./support/edge.mjs";
import { programFolder } from "./support/program.mjs";

const APPLICATION = `
const { Server } = require("socket.io");
const io = new Server(Number(process.env.SOCKEYE_PORT));
io.on("connection", (socket) => {
  if (!socket.recovered) socket.join("room");
  socket.on("who", (answer) => answer({ pid: process.pid, id: socket.id, recovered: socket.recovered, rooms: [...socket.rooms] }));
  socket.on("slow", (ms, answer) => setTimeout(answer, ms, process.pid));
  socket.on("count", (n, answer) => answer(n, process.pid));
});
`;

const FAREWELL = `
process.on("SIGTERM", () => {
  io.to("room").emit("farewell", process.pid);
  setTimeout(() => process.exit(0), 100);
});
`;

function command(t, text = APPLICATION) {
  const folder = programFolder(t);
  writeFileSync(path.join(folder, "server.js"), text);
  return `cd '${folder}' && exec node --import @sockeye/backend/register server.js`;
}

const ready = (edge, more = () => true) => edge.line((f) => f.event === "exec_ready" && more(f));
const join = (t, edge, n) => Promise.all(Array.from({ length: n }, (_, i) =>
  joined(t, edge.url, { transports: i % 3 === 0 ? ["polling"] : ["websocket"], reconnection: false })));

test("SIGHUP: the new program takes over every client, and no event or answer is lost", async (t) => {
  const edge = await startBehind(t, command(t), ["--workers", "2", "--exec-count", "2"]);
  for (const number of ["0", "1"]) await ready(edge, (f) => f.number === number);
  const before = edge.logged("exec_ready").map((f) => Number(f.pid));
  const clients = await join(t, edge, 12);
  const ids = clients.map((socket) => socket.id);
  let over = false;
  const pids = new Set();
  const talk = clients.map(async (socket) => {
    for (let n = 0; ; n++) {
      const last = over;
      const [got, pid] = await new Promise((resolve) => socket.emit("count", n, (...answer) => resolve(answer)));
      assert.equal(got, n);
      pids.add(pid);
      if (last) return n;
      await sleep(2);
    }
  });
  const slow = clients.map((socket) => ask(socket, "slow", 300)); // the old programs owe these
  await Promise.all(clients.map((socket) => ask(socket, "who")));
  edge.child.kill("SIGHUP");
  for (const pid of before) await edge.line((f) => f.event === "exec_ended" && Number(f.pid) === pid);
  over = true;
  const counts = await within(Promise.all(talk), "the last answers");
  assert.ok(counts.every((n) => n > 5), counts.join());
  for (const pid of await within(Promise.all(slow), "the slow answers")) assert.ok(before.includes(pid));
  for (const [i, socket] of clients.entries()) {
    const who = await ask(socket, "who");
    assert.ok(!before.includes(who.pid));
    assert.deepEqual([who.id, who.recovered, who.rooms.sort(), socket.drops], [ids[i], true, [ids[i], "room"].sort(), 0]);
  }
  assert.ok(before.every((pid) => pids.has(pid)), "each of the old programs had clients");
});

test("kill -9: the program is restarted, no client is disconnected, and events sent meanwhile are answered", async (t) => {
  const edge = await startBehind(t, command(t), ["--workers", "2"]);
  const { pid } = await ready(edge);
  const clients = await join(t, edge, 6);
  process.kill(pid, "SIGKILL");
  for (const worker of ["0", "1"]) await edge.line((f) => f.event === "backend_lost" && f.worker === worker); // messages sent before this line may be lost
  const answers = await within(Promise.all(clients.map((socket) => ask(socket, "who"))), "answers of the next program");
  for (const [i, who] of answers.entries())
    assert.deepEqual([who.id, who.recovered, who.pid === Number(pid), clients[i].drops], [clients[i].id, true, false, 0]);
});

for (const [what, target] of [["the master", 1], ["all processes of the group", -1]])
  test(`SIGTERM to ${what}: clients receive the program's last messages`, async (t) => {
    const edge = await startBehind(t, command(t, APPLICATION + FAREWELL), ["--workers", "2"], { detached: true });
    const clients = await join(t, edge, 6);
    await Promise.all(clients.map((socket) => ask(socket, "who")));
    const heard = clients.map((socket) => new Promise((resolve, reject) => {
      socket.on("farewell", resolve);
      socket.on("disconnect", () => reject(new Error("disconnected without a last message")));
    }));
    process.kill(target * edge.pid, "SIGTERM");
    await within(Promise.all(heard), "the farewell");
    assert.equal((await edge.exited).code, 0);
  });

test("a program under npm reports that it is ready, although npm does not pass the descriptor on", async (t) => {
  // stands for npm: like npm, it does not pass the descriptor on, because Node.js closes it in children
  const wrapper = `node -e 'require("child_process").spawn("/bin/sh", ["-c", process.argv[1]], { stdio: ["ignore", "inherit", "inherit"] })' `;
  const inner = command(t).replaceAll("'", "");
  const edge = await startBehind(t, `${wrapper} '${inner}'`);
  const [socket] = await join(t, edge, 1);
  assert.equal((await ask(socket, "who")).id, socket.id);
});

test("a request for a page waits until the program is attached, or is answered 503", async (t) => {
  const page = 'require("http").createServer((request, response) => response.end("page")).listen(process.env.SOCKEYE_PORT)';
  const late = APPLICATION.replace("Number(process.env.SOCKEYE_PORT)", page);
  const slow = await startSockeye(t, ["--exec", `sleep 1 && ${command(t, late)}`, "--workers", "2", "--upstream-connect-timeout", "60s"]);
  const answer = await fetch(`${slow.url}/`);
  assert.deepEqual([answer.status, await answer.text()], [200, "page"]);

  const never = await startSockeye(t, ["--exec", "exec sleep 1000", "--upstream-connect-timeout", "50"]);
  const refused = await fetch(`${never.url}/`);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);

  const bare = await startBehind(t, command(t, APPLICATION.replace("Number(process.env.SOCKEYE_PORT)", "")
    + 'require("@sockeye/backend").attach(io, process.env.SOCKEYE_BACKEND);'), ["--workers", "1"]);
  await ready(bare);
  assert.equal((await fetch(`${bare.url}/`)).status, 404, "this program has no HTTP server");
});
