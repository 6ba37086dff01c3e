// Backends of the tests: each is tests/backends/app/server.mjs in a separate process.
import path from "node:path";
import { root } from "../../clients/support/server.mjs";
import { Program } from "./program.mjs";

/** Starts a backend. Resolves when it is attached to all workers of the edges. */
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
