// Clients of connection state recovery, each at the worker that a test wants.
import path from "node:path";
import { io } from "socket.io-client";
import { build, startSockeye } from "../../clients/support/server.mjs";
import { next } from "../../clients/support/wait.mjs";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export const WORKERS = [0, 1];
export const QUICK = { forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 20 };

/** Returns the worker that owns the client's session, as its sid names it. */
export function workerOf(socket) {
  const sid = socket.io.engine.id;
  return ALPHABET.indexOf(sid[2]) * 64 + ALPHABET.indexOf(sid[3]);
}

/** Returns the id of a worker's latest process. */
export const pidOf = (server, slot) =>
  Number(server.logged("worker_ready").filter((fields) => Number(fields.worker) === slot).at(-1).pid);

/** Resolves with a client whose session the worker `slot` owns. Clients of other workers are disconnected. */
export async function clientAt(t, server, slot, options, connect = io) {
  for (;;) {
    const socket = connect(server.url, { ...QUICK, ...options });
    await next(socket, "connect");
    if (workerOf(socket) === slot) {
      t.after(() => socket.disconnect());
      return socket;
    }
    socket.disconnect();
  }
}

/** Starts a server with two workers, with more `args`. Resolves when a client of each worker has recovered, so the hub knows both workers. */
export async function startRecovering(t, args = []) {
  const server = await startSockeye(path.join(build, "tests/everything.so"), ["--connection-state-recovery", "--workers", "2", ...args]);
  t.after(() => server.stop());
  for (const slot of WORKERS)
    for (let known = false; !known; ) {
      const socket = await clientAt(t, server, slot, { transports: ["websocket"] });
      const back = next(socket, "connect");
      socket.io.engine.close();
      await back;
      known = socket.recovered;
      socket.disconnect();
    }
  return server;
}

const NODE = ["--connection-state-recovery", "--redis-log", "--ping-interval", "2000", "--ping-timeout", "4000"];

/** Starts a node of two workers that recovers connections through Redis. */
export async function startRedisNode(t, redis, args = [], env = {}) {
  const server = await startSockeye(path.join(build, "tests/everything.so"), [...NODE, "--redis", redis.url, "--workers", "2", ...args], env);
  t.after(() => server.stop());
  await server.until(() => server.logged("bus").filter(({ state }) => state === "up").length >= 2);
  await recovers(t, server);
  return server;
}

/** Resolves when each worker of the node knows the end of the log, from its next check message, so that new clients can recover. */
export async function recovers(t, server) {
  for (const slot of WORKERS)
    for (let known = false; !known; ) {
      const socket = await clientAt(t, server, slot, { transports: ["websocket"], reconnection: false });
      await comeBack(socket);
      known = socket.recovered;
      socket.disconnect();
    }
}

/** The client's next connections go to this node. */
export function moveTo(socket, server) {
  const { port } = new URL(server.url);
  socket.io.uri = server.url;
  Object.assign(socket.io.opts, { hostname: "127.0.0.1", port });
}

/**
 * Loses the connection and comes back, at `server` if there is one, when `meanwhile()` has resolved. Resolves when the
 * client is connected again.
 */
export async function comeBack(socket, server, meanwhile) {
  const back = next(socket, "connect");
  if (server) moveTo(socket, server);
  if (socket.connected) {
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
  }
  await meanwhile?.();
  socket.connect();
  await back;
}
