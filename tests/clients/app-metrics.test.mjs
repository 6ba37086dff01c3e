// Metrics of an application at the admin port: of one process, of several workers, and after the end of a worker.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { io } from "socket.io-client";
import { buildApplication } from "./support/application.mjs";
import { freePort } from "./support/port.mjs";
import { startSockeye } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-app-metrics-"));
after(() => rmSync(dir, { recursive: true }));

const app = buildApplication(path.join(dir, "count.so"), `#include <sockeye.h>
#include <stdlib.h>
static uint64_t *scores;

static void
on_score(sio_socket *socket, sio_event *event, void *arg)
{
	static const double bounds[] = {10, 100};
	sio_server *io = sio_socket_server(socket);

	(void)arg;
	++*scores;
	sio_observe(sio_histogram_of(io, "score_points", "points", NULL, NULL, bounds, 2), sio_double(sio_arg(event, 0), 0));
	sio_ack(event, "i", (int64_t)sio_worker(io, NULL));
}

static void
on_crash(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket, (void)event, (void)arg;
	abort();
}

int
sio_app(sio_server *io)
{
	scores = sio_counter(io, "scores_total", "scores received", NULL, NULL);
	*sio_gauge(io, "score_workers", "workers", "kind", "all") = 1;
	sio_on(sio_of(io, "/"), "score", on_score, NULL);
	sio_on(sio_of(io, "/"), "crash", on_crash, NULL);
	return 0;
}`);

/** The samples of a metric, by worker. */
async function samples(port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: "close" } })).text();
  return Object.fromEntries([...text.matchAll(new RegExp(`^${name}\\{worker="(\\d+)"[^}]*\\} (\\S+)$`, "gm"))].map((match) => [match[1], Number(match[2])]));
}

for (const workers of [1, 2]) {
  test(`/metrics shows what the application counts in ${workers} workers`, async () => {
    const admin = await freePort();
    const server = await startSockeye(app, ["--workers", String(workers), "--admin-port", String(admin)]);
    const clients = [], counted = {}, all = Object.fromEntries([...Array(workers).keys()].map((worker) => [worker, 1]));
    try {
      while (clients.length < 4 || Object.keys(counted).length < workers) { // until each worker has a client
        const client = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
        clients.push(client);
        const worker = await within(client.emitWithAck("score", 50), "the acknowledgement");
        counted[worker] = (counted[worker] ?? 0) + 1;
        assert.ok(clients.length < 200, "a worker gets no client");
      }
      assert.deepEqual(await samples(admin, "scores_total"), counted);
      assert.deepEqual(await samples(admin, "score_points_count"), counted);
      assert.deepEqual(await samples(admin, "score_workers"), all);
      if (workers === 1) return;
      // the number of a worker that ended is gone, and its successor begins at 0
      const worker = await within(clients[0].emitWithAck("score", 1), "the acknowledgement");
      counted[worker] = 0;
      clients[0].emit("crash");
      await server.until(() => server.logged("worker_ready").length === workers + 1);
      assert.deepEqual(await samples(admin, "scores_total"), counted);
    } finally {
      for (const client of clients) client.disconnect();
      await server.stop();
    }
  });
}
