// The application of application.mjs on Bun, with Bun's own WebSocket server as socket.io's engine.
//
//     bun bun-engine.mjs [--port PORT] [--tls-cert FILE --tls-key FILE]
import { parseArgs } from "node:util";
import { Server as Engine } from "@socket.io/bun-engine";
import { require, serve } from "./application.mjs";

const { Server } = require("socket.io");
const { values } = parseArgs({
	args: Bun.argv.slice(2),
	options: { port: { type: "string", default: "0" }, "tls-cert": { type: "string" }, "tls-key": { type: "string" } },
});

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
serve(io);
const tls = values["tls-cert"] ? { cert: Bun.file(values["tls-cert"]), key: Bun.file(values["tls-key"]) } : undefined;
const { port } = Bun.serve({ ...engine.handler(), port: Number(values.port), hostname: "127.0.0.1", tls });
process.stderr.write(`event=listening port=${port} tls=${Boolean(tls)}\n`);
