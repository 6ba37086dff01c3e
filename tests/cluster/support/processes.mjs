// The processes of a server with several workers, as /proc shows them.
import { readFileSync, readdirSync } from "node:fs";

const read = (file) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** Children of a process: { pid, name }. */
export function children(pid) {
  return read(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/).filter(Boolean).map((child) => ({ pid: Number(child), name: read(`/proc/${child}/comm`).trim() }));
}

export const hubOf = (server) => children(server.pid).find((child) => child.name === "sockeye-hub")?.pid;
export const workersOf = (server) => children(server.pid).filter((child) => child.name === "sockeye-worker").map((child) => child.pid);

export function descriptors(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Kilobytes of private memory of a process. */
export const memory = (pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);

/**
 * Kilobytes that a process has written to; the end of another process with the same program does not change this
 * number.
 */
export const written = (pid) => Number(/^Anonymous:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))[1]);
