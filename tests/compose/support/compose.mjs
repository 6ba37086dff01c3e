// Helpers that both tests of the deployment share.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export const run = promisify(execFile);
/** Runs Docker Compose with the profile `backend`; Debian 12 has only the older program. */
const v2 = await run("docker", ["compose", "version"]).then(() => true, () => false);
export const compose = (...args) => (v2 ? run("docker", ["compose", "--profile", "backend", ...args]) : run("docker-compose", ["--profile", "backend", ...args]));
