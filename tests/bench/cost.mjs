// `make bench-cost`: how many instructions of the server a piece of work takes, counted by callgrind. Unlike a time, the count
// hardly depends on the machine and on what else it does: it repeats within 1 %.
//
// Without arguments: writes COSTS.md. --check: compares with it. BENCH_WORKS=echo,join: counts some only and prints them.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { allocations, compareAllocations, compareCosts, formatCosts, instructions, parseCosts } from "./lib/costs.mjs";
import { works } from "./lib/cost_works.mjs";
import { build, here, output } from "./lib/paths.mjs";
import { tlsOptions } from "./lib/servers.mjs";
import { end, freePort, has, launchUntil, main } from "./lib/processes.mjs";

// Timers call these functions, so their calls depend on how long the run takes. They are left out of the counts.
const BY_THE_CLOCK = ["worker_on_stats"];

const FEATURES = ["aes", "avx2", "bmi2", "erms", "fsrm", "pclmulqdq", "sha_ni"];

const file = path.join(here, "COSTS.md");
const say = (text) => process.stdout.write(`${text}\n`);
const profile = path.join(output, "callgrind.out");

const INSIDE = ["--app", path.join(build, "apps/bench.so")];
const socket = path.join(output, "cost.sock");

const serverOf = (args) => [
  "valgrind", "--tool=callgrind", `--callgrind-out-file=${profile}`, path.join(build, "sockeye"), "--host", "127.0.0.1", "--port", "0", "--workers", "1",
  "--ping-interval", "10m", // so that no heartbeat disturbs the counts
  ...args,
];

/** Does a piece of work `n` times. Returns the instructions and allocations of the server from its start to its end. */
async function count(work, n) {
  const processes = [];
  const start = async (argv, pattern) => {
    const { process: started, match } = await launchUntil(argv, pattern);
    processes.unshift(started);
    return match;
  };
  rmSync(profile, { force: true });
  rmSync(socket, { force: true });
  const redis = work.redis && (await freePort());
  try {
    if (redis) await start(["redis-server", "--port", String(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], /eady to accept connections/);
    const [, port] = await start(serverOf([...(work.backend ? ["--backend", `unix://${socket}`] : INSIDE), ...(redis ? ["--redis", `redis://127.0.0.1:${redis}`] : []), ...(work.tls ? tlsOptions() : []), ...(work.args ?? [])]), work.ready ?? /event=listening.* port=(\d+)/);
    if (work.backend) await start([process.execPath, path.join(here, "peers/backend.mjs"), `unix://${socket}`], /event=attached/);
    await work.run(Number(port), n, { redis });
  } finally {
    for (const p of processes) await end(p);
  }
  const text = readFileSync(profile, "utf8");
  return { instructions: instructions(text, BY_THE_CLOCK), allocations: allocations(text) };
}

async function costOf(work) {
  const few = await count(work, work.few);
  const many = await count(work, work.many);
  const each = (what) => (many[what] - few[what]) / ((work.many - work.few) * (work.per ?? 1));
  return { instructions: Math.round(each("instructions")), allocations: Math.max(0, each("allocations")) };
}

function wantedWorks() {
  const wanted = (process.env.BENCH_WORKS ?? "").split(",").filter(Boolean);
  const unknown = wanted.find((id) => !works.some((work) => work.id === id));
  if (unknown) throw new Error(`BENCH_WORKS: there is no work ${unknown}; the works are ${works.map(({ id }) => id).join(", ")}`);
  return wanted.length > 0 ? works.filter(({ id }) => wanted.includes(id)) : works;
}

/** The platform, on which the counts depend: the compiler, and the features of the processor that libc and OpenSSL look for. */
function platformOf() {
  const [compiler] = execFileSync("sh", ["-c", `${process.env.CC ?? "cc"} --version`], { encoding: "utf8" }).split("\n", 1);
  const flags = /^flags\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1].split(" ") ?? [];
  return [compiler, process.arch, ...FEATURES.filter((name) => flags.includes(name))].join(", ");
}

function check(platform, counts, allocated) {
  const wasteful = compareAllocations(works, allocated);
  wasteful.forEach(say);
  const table = parseCosts(readFileSync(file, "utf8"));
  if (table.platform !== platform) {
    say(`not compared: the table was made with ${table.platform}, this is ${platform}`);
    return wasteful.length > 0 ? 1 : 0;
  }
  const worse = compareCosts(table.counts, counts);
  worse.forEach(say);
  return worse.length + wasteful.length > 0 ? 1 : 0;
}

await main(async () => {
  for (const program of ["valgrind", "redis-server"]) if (!has(program)) throw new Error(`${program} is missing: run deploy/install-deps.sh bench`);
  const checking = process.argv.includes("--check");
  const wanted = wantedWorks();
  const counts = {};
  const allocated = {};
  mkdirSync(output, { recursive: true });
  for (const work of wanted) {
    const cost = await costOf(work);
    counts[work.id] = cost.instructions;
    allocated[work.id] = cost.allocations;
    say(`${work.id}: ${cost.instructions} instructions, ${cost.allocations.toFixed(1)} allocations`);
  }
  if (checking) return check(platformOf(), counts, allocated);
  if (wanted.length === works.length) writeFileSync(file, formatCosts(works, { platform: platformOf(), counts, allocated }));
  return 0;
});
