/* Packages from the project's tests. This package itself has no dependencies. */
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../../tests/package.json", import.meta.url));

/* To test with another release of socket.io: SOCKETIO=/path/to/node_modules/socket.io node --test test/ */
const name = process.env.SOCKETIO || "socket.io";
export const socketio = require(name);
export const { Server } = socketio;
export const stockParser = createRequire(require.resolve(name))("socket.io-parser");
