// Connection state recovery against a model, in each form: two workers and their hub, and two nodes of two workers with
// Redis, by the log and by streams. Random programs emit, change rooms, lose clients, let them return to any worker, and kill
// workers, hubs, nodes, Redis and its connections. A recovered client has got exactly what the model says, each emitter's events
// in order. Any other client has a new id, and no earlier events.
//
// `make chaos-recovery` runs this file: FORM names one form, SEED is that of the first world, WORLDS run beside one another in
// each form, each with STRETCHES. WINDOW is the time in ms within which a client can come back; clients then stay away for up to
// two windows.
import { describe, test } from "node:test";
import { FORMS } from "./forms.mjs";
import { play } from "./play.mjs";

const { FORM, SEED = "1", STRETCHES = "24", WINDOW = "0", WORLDS = "1" } = process.env;

describe("a recovered client has got what the model says", { concurrency: true }, () => {
  for (const form of Object.keys(FORMS).filter((name) => !FORM || name === FORM)) {
    for (let i = 0; i < Number(WORLDS); i++) {
      const seed = Number(SEED) + i;
      test(`${form}, seed ${seed}`, (t) => play(t, form, seed, Number(STRETCHES), Number(WINDOW)));
    }
  }
});
