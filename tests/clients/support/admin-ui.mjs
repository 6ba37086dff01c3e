// An admin of the admin UI, as the dashboard is one: a client of /admin that looks at what it has received.
import { io } from "socket.io-client";
import { within } from "./wait.mjs";

/** A client of the namespace /admin, not yet connected. `until(name, predicate)` resolves with the arguments of the first event, so far or later, for which the predicate holds. */
export function openAdmin(server, auth, options = {}) {
  const socket = io(`${server.url}/admin`, { transports: ["websocket"], forceNew: true, reconnection: false, auth, ...options });
  const waiters = new Set();
  socket.seen = [];
  socket.onAny((...event) => {
    socket.seen.push(event);
    for (const waiter of waiters) waiter();
  });
  socket.until = (name, predicate = () => true) => {
    let look;
    const found = new Promise((resolve, reject) => {
      look = () => {
        try {
          const event = socket.seen.find(([event, ...args]) => event === name && predicate(...args));
          if (event) resolve(event.slice(1));
        } catch (error) {
          reject(error);
        }
      };
      waiters.add(look);
      look();
    });
    return within(found, () => `"${name}" for the admin (seen: ${[...new Set(socket.seen.map(([event]) => event))]})`).finally(() => waiters.delete(look));
  };
  return socket;
}
