// The admin UI beside a backend application: its sockets and their events in both directions.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { openAdmin } from "../clients/support/admin-ui.mjs";
import { next } from "../clients/support/wait.mjs";
import { Link, startEdge } from "./harness.mjs";

let edge;
let link;
before(async () => {
  edge = await startEdge(["--admin-ui", "--admin-ui-mode", "development"], { SOCKEYE_ADMIN_UI_AUTH: "none" });
  link = (await Link.open(edge)).serveEcho();
});
after(async () => {
  await link.kill();
  await edge.stop();
});

test("events of a backend's sockets are shown in both directions, and its changes of data", async (t) => {
  const client = io(edge.url, { transports: ["websocket"], forceNew: true, reconnection: false });
  t.after(() => client.disconnect());
  await next(client, "connect");
  const admin = openAdmin(edge);
  t.after(() => admin.disconnect());
  await next(admin, "connect");
  await admin.until("all_sockets", (all) => all.some((s) => s.id === client.id));

  const echo = next(client, "echo");
  client.emit("echo", { deep: [Buffer.from("ab"), "ä"] }, 2);
  await echo;
  for (const direction of ["event_received", "event_sent"]) {
    const [nsp, , args, date] = await admin.until(direction, (nsp, id, [name]) => id === client.id && name === "echo");
    assert.equal(nsp, "/");
    assert.deepEqual([args[0], args[2]], ["echo", 2]);
    if (direction === "event_received") assert.deepEqual(args[1], { deep: [Buffer.from("ab"), "ä"] });
    assert.equal(new Date(date).toISOString(), date);
  }
  const { open } = await link.got("OPEN", (f) => f.open.sid === client.id);
  link.send("DATA", { handle: open.handle }, JSON.stringify({ colour: "red" }));
  const [update] = await admin.until("socket_updated", (u) => u.id === client.id && u.data);
  assert.deepEqual(update, { id: client.id, nsp: "/", data: { colour: "red" } });
});
