// Nothing arrives twice, each sender's order is kept, and every loss is counted, whatever fails: the scenarios of
// history/scenarios.mjs with fixed seeds. `make chaos-cluster` plays them longer, with other seeds.
import { after, describe, test } from "node:test";
import { randomOf } from "./history/history.mjs";
import { MODES, SCENARIOS } from "./history/scenarios.mjs";
import { closeWorld, openWorld } from "./history/world.mjs";

const SEED = 11;
const INTERVAL_MS = 20;
// other combinations are played by hand
const WORLDS = [["classic", "plain"], ["log", "plain"], ["sharded", "plain"], ["streams", "plain"], ["classic", "tls"], ["classic", "pair"], ["sharded", "cluster"], ["streams", "cluster"], ["log", "cluster"], ["log", "sentinel"], ["classic", "haproxy"], ["classic", "nginx"]];
const rows = [];

describe("histories", { concurrency: 4 }, () => {
  for (const [mode, kind] of WORLDS)
    test(`${mode}, ${kind}`, async () => {
      const random = randomOf(SEED);
      const world = await openWorld(kind, MODES[mode], { interval: INTERVAL_MS });
      for (const { key, title, act, loses } of SCENARIOS.filter((s) => s.kind === kind && s.loses[mode])) {
        const { sent, lost, counted, gaps } = await world.history.during(() => act(world, random), loses[mode]).catch((error) => {
          throw new Error(`${title} (${key}, ${mode}, seed ${SEED}): ${error.message}`, { cause: error });
        });
        rows.push(`${title} | ${mode} | ${lost} of ${sent} lost | ${counted} counted | ${gaps} gaps`);
      }
      await closeWorld(world);
    });
  after(() => console.log(rows.join("\n")));
});
