// A client of the admin UI, like the dashboard: it connects to /admin, and a test examines what the client has received.
import { io } from "socket.io-client";
import { within } from "./wait.mjs";

/**
 * Returns a client of the namespace /admin that is not connected yet. `until(name, predicate)` resolves with the arguments of the
 * first event, received before or after the call, for which the predicate holds.
 */
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
