// Backends in Python: a script of tests/backends/app/python, or any other, in a separate process.
import path from "node:path";
import { root } from "../../clients/support/server.mjs";
import { Program } from "./program.mjs";

export const python = process.env.PYTHON ?? "/usr/bin/python3";
export const packages = [path.join(root, "backends/python"), process.env.PYTHONPATH].filter(Boolean).join(":");

/** A python process; ended after the test. */
export function startPython(t, args, env = {}) {
  const program = new Program(["-W", "ignore", ...args], { command: python, env: { PYTHONPATH: packages, PYTHONUNBUFFERED: "1", ...env } });
  t.after(() => program.stop("SIGKILL"));
  return program;
}

/** Starts the application of a flavour. Resolves when it is attached to all workers of the edges. */
export async function startFlavour(t, flavour, edges, { name = "backend", env = {} } = {}) {
  const addresses = [].concat(edges).map((edge) => edge.address ?? edge).join(",");
  const script = path.join(root, `tests/backends/app/python/${flavour}.py`);
  const program = startPython(t, [script], { SOCKEYE_BACKEND: addresses, NAME: name, ...env });
  await program.line(/^attached/);
  return program;
}
