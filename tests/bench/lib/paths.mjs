import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const here = path.join(root, "tests/bench");
/** Where make put the programs. */
export const build = path.resolve(root, process.env.BENCH_BUILD ?? "build");
/** Where a benchmark leaves its files. */
export const output = path.join(build, "bench");
