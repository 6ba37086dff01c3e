// `make bench-cluster`: what a message to a room of ten costs Redis, and the workers that have no client in the room, in
// clusters of 2 to 64 workers on one Redis, with Sockeye and with the adapters of Node.js.
//
// All processes share one core. Otherwise the figures of Redis depend on where the kernel puts the others: to wake a
// process on a core that sleeps costs more than the message.
//
// BENCH_ROUNDS (3), BENCH_SECONDS (1). BENCH_ROWS=sockeye,classic measures some servers only, which are printed and not
// written.
import { execFileSync } from "node:child_process";
import os from "node:os";
import { measure } from "./lib/cluster_load.mjs";
import { startCluster } from "./lib/cluster_setups.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { main } from "./lib/processes.mjs";
import { writeSection } from "./lib/results.mjs";
import { median } from "./lib/summary.mjs";
import { align, number } from "./lib/table.mjs";

const kinds = [
  { id: "sockeye", title: "Sockeye" },
  { id: "worker", title: "Sockeye, `--redis-subscriber worker`", flags: ["--redis-subscriber", "worker"] },
  { id: "all", title: "the same with `--redis-routing all`", flags: ["--redis-subscriber", "worker", "--redis-routing", "all"] },
  { id: "classic", title: "Node.js, classic adapter", node: "classic" },
  { id: "sharded", title: "Node.js, sharded adapter", node: "sharded" },
];
const sizes = [
  { machines: 1, workers: 2 },
  { machines: 2, workers: 1 },
  { machines: 4, workers: 4 },
  { machines: 16, workers: 4 },
];
const NAMESPACES = 1000;
const CORE = 1;
const cases = [...sizes, { machines: 2, workers: 1, namespaces: NAMESPACES }];
const titleOf = ({ machines, workers, namespaces }) => `${machines * workers} on ${machines}${namespaces ? `, ${namespaces} namespaces` : ""}`;
const say = (text) => process.stderr.write(`${text}\n`);

function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!(value > 0)) throw new Error(`${name}=${process.env[name]} is not a number above 0`);
  return value;
}

async function measureOne(kind, size, seconds) {
  const cluster = await startCluster(kind, size);
  try {
    return await measure(cluster, { seconds, namespaces: size.namespaces });
  } finally {
    await cluster.stop();
  }
}

/** Puts this process, and with it all that it starts, on one core. */
function shareOneCore() {
  if (os.availableParallelism() > CORE) execFileSync("taskset", ["-a", "-c", "-p", String(CORE), String(process.pid)], { stdio: "ignore" });
}

/** Rounds alternate: each measures every server at every size once. Returns medians by server and size. */
async function measureAll(wanted, { rounds, seconds }) {
  const runs = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const size of cases) {
      for (const kind of wanted) {
        const run = await measureOne(kind, size, seconds);
        const key = `${kind.id} ${titleOf(size)}`;
        runs.set(key, [...(runs.get(key) ?? []), run]);
        say(`  round ${round}, ${titleOf(size)}, ${kind.id}: Redis ${number(run.redis)} us, bystander ${run.bystander.toFixed(3)} us, ${number(run.rate)} a second`);
      }
    }
  }
  return (kind, size, what) => median((runs.get(`${kind.id} ${titleOf(size)}`) ?? []).map((run) => run[what]));
}

const small = (value) => (Number.isFinite(value) ? (Math.abs(value) < 0.0005 ? "0.000" : value.toFixed(3)) : "");

function tables(wanted, of) {
  const redis = wanted.map((kind) => [kind.title, ...cases.map((size) => number(of(kind, size, "redis")))]);
  const large = sizes.slice(2);
  const bystanders = wanted.map((kind) => [kind.title, ...large.map((size) => small(of(kind, size, "bystander")))]);
  return [
    "Redis, microseconds a message; columns are workers on machines:",
    align([["servers", ...cases.map(titleOf)], ...redis], 1),
    "A worker without a client in the room, microseconds a message:",
    align([["servers", ...large.map(titleOf)], ...bystanders], 1),
  ];
}

function goals(of) {
  const [ours] = kinds;
  const [, two, , most] = sizes;
  const growth = of(ours, most, "redis") / of(ours, two, "redis");
  const bystander = Math.max(...sizes.slice(2).map((size) => of(ours, size, "bystander")));
  const spaces = of(ours, cases.at(-1), "redis") / of(ours, two, "redis");
  const row = (what, target, met, measured) => [what, target, met ? "yes" : "**no**", measured];
  return align(
    [
      ["goal of Sockeye", "target", "met", "measured"],
      row("Redis at 64 workers, to 2 on 2 machines", "at most 1.3 x", growth <= 1.3, `${growth.toFixed(2)} x`),
      row("a worker without a client", "at most 0.05 us", bystander <= 0.05, `${small(bystander)} us`),
      row("Redis with 1,000 namespaces, to one", "at most 1.3 x", spaces <= 1.3, `${spaces.toFixed(2)} x`),
    ],
    4,
  );
}

const textOf = (wanted, of, { rounds, seconds }) =>
  [
    "## Clusters on one Redis",
    `\`make bench-cluster\`, medians of ${rounds} rounds of ${seconds} s: a room of ten, five at the speaker's worker and five at another one, on another machine if there are ` +
      "several. A machine is one server with its workers; the members of Node.js are servers that share a few processes. Each message is a PUBLISH of its own. All processes share one core. What the processes use while nothing is said is subtracted.",
    machineLines(machine()),
    ...tables(wanted, of),
    ...(wanted.includes(kinds[0]) ? [goals(of)] : []),
  ].join("\n\n");

await main(async () => {
  const only = (process.env.BENCH_ROWS ?? "").split(",").filter(Boolean);
  const wanted = kinds.filter(({ id }) => only.length === 0 || only.includes(id));
  const plan = { rounds: setting("BENCH_ROUNDS", 3), seconds: setting("BENCH_SECONDS", 1) };
  shareOneCore();
  const text = textOf(wanted, await measureAll(wanted, plan), plan);
  process.stdout.write(`${text}\n`);
  if (only.length === 0) writeSection("cluster", text);
  return 0;
});
