// The deployment of docker-compose.yml as its users see it, through the port that it publishes; started by run.sh.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { until, within } from "../clients/support/wait.mjs";
import { compose, run } from "./support/compose.mjs";

const URL = "http://127.0.0.1:8080";
const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];
const page = () => fetch(URL).then((answer) => (answer.ok ? answer.text() : ""), () => "");

/** Clients that reconnect by themselves and keep every message that they receive. */
function crowd(n) {
  return Array.from({ length: n }, (_, i) => {
    const socket = io(URL, { transports: TRANSPORTS[i % 3], forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 1000 });
    socket.got = new Map();
    socket.errors = [];
    socket.on("chat message", (id) => socket.got.set(id, (socket.got.get(id) ?? 0) + 1));
    socket.on("connect_error", (error) => socket.errors.push(error.message));
    return socket;
  });
}

const nobodyTwice = (sockets) => {
  for (const socket of sockets) for (const [id, copies] of socket.got) assert.equal(copies, 1, `message ${id} came ${copies} times`);
};

/** Six clients send one message each. Every client must receive every message, each once. */
async function everybodyHears(sockets, what) {
  await until(() => sockets.every((socket) => socket.connected), `all are connected (${what})`);
  const ids = [];
  for (const [i, socket] of sockets.slice(0, 6).entries()) {
    ids.push(`${what} ${i}`);
    socket.emit("chat message", ids.at(-1));
  }
  await until(() => sockets.every((socket) => ids.every((id) => socket.got.has(id))), `all hear all (${what})`);
  nobodyTwice(sockets);
}

test("the chat on three nodes, while one node is stopped and another one added under traffic", async () => {
  await until(async () => (await page()).includes("<html"), "the page answers");
  assert.match(await page(), /socket\.io/);
  const sockets = crowd(30);
  await everybodyHears(sockets, "three nodes");
  for (const socket of sockets) assert.deepEqual(socket.errors, [], "no request has an unknown session");

  let sent = 0;
  let going = true;
  const traffic = (async () => {
    while (going) {
      const socket = sockets[sent++ % sockets.length];
      if (socket.connected) socket.emit("chat message", `traffic ${sent}`);
      await sleep(20);
    }
  })();
  const { stdout } = await compose("ps", "-q", "node");
  const nodes = stdout.trim().split("\n");
  assert.equal(nodes.length, 3);
  await run("docker", ["stop", "--time", "20", nodes[0]]);
  const { stdout: code } = await run("docker", ["inspect", "-f", "{{.State.ExitCode}}", nodes[0]]);
  assert.equal(code.trim(), "0", "the node ends with exit code 0");
  await until(() => sockets.every((socket) => socket.connected), "all clients are connected again");
  await compose("up", "-d", "--no-recreate", "--scale", "node=4");
  await sleep(3000); // the balancer asks DNS every second
  going = false;
  await traffic;
  nobodyTwice(sockets);
  await everybodyHears(sockets, "one less, one more");

  // with twelve new clients, some reach the new node; they must receive the messages of all others
  const more = crowd(12);
  await everybodyHears([...sockets, ...more], "newcomers");
  for (const socket of [...sockets, ...more]) socket.disconnect();
});

test("every container is healthy", async () => {
  const { stdout } = await compose("ps", "-q", "node");
  for (const id of stdout.trim().split("\n"))
    await within(
      (async () => {
        for (;;) {
          const { stdout: health } = await run("docker", ["inspect", "-f", "{{.State.Running}} {{if .State.Health}}{{.State.Health.Status}}{{end}}", id]);
          if (health.startsWith("false") || health.includes(" healthy")) return;
          await sleep(500);
        }
      })(),
      `${id} to be healthy`,
      30_000,
    );
});
