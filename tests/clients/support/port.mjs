// Ports for programs under test. A port stays free until its test uses it: all ports are below the range from which the kernel picks
// ports for outgoing connections, and each test process has its own part.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";

const LOWEST = 10_000;
const EACH = 100; // ports per process

const end = Math.min(Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]), 65_536);
const parts = Math.max(Math.floor((end - LOWEST) / EACH), 1);
const first = LOWEST + (process.pid % parts) * EACH;
let given = 0;

async function isFree(port) {
  const server = net.createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if (error.code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}

/** A free port for a program that cannot choose its own. The ports of this process are used in turn. */
export async function freePort() {
  for (let tried = 0; tried < EACH; tried++) {
    const port = first + (given++ % EACH);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${first} to ${first + EACH - 1}`);
}
