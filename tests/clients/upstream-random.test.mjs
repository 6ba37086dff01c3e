// Clients and an upstream do at random what HTTP allows and what it forbids. Afterwards the edge keeps no connection, request or
// memory of them.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./support/port.mjs";
import { request } from "./support/raw.mjs";
import { edge, rawServer } from "./support/upstream.mjs";
import { within } from "./support/wait.mjs";

const SEED = Number(process.env.SEED ?? 1);
const CLIENTS = 40;
const RUN_MS = 6000;
const LATEST_MS = 240_000;
const LARGE = 600_000;

let state = SEED;
const random = (n) => ((state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >> 8) % n;
const anyOf = (list) => list[random(list.length)];

const responses = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\nto the end",
  "HTTP/1.0 200 OK\r\n\r\nto the end",
  "HTTP/1.1 204 No Content\r\n\r\n",
  "nonsense\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  `HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n${"x".repeat(LARGE)}`,
  `HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n${"x".repeat(LARGE / 2)}`,
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
  "HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhi",
  "",
];

const head = (line, fields = "") => `${line} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
const requests = [
  head("GET /a"),
  head("GET /a") + head("GET /b") + head("HEAD /c"),
  head("POST /p", `Content-Length: ${LARGE}\r\n`) + "b".repeat(LARGE),
  head("POST /p", `Content-Length: ${LARGE}\r\n`) + "b".repeat(1000),
  head("POST /p", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n",
  head("POST /p", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\nXX",
  head("PUT /p", "Content-Length: 5\r\n") + "hello" + head("GET /n"),
  head("PUT /p", "Expect: 100-continue\r\nContent-Length: 5\r\n"),
  head("GET /u", "Connection: Upgrade\r\nUpgrade: raw\r\n") + "early",
  "GET /a HTTP/1.0\r\n\r\n",
];

/** Writes something in two pieces, and perhaps closes in one of several ways. */
function respond(socket) {
  if (random(3) === 0) return;
  const bytes = anyOf(responses);
  const cut = random(bytes.length + 1);
  socket.write(bytes.slice(0, cut));
  setTimeout(() => {
    if (socket.destroyed) return;
    socket.write(bytes.slice(cut));
    anyOf([() => socket.destroy(), () => socket.end(), () => socket.resetAndDestroy(), ...Array(7).fill(() => {})])();
  }, random(30));
}

async function client(port) {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  for (let n = 1 + random(4); n > 0 && !socket.destroyed; n--) {
    socket.write(anyOf(requests));
    anyOf([() => socket.pause(), () => socket.resume(), () => socket.resume()])();
    await sleep(random(80));
  }
  anyOf([() => socket.end(), () => socket.resetAndDestroy(), () => {}])();
  await sleep(random(300));
  if (socket.closed) return;
  socket.destroy();
  await once(socket, "close");
}

test(`the edge is as before after random traffic (SEED=${SEED})`, async (t) => {
  const behind = await rawServer(t, (socket) => {
    if (random(20) === 0) socket.pause();
    socket.on("data", () => respond(socket));
    socket.on("end", () => setTimeout(() => socket.end(), random(100)));
  });
  const port = await freePort();
  const server = await edge(t, behind, ["--upstream-timeout", "300", "--upstream-connect-timeout", "200", "--upstream-max-connections", "25",
    "--body-timeout", "500", "--send-timeout", "500", "--max-memory", "4m", "--admin-port", String(port)]);
  const read = async () => {
    const { text } = await request({ port }, "/metrics");
    return (name) => Number(new RegExp(`^${name}\\{worker="0"\\} (\\d+)$`, "m").exec(text)[1]);
  };
  const outcomes = ["reused", "bad", "timeouts", "cut", "aborted"];
  const latest = Date.now() + LATEST_MS;
  let clients = CLIENTS;
  let value, missing;
  do {
    const end = Date.now() + RUN_MS;
    await Promise.all(Array.from({ length: clients }, async () => {
      while (Date.now() < end) await client(server.port);
    }));
    await within((async () => {
      do value = await read();
      while (value("sockeye_connections") > 0 || value("sockeye_memory_held_bytes") > 0);
    })(), "all connections to end and all memory to be freed");
    missing = outcomes.filter((what) => value(`sockeye_upstream_${what}_total`) === 0);
    clients = Math.ceil(clients / 2); // on a loaded machine everything that many clients do takes longer than the time-outs
  } while (missing.length > 0 && Date.now() < latest);
  assert.ok(value("sockeye_upstream_requests_total") > 100);
  assert.equal(value("sockeye_upstream_ended_total"), value("sockeye_upstream_requests_total"));
  assert.deepEqual(missing, [], "every outcome was seen");
});
