// `sockeye --exec` with Python programs: their clients notice neither a crash nor a deploy.
import test from "node:test";
import assert from "node:assert/strict";
import path from "node:path";
import { root } from "../clients/support/server.mjs";
import { within } from "../clients/support/wait.mjs";
import { ask, joined } from "./support/clients.mjs";
import { startBehind } from "./support/edge.mjs";
import { packages, python } from "./support/python.mjs";

const app = (name) => path.join(root, "tests/backends/app/python", name);
// the shell becomes the program, so $$ is the program's process
const command = (args) => `env PYTHONPATH='${packages}' PORT=$SOCKEYE_PORT NAME=$$ ${python} -W ignore ${args}`;

async function checkSame(sockets, ids, name) {
  for (const [i, socket] of sockets.entries()) {
    const who = await ask(socket, "who");
    assert.deepEqual([who.name, who.id, who.recovered, who.rooms, who.session.n, socket.drops],
      [name, ids[i], true, [ids[i], "lobby"].sort(), i, 0]);
  }
}

for (const [what, args, page] of [["an attached program", app("threads.py"), false], ["python3 -m sockeye", `-m sockeye ${app("plain.py")}`, true]])
  test(`${what}: kill -9 disconnects no client, and SIGHUP loses no message`, async (t) => {
    const edge = await startBehind(t, command(args), ["--workers", "2"]);
    const ready = (known) => edge.line((fields) => fields.event === "exec_ready" && !known.includes(fields.pid));
    const first = (await ready([])).pid;
    const sockets = await Promise.all([...Array(6).keys()].map((i) =>
      joined(t, edge.url, { transports: [i % 3 ? "websocket" : "polling"], reconnection: false })));
    const ids = sockets.map(({ id }) => id);
    await Promise.all(sockets.flatMap((socket, i) => [ask(socket, "join", "lobby"), ask(socket, "set", "n", i)]));

    process.kill(Number(first), "SIGKILL");
    // messages sent before the edge has noticed the end go to the dead program, and are lost
    await Promise.all(["0", "1"].map((worker) => edge.line((fields) => fields.event === "backend_lost" && fields.worker === worker)));
    const gap = sockets.map((socket, i) => ask(socket, "echo", i));
    assert.deepEqual(await within(Promise.all(gap), "answers to the events sent in the gap"), [...sockets.keys()]);
    const second = (await ready([first])).pid;
    await checkSame(sockets, ids, second);

    const slow = sockets.map((socket) => ask(socket, "slow", 300)); // the old program owes these
    let over = false;
    t.after(() => (over = true));
    const load = sockets.map(async (socket) => {
      for (let n = 0; ; n++) {
        const last = over;
        assert.equal(await ask(socket, "echo", n), n);
        if (last) return n;
      }
    });
    await Promise.all(sockets.map((socket) => ask(socket, "who"))); // queued behind "slow"
    edge.child.kill("SIGHUP");
    await edge.line((fields) => fields.event === "exec_ended" && fields.pid === second);
    over = true;
    for (const n of await within(Promise.all(load), "the last answers")) assert.ok(n > 0);
    assert.deepEqual(await within(Promise.all(slow), "the slow answers"), sockets.map(() => second));
    const third = (await ready([first, second])).pid;
    await checkSame(sockets, ids, third);
    if (page) assert.equal(await (await fetch(edge.url)).text(), `the page of ${third}`);
  });

test("a program under a launcher reports that it is ready, although the launcher does not pass the descriptor on", async (t) => {
  const launcher = `import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))`;
  const edge = await startBehind(t, command(`-c '${launcher}' ${python} -W ignore ${app("threads.py")}`));
  const socket = await joined(t, edge.url);
  assert.equal((await ask(socket, "who")).id, socket.id);
});
