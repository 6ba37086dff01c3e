// What the log says when the TLS connection to Redis fails: OpenSSL's reason, and what to do about it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { startSockeye } from "../clients/support/server.mjs";
import { peerApp } from "./support/cluster.mjs";
import { freePort, Redis } from "./support/redis.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-certificates-"));
const file = (name) => path.join(dir, name);
const openssl = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: "ignore" });

function makeAuthority(name) {
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-keyout", file(`${name}.key`), "-out", file(`${name}.pem`));
}

/** A certificate of the authority "ca". Times are YYMMDD. */
function makeCertificate(name, { names = "DNS:localhost,IP:127.0.0.1", from = "200101", until = "491231" } = {}) {
  writeFileSync(file("extensions"), `subjectAltName=${names}\n`);
  openssl("ca", "-batch", "-notext", "-config", file("ca.cnf"), "-cert", file("ca.pem"), "-keyfile", file("ca.key"), "-in", file("server.csr"), "-extfile", file("extensions"),
    "-startdate", `${from}000000Z`, "-enddate", `${until}000000Z`, "-out", file(`${name}.pem`));
}

const configuration = `[ca]
default_ca=here
[here]
database=index.txt
new_certs_dir=.
rand_serial=yes
default_md=sha256
unique_subject=no
policy=any
[any]
commonName=supplied
`;

let redis, tlsPort;

before(async () => {
  writeFileSync(file("ca.cnf"), configuration);
  writeFileSync(file("index.txt"), "");
  for (const name of ["ca", "other"]) makeAuthority(name);
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", file("server.key"), "-out", file("server.csr"));
  makeCertificate("good");
  makeCertificate("expired", { until: "210101" });
  makeCertificate("future", { from: "480101" });
  makeCertificate("named", { names: "DNS:redis.example" });
  openssl("req", "-x509", "-key", file("server.key"), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", file("self.pem"));
  tlsPort = await freePort();
  redis = await Redis.start(["--tls-port", String(tlsPort), "--tls-cert-file", file("good.pem"), "--tls-key-file", file("server.key"), "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "no"]);
});

after(async () => {
  await redis?.stop();
  rmSync(dir, { recursive: true });
});

const AUTHORITY = "give the authority that signed the server's certificate: --redis-ca";

for (const { what, certificate = "good", host = "localhost", ca = "ca", chain = "ca", clients = "no", plain = false, reason } of [
  { what: "an expired certificate", certificate: "expired", reason: "certificate has expired; renew the server's certificate, or correct this machine's clock" },
  { what: "a certificate that is not yet valid", certificate: "future", reason: "certificate is not yet valid; correct this machine's clock, or reissue the server's certificate" },
  { what: "another host name", certificate: "named", reason: "hostname mismatch; use the host name in the server's certificate" },
  { what: "another address", certificate: "named", host: "127.0.0.1", reason: "IP address mismatch; use the host name in the server's certificate" },
  { what: "an unknown authority that the server sends along", ca: "other", reason: `self-signed certificate in certificate chain; ${AUTHORITY}` },
  { what: "an unknown authority", ca: "other", chain: "other", reason: `unable to get local issuer certificate; ${AUTHORITY}` },
  { what: "a self-signed certificate", certificate: "self", reason: `self-signed certificate; ${AUTHORITY}` },
  { what: "a server that wants a client certificate", clients: "yes",
    reason: "tlsv13 alert certificate required; the server asks for a client certificate: set --redis-tls-cert and --redis-tls-key" },
  { what: "a port without TLS", plain: true, reason: "timed out; does that port speak TLS?" }, // Redis waits for the rest of a command
])
  test(`${what}: the log says why the bus is down, and what to do`, async () => {
    await redis.command("CONFIG", "SET", "tls-cert-file", file(`${certificate}.pem`), "tls-ca-cert-file", file(`${chain}.pem`), "tls-auth-clients", clients);
    const port = plain ? redis.port : tlsPort;
    const node = await startSockeye(peerApp, ["--workers", "1", "--redis", `rediss://${host}:${port}`, "--redis-ca", file(`${ca}.pem`)], { PEER_NAME: "a" });
    // the reset of a connection may overtake the alert; a later attempt then gets the alert
    const line = await node.line(({ event, state, reason: why }) => event === "bus" && state === "down" && why !== "reading or writing failed");
    // The time limits of the handshake and of the bus end at the same moment, so either one may be reported.
    const said = plain ? line.reason.replace(/^TLS handshake /, "") : line.reason;
    assert.deepEqual([line.level, line.server, said], ["error", `${host}:${port}`, plain ? reason : `TLS failed: ${reason}`]);
    // once the certificate of the server is valid, the node connects by itself
    if (!plain && ca === "ca" && host === "localhost") {
      await redis.command("CONFIG", "SET", "tls-cert-file", file("good.pem"), "tls-auth-clients", "no");
      await node.line(({ event, state }) => event === "bus" && state === "up");
    }
    await node.stop();
  });

test("with --redis-tls-insecure any certificate is accepted, and the log warns of it", async () => {
  await redis.command("CONFIG", "SET", "tls-cert-file", file("self.pem"), "tls-ca-cert-file", file("ca.pem"), "tls-auth-clients", "no");
  const node = await startSockeye(peerApp, ["--workers", "1", "--redis", `rediss://127.0.0.1:${tlsPort}`, "--redis-tls-insecure"], { PEER_NAME: "a" });
  await node.line(({ event, state }) => event === "bus" && state === "up");
  const warnings = node.logged("bus").filter(({ warning }) => warning);
  assert.deepEqual(warnings.map(({ level, warning }) => [level, warning]), [["warn", "option --redis-tls-insecure: the certificate of Redis is not verified"]]);
  assert.ok(!node.logged("bus").some(({ state }) => state === "down"), node.output);
  await node.stop();
});
