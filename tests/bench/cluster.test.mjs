// The benchmark of clusters measures clusters of both kinds of servers: their rooms reach the far worker, in "/" and in other namespaces.
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { measure } from "./lib/cluster_load.mjs";
import { startCluster } from "./lib/cluster_setups.mjs";
import { endAll, endWithThis } from "./lib/processes.mjs";
import { workerOf } from "./lib/room_clients.mjs";

endWithThis();
after(endAll);

test("a session id names its worker", () => {
  assert.equal(workerOf("AAAAxxxxxxxxxxxxxxxx"), 0);
  assert.equal(workerOf("AAABxxxxxxxxxxxxxxxx"), 1);
  assert.equal(workerOf("AABAxxxxxxxxxxxxxxxx"), 64);
});

for (const [name, kind] of Object.entries({ sockeye: {}, classic: { node: "classic" } }))
  test(`${name}: a cluster of four workers on two machines`, { timeout: 300_000 }, async () => {
    const cluster = await startCluster(kind, { machines: 2, workers: 2 });
    try {
      for (const namespaces of [1, 60]) {
        const run = await measure(cluster, { seconds: 0.5, namespaces });
        assert.ok(run.redis > 0 && run.rate > 0 && Number.isFinite(run.bystander), JSON.stringify(run));
      }
    } finally {
      await cluster.stop();
    }
  });
