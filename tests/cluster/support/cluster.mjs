// Servers of one cluster for tests: C nodes with tests/cluster/app/peer.c and Node.js servers with support/peer.mjs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { io } from "socket.io-client";
import { endsWithFile } from "../../clients/support/leftovers.mjs";
import { build, root, startSockeye } from "../../clients/support/server.mjs";
import { next, until, within } from "../../clients/support/wait.mjs";

export const peerApp = path.join(build, "tests/peer.so");

/** Starts a C node; resolves when its bus is up. */
export async function startNode(name, redis, args = [], env = {}) {
  const server = await startSockeye(peerApp, ["--redis", redis.url, "--ping-interval", "2000", "--ping-timeout", "4000", ...args], { ...env, PEER_NAME: name });
  server.name = name;
  return server;
}

/** Starts a Node.js server in a separate process. */
export async function startPeer(name, redis, flags = []) {
  const child = endsWithFile(spawn(process.execPath, [path.join(root, "tests/cluster/support/peer.mjs"), name, redis.url, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  }));
  const exited = once(child, "exit");
  const [line] = await within(once(child.stdout, "data"), "the Node.js server");
  const { port } = JSON.parse(line);
  return {
    name,
    child,
    port,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Waits until `n` servers subscribe to a channel. */
export async function subscribers(redis, n, channel, how = "NUMSUB") {
  let count;
  const look = async () => {
    [, count] = await redis.command("PUBSUB", how, channel);
    return Number(count) === n;
  };
  await until(look, () => `${n} servers subscribe to ${channel} at ${redis.url}, not ${count}`);
}

/** Waits until `n` servers subscribe to the requests of a namespace. */
export const members = (redis, n, nsp = "/", key = "socket.io") => subscribers(redis, n, `${key}-request#${nsp}#`);

export async function connect(server, { nsp = "/", ...options } = {}) {
  const socket = io(server.url + nsp, { transports: ["websocket"], forceNew: true, reconnection: false, ...options });
  socket.server = server;
  await next(socket, "connect");
  return socket;
}

export const ask = (socket, event, ...args) =>
  within(new Promise((resolve) => socket.emit(event, ...args, (answer) => resolve(answer))), `an answer to "${event}" of ${socket.server.name}`);
