// The two compared servers: the application alone, and behind one edge worker.
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { build, here, output } from "./paths.mjs";
import { end, launchUntil } from "./processes.mjs";

const NODE_CORE = 0;
const EDGE_CORE = 1; // shared with the load tester: there are only two cores
const LISTENING = /event=listening.* port=(\d+)/;
const HEAP = /event=heap bytes=(\d+)/g;
const application = [process.execPath, "--expose-gc", path.join(here, "peers/backend.mjs")];

async function heapOf(node) {
  const before = [...node.tail.matchAll(HEAP)].length;
  node.child.kill("SIGUSR2");
  for (;;) {
    const found = [...node.tail.matchAll(HEAP)];
    if (found.length > before) return Number(found.at(-1)[1]);
    await new Promise((resolve) => node.child.stderr.once("data", resolve));
  }
}

/** Resolves with { urls, pids, edgePids, heap(), stop() }; `pids` are the processes of Node.js. */
export async function start(id, files) {
  const processes = [];
  const add = async (argv, pattern, core) => {
    const started = await launchUntil(argv, pattern, { core, files });
    processes.push(started.process);
    return started;
  };
  const stop = async () => {
    for (const p of processes.reverse()) await end(p);
  };
  try {
    if (id === "node") {
      const node = await add(application, LISTENING, NODE_CORE);
      return { urls: [`http://127.0.0.1:${node.match[1]}`], pids: [node.process.pid], edgePids: [], heap: () => heapOf(node.process), stop };
    }
    mkdirSync(output, { recursive: true });
    const socket = path.join(output, "backend.sock");
    rmSync(socket, { force: true });
    const edge = await add([path.join(build, "sockeye"), "--backend", `unix://${socket}`, "--host", "127.0.0.1", "--port", "0", "--workers", "1"], LISTENING, EDGE_CORE);
    const node = await add([...application, `unix://${socket}`], /event=attached/, NODE_CORE);
    return {
      urls: [`http://127.0.0.1:${edge.match[1]}`], pids: [node.process.pid], edgePids: [edge.process.pid], heap: () => heapOf(node.process), stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
