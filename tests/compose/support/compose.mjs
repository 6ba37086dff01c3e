// Helpers that both tests of the deployment share.
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export const run = promisify(execFile);
/** Runs docker-compose with the profile `backend`. */
export const compose = (...args) => run("docker-compose", ["--profile", "backend", ...args]);

export async function until(condition, what, ms = 60_000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms until ${what}`);
    await sleep(100);
  }
}
