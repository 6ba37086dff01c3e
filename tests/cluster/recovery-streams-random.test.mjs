// Connection state recovery through Redis streams against a model: the random program of one seed, see random/recovery.test.mjs.
import { test } from "node:test";
import { play } from "./random/play.mjs";

const SEED = 3, STRETCHES = 12;

test("what recovered clients have got is what the model says", (t) => play(t, "streams", SEED, STRETCHES));
