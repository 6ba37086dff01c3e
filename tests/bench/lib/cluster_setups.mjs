// The clusters of the benchmark: one Redis, and machines. A machine of Sockeye is one master with its workers; the
// members of Node.js share a few processes. Each worker is { port, worker, pid }; `others` are further processes of the
// machine that work for the worker.
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { build, here } from "./paths.mjs";
import { end, freePort, launch, launchUntil } from "./processes.mjs";

const START_MS = 120_000;
const MEMBERS_PER_PROCESS = 16; // for Node.js

/** Nanoseconds that the threads of a process have run. */
export function nanoseconds(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]), 0);
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);

/** Starts a master; resolves when all of its workers are up. */
async function startMachine(number, workers, redis, flags) {
  const argv = [
    path.join(build, "sockeye"), "--app", path.join(build, "apps/bench.so"), "--host", "127.0.0.1", "--port", "0", "--node-id", String(number),
    "--workers", String(workers), "--redis", redis, "--heartbeat-interval", "300s", "--heartbeat-timeout", "600s", ...flags,
  ];
  let text = "";
  let process_;
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`sockeye did not start\n${text}`)), START_MS);
    const onText = (more) => {
      text += more;
      if ((text.match(/event=bus .*state=up/g) ?? []).length < workers || !/event=listening/.test(text)) return;
      clearTimeout(late);
      resolve();
    };
    process_ = launch(argv, { onText });
  });
  const port = Number(/event=listening .*port=(\d+)/.exec(text)[1]);
  const pids = new Map([...text.matchAll(/event=worker_ready worker=(\d+) pid=(\d+)/g)].map(([, worker, pid]) => [Number(worker), Number(pid)]));
  const all = workers > 1 ? [...pids.values()] : [process_.pid];
  const others = workers > 1 ? childrenOf(process_.pid).filter((pid) => !all.includes(pid)) : [];
  return { process: process_, workers: all.map((pid, i) => ({ port, worker: workers > 1 ? [...pids.keys()][i] : undefined, pid })), others };
}

async function startMembers(kind, members, redis) {
  const argv = [process.execPath, path.join(here, "peers/cluster-members.mjs"), kind, redis, String(members)];
  const { process: process_, match } = await launchUntil(argv, /event=listening ports=(\S+)/);
  return { process: process_, workers: match[1].split(",").map((port) => ({ port: Number(port), pid: process_.pid })), others: [] };
}

/** The bystanders have processes of their own, without the speaker and the listeners, so that their cost can be measured. */
async function startNode(kind, workers, redis) {
  const active = await startMembers(kind, 2, redis);
  const machines = [{ ...active, workers: [active.workers[0]] }, { process: active.process, workers: [active.workers[1]], others: [] }];
  for (let left = workers - 2; left > 0; left -= MEMBERS_PER_PROCESS) machines.splice(1, 0, await startMembers(kind, Math.min(left, MEMBERS_PER_PROCESS), redis));
  return machines;
}

/** Starts `machines` machines with `workers` workers each: { redis, machines, stop() }. */
export async function startCluster({ node, flags = [] }, { machines, workers }) {
  const port = await freePort();
  const redis = (await launchUntil(["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], /eady to accept connections/)).process;
  const url = `redis://127.0.0.1:${port}`;
  const started = [];
  const stop = async () => {
    await Promise.all([...new Set(started.map((machine) => machine.process))].map(end));
    await end(redis);
  };
  try {
    if (node) started.push(...(await startNode(node, machines * workers, url)));
    else for (let i = 0; i < machines; i++) started.push(await startMachine(i, workers, url, flags));
  } catch (error) {
    await stop();
    throw error;
  }
  return { redis: redis.pid, machines: started, stop };
}
