// Plays the scenarios for some minutes, each round with the next seed, and prints what was lost: `make chaos-cluster`.
// node run.mjs [--minutes n] [--seed n] [--mode classic] [--only restart,failover] [--interval ms]
import { parseArgs } from "node:util";
import { randomOf } from "./history.mjs";
import { MODES, SCENARIOS } from "./scenarios.mjs";
import { closeWorld, openWorld } from "./world.mjs";

const { values } = parseArgs({ options: { mode: { type: "string" }, only: { type: "string" }, seed: { type: "string" }, minutes: { type: "string" }, interval: { type: "string", default: "10" } } });
const only = values.only?.split(",");
const scenarios = SCENARIOS.filter(({ key }) => !only || only.includes(key));
const modes = Object.keys(MODES).filter((mode) => !values.mode || mode === values.mode);
const end = Date.now() + Number(values.minutes ?? 0) * 60_000;
let seed = Number(values.seed ?? Date.now() % 1_000_000);
const totals = new Map(); // "title mode" → { rounds, sent, lost, counted, gaps }
let failed = 0;

function add(key, result) {
  const total = totals.get(key) ?? { rounds: 0, sent: 0, lost: 0, counted: 0, gaps: 0 };
  total.rounds++;
  for (const name of ["sent", "lost", "counted", "gaps"]) total[name] += result[name];
  totals.set(key, total);
}

async function play(kind, mode, random) {
  const world = await openWorld(kind, MODES[mode], { interval: Number(values.interval) });
  for (const scenario of scenarios.filter((s) => s.kind === kind && s.loses[mode])) {
    const result = await world.history.during(() => scenario.act(world, random), scenario.loses[mode]);
    add(`${scenario.title} ${mode}`, result);
    const { sent, lost, counted, gaps } = result;
    console.log(`${scenario.key} ${kind} ${mode}: ${lost} of ${sent} lost, ${counted} counted, ${gaps} gaps`);
  }
  await closeWorld(world);
}

do {
  console.log(`seed ${seed}`);
  for (const mode of modes)
    for (const kind of new Set(scenarios.filter((s) => s.loses[mode]).map((s) => s.kind)))
      try {
        await play(kind, mode, randomOf(seed));
      } catch (error) {
        failed++;
        console.log(`FAILED: ${mode} ${kind}, seed ${seed}: ${error.stack}`);
      }
  seed++;
} while (Date.now() < end);

console.log("\n| What fails | Mode | Rounds | Sent | Lost | Counted | Gaps |\n|---|---|---|---|---|---|---|");
for (const { title } of scenarios)
  for (const mode of modes) {
    const total = totals.get(`${title} ${mode}`);
    if (total) console.log(`| ${title} | ${mode} | ${total.rounds} | ${total.sent} | ${total.lost} | ${total.counted} | ${total.gaps} |`);
  }
process.exit(failed > 0 ? 1 : 0);
