// What several tests of connection state recovery share.
import assert from "node:assert/strict";
import { Ws } from "./raw.mjs";

/** Resolves with the reply to CONNECT. */
async function connected(ws) {
  for (;;) {
    const text = await ws.message();
    if (text.startsWith("40")) return JSON.parse(text.slice(2));
  }
}

/** A client comes back while the server still takes its old connection for alive: it gets the session, and the old one is closed. */
export async function takeOver(server) {
  const first = await Ws.open(server, "/socket.io/");
  first.send("40");
  const reply = await connected(first);
  const second = await Ws.open(server, "/socket.io/");
  second.send(`40${JSON.stringify({ pid: reply.pid })}`);
  assert.deepEqual(await connected(second), reply);
  await first.closed;
  second.close();
}

/** A client leaves a connection for the next one. The server reads their CONNECTs in the opposite order. The next one keeps the session. */
export async function leaveBehind(server) {
  const first = await Ws.open(server, "/socket.io/");
  first.send("40");
  const reply = await connected(first);
  const claim = `40${JSON.stringify({ pid: reply.pid })}`;
  const left = await Ws.open(server, "/socket.io/");
  const inUse = await Ws.open(server, "/socket.io/");
  inUse.send(claim);
  assert.deepEqual(await connected(inUse), reply);
  left.send(claim);
  assert.notEqual((await connected(left)).sid, reply.sid);
  inUse.send("40/nowhere,");
  while (!(await inUse.message()).startsWith("44/nowhere,"));
  for (const ws of [left, inUse]) ws.close();
}

/** Returns a function that resolves with true if the server with this admin port keeps the session of one lost client. */
export function keepsOne(admin) {
  const kept = /^sockeye_(hub_)?recovery_sessions(\{.*\})? 1$/m;
  return async () => kept.test(await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text());
}

/**
 * Waits for several clients that claim one session at once. Resolves with the results of those that got a reply. The
 * server closes a connection without a reply if another client takes the session over first.
 */
export async function answered(claims) {
  const results = await Promise.allSettled(claims);
  for (const { reason } of results) if (reason && reason.message !== "closed, and no message") throw reason;
  return results.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
}
