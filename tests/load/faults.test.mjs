// Servers that misbehave: sockeye-load reports exactly what they did.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { describe, test } from "node:test";
import { freePort } from "../cluster/support/redis.mjs";
import { answering, dueOf, startNode, startRedis, startSockeye } from "./support/servers.mjs";
import { assertClean, load, start, sum } from "./support/tester.mjs";

const open = { messageRate: 400, duration: 700 }; // an open loop, in which a lost message stops no sender
const DUE = 280; // its number of messages

/**
 * A run against a Node.js server whose messages pass through `fault`. When it ends, the server has finished everything.
 */
async function against(fault, scenario, options) {
  const server = await startNode((io) => answering(io, fault));
  try {
    const report = await load(scenario, server, options);
    await server.left();
    return report;
  } finally {
    await server.stop();
  }
}

/** The counts of a report that show faults, without those that are zero. */
const faults = ({ messages: { sent, received, ...counts } }) => Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));

describe("faults of messages are counted", { concurrency: 4 }, () => {
  for (const scenario of ["echo", "ack", "broadcast", "room"]) {
    const receivers = scenario === "broadcast" || scenario === "room" ? 10 : 1;
    const answer = { clients: 10, roomSize: 10, settle: 3000, ...open };

    test(`${scenario}: lost messages are counted`, async () => {
      let seen = 0;
      const dropped = [], answered = [];
      const report = await against((emit, socket, message) => {
        if (++seen % 5 === 0) return dropped.push(dueOf(message));
        answered.push(dueOf(message));
        emit();
      }, scenario, answer);
      const end = [...dropped, ...answered].reduce((a, b) => (a < b ? a : b)) + BigInt(open.duration * 1e6); // the run begins with the first message
      const inRun = (dues) => dues.filter((due) => due < end).length;
      assert.equal(inRun(dropped) + inRun(answered), DUE);
      assert.deepEqual(faults(report), { lost: dropped.length * receivers });
      assert.ok(report.messages.sent > 0 && report.messages.sent <= DUE, `${report.messages.sent} sent`);
      assert.equal(report.latency.count, inRun(answered) * receivers, "latencies of messages that were due in the run");
    });

    // The repeated message is sent before the sender's next one. When that one has arrived, the tester has also received
    // the repetition.
    const once = scenario === "ack" && "Node.js lets an acknowledgement out only once";
    test(`${scenario}: repeated messages are counted`, { skip: once }, async () => {
      let seen = 0, twice = 0;
      const again = new Map();
      const report = await against((emit, socket) => {
        if (again.has(socket)) {
          twice++;
          again.get(socket)();
          again.delete(socket);
        }
        emit();
        if (++seen % 7 === 0) again.set(socket, emit);
      }, scenario, answer);
      assert.ok(twice > 20, `${twice} came twice`);
      assert.deepEqual(faults(report), { duplicated: twice * receivers });
    });

    // the late message is sent between the sender's next two
    test(`${scenario}: late messages are counted`, async () => {
      let seen = 0, swapped = 0;
      const held = new Map();
      const report = await against((emit, socket) => {
        const earlier = held.get(socket);
        if (earlier?.overtaken) {
          held.delete(socket);
          swapped++;
          earlier.emit();
          emit();
        } else if (earlier) {
          earlier.overtaken = true;
          emit();
        } else if (++seen % 8 === 0) held.set(socket, { emit });
        else emit();
      }, scenario, answer);
      assert.ok(swapped > 10, `${swapped} came late`);
      const expected = { reordered: swapped * receivers };
      if (held.size > 0) expected.lost = held.size * receivers; // too few messages came after the held ones
      assert.deepEqual(faults(report), expected);
    });

    test(`${scenario}: no answer at all`, async () => {
      let seen = 0;
      const report = await against(() => seen++, scenario, { duration: 2300, timeout: 1000, settle: 100 });
      const senders = receivers === 1 ? 10 : 1;
      const { lost, unanswered, ...others } = faults(report);
      assert.deepEqual([lost, others], [seen * receivers, {}]);
      assert.ok(unanswered >= senders, "given up once by each sender");
      // a sender sends another message for each one that it gives up; its last but one may time out after the run
      assert.ok(unanswered <= seen - senders && unanswered >= seen - 2 * senders, `${unanswered} of ${seen}`);
      assert.deepEqual([report.messages.received, report.latency.count], [0, 0]);
    });
  }
});

test("lost by one receiver of many", async () => {
  let seen = 0, dropped = 0;
  const server = await startNode((io) => {
    io.on("connection", (socket) =>
      socket.on("broadcast", (...args) => {
        const [one] = io.sockets.sockets.keys();
        if (++seen % 4 === 0) dropped++;
        (seen % 4 === 0 ? io.except(one) : io).emit("broadcast", ...args);
      }));
  });
  const report = await load("broadcast", server, open);
  await server.left();
  assert.ok(dropped > 20);
  assert.deepEqual(faults(report), { lost: dropped });
  await server.stop();
});

test("a message to the wrong client, and one that was never sent", async () => {
  let last;
  const server = await startNode((io) =>
    io.on("connection", (socket) => socket.on("echo", (message) => {
      socket.emit("echo", message);
      if (last && last !== socket) last.emit("echo", message);
      last = socket;
    })));
  const report = await load("echo", server, open);
  assert.ok(report.errors.protocol > 20);
  assert.deepEqual(faults(report), {});
  await server.stop();

  let forged = 0;
  const forger = await startNode((io) =>
    io.on("connection", (socket) => socket.on("echo", (message) => {
      socket.emit("echo", `${message.slice(0, 18)}0fffffff${message.slice(26)}`); // a sequence number far ahead
      socket.emit("echo", message); // the run waits for it
      forged++;
    })));
  const other = await load("echo", forger, open);
  await forger.left();
  assert.deepEqual([faults(other), other.errors], [{}, { protocol: forged }]);
  await forger.stop();
});

test("events of the application itself do not count", async () => {
  const server = await startNode((io) => {
    answering(io);
    io.on("connection", (socket) => socket.emit("welcome", { text: "sl0000" }, Buffer.from([1])));
  });
  assertClean(await load("broadcast", server));
  await server.stop();
});

test("clients that the server disconnects reconnect; what they missed is not lost", async () => {
  let seen = 0, kicked = 0;
  const server = await startNode((io) => answering(io, (emit, sender) => {
    emit();
    if (++seen !== 40) return;
    // the sender stays, because the others would lose its messages in transit if it were cut off
    for (const socket of [...io.sockets.sockets.values()].filter((socket) => socket !== sender).slice(4)) kicked++, socket.disconnect(true);
  }));
  const tester = start("broadcast", server, { messageRate: 100, duration: 25_000 });
  await tester.line((line) => /errors 5$/.test(line));
  const left = tester.lines.length;
  await tester.line((line) => /^run .*clients 10 .*deliveries (9\d\d|\d{4,})\/s/.test(line), left);
  tester.child.kill("SIGINT");
  const { code, report } = await tester.result;
  assert.equal(code, 0);
  assert.equal(kicked, 5);
  assert.deepEqual(report.clients, { wanted: 10, opened: 10, joined: 10, left: 5, reconnected: 5 });
  assert.deepEqual(report.errors, { closed: 5 });
  assert.ok(report.messages.missed >= 5 * 10, "half a second of 100 a second, five times");
  assert.deepEqual([report.messages.lost, report.messages.duplicated, report.messages.reordered], [0, 0, 0]);
  assert.equal(sum(report.series, "deliveries"), report.messages.received);
  await server.stop();
});

describe("--recover: events that a recovered client does not get are counted", { concurrency: 6 }, () => {
  const CUT = 5; // of the 10 clients, the sender not among them
  const lies = { // how the server changes the events that a client has missed
    nothing: [(missed) => missed, {}],
    "a gap": [(missed) => missed.slice(1), { lost: CUT }],
    "a gap at the end": [(missed) => missed.slice(0, -1), { lost: CUT }],
    "a repeated event": [([first, ...others]) => [first, first, ...others], { duplicated: CUT }],
    "two in the wrong order": [([first, second, ...others]) => [second, first, ...others], { reordered: CUT }],
  };

  /** Cuts five clients off and runs until all have come back. Resolves with the report. */
  async function cutAndReturn(lie, options) {
    let seen = 0;
    const server = await startNode((io) => {
      const { adapter } = io.of("/");
      const restore = adapter.restoreSession;
      if (lie) adapter.restoreSession = async function (...args) {
        const session = await restore.apply(this, args);
        return session && { ...session, missedPackets: lie(session.missedPackets) };
      };
      answering(io, (emit, sender) => {
        emit();
        if (++seen === 20) [...io.sockets.sockets.values()].filter((socket) => socket !== sender).slice(4).forEach((socket) => socket.conn.close());
      });
    }, lie ? { connectionStateRecovery: {} } : {});
    const tester = start("broadcast", server, { recover: true, reconnectionDelay: 300, randomization: false, messageRate: 100, duration: 60_000, ...options });
    await tester.line((line) => new RegExp(`^run .*clients 10 .*errors ${CUT}$`).test(line));
    tester.child.kill("SIGINT");
    const { code, report, stdout } = await tester.result;
    assert.equal(code, 0, stdout);
    await server.stop();
    return report;
  }

  for (const [name, [lie, expected]] of Object.entries(lies))
    test(name, async () => {
      const report = await cutAndReturn(lie, { transport: name === "nothing" ? "upgrade" : "websocket", binary: name === "nothing" });
      const { recovered, notRecovered, replayed, seconds } = report.recovery;
      assert.deepEqual({ recovered, notRecovered }, { recovered: CUT, notRecovered: 0 });
      assert.ok(replayed >= 10 * CUT, `${replayed} in 300 ms at 100 a second`);
      assert.ok(report.awayTime.count === CUT && report.awayTime.min >= 300 && report.awayTime.max / 1000 <= seconds + 0.001, JSON.stringify(report.awayTime));
      assert.deepEqual(faults(report), expected);
    });

  test("a server without recovery", async () => {
    const report = await cutAndReturn(null);
    const { recovered, notRecovered, replayed } = report.recovery;
    assert.deepEqual({ recovered, notRecovered, replayed }, { recovered: 0, notRecovered: CUT, replayed: 0 });
    const { missed, ...others } = faults(report);
    assert.ok(missed >= 10 * CUT, `${missed} in 300 ms at 100 a second`);
    assert.deepEqual(others, {});
  });
});

test("--no-reconnect: clients do not reconnect", async () => {
  const server = await startNode((io) => io.on("connection", (socket) => socket.disconnect(true)));
  const report = await load("idle", server, { reconnect: false });
  assert.deepEqual([report.clients.joined, report.clients.reconnected, report.errors], [0, 0, { closed: 10 }]);
  await server.stop();
});

/* ------------------------------------------------------------------ no server, or a server that does not speak Socket.IO */

const cannot = async (url, options, kind, pattern, scenario = "echo") => {
  const report = await load(scenario, url, { reconnect: false, ...options }, 1); // each tries once, however long the others take
  assert.deepEqual(report.errors, { [kind]: 10 }, report.stdout);
  assert.match(report.stderr, pattern);
  assert.equal(report.stderr.split("\n").length, 2, "one line");
};

test("no server: exit 1, one line", async () => {
  for (const transport of ["websocket", "polling"])
    await cannot(`http://127.0.0.1:${await freePort()}`, { transport }, "refused", /^sockeye-load: no client could join http:\S+: the connection was refused$/m);
});

test("no Socket.IO behind the port: the first line shows its answer", async () => {
  const answer500 = http.createServer((request, response) => response.writeHead(500).end("out of order"));
  answer500.on("upgrade", (request, socket) => socket.end("HTTP/1.1 500 Oh\r\nContent-Length: 12\r\n\r\nout of order"));
  const servers = [
    [answer500, "http", /answered 500 out of order$|refused: 500 out of order$/m],
    [net.createServer((socket) => socket.on("error", () => {}).write("SSH-2.0-OpenSSH_9\r\n")), "http", /not HTTP/],
    [net.createServer((socket) => socket.on("error", () => {}).end()), "closed", /closed the connection without an answer/],
    [net.createServer((socket) => socket.on("error", () => {})), "handshake", /not joined within --timeout/],
    [http.createServer((request, response) => response.end("0{}")).on("upgrade", (request, socket) =>
      socket.end("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")), ["http", "protocol"], /Sec-WebSocket-Accept|open packet/],
  ];
  for (const [server, kinds, pattern] of servers) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    for (const [i, transport] of ["websocket", "polling"].entries())
      await cannot(`http://127.0.0.1:${server.address().port}`, { transport, timeout: kinds === "handshake" ? 300 : 5000 }, [kinds].flat().at(i) ?? kinds, pattern);
    server.closeAllConnections?.();
    server.close();
  }
});

test("some clients are refused: the others go on, exit 0", async () => {
  let n = 0;
  const server = await startNode((io) => {
    io.use((socket, next) => next(++n <= 4 ? undefined : new Error("full")));
    answering(io);
  });
  const report = await load("echo", server, { reconnect: false });
  assert.deepEqual([report.clients.joined, report.errors, faults(report)], [4, { rejected: 6 }, {}]);
  await server.stop();
});

test("a room that is never joined: --timeout ends the wait", async () => {
  const server = await startNode(() => {});
  await cannot(server.url, { timeout: 1500 }, "handshake", /join was not acknowledged within --timeout/, "room");
  await server.stop();
});

/* -------------------------------------------------------------------------------------- servers that die */

/** Kills the server, and starts it again at the same place. */
async function restart(server, app, args) {
  server.child.kill("SIGKILL");
  await server.exited;
  return startSockeye(app, ["--port", String(server.port), ...args]);
}

test("a server's process dies while the clients leave: the report has its figures, and a line says so", async () => {
  const sleeper = spawn("sleep", ["1000"]);
  const ended = () => readFileSync(`/proc/${sleeper.pid}/stat`, "utf8").includes(") Z ");
  const server = await startNode((io) => {
    answering(io);
    io.on("connection", (socket) => socket.on("disconnecting", () => {
      if (sleeper.killed) return;
      sleeper.kill("SIGKILL");
      while (!ended()); // before the client hears that it has left
    }));
  });
  const tester = start("echo", server, { ...open, serverPid: sleeper.pid });
  const { code, report, stderr } = await tester.result;
  assert.equal(code, 0);
  assert.match(stderr, new RegExp(`^sockeye-load: option --server-pid: process ${sleeper.pid} has ended while the clients left; `, "m"));
  assert.equal(report.server.processes, 1);
  assert.equal(report.server.memoryAfter ?? undefined, undefined);
  await server.stop();
});

test("a server dies and returns: its clients come back, what they missed is not lost", async () => {
  let server = await startSockeye("bench");
  const tester = start("broadcast", server, { messageRate: 100, duration: 25_000, serverPid: server.pid });
  await tester.line((line) => /^run .*clients 10 /.test(line));
  const { pid } = server;
  server = await restart(server, "bench", []);
  const from = tester.lines.length;
  await tester.line((line) => /^run .*clients 10 .*deliveries 1?\d\d\d\/s.*errors [1-9]/.test(line), from);
  tester.child.kill("SIGINT");
  const { code, report, stdout, stderr } = await tester.result;
  assert.equal(code, 0, stdout);
  assert.match(stderr, new RegExp(`^sockeye-load: option --server-pid: process ${pid} has ended; the report does not contain the server's figures$`, "m"));
  assert.equal(report.server, undefined);
  const { joined, left, reconnected } = report.clients;
  assert.deepEqual({ joined, left, reconnected }, { joined: 10, left: 10, reconnected: 10 });
  assert.deepEqual([report.messages.lost, report.messages.duplicated, report.messages.reordered], [0, 0, 0]);
  assert.ok(report.messages.unanswered > 0, "messages were due while no sender was connected");
  assert.ok((report.errors.closed ?? 0) + (report.errors.reset ?? 0) === 10, JSON.stringify(report.errors));
  await server.stop();
});

test("a cluster of two: one node dies and returns", async () => {
  const redis = await startRedis();
  const args = (id) => ["--redis", redis.url, "--node-id", String(id)];
  const up = (server) => server.line((line) => line.event === "bus" && line.state === "up");
  const [one, two] = await Promise.all([1, 2].map((id) => startSockeye("bench", args(id))));
  await Promise.all([up(one), up(two)]);

  const good = await load("cluster", [one, two], { clients: 20, inFlight: 4, duration: 1000 });
  assertClean(good, 20);
  const { sent } = good.messages;
  assert.ok(sent > 40 && good.latency.count > 0 && good.latency.count <= 10 * (sent + 20), `${good.latency.count} of ${sent} sent: at the other node's ten clients alone`);

  const tester = start("cluster", [one, two], { clients: 20, messageRate: 100, duration: 25_000 });
  await tester.line((line) => /^run .*clients 20 /.test(line));
  const again = await restart(two, "bench", args(2));
  await tester.line((line) => /^run .*clients 20 .*deliveries (19\d\d|[2-9]\d{3,})\/s.*errors [1-9]/.test(line), tester.lines.length);
  tester.child.kill("SIGINT");
  const { code, report, stdout } = await tester.result;
  assert.equal(code, 0, stdout);
  const { joined, left, reconnected } = report.clients;
  assert.ok(left >= 9 && left <= 10, "the clients of the node that died");
  assert.deepEqual([joined, reconnected], [20, left]);
  assert.ok(report.messages.missed > 0);
  assert.deepEqual([report.messages.lost, report.messages.duplicated, report.messages.reordered, report.messages.unanswered], [0, 0, 0, 0], stdout);
  await Promise.all([one.stop(), again.stop()]);
  await redis.stop();
});

test("a node that starts late: earlier messages are missed, not lost", async () => {
  const port = await freePort();
  const redis = await startRedis();
  const one = await startSockeye("bench", ["--redis", redis.url, "--node-id", "1"]);
  const tester = start("cluster", [one.url, `http://127.0.0.1:${port}`], { messageRate: 50, duration: 25_000, timeout: 1500 });
  await tester.line((line) => /^run /.test(line));
  const two = await startSockeye("bench", ["--redis", redis.url, "--node-id", "2", "--port", String(port)]);
  await tester.line((line) => /^run .*clients 10 .*deliveries (4[5-9]\d|[5-9]\d\d|\d{4,})\/s/.test(line));
  tester.child.kill("SIGINT");
  const { report, stdout } = await tester.result;
  assert.ok(report.messages.missed > 0 && report.errors.refused > 0, stdout);
  assert.deepEqual([report.messages.lost, report.clients.left, report.clients.joined], [0, 0, 10], stdout);
  await Promise.all([one.stop(), two.stop()]);
  await redis.stop();
});
