// Ports for programs under test. A port stays free until its test uses it: all ports are below the range from which the kernel
// picks ports for outgoing connections, and each test process has its own part of them. The process listens on the first port
// of its part until it ends, which shows other processes that the part is taken.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";

const LOWEST = 10_000;
const EACH = 100; // ports per process

const end = Math.min(Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]), 65_536);
const parts = Math.max(Math.floor((end - LOWEST) / EACH), 1);
let mine, given = 0;

/** Listens on the port; resolves with null if it is in use. */
async function listen(port) {
  const server = net.createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if (error.code === "EADDRINUSE") return null;
    throw error;
  }
  return server;
}

async function isFree(port) {
  const server = await listen(port);
  server?.close();
  if (server) await once(server, "close");
  return server !== null;
}

/** Takes a part for this process; resolves with its first port. */
async function takePart() {
  for (let i = 0; i < parts; i++) {
    const first = LOWEST + ((process.pid + i) % parts) * EACH;
    const server = await listen(first);
    server?.unref();
    if (server) return first;
  }
  throw new Error(`all ports from ${LOWEST} to ${end - 1} are taken by other test processes`);
}

/** Resolves with a free port, for a program that cannot choose its own. The ports of this process are used in turn. */
export async function freePort() {
  const first = await (mine ??= takePart());
  for (let tried = 1; tried < EACH; tried++) {
    const port = first + 1 + (given++ % (EACH - 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${first + 1} to ${first + EACH - 1}`);
}
