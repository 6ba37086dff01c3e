// Every scenario of sockeye-load against correct servers: Sockeye, Node.js, Python.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Server } from "socket.io";
import { root } from "../clients/support/server.mjs";
import { makeCertificate } from "../clients/support/tls.mjs";
import { within } from "../clients/support/wait.mjs";
import { answering, startNode, startSockeye } from "./support/servers.mjs";
import { assertClean, load, short } from "./support/tester.mjs";

const certificate = makeCertificate();
after(() => certificate.remove());

describe("Sockeye, several runs at a time", { concurrency: 3 }, () => {
  let server;
  before(async () => (server = await startSockeye("bench")));
  after(() => server.stop());

  for (const transport of ["websocket", "polling", "upgrade"]) {
    test(`echo over ${transport}`, async () => {
      const report = await load("echo", server, { transport });
      assertClean(report);
      assert.equal(report.options.transport, transport);
    });
    test(`ack over ${transport}`, async () => assertClean(await load("ack", server, { transport, inFlight: 4 })));
    test(`broadcast over ${transport}`, async () => {
      const report = await load("broadcast", server, { transport, senders: 2, inFlight: 3 });
      assertClean(report);
      assert.ok(report.messages.received > 9 * (report.messages.sent - 6), report.stdout); // except for messages under way at the end
    });
    test(`room over ${transport}`, async () => {
      const report = await load("room", server, { transport, clients: 12, roomSize: 4, senders: 3 });
      assertClean(report, 12);
      assert.ok(report.messages.received <= 4 * report.messages.sent + 12 && report.messages.received > 3 * (report.messages.sent - 3), report.stdout);
    });
    test(`binary over ${transport}`, async () => {
      for (const scenario of ["echo", "ack", "broadcast", "room"]) assertClean(await load(scenario, server, { transport, binary: true, size: 3000 }));
    });
  }
});

describe("Sockeye", () => {
  let server;
  before(async () => (server = await startSockeye("bench")));
  after(() => server.stop());

  test("polling is long-polling regardless of --transport", async () => {
    const report = await load("polling", server, { transport: "websocket" });
    assertClean(report);
    assert.equal(report.options.transport, "polling");
  });

  test("large messages", async () => assertClean(await load("echo", server, { size: "200k", clients: 3, inFlight: 2 }), 3));

  test("connect: the run lasts until all have connected", async () => {
    const report = await load("connect", server, { clients: 50 });
    assert.deepEqual(report.clients, { wanted: 50, opened: 50, joined: 50, left: 0, reconnected: 0 });
    assert.equal(report.connectTime.count, 50);
    assert.ok(report.rates.connects * report.seconds >= 49.9, `${report.rates.connects} a second, ${report.seconds} s`);
    assert.ok(50 / report.rates.connects >= report.connectTime.max / 1000, "the rate is of all of the time");
    assert.deepEqual([report.messages.sent, report.latency.count], [0, 0]);
  });

  test("connect at a rate", async () => {
    const report = await load("connect", server, { clients: 50, connectRate: 100 });
    assert.ok(report.seconds >= 0.49 && report.rates.connects <= 103, `${report.seconds} s, ${report.rates.connects} a second`);
  });

  test("idle: clients stay connected", async () => {
    const report = await load("idle", server, { clients: 20, duration: 300 });
    assert.equal(report.clients.joined, 20);
    assert.ok(report.seconds >= 0.3 && report.seconds < 10);
    assert.equal(report.messages.sent, 0);
  });

  test("churn: as many arrive as leave", async () => {
    const began = performance.now();
    const report = await load("churn", server, { clients: 60, connectRate: 100, stay: 100, duration: 1500 });
    const seconds = (performance.now() - began) / 1000;
    assert.ok(report.connectTime.count > 60, `${report.connectTime.count} came: some of them in the place of one that had left`);
    assert.ok(report.connectTime.count <= 100 * seconds, `${report.connectTime.count} came in ${seconds} s`);
    assert.ok(report.clients.joined <= 60, `${report.clients.joined} at once`);
    assert.deepEqual([report.clients.left, report.errors], [0, {}]);
  });

  test("churn with too few clients reports that it could not keep the rate", async () => {
    const report = await load("churn", server, { clients: 5, connectRate: 200, stay: 300, duration: 500 });
    assert.ok(report.tester.bottleneck);
    assert.match(report.stdout, /The tester, not the server, set the limit here: \d+ clients were late/);
  });

  test("storm: all reconnect", async () => {
    const report = await load("storm", server, { clients: 50, duration: 5000 });
    assert.equal(report.clients.joined, 50);
    assert.equal(report.connectTime.count, 50);
    assert.ok(report.seconds < 4.9, "over as soon as all are back");
    assert.deepEqual(report.errors, {});
    assert.equal(report.recovery, undefined);
  });

  test("storm --recover: all are recovered by a server that offers it", async () => {
    const recovering = await startSockeye("bench", ["--connection-state-recovery"]);
    const report = await load("storm", recovering, { clients: 50, duration: 20_000, recover: true, assert: "recovered=50,not-recovered=0,away-max<20s" });
    assert.deepEqual([report.clients.joined, report.recovery.recovered, report.awayTime.count], [50, 50, 50]);
    await recovering.stop();
    const { recovered, notRecovered } = (await load("storm", server, { clients: 50, duration: 20_000, recover: true })).recovery;
    assert.deepEqual([recovered, notRecovered], [0, 50]);
  });
});

describe("TLS", () => {
  let server;
  before(async () => (server = await startSockeye("bench", certificate.args)));
  after(() => server.stop());

  for (const transport of ["websocket", "polling", "upgrade"])
    test(`--ca over ${transport}`, async () => assertClean(await load("echo", server, { transport, ca: certificate.cert })));

  test("an unknown authority is refused: tls, exit 1", async () => {
    const other = makeCertificate();
    for (const options of [{}, { ca: other.cert }]) {
      const report = await load("echo", server, { reconnect: false, ...options }, 1);
      assert.deepEqual([report.errors, report.clients.joined], [{ tls: 10 }, 0]);
      assert.match(report.stderr, /^sockeye-load: no client could join https:.*certificate.*\n$/);
    }
    other.remove();
  });

  test("a certificate for another host is refused", async () => {
    const elsewhere = await startNode((io) => answering(io), { tls: certificate, host: "127.0.0.2" });
    const report = await load("echo", elsewhere, { ca: certificate.cert, reconnect: false }, 1);
    assert.deepEqual(report.errors, { tls: 10 });
    await elsewhere.stop();
  });

  test("--no-verify accepts any certificate", async () => assertClean(await load("echo", server, { verify: false })));
});

describe("a namespace that requires a token", () => {
  const handshakes = [];
  let server;
  before(async () => {
    server = await startNode((io) => {
      const nsp = io.of("/secure");
      nsp.use((socket, next) => {
        handshakes.push(socket.handshake);
        next(socket.handshake.auth.token === "sesame" ? undefined : new Error("who are you"));
      });
      answering(nsp);
    });
  });
  after(() => server.stop());

  describe("the right token", { concurrency: 3 }, () => {
    for (const transport of ["websocket", "polling", "upgrade"])
      test(`over ${transport}`, async () => {
        for (const scenario of ["echo", "ack", "broadcast", "room"])
          assertClean(await load(scenario, `${server.url}/secure`, { transport, auth: '{"token":"sesame"}' }));
      });
  });

  test("a wrong token: rejected, exit 1", async () => {
    for (const options of [{}, { auth: '{"token":"guess"}' }]) {
      const report = await load("echo", `${server.url}/secure`, { reconnect: false, ...options }, 1);
      assert.deepEqual(report.errors, { rejected: 10 });
      assert.match(report.stderr, /^sockeye-load: no client could join .*who are you.*\n$/);
    }
  });

  test("a namespace that does not exist: rejected", async () => {
    const report = await load("idle", `${server.url}/nowhere`, { reconnect: false }, 1);
    assert.deepEqual(report.errors, { rejected: 10 });
    assert.match(report.stderr, /Invalid namespace/);
  });

  test("--header and --query arrive, a browser's header fields too", async () => {
    handshakes.length = 0;
    const options = { clients: 1, duration: 100, auth: '{"token":"sesame"}', query: "room=7&x=y", header: "X-One: 1|X-Two: 2" };
    await load("echo", `${server.url}/secure`, options);
    await load("echo", `${server.url}/secure`, { ...options, browserHeaders: true });
    assert.deepEqual(handshakes.map(({ headers, query }) => [headers["x-one"], headers["x-two"], query.room, query.x]), [["1", "2", "7", "y"], ["1", "2", "7", "y"]]);
    assert.match(handshakes[0].headers["user-agent"], /^sockeye-load\//);
    assert.match(handshakes[1].headers["user-agent"], /^Mozilla\//);
  });
});

describe("stock Node.js", { skip: short }, () => {
  let server, secure;
  before(async () => {
    server = await startNode((io) => answering(io));
    secure = await startNode((io) => answering(io), { tls: certificate, path: "/other/" });
  });
  after(() => Promise.all([server.stop(), secure.stop()]));

  // a server for each test, so that broadcasts reach only its own clients
  describe("scenarios with messages", { concurrency: 3 }, () => {
    for (const transport of ["websocket", "polling", "upgrade"])
      test(`over ${transport}`, async () => {
        const own = await startNode((io) => answering(io));
        for (const scenario of ["echo", "ack", "broadcast", "room"]) assertClean(await load(scenario, own, { transport, inFlight: 2 }));
        assertClean(await load("echo", own, { transport, binary: true }));
        await own.stop();
      });
  });

  test("scenarios without messages", async () => {
    for (const scenario of ["connect", "idle", "storm"]) assert.equal((await load(scenario, server, { duration: 300 })).clients.joined, 10);
    assert.ok((await load("churn", server, { clients: 40, connectRate: 50, stay: 50, duration: 800 })).connectTime.count > 10);
  });

  test("when all have left the server has no client left", async () => {
    await load("idle", server, { clients: 5, duration: 100 });
    await server.left();
    assert.equal((await server.io.fetchSockets()).length, 0);
  });

  test("TLS, another --path", async () => assertClean(await load("echo", secure, { ca: certificate.cert, path: "/other/" })));
});

/** Runs a server that prints its port. */
async function startProgram(command, args, cwd) {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = await within(once(child.stdout, "data"), `${command} to print its port`);
  return { url: `http://127.0.0.1:${Number(line)}`, stop: () => (child.kill("SIGKILL"), exited) };
}

test("python-socketio", { skip: short }, async () => {
  const server = await startProgram("/usr/bin/python3", [path.join(root, "tests/load/support/server.py")]);
  try {
    await Promise.all(["websocket", "polling", "upgrade"].map(async (transport) => {
      for (const scenario of ["echo", "ack", "broadcast", "room"]) assertClean(await load(scenario, server, { transport, binary: scenario === "echo" }));
    }));
  } finally {
    await server.stop();
  }
});

test("the documented server for Node.js answers every scenario", async () => {
  const [, program] = /```js\n(\/\* load-server\.mjs.*?)```/s.exec(readFileSync(path.join(root, "docs/load-testing.md"), "utf8"));
  assert.match(program, /^import { Server } from "socket.io";$/m);
  assert.match(program, /new Server\(3000\)/);
  const make = new Function("Server", `${program.replace(/^import.*$/m, "").replace("(3000)", "(0)")}; return io;`);
  const io = make(Server);
  if (!io.httpServer.listening) await once(io.httpServer, "listening");
  const url = `http://127.0.0.1:${io.httpServer.address().port}`;
  try {
    for (const scenario of ["echo", "ack", "broadcast", "room", "polling"]) assertClean(await load(scenario, url));
  } finally {
    io.close();
  }
});
