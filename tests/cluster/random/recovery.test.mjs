// Connection state recovery against a model, in each form: two workers and their hub, two nodes of two workers with Redis, by the
// log and by streams, and one such node beside a Node.js server, with the classic adapter and with that of streams. Random programs
// emit, change rooms, lose clients, let them return to any server, and kill workers, hubs, nodes, Node.js servers, Redis and its
// connections. A recovered client has got exactly what the model says, each emitter's events in order. Any other client has a new
// id, and no earlier events. Beside a Node.js server with the classic adapter, all clients are new.
//
// `make chaos-recovery` runs this file: FORM names one form, SEED is that of the first world, WORLDS run beside one another in
// each form, each with STRETCHES. WINDOW is the time in ms within which a client can come back; clients then stay away for up to
// two windows. It leaves out the forms with a Node.js server.
import { describe, test } from "node:test";
import { FORMS } from "./forms.mjs";
import { play } from "./play.mjs";

const { FORM, SEED = "1", STRETCHES = "24", WINDOW = "0", WORLDS = "1" } = process.env;

describe("a recovered client has got what the model says", { concurrency: true }, () => {
  for (const [form, { peer }] of Object.entries(FORMS)) {
    if ((FORM && form !== FORM) || (peer && Number(WINDOW) > 0)) continue;
    for (let i = 0; i < Number(WORLDS); i++) {
      const seed = Number(SEED) + i;
      test(`${form}, seed ${seed}`, (t) => play(t, form, seed, Number(STRETCHES), Number(WINDOW)));
    }
  }
});
