// Plays the random program of one seed in one form, and checks what share of the clients was recovered.
import assert from "node:assert/strict";
import { World } from "./world.mjs";

/** The share of the clients that come back and are recovered, beside those that have left or stayed away for too long. */
const RECOVERED = 0.5;

/** `window`: the time in ms within which a client can come back; 0: the default, and no client stays away for longer. */
export async function play(t, form, seed, stretches, window = 0) {
  const world = await World.open(t, form, { seed, window });
  try {
    for (let i = 0; i < stretches; i++) await world.stretch();
  } catch (error) {
    const again = `make chaos-recovery FORM=${form} SEED=${seed} WORLDS=1 STRETCHES=${stretches}${window ? ` WINDOW=${window}` : ""}`;
    error.message += `\nagain: ${again}\n${await world.describe()}`;
    throw error;
  }
  const { refuses } = world.form, { recovered = 0, left, expired, ...others } = Object.fromEntries(world.returns);
  console.log(`# ${form}, seed ${seed}: ${stretches} stretches; ${[...world.returns].map(([what, n]) => `${n} ${what}`).join(", ")}`);
  const unwilling = Object.values(others).reduce((sum, n) => sum + n, 0);
  if (refuses) assert.ok(others[refuses] > 0, `no client came back that was new because of ${refuses}`);
  else assert.ok(recovered > RECOVERED * (recovered + unwilling), "too few clients were recovered");
}
