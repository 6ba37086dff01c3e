// The machine and the software that the figures were measured with.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "./paths.mjs";

function firstLine(program, ...args) {
  try {
    return execFileSync(program, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0].trim();
  } catch {
    return "unknown";
  }
}

function packageVersion(name, folder = "tests") {
  try {
    return JSON.parse(readFileSync(path.join(root, folder, "node_modules", name, "package.json"), "utf8")).version;
  } catch {
    return "absent";
  }
}

function commit() {
  const id = firstLine("git", "rev-parse", "--short", "HEAD");
  const changed = firstLine("git", "status", "--porcelain", "--untracked-files=no") !== "";
  return changed ? `${id} and changes that are not committed` : id;
}

const system = () => /^PRETTY_NAME="(.*)"/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown";

export const machine = () => ({
  date: new Date().toISOString().slice(0, 10),
  commit: commit(),
  processor: `${os.cpus()[0].model.trim()}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  system: `${system()}, Linux ${os.release()}`,
  compiler: firstLine(process.env.CC ?? "cc", "--version"),
  libraries: `${firstLine("openssl", "version").replace(/ *\(.*/, "")}, Redis ${/v=(\S+)/.exec(firstLine("redis-server", "--version"))?.[1] ?? "absent"}`,
  peer: `Node.js ${process.version}, socket.io ${packageVersion("socket.io")}, ws ${packageVersion("ws")}, redis-adapter ${packageVersion("@socket.io/redis-adapter")}, ` +
    `Bun ${packageVersion("bun", "tests/bench/peers")}, bun-engine ${packageVersion("@socket.io/bun-engine", "tests/bench/peers")}`,
});

export const machineLines = (of) => Object.entries(of).map(([name, value]) => `- ${name}: ${value}`).join("\n");
