// Several workers on one port: a request may land on any of them, and a session belongs to one. Workers die, drain
// and restart.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { io } from "socket.io-client";
import { Polling, request } from "./support/raw.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { next, until, within } from "./support/wait.mjs";

const WORKERS = 4;
const PATH = "/socket.io/";
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The worker that a session id names. */
const slotOf = (sid) => ALPHABET.indexOf(sid[2]) * 64 + ALPHABET.indexOf(sid[3]);

/** The latest process of a worker. */
const workerPid = (server, slot) => Number(server.logged("worker_ready").filter((f) => Number(f.worker) === slot).at(-1).pid);

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1][0] !== "Z";
  } catch {
    return false;
  }
};

const fork = (app, args = []) => startSockeye(app, ["--workers", String(WORKERS), ...args]);

const TRANSPORTS = [["polling"], ["polling", "websocket"], ["websocket"]];

/** Connects `each` clients over every kind of transport, and waits until they have reached it. */
async function crowd(server, each, options = {}) {
  const sockets = [];
  for (const transports of TRANSPORTS)
    for (let i = 0; i < each; i++) {
      const socket = io(server.url, { transports, forceNew: true, rejectUnauthorized: false, ...options });
      socket.kind = transports.at(-1);
      sockets.push(socket);
    }
  for (const socket of sockets) socket.on("connect_error", (error) => (socket.failed = error));
  await Promise.all(sockets.map((socket) => next(socket, "connect")));
  await until(() => sockets.every((socket) => socket.io.engine?.transport.name === socket.kind), "all upgrades are done");
  return sockets;
}

/** Each client gets its own bytes back; several rounds, so that requests land on every worker. */
function echo(sockets, rounds, bytes) {
  return Promise.all(sockets.map(async (socket, who) => {
    for (let round = 0; round < rounds; round++) {
      const sent = Buffer.alloc(bytes, who * 7 + round);
      const [number, got] = await within(socket.emitWithAck("message-with-ack", [round, sent]), "an acknowledgement");
      assert.equal(number, round);
      assert.ok(sent.equals(got));
    }
  }));
}

const leave = async (sockets) => {
  for (const socket of sockets) socket.disconnect();
};

for (const secure of [false, true])
  test(`no session is unknown, whichever worker a request lands on (${secure ? "TLS" : "plain"})`, async () => {
    const certificate = secure ? makeCertificate() : undefined;
    const server = await fork("protocol", secure ? certificate.args : []);
    const sockets = await crowd(server, 8);
    assert.ok(new Set(sockets.map((socket) => slotOf(socket.io.engine.id))).size > 1);
    for (const socket of sockets) socket.on("disconnect", (reason) => (socket.failed = reason));
    await echo(sockets, 10, 100);
    await echo(sockets.slice(0, 12), 2, 300_000); // a body that takes many reads
    for (const socket of sockets) {
      assert.equal(socket.failed, undefined);
      assert.equal(socket.io.engine.transport.name, socket.kind);
    }
    assert.ok(!server.output.includes("handover_"), server.output);
    await leave(sockets);
    await server.stop();
    certificate?.remove();
  });

test("a sid without a session is unknown, and so is the sid of a worker that does not exist", async () => {
  const server = await fork("protocol");
  for (const sid of ["AAAAAAAAAAAAAAAAAAAA", "AAABAAAAAAAAAAAAAAAA", "AAACAAAAAAAAAAAAAAAA", "AAADAAAAAAAAAAAAAAAA", "AAAEAAAAAAAAAAAAAAAA",
    "AABAAAAAAAAAAAAAAAAA", "ABAAAAAAAAAAAAAAAAAA", "x"])
    for (const method of ["GET", "POST"]) {
      const got = await request(server, `${PATH}?EIO=4&transport=polling&sid=${sid}`, { method, body: method === "POST" ? "2" : undefined });
      assert.deepEqual([got.status, JSON.parse(got.text).code], [400, 1], sid);
    }
  await server.stop();
});

test("the node's number is in the sids", async () => {
  const server = await fork("protocol", ["--node-id", "65"]);
  const session = await Polling.open(server, PATH);
  assert.equal(session.sid.slice(0, 2), "BB");
  assert.equal((await session.push("40")).status, 200);
  await server.stop();
});

/** Sessions of two different workers. */
async function twoSessions(server) {
  const first = await Polling.open(server, PATH);
  for (;;) {
    const second = await Polling.open(server, PATH);
    if (slotOf(second.sid) !== slotOf(first.sid)) return [first, second];
  }
}

test("pipelined requests of several workers on one connection are answered in order", async () => {
  const server = await fork("protocol");
  const [a, b] = await twoSessions(server);
  const bundle = `GET ${PATH}socket.io.js HTTP/1.1\r\nHost: h\r\n\r\n`;
  const push = (session) => `POST ${session.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n6`;
  const socket = net.connect(server.port, "127.0.0.1");
  let got = "";
  socket.setEncoding("latin1").on("data", (chunk) => (got += chunk));
  socket.write(bundle + push(a) + push(b) + bundle + push(b) + push(a) + bundle);
  const size = (await request(server, `${PATH}socket.io.js`)).bytes.length;
  await until(() => got.length > 3 * size && got.split("HTTP/1.1 200 OK").length === 8, "all answers are there");
  const lengths = [...got.matchAll(/Content-Length: (\d+)/g)].map((match) => Number(match[1]));
  assert.deepEqual(lengths, [size, 2, 2, size, 2, 2, size]);
  socket.destroy();
  await server.stop();
});

test("a request in pieces, byte by byte, to another worker", async () => {
  const server = await fork("protocol");
  for (const session of await twoSessions(server)) {
    const socket = net.connect(server.port, "127.0.0.1").setNoDelay();
    const text = `POST ${session.target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n40`;
    for (const byte of text) {
      socket.write(byte);
      await sleep(1);
    }
    const [chunk] = await next(socket.setEncoding("latin1"), "data");
    assert.match(chunk, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nok$/);
    await once(socket, "close");
  }
  await server.stop();
});

/** A request by an agent with a single kept connection; returns its text. */
async function ask(module, agent, server, target, body) {
  const sent = module.request({ host: "127.0.0.1", port: server.port, path: target, method: body ? "POST" : "GET", agent, rejectUnauthorized: false });
  sent.end(body);
  const [response] = await next(sent, "response");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  assert.equal(response.statusCode, 200, text);
  return text;
}

for (const secure of [false, true])
  test(`a connection handed over stays there, with the client's address and ${secure ? "its TLS" : "without TLS"}`, async () => {
    const certificate = secure ? makeCertificate() : undefined;
    const module = secure ? https : http;
    const server = await fork(path.join(build, "tests/everything.so"), certificate?.args);
    const agent = new module.Agent({ keepAlive: true, maxSockets: 1 });
    const target = `${PATH}?EIO=4&transport=polling`;
    const open = async (by) => JSON.parse((await ask(module, by, server, target)).slice(1)).sid;
    const first = await open(agent); // now the connection is with its worker
    let other;
    do other = await open(new module.Agent());
    while (slotOf(other) === slotOf(first));
    await ask(module, agent, server, `${target}&sid=${other}`, "40");
    const third = await open(agent);
    assert.equal(slotOf(third), slotOf(other));
    const asThird = (body) => ask(module, agent, server, `${target}&sid=${third}`, body);
    let text = "";
    await asThird("40");
    // An event before the answer to CONNECT would end the session. Just after the start, this answer waits for the hub.
    while (!text.includes("40{")) text += await asThird();
    await asThird('420["handshake"]');
    while (!text.includes("430[")) text += await asThird();
    const [handshake] = JSON.parse(text.slice(text.indexOf("430[") + 3).split("\x1e")[0]);
    assert.deepEqual([handshake.secure, handshake.address], [secure, "127.0.0.1"]);
    assert.equal(Object.values(agent.freeSockets).length, 1);
    agent.destroy();
    await server.stop();
    certificate?.remove();
  });

/** The exit code, and the lines on stderr above the level info. */
async function failure(args) {
  const child = spawn(path.join(build, "sockeye"), ["--workers", "4", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const [code] = await within(once(child, "close"), "its end");
  return { code, lines: text.trimEnd().split("\n").filter((line) => !line.includes(" level=info ")) };
}

test("a failed start is reported once", async () => {
  const server = await fork("protocol");
  const app = path.join(build, "apps/protocol.so");
  const at = ["--host", "127.0.0.1", "--port"];
  for (const [code, pattern, args] of [
    [1, /port \d+ is in use/, ["--app", app, ...at, String(server.port)]], // also by workers that share it
    [1, /nowhere\.so/, ["--app", "nowhere.so", ...at, "0"]],
    [1, /nowhere/, ["--app", app, ...at, "0", "--public", "/nowhere"]],
    [2, /--workers/, ["--app", app, "--workers", "1000"]],
  ]) {
    const got = await failure(args);
    assert.equal(got.code, code);
    assert.equal(got.lines.length, 1, got.lines.join("\n"));
    assert.match(got.lines[0], pattern);
  }
  await server.stop();
});

test("by default there is a worker for each core", async () => {
  const cores = os.availableParallelism();
  const server = await startSockeye("protocol", ["--workers", "0"]);
  assert.equal(server.logged("worker_ready").length, cores > 1 ? cores : 0);
  assert.equal(server.logged("listening").length, 1);
  await server.stop();
});

test("a killed worker affects only its own clients, which come back", async () => {
  const server = await fork("protocol");
  const sockets = await crowd(server, 10, { reconnectionDelay: 50, reconnectionDelayMax: 200 });
  const victim = slotOf(sockets.find((socket) => socket.kind === "websocket").io.engine.id);
  // A request that the victim has accepted for a sibling would die with the victim, so no client sends anything now.
  await sleep(300);
  const mine = sockets.filter((socket) => slotOf(socket.io.engine.id) === victim);
  const others = sockets.filter((socket) => !mine.includes(socket));
  for (const socket of others) socket.on("disconnect", (reason) => (socket.failed = reason));
  const back = mine.map((socket) => next(socket, "disconnect").then(() => next(socket, "connect")));
  process.kill(workerPid(server, victim), "SIGKILL");
  await Promise.all(back);
  const ended = await server.line((f) => f.event === "worker_ended");
  assert.deepEqual([Number(ended.worker), ended.signal, ended.restart_ms], [victim, "9", "0"]);
  await until(() => server.logged("worker_ready").length === WORKERS + 1, "the successor of the killed worker is ready");
  await echo(sockets, 3, 100);
  for (const socket of others) assert.equal(socket.failed, undefined);
  assert.ok(alive(server.pid));
  await leave(sockets);
  await server.stop();
});

test("a worker that dies again and again is restarted with growing pauses", async () => {
  const server = await fork("protocol");
  for (let n = 1; n <= 4; n++) {
    process.kill(workerPid(server, 2), "SIGKILL");
    await until(() => server.logged("worker_ready").length === WORKERS + n, "the worker is ready again");
  }
  const pauses = server.logged("worker_ended").map((f) => Number(f.restart_ms));
  assert.equal(pauses.length, 4);
  assert.equal(pauses[0], 0);
  for (const [i, least] of [[1, 50], [2, 150], [3, 300]]) assert.ok(pauses[i] > least && pauses[i] <= 100 << (i - 1), String(pauses));
  const session = await Polling.open(server, PATH);
  assert.equal((await session.push("40")).status, 200);
  await server.stop();
});

/** Open descriptors of the master and its children. */
function descriptors(server) {
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim().split(" ");
  return [server.pid, ...children].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
}

test("after a crowd has left, the number of descriptors is as before", async () => {
  for (const certificate of [undefined, makeCertificate()]) {
    const server = await fork("protocol", certificate?.args);
    const visit = async () => {
      const sockets = await crowd(server, 8);
      await echo(sockets, 3, 1000);
      await leave(sockets);
    };
    await visit(); // opens what stays open
    const before = descriptors(server); // may include connections that are still closing, but fewer than three visits would leak
    for (let round = 0; round < 3; round++) await visit();
    await until(() => descriptors(server).every((n, i) => n <= before[i]), () => `descriptors are at most ${before}, not ${descriptors(server)}`);
    await server.stop();
    certificate?.remove();
  }
});

test("after SIGTERM the clients are closed one by one over the drain time", async () => {
  const DRAIN = 2000;
  const server = await fork("chat", ["--drain-time", String(DRAIN)]);
  const sockets = await crowd(server, 16, { reconnection: false });
  const session = await Polling.open(server, PATH);
  const times = [];
  const gone = sockets.map((socket) => next(socket, "disconnect").then(([reason]) => {
    if (socket.kind === "websocket") times.push(Date.now());
    // a POST of a polling client after the close is refused, and the client may read this refusal first
    assert.match(reason, socket.kind === "polling" ? /^transport (close|error)$/ : /^transport close$/, socket.kind);
  }));
  const start = Date.now();
  server.child.kill("SIGTERM");
  await server.line((f) => f.event === "stopping");
  await until(async () => (await request(server, `${PATH}?EIO=4&transport=polling`)).status === 503, "the server refuses new clients");
  assert.ok(times.length < sockets.filter(({ kind }) => kind === "websocket").length, "it refuses them from the beginning of the drain");
  await Promise.all(gone);
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
  const spread = times.at(-1) - times[0];
  assert.ok(spread > DRAIN / 4 && times.at(-1) - start < DRAIN + 10_000, `spread over ${spread} ms`);
  const moments = new Set(times.map((time) => Math.floor((time - times[0]) / 50)));
  assert.ok(moments.size >= 4, "all at once");
  const said = server.logged("disconnect").filter((f) => f.reason === "server shutting down");
  assert.equal(said.length, sockets.length);
  assert.ok(session.sid);
});

test("while it drains, an existing connection is told to reconnect elsewhere, and its session goes on", async () => {
  const server = await startSockeye("protocol", ["--workers", "1", "--drain-time", "3s"]);
  const sockets = await Promise.all(Array.from({ length: 30 }, () => Polling.open(server, PATH)));
  const socket = net.connect(server.port, "127.0.0.1").setEncoding("latin1");
  await once(socket, "connect");
  socket.write(`GET ${PATH}socket.io.min.js HTTP/1.1\r\nHost: h\r\n\r\n`);
  await next(socket, "data");
  server.child.kill("SIGTERM");
  await server.line((f) => f.event === "stopping");
  socket.removeAllListeners("data");
  let got = "";
  socket.on("data", (chunk) => (got += chunk));
  socket.write(`GET ${PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n`);
  await within(once(socket, "close"), "its end");
  assert.match(got, /HTTP\/1.1 503 [^]*Retry-After: 1\r\n/);
  assert.ok(sockets.length === 30);
  assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
});

test("while a node drains, requests for the sessions of a worker that has died are refused, not kept waiting", async () => {
  const server = await startSockeye("protocol", ["--workers", "2", "--drain-time", "8s"]);
  // one connection at worker 1, and clients there
  let here;
  const sockets = [], others = [];
  while (!here || sockets.length < 25) {
    const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
    await next(socket, "connect");
    (slotOf(socket.io.engine.id) === 1 ? sockets : others).push(socket);
    if (here) continue;
    const one = net.connect(server.port, "127.0.0.1");
    one.setEncoding("latin1");
    one.write(`GET ${PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [answer] = await next(one, "data");
    const [, sid] = /"sid":"([^"]+)"/.exec(answer);
    if (slotOf(sid) === 1) here = one;
    else {
      one.write(`POST ${PATH}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1`);
      await next(one, "data");
      one.destroy();
    }
  }
  const sid = `AAAA${"x".repeat(16)}`; // of worker 0
  const gone = workerPid(server, 0);
  await leave(others);
  server.child.kill("SIGTERM");
  await server.line((f) => f.event === "stopping");
  process.kill(gone, "SIGKILL");
  await server.line((f) => f.event === "worker_ended" && Number(f.worker) === 0); // from now on, worker 1 passes no request to worker 0
  assert.ok(sockets.some((socket) => socket.connected), "worker 1 is still there");
  here.write(`GET ${PATH}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const [refused] = await next(here, "data", 5000); // long before the drain ends
  assert.match(refused, /^HTTP\/1.1 503 .*Retry-After: 1/s);
  here.destroy();
  await leave(sockets);
  const { code } = await within(server.exited, "the end");
  assert.equal(code, 0);
});

for (const workers of [1, 3])
  test(`SIGUSR1 closes every tenth client; these reconnect, and no other client notices (workers: ${workers})`, async () => {
    const server = await startSockeye("protocol", ["--workers", String(workers), "--drain-time", "1s"]);
    const sockets = await crowd(server, 20, { reconnectionDelay: 10, reconnectionDelayMax: 50 });
    const reasons = [];
    for (const socket of sockets) socket.on("disconnect", (reason) => reasons.push(reason));
    server.child.kill("SIGUSR1");
    await until(() => server.logged("shedding").length === workers, "all workers shed");
    const wanted = () => server.logged("shedding").reduce((sum, f) => sum + Number(f.clients), 0);
    assert.equal(server.logged("shedding").reduce((sum, f) => sum + Number(f.of), 0), 60);
    assert.ok(workers > 1 ? wanted() > 6 - workers && wanted() < 6 + workers : wanted() === 6, `${wanted()} of 60`);
    await until(() => reasons.length === wanted() && sockets.every((socket) => socket.connected), "the closed clients have reconnected");
    assert.ok(reasons.every((reason) => reason === "transport close" || reason === "transport error"), reasons.join());
    await echo(sockets, 1, 10);
    assert.equal(reasons.length, wanted());
    // SIGUSR1 again, and SIGTERM while clients are being closed
    server.child.kill("SIGUSR1");
    server.child.kill("SIGTERM");
    for (const socket of sockets) socket.io.reconnection(false);
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
    await leave(sockets);
  });

test("without clients SIGTERM and SIGINT end the server at once", async () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const server = await fork("protocol", ["--drain-time", "60s"]);
    const start = Date.now();
    server.child.kill(signal);
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
    assert.ok(Date.now() - start < 30_000); // half of --drain-time
    assert.equal(server.logged("listening").length, 1);
    assert.equal(server.logged("stopped").filter((f) => f.worker === undefined).length, 1);
  }
});

test("a second signal ends the server at once", async () => {
  const server = await fork("protocol", ["--drain-time", "60s"]);
  const sockets = await crowd(server, 4, { reconnection: false });
  const pids = Array.from({ length: WORKERS }, (_, slot) => workerPid(server, slot));
  server.child.kill("SIGTERM");
  await server.line((f) => f.event === "stopping");
  const again = setInterval(() => server.child.kill("SIGTERM"), 50); // a second signal that follows at once counts as part of the first
  assert.deepEqual(await within(server.exited, "the exit", 30_000).finally(() => clearInterval(again)), { code: 143, signal: null });
  for (const pid of pids) assert.ok(!alive(pid));
  await leave(sockets);
});

test("workers and hub end with the master", async () => {
  const server = await fork("protocol");
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim().split(" ").map(Number);
  assert.equal(children.length, WORKERS + 1);
  server.child.kill("SIGKILL");
  await server.exited;
  await until(() => !children.some(alive), "all processes have ended");
});

test("a killed hub is restarted, and no client notices", async () => {
  const server = await fork("protocol");
  const sockets = await crowd(server, 3);
  for (const socket of sockets) socket.on("disconnect", (reason) => (socket.failed = reason));
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim().split(" ");
  const hub = children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "sockeye-hub\n");
  process.kill(Number(hub), "SIGKILL");
  await server.line((f) => f.event === "hub_ended");
  await echo(sockets, 2, 10);
  for (const socket of sockets) assert.equal(socket.failed, undefined);
  await leave(sockets);
  await server.stop();
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
  test(`a ${maxVersion} session is resumed by any worker`, async () => {
    const certificate = makeCertificate();
    const server = await fork("protocol", certificate.args);
    const visit = async (session) => {
      const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion, session });
      const ticket = session ? null : next(socket, "session");
      await next(socket, "secureConnect");
      socket.write(`GET ${PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n`);
      const [answer] = await next(socket, "data");
      const slot = slotOf(/"sid":"([^"]+)"/.exec(answer)[1]);
      const resumed = socket.isSessionReused();
      const [fresh] = (await ticket) ?? [];
      socket.destroy();
      return { slot, resumed, fresh };
    };
    const first = await visit();
    assert.equal(first.resumed, false);
    const slots = new Set();
    for (let i = 0; i < 200 && slots.size < WORKERS; i++) {
      const { slot, resumed } = await visit(first.fresh);
      assert.equal(resumed, true, `worker ${slot}`);
      slots.add(slot);
    }
    assert.equal(slots.size, WORKERS);
    await server.stop();
    certificate.remove();
  });
}

test("SIGHUP reads certificates again in every worker", async () => {
  const certificate = makeCertificate("first");
  const renewed = makeCertificate("second");
  const server = await fork("protocol", certificate.args);
  const subject = async () => {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  assert.equal(await subject(), "first");
  copyFileSync(renewed.cert, certificate.cert);
  copyFileSync(renewed.key, certificate.key);
  server.child.kill("SIGHUP");
  await until(() => server.logged("reload").filter(({ worker }) => worker !== undefined).length === WORKERS, "all workers have read the certificates");
  for (let i = 0; i < 20; i++) assert.equal(await subject(), "second");
  await server.stop();
  certificate.remove();
  renewed.remove();
});

test("an application knows the number of its worker", async () => {
  const server = await fork(path.join(build, "tests/everything.so"));
  await until(() => server.logged("application-worker").length === WORKERS, "each worker has loaded the application");
  assert.deepEqual(server.logged("application-worker").map((f) => [f.number, f.count]).sort(), ["0", "1", "2", "3"].map((number) => [number, "4"]));
  for (const { worker, number } of server.logged("application-worker")) assert.equal(number, worker);
  await server.stop();
  const alone = await startSockeye(path.join(build, "tests/everything.so"));
  assert.deepEqual(alone.logged("application-worker").map((f) => [f.number, f.count]), [["0", "1"]]);
  await alone.stop();
});
