// Debian's python3-socketio: a client in another language, by other authors.
import { execFile } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { root, startSockeye } from "./support/server.mjs";

const script = path.join(root, "tests/clients/python/client.py");
let server;

before(async () => {
  server = await startSockeye("protocol");
});
after(() => server.stop());

for (const transport of ["polling", "websocket"]) {
  for (const serializer of ["default", "msgpack"]) {
    test(`python-socketio over ${transport}, serializer ${serializer}`, async () => {
      await promisify(execFile)("/usr/bin/python3", [script, server.url, transport, serializer], { timeout: 120_000 });
    });
  }
}
