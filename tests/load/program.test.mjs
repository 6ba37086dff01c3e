// The program sockeye-load: options, output, exit codes, files, figures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { children, memory } from "../cluster/support/processes.mjs";
import { answering, dueOf, startNode, startSockeye } from "./support/servers.mjs";
import { assertClean, load, run, scratch, short, start, sum } from "./support/tester.mjs";

let server;
before(async () => (server = await startSockeye("bench")));
after(() => server.stop());

/* ------------------------------------------------------------------------------------ words and exit codes */

test("--help names every scenario and option, --version the version", async () => {
  const help = await run("--help");
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  for (const word of ["connect", "idle", "echo", "ack", "broadcast", "room", "cluster", "churn", "polling", "storm", "--clients", "--message-rate", "--assert", "--plot"])
    assert.ok(help.stdout.includes(word), word);
  assert.ok(help.stdout.split("\n").every((line) => line.length <= 100));
  const version = await run("--version");
  assert.deepEqual([version.code, version.stderr], [0, ""]);
  assert.match(version.stdout, /^sockeye-load \d+\.\d+\.\d+\n$/);
});

test("usage errors: exit 2 and one clear line", async () => {
  const good = ["echo", "http://127.0.0.1:1"];
  const cases = [
    [[], /scenario/],
    [["echoo", "http://127.0.0.1:1"], /"echoo" is not a scenario \(use connect, idle, echo/],
    [["echo"], /URL/],
    [["cluster", "http://127.0.0.1:1"], /two nodes/],
    [[...good, "--client", "3"], /--client.*--clients/],
    [[...good, "--clients", "0"], /--clients/],
    [[...good, "--clients", "many"], /--clients/],
    [[...good, "--clients"], /--clients/],
    [[...good, "--transport", "carrier-pigeon"], /websocket\|polling\|upgrade/],
    [[...good, "--size", "47"], /--size/],
    [[...good, "--auth", "token"], /--auth.*JSON object/],
    [[...good, "--auth", "[1]"], /--auth.*JSON object/],
    [[...good, "--header", "no colon"], /--header.*Name: value/],
    [[...good, "--path", "socket.io"], /--path/],
    [[...good, "--event", 'a"b'], /--event/],
    [[...good, "--senders", "101"], /--senders/],
    [[...good, "--processes", "101", "--clients", "100"], /--processes/],
    [[...good, "--processes", "4", "--clients", "3"], /--processes/],
    [[...good, "--server-pid", "self"], /--server-pid/],
    [[...good, "--assert", "p99"], /--assert.*relation/],
    [[...good, "--assert", "p999<1"], /--assert.*percentile/],
    [[...good, "--assert", "speed>1"], /--assert.*unknown name "speed"/],
    [[...good, "--assert", "lost=0ms"], /--assert.*unit/],
    [[...good, "--duration", "99"], /--duration/],
    [["idle", "ftp://127.0.0.1"], /: "ftp:\/\/127.0.0.1" is not a URL.*begin with http/],
    [["idle", "http://user@127.0.0.1"], /credentials/],
    [["idle", "http://127.0.0.1:70000"], /70000" has an invalid port/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stdout], [2, ""], `${args}: ${stderr}`);
    assert.match(stderr, pattern);
    assert.match(stderr, /^sockeye-load: [^\n]+\n$/);
  }
});

test("failed runs: exit 1 and one line", async () => {
  const gone = await startSockeye("bench");
  await gone.stop();
  const cases = [
    [["idle", server.url, "--json", "/nowhere/x.json"], /\/nowhere\/x\.json: No such file/],
    [["idle", server.url, "--plot", "/nowhere/x.svg"], /\/nowhere\/x\.svg: No such file/],
    [["idle", server.url, "--server-pid", String(gone.pid)], /--server-pid: no such process: \d+/],
    [["idle", "https://127.0.0.1:1", "--ca", "/nowhere.pem"], /--ca.*nowhere\.pem/],
    [["idle", "http://no.such.host.invalid"], /cannot resolve the host/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stdout, stderr } = await run(...args, "--quiet");
    assert.deepEqual([code, stdout], [1, ""], `${args}: ${stderr}`);
    assert.match(stderr, pattern);
    assert.match(stderr, /^sockeye-load: [^\n]+\n$/);
  }
});

test("--assert: exit 0 when all hold, 3 when one does not", async () => {
  const good = await load("echo", server, { assert: "p99<30s, lost=0,errors=0,joined=10,messages>1,connect-p50>0" });
  assert.deepEqual(good.assert.map(({ holds }) => holds), [true, true, true, true, true, true]);
  assert.deepEqual(good.assert.slice(0, 2), [{ criterion: "p99<30s", value: good.latency.p99, holds: true }, { criterion: "lost=0", value: 0, holds: true }]);
  const bad = await load("echo", server, { assert: "lost=0,p50<1ns,sent<1" }, 3);
  assert.deepEqual(bad.assert.map(({ holds }) => holds), [true, false, false]);
  assert.match(bad.stdout, /^ {2}lost=0 .* holds$/m);
  assert.match(bad.stdout, /^ {2}p50<1ns .* does not hold$/m);
  const none = await load("idle", server, { assert: "p99<1s,memory<1g".replace("1g", "1000m") }, 3);
  assert.deepEqual(none.assert.map(({ value, holds }) => [value, holds]), [[null, false], [null, false]], "what was not measured does not hold");
});

/* ------------------------------------------------------------------------------------------------ the report */

const types = (value) => (value === null ? "null" : Array.isArray(value) ? [...new Set(value.map((v) => JSON.stringify(types(v))))].map((t) => JSON.parse(t)) :
  typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, v]) => [key, types(v)])) : typeof value);

test("--json: every key of the schema, of its type; --plot: an SVG", async () => {
  const plot = scratch(".svg");
  const report = await load("broadcast", server, { clients: 5, processes: 2, serverPid: server.pid, assert: "lost=0", plot, duration: 1700, reconnect: false });
  const { stdout, stderr, options, ...rest } = report;
  const number = "number";
  const latency = Object.fromEntries(["count", "min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"].map((key) => [key, number]));
  assert.deepEqual(types(rest), {
    tool: "string", version: "string", scenario: "string", urls: ["string"],
    seconds: number,
    clients: { wanted: number, opened: number, joined: number, left: number, reconnected: number },
    rates: { connects: number, messages: number, deliveries: number },
    latency, connectTime: latency,
    messages: { sent: number, received: number, lost: number, missed: number, duplicated: number, reordered: number, unanswered: number },
    errors: {},
    server: {
      pids: [number], processes: number, userSeconds: number, systemSeconds: number, cpuPercent: number, cpuMicrosecondsPerMessage: number,
      cpuMicrosecondsPerDelivery: number, memoryBefore: number, memory: number, memoryPerClient: number, memoryAfter: number,
    },
    kernel: { socketBytes: number, socketBytesPerClient: number },
    tester: { cpuPercent: [number], bottleneck: "boolean", why: "string" },
    series: [{ second: number, joined: number, messages: number, deliveries: number, p50: number, p99: number, max: number }],
    assert: [{ criterion: "string", value: number, holds: "boolean" }],
  });
  assert.deepEqual([report.tool, report.scenario, report.urls, report.tester.cpuPercent.length], ["sockeye-load", "broadcast", [server.url], 2]);
  assert.deepEqual(report.series.map(({ second }) => second), [0, 1]);
  assert.ok(report.series.every(({ joined, p50, p99, max }) => joined === 5 && p50 > 0 && p50 <= p99 && p99 <= max));
  assert.ok(Math.abs(report.rates.messages - report.messages.sent / report.seconds) < 1);
  assert.ok(Math.abs(report.rates.deliveries - report.messages.received / report.seconds) < 1);

  const { stdout: help } = await run("--help");
  const names = [...help.matchAll(/^ {2}--(?:\[no-\])?([a-z-]+)/gm)].map(([, name]) => name.replace(/-[a-z]/g, (c) => c[1].toUpperCase())).filter((name) => !/^(help|version)$/.test(name));
  assert.ok(names.length > 30);
  const times = ["reconnectionDelay", "stay", "timeout", "warmUp", "duration", "settle"];
  assert.deepEqual(Object.keys(options), names.map((name) => (times.includes(name) ? `${name}Ms` : name)), "all options, as given");
  assert.deepEqual([options.clients, options.durationMs, options.transport, options.reconnect], [5, 1700, "websocket", false]);

  const svg = readFileSync(plot, "utf8");
  assert.match(svg, /^(<\?xml[^>]*>\s*)?<svg [^]*<\/svg>\s*$/);
  assert.match(svg, /xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
});

test("the text and the JSON agree", async () => {
  const report = await load("echo", server, { serverPid: server.pid, warmUp: 300, duration: 1200 });
  const grouped = (n) => n.toLocaleString("en-US");
  assert.match(report.stdout, new RegExp(`^echo: 1\\.2 s measured, ${server.url}$`, "m"));
  assert.match(report.stdout, /^clients {5}10 of 10 joined; [\d,.]+ joined per second$/m);
  assert.match(report.stdout, new RegExp(`^sent +${grouped(report.messages.sent)} `, "m"));
  assert.match(report.stdout, /^lost +0$/m);
  assert.match(report.stdout, new RegExp(`^ {2}p99\\.99 +${report.latency["p99.99"].toFixed(3)} +`, "m"));
  /* a server without a master has a child that watches it */
  assert.equal(report.server.processes, 2);
  assert.match(report.stdout, new RegExp(`^server +2 processes, pid ${server.pid} and descendants$`, "m"));
  assert.match(report.stdout, /^tester +CPU \d+ %$/m);
  const received = Number(/([\d.]+) MiB\/s/.exec(report.stdout)[1]);
  const [least, most] = [received - 0.05, received + 0.05].map((rounded) => (rounded * 1024 * 1024) / report.rates.deliveries);
  assert.ok(most > 64 && least < 100, `${least} to ${most} bytes for each message of 64`);
});

test("a line of progress each second, no line with --quiet", async () => {
  const tester = start("echo", server, { duration: 2300 });
  const { stderr } = await tester.result;
  const lines = stderr.trimEnd().split("\n").filter((line) => /^run/.test(line));
  assert.ok(lines.length >= 1 && lines.length <= 3, stderr);
  for (const line of lines) assert.match(line, /^run +\d+ s {2}clients 10 {2}messages \d+\/s {2}deliveries \d+\/s( {2}p50 [\d.]+ ms {2}p99 [\d.]+ ms)? {2}errors 0$/);
  assert.equal((await start("echo", server, { duration: 1300, quiet: true }).result).stderr, "");
});

test("SIGINT ends the run early, with a report", async () => {
  for (const scenario of ["echo", "idle"]) {
    const tester = start(scenario, server, { duration: 60_000 });
    await tester.line((line) => /^run +[1-9]/.test(line)); // half a second of it, which is rounded up
    tester.child.kill("SIGINT");
    const { code, report, stdout } = await tester.result;
    assert.equal(code, 0);
    assert.ok(report.seconds >= 0.5 && report.seconds < 20, `${report.seconds} s`);
    assert.equal(report.clients.joined, 10);
    assert.match(stdout, /10 of 10 joined/);
    if (scenario === "echo") assertClean(report);
  }
});

test("SIGINT while clients are still connecting", async () => {
  const tester = start("echo", server, { clients: 1000, connectRate: 10 });
  await tester.line((line) => /^coming .*clients [1-9]/.test(line));
  tester.child.kill("SIGINT");
  const { code, report } = await tester.result;
  assert.equal(code, 0);
  assert.ok(report.clients.joined > 0 && report.clients.joined < 100);
  assert.equal(report.clients.wanted, 1000);
  assert.equal(report.messages.lost, 0);
});

/* ------------------------------------------------------------------------------------------- the measuring */

for (const processes of [2, 3])
  test(`--processes ${processes}: their counts add up`, async () => {
    let clients = 0, heard = 0;
    const counted = await startNode((io) => {
      io.on("connection", (socket) => (clients++, socket.on("echo", () => heard++)));
      answering(io);
    });
    const echo = await load("echo", counted, { clients: 11, processes, senders: 7 });
    await counted.left();
    await counted.stop();
    assertClean(echo, 11);
    assert.equal(clients, 11);
    const { sent, received } = echo.messages;
    assert.ok(sent <= heard && Math.abs(sent - received) <= 7, `${heard} heard, ${sent} sent and ${received} received in the run: one under way for each sender`);
    await Promise.all(["broadcast", "room"].map(async (scenario) => {
      const dues = [];
      const own = await startNode((io) => answering(io, (emit, socket, message) => (dues.push(dueOf(message)), emit())));
      const report = await load(scenario, own, { clients: 11, processes, senders: 4, roomSize: 11, messageRate: 200, duration: 2000 });
      assertClean(report, 11);
      const first = dues.reduce((a, b) => (a < b ? a : b));
      assert.ok(dues.every((due) => (due - first) % 5_000_000n === 0n), "all processes reckon from one moment");
      const due = report.latency.count / 11;
      assert.ok(Number.isInteger(due) && Math.abs(due - 400) <= processes, `${due} messages of 400 were due in the run, each with its latency to 11 clients`);
      assert.ok(report.messages.sent <= due && report.messages.sent >= due - 90, `${report.messages.sent} sent, the others after a stall at its end`);
      assert.ok(report.messages.received <= 11 * due && report.messages.received >= 11 * (due - 90), `${report.messages.received} received`);
      assert.deepEqual([sum(report.series, "messages"), sum(report.series, "deliveries")], [report.messages.sent, report.messages.received]);
      assert.equal(report.tester.cpuPercent.length, processes);
      await own.stop();
    }));
  });

test("open loop: a message that waits behind a stall counts from when it was due", { skip: short }, async () => {
  const blocked = new Int32Array(new SharedArrayBuffer(4));
  let at = Infinity; // once per run, half a second after its first message
  const stalling = await startNode((io) => {
    io.on("connection", () => (at = 0));
    answering(io, (emit) => {
      if (at === 0) at = performance.now() + 500;
      if (performance.now() >= at) {
        at = Infinity;
        Atomics.wait(blocked, 0, 0, 300);
      }
      emit();
    });
  });
  const open = await load("echo", stalling, { clients: 10, messageRate: 200, duration: 1500 });
  assertClean(open);
  assert.ok(open.latency.max >= 295 && open.latency.p99 >= 220 && open.latency.min < 100, JSON.stringify(open.latency));
  assert.equal(open.latency.count, 300, "it goes on sending");

  const closed = await load("echo", stalling, { clients: 1, duration: 1000 });
  assert.ok(closed.latency.max >= 295 && closed.latency.p90 < 100, "one in flight: one that waited");
  await stalling.stop();
});

/** Stops a process for `wanted` ms and returns the time. If something else continues it early, tries shorter and shorter pauses. */
async function stopFor(pid, wanted) {
  for (let ms = wanted; ; ms = Math.max(ms * 0.7, 60)) {
    process.kill(pid, "SIGSTOP");
    const since = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms)); // the time that the report must show
    const stopped = / T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")) && performance.now() - since;
    process.kill(pid, "SIGCONT");
    if (stopped) return stopped;
  }
}

test("open loop: a tester that was stopped says so, and counts from when messages were due", { skip: short }, async () => {
  const tester = start("echo", server, { messageRate: 500, duration: 3000, assert: "lost=0" });
  await tester.line((line) => /^run/.test(line));
  const [{ pid }] = children(tester.child.pid);
  const stopped = await stopFor(pid, 300);
  const { code, report, stdout } = await tester.result;
  assert.equal(code, 0);
  // of the messages of three seconds, a hundredth is due within 30 ms
  assert.ok(report.latency.max >= stopped - 5 && report.latency.p99 >= stopped - 40, `${stopped} ms: ${JSON.stringify(report.latency)}`);
  assert.equal(report.tester.bottleneck, true);
  assert.match(stdout, /^The tester, not the server, set the limit here: \d+ of \d+ messages were sent more than 10 ms late/m);
  assert.equal(report.latency.count, 1500, "it makes up for them");
});

test("--server-pid: processor time and memory of all the server's processes", { skip: short }, async () => {
  const several = await startSockeye("bench", ["--workers", "2"]);
  const jiffies = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((a, b) => a + Number(b), 0) / 100;
  const all = () => [several.pid, ...children(several.pid).map(({ pid }) => pid)];
  const pss = () => all().reduce((total, pid) => total + memory(pid) * 1024, 0);
  const before = all().reduce((total, pid) => total + jiffies(pid), 0);
  const idle = pss();
  const report = await load("echo", several, { clients: 300, duration: 1000, serverPid: several.pid });
  const used = all().reduce((total, pid) => total + jiffies(pid), 0) - before;
  const { userSeconds, systemSeconds, processes, memoryBefore, memoryPerClient, memory: with300, cpuPercent } = report.server;
  assert.equal(processes, 4, "master, hub, two workers");
  assert.ok(userSeconds + systemSeconds > 0.02 && userSeconds + systemSeconds <= used + 0.03, `${userSeconds} + ${systemSeconds} of ${used} s`);
  assert.ok(Math.abs(cpuPercent - ((userSeconds + systemSeconds) / report.seconds) * 100) < 1);
  assert.ok(memoryBefore > idle / 1.5 && memoryBefore < idle * 1.5, `${memoryBefore}, ${idle} before`);
  assert.ok(with300 > memoryBefore && memoryPerClient > 500 && memoryPerClient < 40_000, `${memoryPerClient} bytes each`);
  await several.stop();
});

test("--source-addresses: clients use this many addresses", async () => {
  const seen = new Set();
  const node = await startNode((io) => io.on("connection", (socket) => seen.add(socket.handshake.address)));
  await load("idle", node, { clients: 30, sourceAddresses: 5, duration: 100 });
  assert.deepEqual([...seen].sort(), [1, 2, 3, 4, 5].map((n) => `127.1.0.${n}`));
  seen.clear();
  await load("idle", node, { clients: 30, duration: 100 });
  assert.deepEqual([...seen], ["127.0.0.1"]);
  await node.stop();
});

test("--seed: the same seed gives the same padding", async () => {
  const paddings = new Map();
  const node = await startNode((io) => io.on("connection", (socket) => socket.on("echo", (text) => (paddings.get(seed).add(text.slice(48)), socket.emit("echo", text)))));
  let seed;
  for (seed of [1, 1, 2]) {
    if (!paddings.has(seed)) paddings.set(seed, new Set());
    assertClean(await load("echo", node, { clients: 1, size: 100, seed }), 1);
  }
  assert.deepEqual([paddings.get(1).size, paddings.get(2).size], [1, 1]);
  assert.notDeepEqual([...paddings.get(1)], [...paddings.get(2)]);
  await node.stop();
});

test("--per-message-deflate: compressed messages are read, with and without context", async () => {
  for (const serverNoContextTakeover of [false, true]) {
    const seen = new Set();
    const node = await startNode((io) => {
      answering(io);
      io.on("connection", ({ conn }) => seen.add(conn.transport.socket.extensions));
    }, { perMessageDeflate: { threshold: 100, serverNoContextTakeover } });
    assertClean(await load("broadcast", node, { clients: 10, size: 4096, perMessageDeflate: true }));
    assert.deepEqual([...seen], ["permessage-deflate"]);
    await node.stop();
  }
  const compressing = await startSockeye("bench", ["--per-message-deflate"]);
  assertClean(await load("broadcast", compressing, { clients: 10, size: 4096, perMessageDeflate: true }));
  await compressing.stop();
});

test("--event: another name", async () => {
  const node = await startNode((io) => io.on("connection", (socket) => socket.on("say", (text) => socket.emit("said", text))));
  assertClean(await load("echo", node, { event: "say" }));
  await node.stop();
});

