// Helpers that both tests of the deployment share.
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export const run = promisify(execFile);
/** Runs Docker Compose with the profile `backend`; Debian 12 has only the older program. */
const v2 = await run("docker", ["compose", "version"]).then(() => true, () => false);
export const compose = (...args) => (v2 ? run("docker", ["compose", "--profile", "backend", ...args]) : run("docker-compose", ["--profile", "backend", ...args]));

export async function until(condition, what, ms = 60_000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms until ${what}`);
    await sleep(100);
  }
}
