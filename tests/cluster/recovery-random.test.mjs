// Connection state recovery against a model: random programs of the same seeds in each run, 300 stretches, which play every failure of
// their forms. random/recovery.test.mjs says what they do and check. The forms with a Node.js server are played by hand. Seeds 2 and 3
// use the namespace /, seeds 1 and 5 a dynamic one with a slow middleware, which they run for recovered clients, too.
import { describe, test } from "node:test";
import { plain } from "../clients/support/server.mjs";
import { play } from "./random/play.mjs";

const PROGRAMS = [
  ["hub", 1, 64],
  ["hub", 3, 64],
  ["log", 2, 88],
  ["streams", 5, 84],
];
const SHARE = plain ? 1 : 1 / 4; // with sanitizers, all failures too, but less often

describe("a recovered client has got what the model says", { concurrency: true }, () => {
  for (const [form, seed, stretches] of PROGRAMS) test(`${form}, seed ${seed}`, (t) => play(t, form, seed, stretches * SHARE));
});
