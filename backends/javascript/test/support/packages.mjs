/* The packages that the project's tests have: this package itself depends on none. */
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../../tests/package.json", import.meta.url));

/* Another release of socket.io: SOCKETIO=/path/to/node_modules/socket.io node --test test/ */
export const socketio = require(process.env.SOCKETIO || "socket.io");
export const { Server } = socketio;
