// Clients that join a room with its history, and what they must get.
import assert from "node:assert/strict";
import { next, within } from "./wait.mjs";

export const ask = (socket, event, ...args) =>
  within(new Promise((resolve) => socket.emit(event, ...args, (answer) => resolve(answer))), `an answer to "${event}"`);

/** Sends one event to rooms. */
export const say = async (socket, room, value, spec = {}) =>
  assert.equal(await ask(socket, "emit", { to: [room].flat(), ...spec }, "said", [value]), 0);

/** The arguments of what a room's history holds. */
export async function kept(socket, room, spec = {}) {
  const { error, entries } = await ask(socket, "history", room, spec);
  assert.equal(error, 0);
  return entries.map(({ args }) => args[0]);
}

/** Waits until a room's history holds exactly this. Redis and the hub are written to at the end of a turn. */
export async function keeps(socket, room, wanted) {
  const text = JSON.stringify(wanted);
  let last;
  const look = async () => {
    // no event reports a change of the history
    while ((last = JSON.stringify(await kept(socket, room))) !== text) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await within(look(), () => `${text} in the history of ${room}, which has ${last}`);
}

/** The HTTP API reads, page by page, and removes what the room's history holds: events of `socket`. */
export async function historyOverHttp(api, socket, room) {
  const at = (query, method = "GET") => api.send(method, `/api/history?room=${encodeURIComponent(room)}${query}`);
  const read = async (query) => {
    const { status, body } = await at(query);
    assert.equal(status, 200, JSON.stringify(body));
    return body.events;
  };
  const values = async (query) => (await read(query)).map(({ args }) => args[0]);
  const refused = async (query, status, code, method) => {
    const answer = await at(query, method);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], JSON.stringify(answer.body));
  };
  assert.deepEqual(await read(""), []);
  for (const value of [1, { text: "é\n😀" }, [null, 1.5], "four", Buffer.from([5, 255])]) await say(socket, room, value);
  let all;
  do all = await read("");
  while (all.length < 5); // Redis and the hub are written to at the end of a turn
  assert.deepEqual(all.map(({ event, args }) => [event, ...args]), [1, { text: "é\n😀" }, [null, 1.5], "four", { $base64: "Bf8=" }].map((value) => ["said", value]));
  const { entries } = await ask(socket, "history", room, {});
  assert.deepEqual(all.map(({ id, time }) => ({ id, time })), entries.map(({ id, time }) => ({ id, time })));
  assert.deepEqual(await values("&limit=2"), ["four", { $base64: "Bf8=" }]);
  assert.deepEqual(await values(`&limit=2&before=${all[3].id}`), [{ text: "é\n😀" }, [null, 1.5]]);
  assert.deepEqual(await values(`&limit=2&after=${all[0].id}`), [{ text: "é\n😀" }, [null, 1.5]]);
  assert.deepEqual(await values(`&before=${all[0].id}`), []);
  assert.deepEqual(await values("&before=0-1"), []);
  assert.deepEqual(await values("&after=18446744073709551615-18446744073709551615"), []);
  await refused("&before=nonsense", 400, "bad_parameter");
  await refused("", 400, "bad_parameter", "DELETE");
  const remove = async (query) => (await at(query, "DELETE")).body;
  assert.deepEqual(await remove(`&id=${all[0].id}`), { ok: true, removed: 1 });
  assert.deepEqual(await remove(`&id=${all[0].id}`), { ok: true, removed: 0 });
  assert.deepEqual(await values("&limit=2&after=1-0"), [{ text: "é\n😀" }, [null, 1.5]]);
  const { ok, removed } = await remove("&all=true");
  assert.ok(ok && removed >= 1, String(removed));
  assert.deepEqual(await read(""), []);
  for (const [method, query] of [["GET", ""], ["DELETE", "&all=true"], ["GET", "&namespace=/nobody"], ["DELETE", "&namespace=/nobody&all=true"]]) {
    const { status, body } = await api.send(method, `/api/history?room=none${query}`);
    assert.deepEqual([status, body.error.code, body.error.field], [404, "no_history", "room"]);
  }
}

/**
 * While `writer` sends numbers to the room, clients of `connect()` join it with history, again and again. Each must get
 * numbers without a gap and without a repetition, from its history on.
 */
export async function joinWhileWriting(writer, connect, room, { rounds = 12, history = 20 } = {}) {
  let number = 0;
  let writing = true;
  const write = async () => {
    while (writing) {
      for (let i = 0; i < 5; i++) writer.emit("emit", { to: [room] }, "tick", [number++]);
      await ask(writer, "emit", { to: [room] }, "tick", [number++]);
    }
  };
  const written = write();
  let withHistory = 0;
  for (let round = 0; round < rounds; round++) {
    const socket = await connect(round);
    const got = [];
    socket.on("tick", (n) => got.push(n));
    const { error, sent } = await ask(socket, "join with history", room, history);
    assert.equal(error, 0);
    withHistory += sent > 0;
    while (got.length < sent + 30) await next(socket, "tick");
    socket.disconnect();
    for (let i = 1; i < got.length; i++) assert.equal(got[i], got[i - 1] + 1, `round ${round}: ${sent} of history, then ${got}`);
  }
  writing = false;
  await written;
  assert.ok(withHistory >= rounds - 1, `${withHistory} of ${rounds} joins found a history`);
}
