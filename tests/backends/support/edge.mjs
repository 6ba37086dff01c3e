// Edges: `sockeye` with backends in place of an application.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../clients/support/port.mjs";
import { Server } from "../../clients/support/server.mjs";

function defaults(args, wanted) {
  return Object.entries(wanted).flatMap(([name, value]) => (args.includes(name) ? [] : [name, value]));
}

/** A started edge with `url` and `port`; stopped after the test. */
export async function startSockeye(t, args, options) {
  const wanted = [...defaults(args, { "--host": "127.0.0.1", "--port": String(await freePort()), "--workers": "1", "--drain-time": "0" }), ...args];
  const server = new Server("sockeye", wanted, {}, options);
  t.after(() => server.stop());
  const listening = await server.line((fields) => fields.event === "listening");
  server.port = Number(listening.port);
  server.url = `http://localhost:${server.port}`;
  return server;
}

/** An edge where backends dial `address`. */
export async function startEdge(t, args = []) {
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-edge-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const address = `unix://${folder}/backend.sock`;
  const edge = await startSockeye(t, ["--backend", address, ...args]);
  edge.address = address;
  return edge;
}

/** An edge that starts the program itself; resolves when the program is attached. `options` are those of spawn(). */
export async function startBehind(t, command, args = [], options = {}) {
  const edge = await startSockeye(t, ["--exec", command, ...args], options);
  await edge.line((fields) => fields.event === "exec_ready");
  return edge;
}
