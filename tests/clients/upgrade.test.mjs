// Restarts without a gap: SIGUSR2 starts the program that replaces a running one, and sockets of a service manager.
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { io } from "socket.io-client";
import { hubOf } from "../cluster/support/processes.mjs";
import { freePort } from "./support/port.mjs";
import { build, root, Server, startSockeye } from "./support/server.mjs";
import { next, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-upgrade-"));
const successors = new Set();
after(() => rmSync(dir, { recursive: true }));
process.on("exit", () => {
  for (const pid of successors) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // the program has ended already
  }
});

/** Sends SIGUSR2. Resolves with the process id of the new program when it has taken over. */
async function upgrade(server) {
  server.child.kill("SIGUSR2");
  const { pid } = await server.line((fields) => fields.event === "upgraded");
  successors.add(Number(pid));
  return Number(pid);
}

/** Ends the new program, which writes to the pipe of the old one: the pipe closes when both have ended. */
async function end(server, pid) {
  const closed = once(server.child.stderr, "close");
  process.kill(pid, "SIGTERM");
  await within(closed, () => `the end of ${pid}:\n${server.output}`);
  successors.delete(pid);
  assert.doesNotMatch(server.output, /Sanitizer|runtime error|level=error event=(?!bus)/); // each program's hub connects anew
}

/** Resolves with the status of one request. */
function get(url, options = {}) {
  return new Promise((resolve, reject) => {
    http.get(url, options, (response) => response.resume().on("end", () => resolve(response.statusCode))).on("error", reject);
  });
}

/** Resolves once a process has ended and its parent has not noticed. */
async function isZombie(pid) {
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Repeats requests until stop(), which resolves with the failures. `first` resolves after each loop's next answer. */
function load(url, agents) {
  const failures = [];
  let stopped = false, answers = 0;
  const loops = agents.map(async (agent) => {
    while (!stopped) {
      const status = await get(url, { agent }).catch((error) => error.message);
      answers++;
      if (status !== 200) failures.push(status);
    }
  });
  return {
    get answers() { return answers; },
    async stop() {
      stopped = true;
      await within(Promise.all(loops), "the last answers");
      for (const agent of agents) agent.destroy?.();
      return failures;
    },
  };
}

/** A stock client that calls the server all the time. `moved` resolves when it has reconnected. */
async function talker(server, transports) {
  const socket = io(server.url, { transports, forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50 });
  const errors = [], reasons = [];
  socket.on("connect_error", (error) => errors.push(error.message));
  socket.on("disconnect", (reason) => reasons.push(reason));
  await next(socket, "connect");
  const moved = new Promise((resolve) => socket.once("disconnect", () => socket.once("connect", resolve)));
  const talk = (i) => socket.connected && socket.timeout(30_000).emit("message-with-ack", i, () => talk(i + 1));
  socket.on("connect", () => talk(0));
  talk(0);
  return { socket, errors, reasons, moved };
}

for (const options of [["--workers", "2"], ["--workers", "1", "--master"]])
  test(`SIGUSR2 replaces the program and refuses nobody (${options.join(" ")})`, async () => {
    const server = await startSockeye("protocol", [...options, "--drain-time", "4s"]);
    const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const keep = () => new http.Agent({ keepAlive: true, maxSockets: 1 });
    const requests = load(url, [false, false, keep(), keep()]);
    const talkers = [];
    for (let i = 0; i < 12; i++) talkers.push(await talker(server, [i % 3 ? "polling" : "websocket"]));
    // A POST after the close is answered with 400. A client may read this answer before the close packet in the answer to its poll.
    const expected = { websocket: /^transport close$/, polling: /^transport (close|error)$/ };

    const pid = await upgrade(server);
    await within(Promise.all(talkers.map((one) => one.moved)), () => `all clients to move:\n${server.output}`);
    assert.deepEqual(await within(server.exited, "the end of the old program"), { code: 0, signal: null });
    const answers = requests.answers;
    while (requests.answers < answers + 8) await get(url); // on the new program alone
    assert.deepEqual(await requests.stop(), []);
    for (const [i, { socket, errors, reasons }] of talkers.entries()) {
      socket.disconnect();
      assert.deepEqual(errors, []);
      assert.match(reasons[0], expected[i % 3 ? "polling" : "websocket"]);
    }
    await end(server, pid);
  });

test("a new program that does not start leaves the old one serving", async () => {
  const program = path.join(dir, "sockeye"), config = path.join(dir, "sockeye.conf");
  const replace = (write) => {
    write(`${program}.new`);
    renameSync(`${program}.new`, program);
  };
  replace((file) => copyFileSync(path.join(build, "sockeye"), file));
  writeFileSync(config, "workers = 2\ndrainTime = 0\n");
  const server = new Server(path.relative(build, program), ["--app", path.join(build, "apps/protocol.so"), "--config", config,
    "--port", String(await freePort())], {});
  const { port } = await server.line((fields) => fields.event === "listening");
  server.url = `http://127.0.0.1:${port}`;
  const client = io(server.url, { transports: ["websocket"] });
  await next(client, "connect");

  writeFileSync(config, "workers = 2\nworker = 2\n");
  server.child.kill("SIGUSR2");
  await server.line((fields) => fields.event === "upgrade_failed" && fields.code === "2");
  assert.match(server.output, /^sockeye: .*sockeye\.conf:2.*worker/m);
  assert.equal(server.logged("upgrade_failed").length, 1);

  writeFileSync(config, "workers = 2\ndrainTime = 0\n");
  replace((file) => writeFileSync(file, "#!/bin/sh\nkill -9 $$\n", { mode: 0o755 }));
  server.child.kill("SIGUSR2");
  await server.line((fields) => fields.event === "upgrade_failed" && fields.signal === "9");
  replace((file) => writeFileSync(file, "not a program", { mode: 0o644 }));
  server.child.kill("SIGUSR2");
  await server.until(() => server.logged("upgrade_failed").length === 3);
  assert.match(server.output, /^sockeye: cannot run ".*": Permission denied$/m);

  assert.ok(client.connected, "no client has noticed");
  assert.equal(await get(`${server.url}/socket.io/?EIO=4&transport=polling`), 200);
  replace((file) => copyFileSync(path.join(build, "sockeye"), file));
  const moved = new Promise((resolve) => client.once("disconnect", () => client.once("connect", resolve)));
  const pid = await upgrade(server);
  await within(moved, "the client to move");
  client.disconnect();
  await within(server.exited, "the end of the old program");
  const closed = once(server.child.stderr, "close");
  process.kill(pid, "SIGTERM");
  await within(closed, "the end of the new program");
  successors.delete(pid);
});

test("the admin port and the backends' socket change hands", async () => {
  const socket = path.join(dir, "backend.sock"), admin = await freePort();
  const server = await startSockeye("protocol", ["--workers", "3", "--admin-port", String(admin),
    "--backend", `unix://${socket}`]);
  const health = load(`http://127.0.0.1:${admin}/healthz`, [false, false]);
  const pid = await upgrade(server);
  await within(server.exited, "the end of the old program");
  assert.deepEqual(await health.stop(), []);
  const answer = await (await fetch(`http://127.0.0.1:${admin}/readyz`)).json();
  assert.deepEqual([answer.workers, answer.accepting, answer.draining], [3, 3, 0]);
  const backend = net.connect(socket);
  await once(backend, "data"); // CHALLENGE
  backend.destroy();
  await end(server, pid);
  assert.ok(!existsSync(socket), "the new program has removed the file");
});

test("clients of both programs hear one another", async () => {
  const server = await startSockeye("chat", ["--workers", "2", "--drain-time", "60s"]);
  const connect = async () => {
    const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
    await next(socket, "connect");
    return socket;
  };
  const olds = await Promise.all(Array.from({ length: 100 }, connect)); // the last one is sent away after 10 s
  const pid = await upgrade(server);
  const fresh = await connect();
  const heard = (socket, text) => new Promise((resolve) => socket.on("chat message", (said) => said === text && resolve()));
  const old = Promise.race(olds.map((socket) => heard(socket, "from new")));
  const answer = heard(fresh, "from old");
  const speak = setInterval(() => {
    fresh.emit("chat message", "from new");
    olds.find((socket) => socket.connected)?.emit("chat message", "from old");
  }, 20);
  await within(Promise.all([old, answer]), () => `messages between the programs:\n${server.output}`);
  clearInterval(speak);
  for (const socket of [fresh, ...olds]) socket.disconnect();
  await within(server.exited, "the end of the old program");
  await end(server, pid);
});

test("a new program dies before the old program reads that it is ready: the old program goes on serving", async () => {
  const program = path.join(dir, "dying");
  copyFileSync(path.join(build, "sockeye"), program);
  const server = new Server(path.relative(build, program), ["--app", path.join(build, "apps/protocol.so"), "--workers", "2",
    "--drain-time", "0", "--port", String(await freePort())], {});
  const { port } = await server.line((fields) => fields.event === "listening");
  writeFileSync(`${program}.new`, `#!/usr/bin/python3
import os, re, signal, sys
channel = int(re.search(r"^predecessor \\d+ (\\d+)$", os.environ["UPGRADE_SOCKEYE"], re.M).group(1))
print("event=dying pid=%d" % os.getpid(), file=sys.stderr, flush=True)
os.kill(os.getppid(), signal.SIGSTOP)
os.write(channel, b"R")
os.kill(os.getpid(), signal.SIGKILL)
`, { mode: 0o755 });
  renameSync(`${program}.new`, program);
  server.child.kill("SIGUSR2");
  const { pid } = await server.line((fields) => fields.event === "dying");
  await within(isZombie(pid), "the end of the new program");
  server.child.kill("SIGCONT");
  const { event, signal, error } = await server.line((fields) => ["upgraded", "upgrade_failed"].includes(fields.event));
  assert.deepEqual([event, signal, error], ["upgrade_failed", "9", "the new program ended before it took over; this one goes on"]);
  assert.equal(await get(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`), 200);
  server.child.kill("SIGTERM");
  assert.deepEqual(await within(server.exited, "the end of the old program"), { code: 0, signal: null });
});

for (const workers of ["1", "2"])
  test(`sockets of systemd stay open over a restart (workers: ${workers})`, async () => {
    const socket = path.join(dir, `systemd-${workers}.sock`);
    const manager = new Server(path.relative(build, "/usr/bin/python3"), [path.join(root, "tests/clients/support/activate.py"),
      socket, path.join(build, "sockeye"), "--app", path.join(build, "apps/protocol.so"), "--workers", workers,
      "--drain-time", "0", "--admin-port", "1", "--backend", `unix://${socket}`], {}, { stdio: ["pipe", "ignore", "pipe"] });
    const { clients, admin } = await manager.line((fields) => fields.event === "sockets");
    const url = `http://127.0.0.1:${clients}/socket.io/?EIO=4&transport=polling`;
    for (const round of [1, 2]) {
      const early = get(url); // while no server runs
      manager.child.stdin.write("start\n");
      assert.equal(await within(early, () => `an answer:\n${manager.output}`), 200);
      await manager.until(() => manager.logged("listening").length === round);
      assert.equal(manager.logged("listening").at(-1).port, clients);
      assert.equal(await get(`http://127.0.0.1:${admin}/healthz`), 200);
      const backend = net.connect(socket);
      await once(backend, "data"); // CHALLENGE
      backend.destroy();
      manager.child.stdin.write("stop\n");
      await manager.until(() => manager.logged("ended").length === round);
      assert.equal(manager.logged("ended").at(-1).code, "0");
      assert.ok(existsSync(socket), "the file belongs to the service manager");
    }
    manager.child.stdin.end();
    assert.deepEqual(await within(manager.exited, "the end"), { code: 0, signal: null });
  });

test("a descriptor of LISTEN_FDS that does not listen is named", async () => {
  const file = new Server(path.relative(build, "/bin/sh"), ["-c",
    `LISTEN_FDS=1 LISTEN_PID=$$ exec ${path.join(build, "sockeye")} 3</dev/null`], {});
  assert.deepEqual(await within(file.exited, "the end"), { code: 1, signal: null });
  assert.match(file.output, /^sockeye: descriptor 3 of LISTEN_FDS is not a listening stream socket/m);
});

test("an upgrade to one worker keeps a master, and signals for the master do no harm to the hub", async () => {
  const config = path.join(dir, "workers.conf"), admin = await freePort();
  writeFileSync(config, `workers = 2\ndrainTime = 0\nadminPort = ${admin}\n`);
  const server = new Server("sockeye", ["--app", path.join(build, "apps/protocol.so"), "--config", config,
    "--port", String(await freePort())], {});
  const { port } = await server.line((fields) => fields.event === "listening");
  const health = `http://127.0.0.1:${admin}/healthz`;
  for (const signal of ["SIGUSR1", "SIGUSR2"]) process.kill(hubOf(server), signal); // as `systemctl kill` does
  assert.equal(await within(get(health), "an answer at the admin port"), 200);

  writeFileSync(config, `workers = 1\ndrainTime = 0\nadminPort = ${admin}\n`);
  const pid = await upgrade(server);
  assert.deepEqual(await within(server.exited, "the end of the old program"), { code: 0, signal: null });
  assert.equal(await get(health), 200);
  assert.equal(await get(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`), 200);
  await end(server, pid);
});

test("an upgrade that hangs keeps a second one out, and ends when the server stops", async () => {
  const program = path.join(dir, "hanging");
  copyFileSync(path.join(build, "sockeye"), program);
  const server = new Server(path.relative(build, program), ["--app", path.join(build, "apps/protocol.so"), "--workers", "2",
    "--drain-time", "0", "--port", String(await freePort())], {});
  await server.line((fields) => fields.event === "listening");
  writeFileSync(`${program}.new`, "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
  renameSync(`${program}.new`, program);
  server.child.kill("SIGUSR2");
  const { pid } = await server.line((fields) => fields.event === "upgrade" && fields.pid);
  successors.add(Number(pid));
  server.child.kill("SIGUSR2");
  await server.line((fields) => fields.event === "upgrade" && fields.error === "an earlier upgrade is not over");

  const closed = once(server.child.stderr, "close"); // by both programs
  server.child.kill("SIGTERM");
  assert.deepEqual(await within(server.exited, "the end of the server"), { code: 0, signal: null });
  await within(closed, "the end of the new program");
  successors.delete(Number(pid));
  assert.equal(server.logged("upgrade_failed").length, 0);
});
