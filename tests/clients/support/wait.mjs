// Waiting for events with a deadline, so that a missing event fails with a name instead of hanging.

/** How long tests wait for an event. Only a failure uses it up, so a machine under any load is quick enough. */
export const WAIT_MS = 120_000;

/** Rejects if the promise does not settle in time. `what` names it in the error: a text, or a function that returns one. */
export function within(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${typeof what === "function" ? what() : what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves with the arguments of an emitter's next `event`. */
export function next(emitter, event, ms = WAIT_MS) {
  return within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `"${event}"`, ms);
}

/** Collects every occurrence of an event from now on; `take(n)` resolves with the first n. */
export function collect(emitter, event) {
  const seen = [];
  let wake = () => {};
  const listener = (...args) => {
    seen.push(args);
    wake();
  };
  emitter.on(event, listener);
  return {
    seen,
    stop: () => emitter.off(event, listener),
    async take(n, ms = WAIT_MS) {
      await within(
        new Promise((resolve) => {
          wake = () => seen.length >= n && resolve();
          wake();
        }),
        `${n} times "${event}" (${seen.length} seen)`,
        ms,
      );
      return seen.slice(0, n);
    },
  };
}

/**
 * For questions that somebody leaves unanswered, so that only their time-out ends them. Calls `ask` with a short time-out in
 * milliseconds, and again with twice the time-out until `whole` holds for the result: on a busy machine, the answers of the others may
 * take longer than the first time-outs. Resolves with the last result.
 */
export async function patiently(ask, whole, ms = 300) {
  for (; ; ms *= 2) {
    const result = await ask(ms);
    if (whole(result) || ms > WAIT_MS / 4) return result;
  }
}

/** Resolves when the condition holds, which it checks every 20 ms. For changes that no event reports. `what` is as in within(). */
export async function until(condition, what, ms = WAIT_MS) {
  for (const end = performance.now() + ms; !(await condition()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (performance.now() > end) throw new Error(`waited ${ms} ms until ${typeof what === "function" ? what() : what}`);
}
