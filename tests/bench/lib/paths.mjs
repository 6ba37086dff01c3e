import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const here = path.join(root, "tests/bench");
/** The folder in which make builds the programs. */
export const build = path.resolve(root, process.env.BENCH_BUILD ?? "build");
/** The folder for files that a benchmark writes. */
export const output = path.join(build, "bench");
