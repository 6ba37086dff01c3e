// Hostile inputs that do harm by their number, or because a resource runs out: sessions abandoned by the thousand,
// unfinished handshakes, no descriptors left.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Raw, frame, request } from "./support/raw.mjs";
import { plain, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { next, until, within } from "./support/wait.mjs";

const HANDSHAKE = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
const memory = (server) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/smaps_rollup`, "utf8"))[1]) * 1024;

async function serves(server, options = {}) {
  const socket = io(server.url, { reconnection: false, forceNew: true, ...options });
  await next(socket, "connect");
  const answer = next(socket, "message-back");
  socket.emit("message", "alive");
  assert.deepEqual(await answer, ["alive"]);
  socket.disconnect();
}

/** The session ids of n handshakes, pipelined on one connection. */
async function handshakes(server, n) {
  const raw = await Raw.open(server);
  const sids = [];
  for (let left = n; left > 0; left -= 100) {
    raw.received = Buffer.alloc(0);
    const now = Math.min(left, 100);
    raw.write(HANDSHAKE.repeat(now));
    const answers = await raw.until((bytes) => bytes.toString("latin1").split('"maxPayload"').length > now);
    sids.push(...[...answers.toString("latin1").matchAll(/"sid":"([\w-]{20})"/g)].map(([, sid]) => sid));
  }
  raw.end();
  assert.equal(sids.length, n);
  return sids;
}

test("CVE-2017-16031: session ids have no pattern", async () => {
  const server = await startSockeye("protocol");
  const sids = await handshakes(server, 4000);
  assert.equal(new Set(sids).size, sids.length);
  // the first four characters name the worker's place; each of the others may have any of 64 values, whatever
  // precedes it
  for (let at = 4; at < 20; at++) {
    const seen = new Map();
    let same = 0;
    sids.forEach((sid, i) => {
      seen.set(sid[at], (seen.get(sid[at]) ?? 0) + 1);
      if (i > 0 && sid[at] === sids[i - 1][at]) same++;
    });
    assert.equal(seen.size, 64, `character ${at}`);
    const chi = [...seen.values()].reduce((sum, n) => sum + (n - 62.5) ** 2 / 62.5, 0);
    assert.ok(chi < 150, `character ${at}: chi-square ${chi} with 63 degrees of freedom`);
    assert.ok(same < 160, `character ${at} repeats ${same} times`);
  }
  await server.stop();
});

// Takes half a minute: a closed session waits that long for a poll, whose answer would tell the client of the end.
test("abandoned sessions are limited by maxSessions, and freed after their time-out", { skip: !plain }, async () => {
  const server = await startSockeye("protocol", ["--connect-timeout", "1s", "--ping-interval", "1s", "--ping-timeout", "500ms", "--max-sessions", "20000"]);
  await serves(server);
  const before = memory(server);
  // the server refuses some, once maxSessions are open
  await Promise.allSettled([handshakes(server, 15_000), handshakes(server, 15_000)]);
  const grown = memory(server) - before;
  assert.ok(grown < 20_000 * 2500, `${grown} bytes for at most 20,000 sessions`);
  await until(async () => {
    const open = await request(server, "/socket.io/?EIO=4&transport=polling");
    return open.status === 200 && memory(server) < before + 10 * 1024 * 1024;
  }, () => `the memory is given back; ${memory(server) - before} bytes are left`);
  await serves(server);
  await server.stop();
});

test("TLS slowloris: half a handshake is cut, others are served meanwhile", async () => {
  const certificate = makeCertificate();
  const server = await startSockeye("protocol", ["--tls-timeout", "3s", ...certificate.args]);
  const half = await Promise.all(Array.from({ length: 50 }, () => Raw.open(server)));
  const hello = Buffer.from("16030100c8010000c40303", "hex");
  for (const [i, raw] of half.entries()) raw.write(hello.subarray(0, i % hello.length));
  await serves(server, { rejectUnauthorized: false });
  await Promise.all(half.map((raw) => raw.rest()));
  await serves(server, { rejectUnauthorized: false });
  await server.stop();
  certificate.remove();
});

test("CVE-2017-7652: certificates cannot be read again while no descriptor is free; the old ones stay", async () => {
  const certificate = makeCertificate();
  const server = await startSockeye("protocol", certificate.args);
  const LIMIT = 40;
  execFileSync("prlimit", ["--pid", String(server.pid), `--nofile=${LIMIT}:${LIMIT}`]);
  const sockets = Array.from({ length: LIMIT + 10 }, () => net.connect(server.port, "127.0.0.1").on("error", () => {}));
  await server.line((fields) => fields.level === "warn" || fields.level === "error");
  await Promise.all(sockets.map((socket) => (socket.connecting ? Promise.race([once(socket, "connect"), once(socket, "close")]) : undefined)));
  const seen = server.logged("reload").length;
  server.child.kill("SIGHUP");
  await server.line((fields) => fields.event === "reload" && server.logged("reload").length > seen);
  for (const socket of sockets) socket.destroy();
  const socket = io(server.url, { rejectUnauthorized: false, reconnectionDelay: 100, forceNew: true });
  await next(socket, "connect");
  socket.disconnect();
  await server.stop();
  certificate.remove();
});

test("CVE-2017-7653: text that is not UTF-8 closes its sender, and reaches no other client", async () => {
  const server = await startSockeye("bench");
  const listener = io(server.url, { transports: ["websocket"], reconnection: false, forceNew: true });
  await next(listener, "connect");
  listener.on("broadcast", () => assert.fail("the malformed text was passed on"));
  const bad = Buffer.concat([Buffer.from('42["broadcast","'), Buffer.from([0xc3, 0x28, 0xed, 0xa0, 0x80]), Buffer.from('"]')]);
  const raw = await Raw.upgrade(server, "/socket.io/?EIO=4&transport=websocket");
  raw.write(frame(1, "40"));
  await raw.until((bytes) => bytes.includes("40{"));
  raw.write(frame(1, bad));
  assert.equal(await raw.closeCode(), 1007);
  raw.end();
  const open = await request(server, "/socket.io/?EIO=4&transport=polling");
  const target = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(open.text.slice(1)).sid}`;
  await request(server, target, { method: "POST", body: "40" });
  assert.equal((await request(server, target, { method: "POST", body: bad })).status, 400);
  await within(new Promise((resolve) => listener.emit("ack", 1, resolve)), "the listener's own answer");
  assert.ok(listener.connected);
  listener.disconnect();
  await server.stop();
});

test("hash flooding: fifty thousand names that differ in one place cost as much as other names", async () => {
  const server = await startSockeye("protocol");
  const raw = await Raw.upgrade(server, "/socket.io/?EIO=4&transport=websocket");
  raw.write(frame(1, "40"));
  await raw.until((bytes) => bytes.includes("40{"));
  const cpu = () => {
    const fields = readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = cpu();
  for (let i = 0; i < 50; i++) {
    const object = Array.from({ length: 1000 }, (_, k) => `"${"\\u0000".repeat(3)}${i * 1000 + k}":1`).join(",");
    raw.write(frame(1, `42["message",{${object}}]`));
  }
  raw.write(frame(1, '42["message","done"]'));
  await raw.until((bytes) => bytes.includes('"done"'));
  if (plain) assert.ok(cpu() - before < 100, `${cpu() - before} ticks of CPU`);
  raw.end();
  await server.stop();
});
