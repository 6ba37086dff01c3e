// The balancers' files start as they are shipped, and the doctor finds a node for which they have no rule.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { endsWithFile } from "../clients/support/leftovers.mjs";
import { build, root, startSockeye } from "../clients/support/server.mjs";
import { within } from "../clients/support/wait.mjs";
import { balancers, configuration, connects } from "./support/balancer.mjs";
import { freePort } from "./support/redis.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-shipped-"));
after(() => rmSync(dir, { recursive: true }));

for (const config of [...Object.keys(balancers), "haproxy-backends.cfg"])
  // nginx opens its default log, which only root may
  test(`${config} is accepted as it is shipped`, { skip: config === "nginx.conf" && process.getuid() !== 0 && "not root" }, () => {
    const [program, , check] = (balancers[config] ?? balancers["haproxy.cfg"])(dir, path.join(root, "deploy", config));
    execFileSync(program, check, { stdio: "pipe" });
  });

test("nginx closes its idle connections before the nodes do", () => {
  const help = execFileSync(path.join(build, "sockeye"), ["--help"], { encoding: "utf8" });
  const node = Number(help.match(/--keep-alive-timeout[^]*?default (\d+)s/)[1]);
  const text = readFileSync(path.join(root, "deploy/nginx.conf"), "utf8");
  const times = [...text.matchAll(/^\t\tkeepalive_timeout (\d+)s;$/gm)].map(([, seconds]) => Number(seconds));
  assert.equal(times.length, text.match(/^\tupstream /gm).length);
  for (const seconds of times) assert.ok(seconds < node, `${seconds} s, ${node} s at the node`);
});

test("the doctor names a node whose id no rule knows", async () => {
  const servers = await Promise.all([1, 2, 3].map(async (id) => {
    const port = await freePort();
    const server = await startSockeye("protocol", ["--node-id", String(id), "--admin-port", String(port), "--ping-interval", "2s"]);
    server.admin = { port };
    return server;
  }));
  const port = await freePort(), file = configuration(dir, "haproxy-nodes.cfg", servers, port);
  writeFileSync(file, readFileSync(file, "utf8").replace(/^\tuse-server node3 .*\n/m, ""));
  const balancer = endsWithFile(spawn("haproxy", ["-db", "-f", file], { stdio: "ignore" }));
  const found = async () => {
    while (!(await connects(port))) await new Promise(setImmediate);
  };
  await within(found(), "haproxy to listen");
  const doctor = spawn(path.join(root, "deploy/doctor.sh"), [`http://127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  doctor.stdout.on("data", (chunk) => (output += chunk));
  const [code] = await within(once(doctor, "close"), "the doctor");
  assert.equal(code, 1, output);
  assert.match(output, /^FAIL {2}requests of sessions of node 3 do not reach it: .* begin with AD;/m);
  assert.equal(output.match(/^FAIL/gm).length, 1, output);
  balancer.kill("SIGKILL");
  for (const server of servers) await server.stop();
});
