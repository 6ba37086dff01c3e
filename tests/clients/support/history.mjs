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
    while ((last = JSON.stringify(await kept(socket, room))) !== text) await new Promise((resolve) => setTimeout(resolve, 10)); // no event tells
  };
  await within(look(), () => `${text} in the history of ${room}, which has ${last}`);
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
