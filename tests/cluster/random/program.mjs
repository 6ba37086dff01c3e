// Random programs for the clients of connection state recovery. A program is a list of steps, and depends on nothing but its
// random numbers.

export const ROOMS = ["a", "b", "c"];
export const CLIENTS = 4;
const STEPS = 24;

/** How a client can lose its connection. Of a silent loss, the server learns from the return or by a ping timeout. */
const LOSSES = ["close", "close", "reset", "reset", "silent", "silent", "leave"];
const KEPT = "kept", NOT_KEPT = ["volatile", "local", "acknowledged"];

const some = (random, list) => list.filter(() => random.below(2));
const one = (random, list) => list[random.below(list.length)];

/** An event. A number among the rooms is the room of that client's id. */
export function anEmit(random, emitters) {
  const to = some(random, ROOMS);
  if (random.below(4) === 0) to.push(random.below(CLIENTS));
  return {
    act: "emit",
    emitter: random.below(emitters),
    to,
    except: random.below(4) === 0 ? some(random, ROOMS) : [],
    how: random.below(3) ? KEPT : one(random, NOT_KEPT),
    value: one(random, ["number", "text", "binary"]),
  };
}

const aLoss = (random, client, window) => ({
  act: "lose",
  client,
  how: one(random, LOSSES),
  settled: random.below(2) === 0,
  forMs: window && random.below(2) ? random.below(2 * window) : 0,
});

/** A return to a node. `delay` is what a slow middleware takes, in milliseconds, and `meanwhile` is emitted before it ends. */
export const aReturn = (random, client, { emitters, servers, delays }) => ({
  act: "return",
  client,
  node: random.below(servers),
  delay: random.below(4) ? 0 : one(random, delays),
  meanwhile: Array.from({ length: random.below(3) }, () => anEmit(random, emitters)),
});

function aStep(random, form) {
  const client = random.below(CLIENTS), what = random.below(24);
  if (what < 11) return anEmit(random, form.emitters);
  if (what < 14) return { act: "room", client, room: one(random, ROOMS) };
  if (what < 18) return aLoss(random, client, form.window);
  return aReturn(random, client, form);
}

/** What fails in a stretch, at a random place: `failure` is one of the form's. */
const aFailure = (random, failure, { emitters, nodes }) => ({
  act: "fail",
  failure,
  node: random.below(nodes),
  slot: random.below(2),
  meanwhile: Array.from({ length: random.below(5) }, () => anEmit(random, emitters)),
});

/** The steps of one stretch. `form` has the numbers of emitters, of nodes and of all servers, the delays of middlewares, and the window or 0. */
export function aStretch(random, form, failure) {
  const steps = Array.from({ length: STEPS }, () => aStep(random, form));
  const at = random.below(STEPS);
  if (failure) steps.splice(at, 0, aFailure(random, failure, form));
  return steps;
}
