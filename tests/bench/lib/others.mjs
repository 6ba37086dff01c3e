// How much of the machine other programs used during a measurement. Figures measured beside them are unreliable.
import { readFileSync } from "node:fs";
import os from "node:os";

const TICKS_PER_SECOND = 100; // of /proc; the same on every Linux
export const QUIET_PERCENT = 5;

/**
 * Ticks of all processes, and ticks that the host of a virtual machine took. Interrupts count, because the kernel
 * charges them to the process that they interrupt.
 */
export function allTicks() {
  const [user, nice, system, , , interrupts, deferred, steal] = /^cpu +(.*)/.exec(readFileSync("/proc/stat", "utf8"))[1].split(" ").map(Number);
  return user + nice + system + interrupts + deferred + steal;
}

/** Ticks of this process and of its children that have ended. */
export function ownTicks() {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return fields.slice(11, 15).reduce((sum, ticks) => sum + ticks);
}

/** Starts to watch. The returned function gives the percentage of the machine's time that other processes have used since. */
export function watchOthers() {
  const before = { all: allTicks(), own: ownTicks(), at: process.hrtime.bigint() };
  return () => {
    const seconds = Number(process.hrtime.bigint() - before.at) / 1e9;
    const others = allTicks() - before.all - (ownTicks() - before.own);
    return Math.max(0, (others / (seconds * TICKS_PER_SECOND * os.cpus().length)) * 100);
  };
}
