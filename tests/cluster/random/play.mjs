// Plays the random program of one seed in one form, and checks what share of the clients was recovered.
import assert from "node:assert/strict";
import { World } from "./world.mjs";

/**
 * The share of the clients that come back and are recovered, of those that have neither left nor stayed away for too long. With
 * streams, a busy machine makes more of them new: a worker takes Redis for lost if it does not answer for 2 s.
 */
const RECOVERED = { hub: 0.7, log: 0.7 }, RECOVERED_OTHERWISE = 0.5;

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
  else assert.ok(recovered > (RECOVERED[form] ?? RECOVERED_OTHERWISE) * (recovered + unwilling), "too few clients were recovered");
}
