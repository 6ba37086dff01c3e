// One budget for all memory that a worker holds for its clients: the clients that hold most are closed, the others go
// on. Also what happens when memory is missing, and that memory is given back to the system.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { io } from "socket.io-client";
import { BINARY, Polling, Raw, TEXT, frame, request } from "./support/raw.mjs";
import { freePort } from "./support/port.mjs";
import { plain, startSockeye } from "./support/server.mjs";
import { next, until, within } from "./support/wait.mjs";

const MIB = 1024 * 1024;
const SOCKET = "/socket.io/?EIO=4&transport=websocket";

const status = (pid, field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
const resident = (pid) => status(pid, "VmRSS");

/** Starts `bench` with an admin port. The server ends with the test, whether the test passes or fails. */
async function start(t, args) {
  const admin = await freePort();
  const server = await startSockeye("bench", ["--admin-port", String(admin), ...args]);
  t.after(() => server.child.kill("SIGKILL"));
  server.admin = { port: admin };
  return server;
}

async function metric(server, name) {
  const { text } = await request(server.admin, "/metrics");
  const found = text.split("\n").filter((line) => line.startsWith(name)).map((line) => Number(line.split(" ").at(-1)));
  assert.ok(found.length > 0, `no metric ${name}`);
  return found.reduce((sum, value) => sum + value, 0);
}

/** A well-behaved client; serves() shows that it still gets its answers. */
async function witness(server) {
  const socket = io(server.url, { reconnection: false, transports: ["websocket"], forceNew: true });
  await next(socket, "connect");
  return {
    serves: async () => assert.equal(await within(socket.emitWithAck("ack", "still here"), "the answer to a well-behaved client"), "still here"),
    end: () => socket.disconnect(),
  };
}

/** Sends bytes, and waits until the kernel has accepted them or the server has closed the connection. */
function push(raw, bytes) {
  return within(Promise.race([new Promise((resolve) => raw.socket.write(bytes, resolve)), raw.closed]), "the server to read");
}

const EVENT = frame(TEXT, `42["echo","${"x".repeat(990_000)}"]`);

/** Requests 8 MB, which is more than the sockets hold, and does not read the reply. */
async function neverReads(server) {
  const raw = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
  await raw.until((bytes) => bytes.includes('40{"sid"'));
  raw.socket.pause();
  for (let i = 0; i < 8; i++) await push(raw, EVENT);
  return raw;
}

/** 980,000 of the 990,000 bytes of a message. */
async function unfinishedMessage(server) {
  const raw = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
  await push(raw, EVENT.subarray(0, 980_000));
  return raw;
}

/** The same part of a POST body. */
async function unfinishedPost(server) {
  const { sid } = JSON.parse((await request(server, "/socket.io/?EIO=4&transport=polling")).text.slice(1));
  const raw = await Raw.open(server);
  raw.write(`POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: a\r\nContent-Length: 990000\r\n\r\n`);
  await push(raw, Buffer.alloc(980_000, "4"));
  return raw;
}

for (const [what, open] of Object.entries({
  "clients that never read": neverReads,
  "unfinished messages": unfinishedMessage,
  "unfinished POSTs": unfinishedPost,
})) {
  test(`${what}: the clients that hold most memory are closed, the others go on`, async (t) => {
    const server = await start(t, ["--max-memory", "8m", "--send-timeout", "60m", "--ping-interval", "60m"]);
    const good = await witness(server);
    const before = resident(server.pid);
    const bad = [];
    for (let i = 0; i < 25; i++) {
      bad.push(await open(server));
      await good.serves();
    }
    assert.equal(await metric(server, "sockeye_memory_budget_bytes"), 8 * MIB);
    await until(async () => (await metric(server, 'sockeye_connections_closed_total{worker="0",reason="memory"}')) > 0, () => "a connection closed for memory");
    const held = await metric(server, "sockeye_memory_held_bytes");
    assert.ok(held <= 8 * MIB && held > MIB, `${held} bytes are held`);
    assert.ok((await metric(server, "sockeye_memory_closed_total")) > 0);
    assert.equal(server.logged("memory")[0].closed, "connection");
    if (plain) {
      const grown = resident(server.pid) - before;
      assert.ok(grown < 24 * MIB, `grew by ${grown} bytes`);
    }
    await good.serves();
    good.end();
    for (const raw of bad) raw.end();
    await server.stop();
  });
}

test("packets that wait for a poll count as memory: the session that holds most of them ends", async (t) => {
  const server = await start(t, ["--max-memory", "4m"]);
  const good = await witness(server);
  const idle = await Polling.open(server, "/socket.io/");
  await idle.push("40");
  const raw = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
  await raw.until((bytes) => bytes.includes('40{"sid"'));
  for (let i = 0; i < 8; i++) {
    await push(raw, frame(TEXT, `42["broadcast","${"x".repeat(900_000)}"]`));
    await good.serves();
  }
  await until(async () => (await request(server, `/socket.io/?EIO=4&transport=polling&sid=${idle.sid}`)).status === 400, () => "the session to end");
  assert.equal(server.logged("memory")[0].closed, "session");
  assert.equal(server.logged("memory")[0].name, idle.sid.slice(0, 8)); // the whole id would let a reader of the log into the session
  await good.serves();
  raw.end();
  good.end();
  await server.stop();
});

test("the system has no memory left: the client that needs some is closed, and the worker lives", { skip: !plain }, async (t) => {
  const server = await start(t, ["--max-memory", "8g", "--max-http-buffer-size", "20m"]);
  const good = await witness(server);
  await good.serves();
  execFileSync("prlimit", ["--pid", String(server.pid), `--as=${status(server.pid, "VmSize") + 64 * MIB}`]);
  const bad = [];
  const bytes = Buffer.concat([frame(BINARY, "", { length: 15_000_000 }), Buffer.alloc(14_000_000)]);
  for (let i = 0; i < 12; i++) {
    const raw = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
    await push(raw, bytes);
    bad.push(raw);
    await good.serves();
  }
  /* the kernel holds some of what was sent, so the server may still be reading it */
  await until(async () => (await metric(server, "sockeye_no_memory_total")) > 0, () => "a client closed for want of memory");
  assert.equal(server.child.exitCode, null);
  for (const raw of bad) raw.end();
  await good.serves();
  good.end();
  await server.stop();
});

/* The system gets large blocks back as soon as they are free, small ones only when the heap is trimmed. */
for (const [count, each] of [[60, 8_500_000], [260, 1_900_000]]) {
  test(`a crowd of ${count} that held 500 MB leaves: the memory is given back`, { skip: !plain }, async (t) => {
    const server = await start(t, ["--max-memory", "2g", "--max-http-buffer-size", "10m"]);
    const good = await witness(server);
    await good.serves();
    const before = resident(server.pid);
    const bytes = Buffer.concat([frame(BINARY, "", { length: 9_000_000 }), Buffer.alloc(each)]);
    const crowd = [];
    for (let i = 0; i < count; i++) {
      const raw = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
      await push(raw, bytes);
      crowd.push(raw);
    }
    await until(() => resident(server.pid) - before > 450 * MIB, () => `${resident(server.pid) - before} bytes more`);
    const late = await witness(server); // the memory of this client lies after the memory of the crowd in the heap
    for (const raw of crowd) raw.end();
    await until(() => resident(server.pid) - before < 32 * MIB, () => `${resident(server.pid) - before} bytes are left`);
    for (const one of [good, late]) {
      await one.serves();
      one.end();
    }
    await server.stop();
  });
}

test("large messages between workers: the hub gives its memory back too", { skip: !plain }, async (t) => {
  const server = await start(t, ["--workers", "2", "--max-http-buffer-size", "10m"]);
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
    try {
      return new RegExp(`^PPid:\\s+${server.pid}$`, "m").test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  });
  assert.equal(pids.length, 3);
  const before = new Map(pids.map((pid) => [pid, resident(pid)]));
  const sender = await Raw.upgrade(server, SOCKET, { then: frame(TEXT, "40") });
  await sender.until((bytes) => bytes.includes('40{"sid"'));
  const message = frame(TEXT, `42["broadcast","${"x".repeat(7_000_000)}"]`);
  for (let i = 0; i < 40; i++) await push(sender, message);
  const left = () => pids.map((pid) => Math.round((resident(pid) - before.get(pid)) / MIB));
  await until(() => left().every((n) => n < 48), () => `MiB that are left: ${left()}`);
  sender.end();
  await server.stop();
});
