// --log-format json: every line of every process is a JSON object with the keys of the other format.
import assert from "node:assert/strict";
import { test } from "node:test";
import path from "node:path";
import { Server, build } from "./support/server.mjs";

for (const workers of [1, 2]) {
  test(`each line of the log is a JSON object (${workers} workers)`, async () => {
    const server = new Server("sockeye", ["--app", path.join(build, "apps/chat.so"), "--host", "127.0.0.1", "--port", "0",
      "--workers", String(workers), "--drain-time", "0", "--log-format", "json", "--log-level", "debug"]);
    const lines = () => server.output.split("\n").slice(0, -1).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    const { port } = await server.until(() => lines().find((line) => line.event === "listening"));
    assert.equal(typeof port, "number");
    await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`, { headers: { "User-Agent": 'a "quoted"\\ name' } });
    await server.stop();
    assert.deepEqual(server.output.split("\n").filter((line) => line && !line.startsWith("{")), []);
    for (const line of lines()) {
      assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.match(line.level, /^(error|warn|info|debug)$/);
      assert.equal(typeof line.event, "string");
    }
    assert.ok(lines().some((line) => line.event === "stopped"));
    if (workers > 1) assert.deepEqual([...new Set(lines().filter((line) => "worker" in line).map((line) => line.worker))].sort(), [0, 1]);
  });
}
