// Links to the real program: several workers on one address, TLS, secrets, the file of the socket, and how links end. The backend is
// written by hand (harness.mjs).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { freePort } from "../clients/support/port.mjs";
import { makeCertificate } from "../clients/support/tls.mjs";
import { Server } from "../clients/support/server.mjs";
import { patiently, until, within } from "../clients/support/wait.mjs";
import { Link, frame, orEnded, scratch, startEdge, text } from "./harness.mjs";

const SECRET = "open sesame";

/** An edge with only these arguments, without the address that startEdge() adds. */
async function edgeWith(t, args, env) {
  const edge = new Server("sockeye", ["--port", "0", "--host", "127.0.0.1", "--drain-time", "0", ...args], env);
  t.after(() => edge.stop());
  await edge.line((fields) => fields.event === "listening");
  return edge;
}

/** Opens a link to each worker and checks that the worker is the right one. */
async function meetAll(open, workers) {
  const links = await Promise.all(Array.from({ length: workers }, (_, worker) => open(worker)));
  links.forEach((link, worker) => assert.equal(link.welcome.worker, worker));
  links.forEach((link) => assert.equal(link.welcome.workers, workers));
  assert.equal(new Set(links.map((link) => link.challenge.edge)).size, 1, "all workers report the same name of the node");
  return links;
}

/** Checks that a PEER frame with `bytes` bytes of content from one link to another arrives unchanged. */
async function talk(from, to, bytes) {
  const body = Buffer.alloc(bytes, "x");
  from.send("PEER", {}, text(to.instance), body);
  const got = await to.got("PEER", (f) => f.bytes.length > bytes);
  assert.equal(got.body.text(), from.instance);
  assert.ok(got.body.bytes.equals(body));
}

const refused = (link) => link.got("BYE").then((f) => f.reason);

test("the largest message that a client may send fits into a frame", async (t) => {
  const edge = await startEdge(["--max-http-buffer-size", "20m"]);
  t.after(() => edge.stop());
  const link = await Link.open(edge);
  assert.equal(link.welcome.maxFrame, (20 << 20) + (64 << 10));
});

test("an edge starts without an application, and does not log one", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.stop());
  assert.deepEqual(edge.logged("application"), []);
  assert.equal(statSync(edge.socket).mode & 0o777, 0o660);
  const link = await Link.open(edge);
  assert.equal(link.welcome.options.fanout, "direct");
  const ready = await edge.line((fields) => fields.event === "backend_ready");
  assert.equal(ready.peer_pid, String(process.pid));
  assert.equal(ready.peer_uid, String(process.getuid()));
  await edge.stop();
  assert.equal(existsSync(edge.socket), false, "the edge removes the socket file that it made");
  assert.equal((await link.got("BYE")).reason, "shutdown");
  assert.ok(link.frames.findIndex((f) => f.type === "DRAIN") < link.frames.findIndex((f) => f.type === "BYE"));
});

for (const workers of [1, 3]) {
  test(`the socket of ${workers} workers is replaced only if no program listens there`, async (t) => {
    const edge = await startEdge(["--workers", String(workers)]);
    const second = new Server("sockeye", ["--port", "0", "--backend", edge.address]);
    assert.equal((await second.exited).code, 1);
    assert.match(second.output, /another program listens at/);
    await (await Link.open(edge)).kill();

    edge.child.kill("SIGKILL");
    await edge.exited;
    assert.ok(existsSync(edge.socket), "the killed edge leaves its socket file");
    const third = await edgeWith(t, ["--workers", String(workers), "--backend", edge.address]);
    await (await Link.open(edge)).kill();
    await third.stop();
    assert.equal(existsSync(edge.socket), false);
  });
}

test("links reach every worker through one address, whichever worker accepts the connection", async (t) => {
  const edge = await startEdge(["--workers", "3"]);
  t.after(() => edge.stop());
  for (let round = 0; round < 5; round++) {
    const links = await meetAll((worker) => Link.open(edge, { hello: { worker } }), 3);
    const others = await meetAll((worker) => Link.open(edge, { hello: { worker } }), 3);
    for (const worker of [0, 1, 2]) await talk(links[worker], others[worker], 300_000);
    await Promise.all([...links, ...others].map((link) => link.kill()));
  }
  assert.equal(await refused(new Link(edge.address, { hello: { worker: 3 } })), "worker");
});

test("the successor of a killed worker is reached at the same address", async (t) => {
  const edge = await startEdge(["--workers", "2"]);
  t.after(() => edge.stop());
  const [first, other] = await meetAll((worker) => Link.open(edge, { hello: { worker } }), 2);
  process.kill(Number(edge.logged("worker_ready").find((fields) => fields.worker === "0").pid), "SIGKILL");
  await within(first.closed, "the end of the link");
  await talk(await Link.open(edge, { hello: { worker: 1 } }), other, 10);
  // the successor of worker 0 accepts the connections that wait
  const again = await Link.open(edge, { hello: { worker: 0 } });
  assert.equal(again.challenge.edge, first.challenge.edge);
});

test("a backend proves that it knows the secret", async (t) => {
  const folder = scratch();
  const file = path.join(folder, "secret");
  writeFileSync(file, `${SECRET}\n`);
  for (const [args, env] of [[["--backend-secret-file", file], {}], [[], { SOCKEYE_BACKEND_SECRET: SECRET }], [[], { SOCKEYE_BACKEND_SECRET_FILE: file }]]) {
    const edge = await startEdge(["--workers", "2", ...args], env);
    t.after(() => edge.stop());
    for (const worker of [0, 1]) {
      assert.equal(await refused(new Link(edge.address, { hello: { worker } })), "secret");
      assert.equal(await refused(new Link(edge.address, { secret: "open barley", hello: { worker } })), "secret");
    }
    await meetAll((worker) => Link.open(edge, { secret: SECRET, hello: { worker } }), 2);
    await edge.stop();
  }
  const none = new Server("sockeye", ["--port", "0", "--backend", `unix://${folder}/s`, "--backend-secret-file", `${folder}/missing`]);
  assert.equal((await none.exited).code, 1);
  assert.match(none.output, /cannot read/);
  assert.equal(existsSync(`${folder}/s`), false);
});

/** A certificate authority, and a certificate that it has signed. */
function makeAuthority() {
  const authority = makeCertificate("authority");
  const [key, cert, request] = ["client.key", "client.pem", "client.csr"].map((name) => path.join(authority.dir, name));
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "ignore" });
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=backend", "-keyout", key, "-out", request);
  openssl("x509", "-req", "-days", "2", "-in", request, "-CA", authority.cert, "-CAkey", authority.key, "-CAcreateserial", "-out", cert);
  return { ...authority, client: { key, cert } };
}

const read = (file) => execFileSync("cat", [file]);

for (const workers of [1, 3]) {
  test(`backends connect to ${workers} workers by TLS`, async (t) => {
    const certificate = makeCertificate();
    const authority = makeAuthority();
    t.after(() => [certificate, authority].forEach((it) => it.remove()));
    const edge = await edgeWith(t, ["--workers", String(workers), "--backend", "tls://127.0.0.1:0", "--backend", `unix://${scratch()}/s`,
      "--backend-tls-cert", certificate.cert, "--backend-tls-key", certificate.key, "--backend-ca", authority.cert], { SOCKEYE_BACKEND_SECRET: SECRET });
    const port = Number(edge.logged("backend_listening").find((fields) => fields.kind === "tls").port);
    const identity = { key: read(authority.client.key), cert: read(authority.client.cert) };
    const dial = (options) => () => tls.connect({ port, host: "127.0.0.1", ca: read(certificate.cert), ...options });
    const open = (worker) => Link.open("", { connect: dial(identity), secret: SECRET, hello: { worker } });

    for (let round = 0; round < 3; round++) {
      const links = await meetAll(open, workers);
      const others = await meetAll(open, workers);
      for (let worker = 0; worker < workers; worker++) await talk(links[worker], others[worker], 3_000_000);
      links[0].kill();
      await others[0].got("PEERS", (f) => JSON.parse(f.bytes).length === 1);
      await Promise.all([...links, ...others].map((link) => link.kill()));
    }

    const stranger = new Link("", { connect: dial({}), secret: SECRET });
    await within(stranger.closed, "the end of a link without certificate");
    assert.deepEqual(stranger.frames, []);
    assert.equal(await refused(new Link("", { connect: dial(identity), secret: "another one" })), "secret");

    // an upstream is trusted over the Unix socket only
    await Link.open("", { connect: dial(identity), secret: SECRET, hello: { upstream: "http://127.0.0.1:9" } });
    assert.equal(edge.logged("upstream").length, 0);
    await edge.stop();
  });
}

test("a TLS ticket of the public port is not accepted at the port for backends", async (t) => {
  const certificate = makeCertificate();
  t.after(() => certificate.remove());
  const edge = await edgeWith(t, ["--workers", "2", "--backend", "tls://127.0.0.1:0", "--backend-ca", certificate.cert, ...certificate.args]);
  const at = (port) => ({ port: Number(port), host: "127.0.0.1", ca: read(certificate.cert), maxVersion: "TLSv1.2" });
  const visitor = tls.connect(at(edge.logged("listening")[0].port));
  const [session] = await once(visitor, "session");
  const again = tls.connect({ ...at(edge.logged("listening")[0].port), session });
  await once(again, "secureConnect");
  assert.equal(again.isSessionReused(), true, "the public port accepts its own ticket");
  [visitor, again].forEach((socket) => socket.destroy());

  const port = edge.logged("backend_listening")[0].port;
  const stranger = new Link("", { connect: () => tls.connect({ ...at(port), session }) });
  await within(stranger.closed, "the end of a link without certificate");
  assert.deepEqual(stranger.frames, []);
});

test("the certificate for backends is read again on SIGHUP", async (t) => {
  const [first, second] = [makeCertificate("first"), makeCertificate("second")];
  t.after(() => [first, second].forEach((it) => it.remove()));
  const edge = await edgeWith(t, ["--workers", "1", "--backend", "tls://127.0.0.1:0", "--backend-insecure", ...first.args]);
  const port = Number(edge.logged("backend_listening")[0].port);
  const nameOf = async () => {
    const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const name = socket.getPeerCertificate().subject.CN;
    socket.destroy();
    return name;
  };
  assert.equal(await nameOf(), "first");
  for (const name of ["cert", "key"]) writeFileSync(first[name], read(second[name]));
  edge.child.kill("SIGHUP");
  await edge.line((fields) => fields.event === "reload");
  assert.equal(await nameOf(), "second");
});

test("tcp:// needs --backend-insecure, and tls:// a secret or client certificates", async (t) => {
  const certificate = makeCertificate();
  t.after(() => certificate.remove());
  for (const [args, words] of [[["--backend", "tcp://127.0.0.1:0"], /--backend-insecure/], [["--backend", "tls://127.0.0.1:0"], /needs a certificate/],
    [["--backend", "tls://127.0.0.1:0", ...certificate.args], /anyone could connect to tls:/], [["--backend", "http://x"], /is not an address/]]) {
    const edge = new Server("sockeye", ["--port", "0", ...args]);
    assert.equal((await edge.exited).code, 2);
    assert.match(edge.output, words);
  }
  const edge = await edgeWith(t, ["--workers", "2", "--backend", "tcp://127.0.0.1:0", "--backend-insecure"]);
  const port = Number(edge.logged("backend_listening")[0].port);
  await meetAll((worker) => Link.open("", { connect: () => net.connect(port, "127.0.0.1"), hello: { worker } }), 2);
});

test("metrics count links, frames and why links ended", async (t) => {
  const admin = await freePort();
  const edge = await startEdge(["--admin-port", String(admin)]);
  t.after(() => edge.stop());
  const metrics = async () => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const shows = async (line) => {
    let page;
    await until(async () => (page = await metrics()).includes(`\n${line}\n`), () => `there is ${line} in\n${page}`);
  };
  const link = await Link.open(edge);
  await Link.open(edge);
  await shows('sockeye_backend_links{worker="0",state="ready"} 2');
  link.send("DRAIN");
  await link.got("DRAIN");
  await shows('sockeye_backend_links{worker="0",state="draining"} 1');
  link.socket.write(frame(77));
  assert.equal(await refused(link), "protocol");
  // at once, because the edge refuses the instance for a second only
  assert.equal(await refused(new Link(edge.address, { hello: { instance: link.instance } })), "protocol");
  await shows('sockeye_backend_links{worker="0",state="draining"} 0');
  await shows('sockeye_backend_lost_total{worker="0",reason="protocol"} 1');
  await shows('sockeye_backend_frames_in_total{worker="0",type="drain"} 1');
  await shows('sockeye_backend_frames_out_total{worker="0",type="welcome"} 2');
  await shows('sockeye_backend_malformed_total{worker="0"} 1');
  await shows('sockeye_backend_refused_total{worker="0"} 1');
});

test("the second link of an instance ends the first", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.stop());
  const first = await Link.open(edge, { hello: { instance: "one" } });
  const second = await Link.open(edge, { hello: { instance: "one" } });
  assert.equal(await refused(first), "duplicate");
  await within(first.closed, "the end of the first");
  second.send("PING", { id: 7 });
  assert.equal((await second.got("PONG")).id, 7);
});

test("the edge drops the link of a stopped backend, but not of a busy one", async () => {
  const kept = async (ms) => {
    const edge = await startEdge(["--backend-ping", String(ms / 10), "--backend-stall-timeout", String(ms)]);
    try {
      const busy = await Link.open(edge, { windows: false });
      const silent = await Link.open(edge, { pong: false });
      assert.equal(await refused(silent), "timeout");
      return !busy.frames.some((f) => f.type === "BYE");
    } finally {
      await edge.stop();
    }
  };
  // on a busy machine, the PONGs may come too late
  assert.equal(await patiently((ms) => orEnded(kept(ms)), (is) => is === true, 1000), true);
});
