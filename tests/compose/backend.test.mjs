// The profile `backend` of docker-compose.yml as its users see it: two edges and the two Node.js processes behind them.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { io } from "socket.io-client";
import { until } from "../clients/support/wait.mjs";
import { compose, run } from "./support/compose.mjs";

const URL = "http://127.0.0.1:8081";
const sockets = [];
after(() => sockets.forEach((socket) => socket.disconnect()));

const page = () => fetch(URL).then((answer) => (answer.ok ? answer.text() : ""), () => "");
const idOf = async (service) => (await compose("ps", "-q", service)).stdout.trim();

function join(i) {
  const socket = io(URL, { transports: i % 2 ? ["websocket"] : ["polling", "websocket"], forceNew: true, auth: { token: "secret" }, reconnectionDelay: 100 });
  socket.got = new Map();
  socket.ids = [];
  socket.on("connect", () => socket.ids.push(socket.id));
  socket.on("chat message", (text) => socket.got.set(text, (socket.got.get(text) ?? 0) + 1));
  sockets.push(socket);
}

async function everybodyHears(what) {
  const texts = sockets.map((socket, i) => {
    socket.emit("chat message", `${what} ${i}`);
    return `${what} ${i}`;
  });
  await until(() => sockets.every((socket) => texts.every((text) => socket.got.has(text))), `all hear all (${what})`);
  for (const socket of sockets) for (const [text, copies] of socket.got) assert.equal(copies, 1, `${text} came ${copies} times`);
}

const nobodyLeft = (what) => {
  for (const socket of sockets) assert.equal(socket.ids.length, 1, `no client connects again ${what}`);
};

test("the page and the sockets share one address", async () => {
  await until(async () => (await page()).includes("<html"), "the page answers");
  for (let i = 0; i < 12; i++) join(i);
  await until(() => sockets.every((socket) => socket.connected), "all clients are connected");
  await everybodyHears("two backends");
});

test("a backend is killed and restarted: no client notices", async () => {
  const id = await idOf("backend1");
  await run("docker", ["kill", id]);
  await everybodyHears("one backend");
  await run("docker", ["start", id]);
  await everybodyHears("two backends again");
  nobodyLeft("when a backend is killed");
});

test("both backends are deployed, one after the other: no client notices", async () => {
  for (const service of ["backend1", "backend2"]) {
    const id = await idOf(service);
    await run("docker", ["stop", "--time", "20", id]);
    const { stdout } = await run("docker", ["inspect", "-f", "{{.State.ExitCode}}", id]);
    assert.equal(stdout.trim(), "0", "the backend ends with exit code 0");
    await everybodyHears(`without ${service}`);
    await run("docker", ["start", id]);
  }
  await everybodyHears("after the deploy");
  nobodyLeft("when backends are deployed");
});
