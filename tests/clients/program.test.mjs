// The program as its operator sees it: help, exit codes, error lines, environment, signals, files, descriptors.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { io } from "socket.io-client";
import { endsWithFile } from "./support/leftovers.mjs";
import { build, plain, startSockeye } from "./support/server.mjs";
import { makeCertificate } from "./support/tls.mjs";
import { next, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-program-"));
const chat = path.join(build, "apps/chat.so");
after(() => rmSync(dir, { recursive: true }));

/** Runs a program that should end by itself. */
function run(program, args, env = {}) {
  return new Promise((resolve) =>
    execFile(path.join(build, program), args, { env: { ...process.env, ...env }, timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr })));
}

/** A usage error or a failed start: this exit code, and one line on stderr that matches. */
async function refuses(code, pattern, args, env) {
  const got = await run("sockeye", args, env);
  assert.equal(got.code, code, got.stderr);
  const lines = got.stderr.trimEnd().split("\n").filter((line) => !line.includes(" level=info "));
  assert.equal(lines.length, 1, got.stderr);
  assert.match(lines[0], pattern);
}

test("--help and --version", async () => {
  for (const program of ["sockeye", "engine-echo"]) {
    const help = await run(program, ["--help"]);
    assert.equal(help.code, 0);
    for (const name of ["--port", "--ping-interval", "SOCKEYE_PING_INTERVAL", "--max-http-buffer-size", "--cors-origin", "--per-message-deflate"])
      assert.ok(help.stdout.includes(name), `${program}: ${name}`);
    assert.ok(help.stdout.split("\n").every((line) => line.length <= 100));
    const version = await run(program, ["--version"]);
    assert.equal(version.code, 0);
    assert.match(version.stdout, /\d+\.\d+\.\d+/);
  }
});

test("usage errors: exit 2 and one line", async () => {
  await refuses(2, /ping-intervall.*ping-interval/, ["--app", chat, "--ping-intervall", "3"]);
  await refuses(2, /--port/, ["--app", chat, "--port", "70000"]);
  await refuses(2, /--ping-interval/, ["--app", chat, "--ping-interval", "soon"]);
  await refuses(2, /--ping-interval/, ["--app", chat, "--ping-interval"]);
  await refuses(2, /stray/, ["--app", chat, "stray"]);
  await refuses(2, /trust-proxy: "10\.0\.0\.0\/33"/, ["--app", chat, "--trust-proxy", "loopback, 10.0.0.0/33"]);
  await refuses(2, /cors-origin: "https:\/\/a\.example\/".*\(use https:\/\/a\.example\)$/m, ["--app", chat, "--cors-origin", "https://a.example/"]);
  await refuses(2, /cors-origin: "\/\(\/"/, ["--app", chat, "--cors-origin", "/(/"]);
  await refuses(2, /--tls-key/, ["--app", chat, "--tls-cert", "x"]);
  await refuses(2, /SOCKEYE_PINGINTERVAL/, ["--app", chat], { SOCKEYE_PINGINTERVAL: "3" });
  await refuses(2, /SOCKEYE_PORT/, ["--app", chat], { SOCKEYE_PORT: "x" });
  await refuses(2, /--redis: .*\(use redis:/, ["--app", chat, "--redis", "http://localhost"]);
  await refuses(2, /--redis-secret-accepted: set --redis-secret/, ["--app", chat, "--redis", "redis://localhost", "--redis-secret-accepted", "old"]);
  await refuses(2, /--redis-ca: .*rediss:/, ["--app", chat, "--redis", "redis://localhost", "--redis-ca", "/nowhere"]);
  await refuses(2, /option --redis-log: has no effect without --redis/, ["--app", chat, "--host", "127.0.0.1", "--port", "0", "--redis-log"]);
  await refuses(2, /option --help: "html" is not valid/, ["--help=html"]);
  await refuses(2, /--version: "2" is not valid/, ["--app", chat, "--version=2"]);
});

test("failed starts: exit 1 and one line", async () => {
  const garbage = path.join(dir, "garbage.pem");
  const [one, other] = [makeCertificate(), makeCertificate()];
  writeFileSync(garbage, "no certificate\n");
  const server = await startSockeye("chat");
  await refuses(1, /port|use/, ["--app", chat, "--host", "127.0.0.1", "--port", String(server.port)]);
  await server.stop();
  const free = ["--host", "127.0.0.1", "--port", "0"];
  await refuses(1, /nowhere\.so/, ["--app", "nowhere.so", ...free]);
  await refuses(1, /--api-key-file: cannot read \/nowhere: No such file/, ["--app", chat, "--admin-port", "1", "--api-key-file", "/nowhere", ...free]);
  await refuses(1, /sio_app/, ["--app", path.join(build, "libsockeye.so"), ...free]);
  await refuses(1, /nowhere/, ["--app", chat, "--public", path.join(dir, "nowhere"), ...free]);
  await refuses(1, /nowhere\.pem/, ["--app", chat, "--tls-cert", "nowhere.pem", "--tls-key", one.key, ...free]);
  await refuses(1, /garbage\.pem/, ["--app", chat, "--tls-cert", garbage, "--tls-key", one.key, ...free]);
  await refuses(1, /key\.pem/, ["--app", chat, "--tls-cert", one.cert, "--tls-key", other.key, ...free]);
  one.remove();
  other.remove();
});

test("environment variables, which flags override", async () => {
  const server = await startSockeye("chat", ["--ping-timeout", "7s"], { SOCKEYE_PING_INTERVAL: "12345", SOCKEYE_PING_TIMEOUT: "1" });
  const open = JSON.parse((await (await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)).text()).slice(1));
  assert.deepEqual([open.pingInterval, open.pingTimeout], [12345, 7000]);
  await server.stop();
});

test("SIGTERM and SIGINT close the clients and exit 0", async () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const server = await startSockeye("chat");
    const sockets = ["polling", "websocket"].map((t) => io(server.url, { transports: [t], forceNew: true, reconnection: false }));
    await Promise.all(sockets.map((socket) => next(socket, "welcome")));
    const gone = sockets.map((socket) => next(socket, "disconnect"));
    server.child.kill(signal);
    assert.deepEqual(await within(server.exited, "the exit"), { code: 0, signal: null });
    for (const [reason] of await Promise.all(gone)) assert.match(reason, /^transport (close|error)$/);
    assert.equal(server.logged("disconnect").filter((fields) => fields.reason === "server shutting down").length, 2);
  }
});

test("SIGHUP reads certificates again; a bad file leaves the old one", async () => {
  const certificate = makeCertificate("first");
  const server = await startSockeye("chat", certificate.args);
  const subject = async () => {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    await once(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().subject;
    assert.equal(socket.alpnProtocol, "http/1.1");
    socket.destroy();
    return CN;
  };
  assert.equal(await subject(), "first");
  const renewed = makeCertificate("second");
  copyFileSync(renewed.cert, certificate.cert);
  copyFileSync(renewed.key, certificate.key);
  server.child.kill("SIGHUP");
  await server.line((fields) => fields.event === "reload" && fields.level === "info");
  assert.equal(await subject(), "second");
  writeFileSync(certificate.cert, "broken");
  server.child.kill("SIGHUP");
  await server.line((fields) => fields.level === "error");
  assert.equal(await subject(), "second");
  await server.stop();
  certificate.remove();
  renewed.remove();
});

test("TLS 1.2 and 1.3 are spoken, 1.1 is not", async () => {
  const certificate = makeCertificate();
  const server = await startSockeye("chat", certificate.args);
  const speak = (version) => new Promise((resolve) => {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: version,
      maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" }, () => { resolve(socket.getProtocol()); socket.destroy(); });
    socket.on("error", () => resolve("refused"));
  });
  assert.equal(await speak("TLSv1.2"), "TLSv1.2");
  assert.equal(await speak("TLSv1.3"), "TLSv1.3");
  assert.equal(await speak("TLSv1.1"), "refused");
  await server.stop();
  certificate.remove();
});

/** A raw GET, because fetch() would clean the path and hide headers. */
function get(server, target, headers = {}, method = "GET") {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: server.port, path: target, method, headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end();
  });
}

test("the server serves the files of --public, and no other files", async () => {
  const pub = path.join(dir, "public");
  mkdirSync(path.join(pub, "sub"), { recursive: true });
  writeFileSync(path.join(dir, "secret.txt"), "secret");
  writeFileSync(path.join(pub, "index.html"), "<p>hello</p>");
  writeFileSync(path.join(pub, "big.js"), "x".repeat(5000));
  writeFileSync(path.join(pub, ".hidden"), "secret");
  writeFileSync(path.join(pub, "sub/index.html"), "sub");
  symlinkSync("../secret.txt", path.join(pub, "out.txt"));
  const server = await startSockeye("chat", ["--public", pub]);
  const index = await get(server, "/");
  assert.deepEqual([index.status, String(index.body)], [200, "<p>hello</p>"]);
  assert.match(index.headers["content-type"], /^text\/html/);
  assert.equal((await get(server, "/", { "If-None-Match": index.headers.etag })).status, 304);
  const head = await get(server, "/big.js", {}, "HEAD");
  assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "5000", 0]);
  const gzip = await get(server, "/big.js", { "Accept-Encoding": "gzip" });
  assert.equal(gzip.headers["content-encoding"], "gzip");
  assert.ok(gzip.body.length < 200);
  assert.equal(String((await get(server, "/sub/")).body), "sub");
  for (const target of ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/..%2f..%2fsecret.txt", "/.hidden", "/out.txt", "/nothing",
    "/%00", "//etc/passwd", "/sub/../../secret.txt"]) {
    const got = await get(server, target);
    assert.ok([400, 403, 404].includes(got.status), `${target}: ${got.status}`);
    assert.ok(!String(got.body).includes("secret"));
  }
  assert.equal((await get(server, "/", {}, "DELETE")).status, 405);
  assert.equal((await get(server, "*", {}, "OPTIONS")).status, 204);
  assert.equal((await get(server, "/", { "If-Match": '"x"' })).status, 412);
  const h2c = await get(server, "/", { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__" });
  assert.equal(h2c.status, 200); // Java's client asks for this first, then goes on in HTTP/1.1
  await server.stop();
});

test("the client bundles, their maps and conditional requests", async () => {
  const server = await startSockeye("chat", ["--cors-origin", "http://a.example"]);
  for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"]) {
    const got = await get(server, `/socket.io/${name}`);
    assert.equal(got.status, 200, name);
    assert.equal(got.headers["content-type"], "application/javascript; charset=utf-8");
    assert.equal(got.headers["access-control-allow-origin"], "http://a.example");
    assert.equal((await get(server, `/socket.io/${name}`, { "If-None-Match": got.headers.etag })).status, 304);
    const map = await get(server, `/socket.io/${name}.map`);
    assert.equal(map.headers["content-type"], "application/json; charset=utf-8");
    JSON.parse(map.body);
  }
  await server.stop();
  const without = await startSockeye("chat", ["--no-serve-client"]);
  assert.equal((await get(without, "/socket.io/socket.io.js")).status, 400);
  await without.stop();
});

// CPU time is measured in the plain build only; a sanitizer costs time itself.
test("without a free descriptor the server logs one line, does not spin, and goes on serving", async () => {
  const LIMIT = 40;
  const server = await startSockeye("chat");
  const cpuTicks = () => {
    const fields = readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  execFileSync("prlimit", ["--pid", String(server.pid), `--nofile=${LIMIT}:${LIMIT}`]);
  const sockets = Array.from({ length: LIMIT + 20 }, () => net.connect(server.port, "127.0.0.1").on("error", () => {}));
  await server.line((fields) => fields.level === "warn" || fields.level === "error");
  await Promise.all(sockets.map((socket) => (socket.connecting ? once(socket, "connect") : undefined)));
  const before = cpuTicks();
  await new Promise((resolve) => setTimeout(resolve, 1500)); // an idle interval, in which busy-waiting would show
  if (plain) assert.ok(cpuTicks() - before < 50, `${cpuTicks() - before} ticks of CPU`);
  assert.ok(server.output.split("\n").length < 50, "the log is flooded");
  for (const socket of sockets) socket.destroy();
  const client = io(server.url, { reconnectionDelay: 100 });
  await next(client, "welcome");
  client.disconnect();
  await server.stop();
});

test("libsockeye inside another program", async () => {
  const child = endsWithFile(spawn(path.join(build, "examples/embed"), ["--port", "0", "--host", "127.0.0.1"], { stdio: ["ignore", "pipe", "pipe"] }));
  let output = "";
  const port = await within(new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        output += chunk;
        const found = /port=(\d+)/.exec(output);
        if (found) resolve(Number(found[1]));
      });
  }), "its port");
  const socket = io(`http://127.0.0.1:${port}`, { reconnection: false });
  const [uptime] = await next(socket, "uptime");
  assert.equal(typeof uptime.seconds, "number");
  socket.disconnect();
  child.kill("SIGTERM");
  assert.deepEqual(await within(once(child, "exit"), "its exit"), [0, null]);
});
