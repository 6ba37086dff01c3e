// Connection state recovery against a model, in each form: two workers and their hub, and two nodes of two workers with
// Redis, by the log and by streams. Random programs emit, change rooms, lose clients, let them return to any worker, and kill
// workers, hubs, nodes, Redis and its connections. A recovered client has got exactly what the model says, each emitter's events
// in order. Any other client has a new id, and no earlier events.
//
// `make chaos-recovery` runs this file: FORM names one form, SEED is that of the first world, WORLDS run beside one another in
// each form, each with STRETCHES. WINDOW is the time in ms within which a client can come back; clients then stay away for up to
// two windows.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FORMS } from "./forms.mjs";
import { World } from "./world.mjs";

const { FORM, SEED = "1", STRETCHES = "24", WINDOW = "0", WORLDS = "1" } = process.env;
/** The share of the clients that come back and are recovered, beside those that have left or stayed away for too long. */
const RECOVERED = 0.7;

async function play(t, form, seed, stretches) {
  const window = Number(WINDOW);
  const world = await World.open(t, form, { seed, window });
  try {
    for (let i = 0; i < stretches; i++) await world.stretch();
  } catch (error) {
    const again = `make chaos-recovery FORM=${form} SEED=${seed} WORLDS=1 STRETCHES=${stretches}${window ? ` WINDOW=${window}` : ""}`;
    error.message += `\nagain: ${again}\n${await world.describe()}`;
    throw error;
  }
  const { recovered = 0, left, expired, ...others } = Object.fromEntries(world.returns);
  console.log(`# ${form}, seed ${seed}: ${stretches} stretches; ${[...world.returns].map(([what, n]) => `${n} ${what}`).join(", ")}`);
  const unwilling = Object.values(others).reduce((sum, n) => sum + n, 0);
  assert.ok(recovered > RECOVERED * (recovered + unwilling), "too few clients were recovered");
}

describe("a recovered client has got what the model says", { concurrency: true }, () => {
  for (const form of Object.keys(FORMS).filter((name) => !FORM || name === FORM)) {
    for (let i = 0; i < Number(WORLDS); i++) {
      const seed = Number(SEED) + i;
      test(`${form}, seed ${seed}`, (t) => play(t, form, seed, Number(STRETCHES)));
    }
  }
});
