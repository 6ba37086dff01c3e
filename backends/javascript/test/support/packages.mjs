/* The packages that the project's tests have: this package itself depends on none. */
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../../tests/package.json", import.meta.url));

export const socketio = require("socket.io");
export const { Server } = socketio;
