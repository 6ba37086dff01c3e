/*
 * Judges a run at its end: compares the messages that clients received with the entries of the backends. Pure code.
 *
 * A disturbance is a time in which messages may be lost: {kind: "killed" | "cut" | "bus", by, from, until}. `by` names the backend that was killed
 * or whose links were cut. It is "*" if the broker between the edges was gone, or if a worker was killed that may have been about to publish.
 *
 * Each link is a stream, so a message that arrived proves that all earlier ones left the backend: of a killed backend, only the last broadcasts may
 * be missing.
 */
const NEAR = 10_000; // ms that a busy backend may take from marking a broadcast to sending it; a client may leave in between

/** The broadcasts that a client must receive in a window: all broadcasts that were marked within it. */
function owed(casts, window) {
  return (casts.get(window.room) ?? []).filter(({ at }) => at > window.from && at < window.until);
}

function excuse(cast, last, window, disturbances) {
  const isTail = cast.number > last;
  if (isTail && window.until !== Infinity && cast.at > window.until - NEAR) return "on its way when the client left";
  const found = disturbances.find(
    ({ kind, by, from, until }) => (by === cast.by || by === "*") && cast.at >= from && cast.at <= until && (kind !== "killed" || isTail),
  );
  return found?.kind ?? null;
}

function missed(person, casts, disturbances, result) {
  for (const life of person.lives)
    for (const window of life.windows) {
      for (const cast of owed(casts, window)) {
        const heard = life.heard.get(`${cast.by} ${cast.room}`) ?? new Set();
        result.owed++;
        if (heard.has(cast.number)) continue;
        const why = excuse(cast, Math.max(0, ...heard), window, disturbances);
        if (why) result.lost[why] = (result.lost[why] ?? 0) + 1;
        else result.wrong.push(`${person.name} missed ${JSON.stringify(cast)} in ${JSON.stringify(window)} of ${life.id}, last heard ${Math.max(0, ...heard)}`);
      }
    }
}

/** Checks that each event reached one backend once, and that each backend received the events of a client in order. */
function handledTwice(entries, result) {
  const seen = new Map();
  const last = new Map();
  for (const { event, by, who, n } of entries) {
    if (event !== "said") continue;
    const key = `${who} ${n}`;
    if (seen.has(key)) result.wrong.push(`event ${n} of ${who} was handled by ${seen.get(key)} and by ${by}`);
    seen.set(key, by);
    const before = last.get(`${who} ${by}`) ?? 0;
    if (n <= before) result.wrong.push(`event ${n} of ${who} reached ${by} after event ${before}`);
    last.set(`${who} ${by}`, n);
    result.handled++;
  }
}

/**
 * @param {Person[]} people @param {object[]} entries of all backends; the entries of one backend are in its order @param {object[]} disturbances
 * @param {(who: string, at: number) => boolean} mayOwe true if the answer to a question that the backend asked at that time may be missing
 * @returns {{wrong: string[], owed: number, handled: number, lost: Object<string, number>}}
 */
export function judge(people, entries, disturbances, mayOwe) {
  const result = { wrong: [], owed: 0, handled: 0, lost: {} };
  const casts = new Map();
  for (const entry of entries) {
    if (entry.event === "wrong") result.wrong.push(`${entry.by}: ${entry.text}`);
    if (entry.event === "unanswered" && !mayOwe(entry)) result.wrong.push(`${entry.who} did not answer ${entry.by} at ${entry.at}`);
    if (entry.event !== "cast") continue;
    if (!casts.has(entry.room)) casts.set(entry.room, []);
    casts.get(entry.room).push(entry);
  }
  handledTwice(entries, result);
  for (const person of people) {
    missed(person, casts, disturbances, result);
    for (const { n, kind, at, lossy } of person.sent.values())
      if (lossy) result.lost[lossy] = (result.lost[lossy] ?? 0) + 1;
      else result.wrong.push(`${person.name}: ${kind} ${n} of ${at} was never answered`);
  }
  return result;
}
