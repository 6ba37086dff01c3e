// Stock clients of two major versions, and the steps that most tests share.
import { io as io4 } from "socket.io-client";
import io3 from "socket.io-client-3";
import { next, WAIT_MS, within } from "../../clients/support/wait.mjs";

export const clientVersions = { "4.8": io4, "3.1": io3 };

/** A client that is closed after the test; counts its disconnects in `drops`. */
export function client(t, url, { version = "4.8", ...options } = {}) {
  const socket = clientVersions[version](url, { forceNew: true, ...options });
  socket.drops = 0;
  socket.on("disconnect", (reason) => {
    socket.drops++;
    socket.lastReason = reason;
  });
  t.after(() => socket.close());
  return socket;
}

/** Resolves with such a client once it is connected. */
export async function joined(t, url, options) {
  const socket = client(t, url, options);
  if (!socket.connected) await next(socket, "connect");
  return socket;
}

/** emit() with an acknowledgement, for clients of all versions. */
export function ask(socket, ...args) {
  return within(new Promise((resolve) => socket.emit(...args, resolve)), `an answer to ${args[0]}`, WAIT_MS);
}

/** Like ask(), for a connection that may have ended before the client noticed: the client asks again when it has reconnected. */
export function askUntilAnswered(socket, ...args) {
  const answered = new Promise((resolve) => {
    const emit = () => socket.emit(...args, resolve);
    socket.on("connect", emit);
    emit();
  });
  return within(answered, `an answer to ${args[0]}`, WAIT_MS);
}
