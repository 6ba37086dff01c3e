// The processes of a server with several workers, as /proc shows them.
import { readFileSync, readdirSync } from "node:fs";

const read = (file) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** Returns the children of a process: { pid, name }. */
export function children(pid) {
  return read(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/).filter(Boolean).map((child) => ({ pid: Number(child), name: read(`/proc/${child}/comm`).trim() }));
}

/** Return the process id of the hub, and those of the workers. */
export const hubOf = (server) => children(server.pid).find((child) => child.name === "sockeye-hub")?.pid;
export const workersOf = (server) => children(server.pid).filter((child) => child.name === "sockeye-worker").map((child) => child.pid);

/** Returns the number of open descriptors of a process, 0 if it has ended. */
export function descriptors(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Returns the memory of a process in kilobytes (PSS: a page that n processes share counts as 1/n). */
export const memory = (pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);

/**
 * Returns the kilobytes of memory that a process has written to. Unlike memory(), the number does not change when another
 * process with the same program ends.
 */
export const written = (pid) => Number(/^Anonymous:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))[1]);
