// Connection state recovery against a model: random programs of the same seeds in each run, which play every failure of their forms.
// random/recovery.test.mjs says what they do and check. The forms with a Node.js server are played by hand.
import { describe, test } from "node:test";
import { play } from "./random/play.mjs";

const PROGRAMS = [
  ["hub", 1, 32],
  ["log", 2, 22],
  ["streams", 3, 18],
];

describe("a recovered client has got what the model says", { concurrency: true }, () => {
  for (const [form, seed, stretches] of PROGRAMS) test(`${form}, seed ${seed}`, (t) => play(t, form, seed, stretches));
});
