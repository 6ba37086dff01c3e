// Makes a self-signed certificate for localhost in a new folder, with the openssl command.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

export function makeCertificate(name = "localhost", names = "DNS:localhost,IP:127.0.0.1") {
  const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-tls-"));
  const [key, cert] = [path.join(dir, "key.pem"), path.join(dir, "cert.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`,
    "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { dir, key, cert, args: ["--tls-cert", cert, "--tls-key", key], remove: () => rmSync(dir, { recursive: true }) };
}
