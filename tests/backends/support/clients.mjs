// Stock clients of two major versions, and what most tests do with them.
import { io as io4 } from "socket.io-client";
import io3 from "socket.io-client-3";
import { next } from "../../clients/support/wait.mjs";

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

/** The same, once it is connected. */
export async function joined(t, url, options) {
  const socket = client(t, url, options);
  if (!socket.connected) await next(socket, "connect");
  return socket;
}

/** emit() with an acknowledgement, for clients of all versions. */
export function ask(socket, ...args) {
  return new Promise((resolve) => socket.emit(...args, resolve));
}
