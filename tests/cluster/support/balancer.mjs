// Starts the load balancers that deploy/ configures, in front of nodes of the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { endsWithFile } from "../../clients/support/leftovers.mjs";
import { request } from "../../clients/support/raw.mjs";
import { root } from "../../clients/support/server.mjs";
import { until } from "../../clients/support/wait.mjs";
import { freePort } from "./redis.mjs";

/** By configuration: the program, its arguments, and the arguments that check the configuration. */
export const balancers = {
  "haproxy.cfg": (dir, file) => ["haproxy", ["-db", "-f", file], ["-c", "-f", file]],
  "haproxy-nodes.cfg": (dir, file) => ["haproxy", ["-db", "-f", file], ["-c", "-f", file]],
  "nginx.conf": (dir, file) => ["nginx", ["-c", file, "-p", dir], ["-t", "-c", file, "-p", dir]],
};

/** Resolves with true if a program listens on the port. */
export const connects = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false)).on("connect", () => socket.destroy());
  });

/** Copies a configuration of deploy/ to `dir` with the addresses of this machine. Returns the new file. */
export function configuration(dir, file, servers, port) {
  let text = readFileSync(path.join(root, "deploy", file), "utf8").replaceAll("*:8080", `127.0.0.1:${port}`).replace("listen 8080", `listen 127.0.0.1:${port}`);
  servers.forEach((server, i) => {
    text = text.replaceAll(`127.0.0.1:${3001 + i} port ${9101 + i}`, `127.0.0.1:${server.port} port ${server.admin.port}`)
      .replaceAll(`127.0.0.1:${3001 + i}`, `127.0.0.1:${server.port}`);
  });
  // in place of the service that DNS resolves, the test lists the members
  text = text.replace("check port 9100", "check").replace(/^\tserver-template .*$/m,
    servers.map((server, i) => `\tserver node-${i} 127.0.0.1:${server.port} port ${server.admin.port}`).join("\n"));
  // only root may write to nginx's default paths
  text = text.replace(/^worker_rlimit_nofile.*$/m, `daemon off;\npid ${dir}/nginx.pid;\nerror_log stderr;`).replace("http {", `http {\n\taccess_log off;\n` +
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `\t${name}_temp_path ${dir}/${name};\n`).join(""));
  const to = path.join(dir, file);
  writeFileSync(to, text);
  return to;
}

/** Starts a balancer; resolves when it has found a node. */
export async function startBalancer(dir, config, servers) {
  const port = await freePort();
  const [program, args] = balancers[config](dir, configuration(dir, config, servers, port));
  let output = "";
  const child = endsWithFile(spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] }), () => output);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const exited = once(child, "exit");
  // a balancer that is still starting may close connections
  const serves = async () => (await connects(port)) && (await request({ port }, "/socket.io/?EIO=4&transport=polling").catch(() => ({}))).status === 200;
  await until(serves, () => `${program} has found a node; it says:\n${output}`);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
