// Backends of the tests: tests/backends/app/server.mjs in a process of its own.
import path from "node:path";
import { root } from "../../clients/support/server.mjs";
import { Program } from "./program.mjs";

/** Attached to all workers of the edges when it resolves. */
export async function startBackend(t, edges, { name = "backend", options = {}, server = {}, links } = {}) {
  const env = {
    SOCKEYE_BACKEND: [].concat(edges).map((edge) => edge.address ?? edge).join(","),
    NAME: name,
    OPTIONS: JSON.stringify(options),
    SERVER_OPTIONS: JSON.stringify(server),
  };
  const program = new Program([path.join(root, "tests/backends/app/server.mjs")], { env });
  t.after(() => program.stop("SIGKILL"));
  await program.line(links ? new RegExp(`^attached ${links}$`) : /^attached/);
  return program;
}
