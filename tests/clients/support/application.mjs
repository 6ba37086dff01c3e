// Builds applications from C sources that a test contains.
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./server.mjs";

/** Compiles `source` to `file`. The file is replaced by a rename, so a process that runs the old file is not disturbed. */
export function buildApplication(file, source) {
  const code = `${file}.c`, fresh = `${file}.new`;
  writeFileSync(code, source);
  execFileSync("cc", ["-shared", "-fPIC", "-Wall", "-Werror", `-I${path.join(root, "node")}`, code, "-o", fresh]);
  renameSync(fresh, file);
  return file;
}
