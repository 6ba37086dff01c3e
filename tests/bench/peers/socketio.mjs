// The application of application.mjs on socket.io from npm with its WebSocket engine (ws) and default settings.
//
//     node socketio.mjs [--port PORT] [--tls-cert FILE --tls-key FILE] [--per-message-deflate] [--ping-interval MS]
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { parseArgs } from "node:util";
import { require, serve } from "./application.mjs";

const { Server } = require("socket.io");
const { values } = parseArgs({
	options: {
		port: { type: "string", default: "0" }, "tls-cert": { type: "string" }, "tls-key": { type: "string" }, "per-message-deflate": { type: "boolean", default: false },
		"ping-interval": { type: "string", default: "25000" },
	},
});

const server = values["tls-cert"]
	? https.createServer({ cert: readFileSync(values["tls-cert"]), key: readFileSync(values["tls-key"]) })
	: http.createServer();
serve(new Server(server, { serveClient: false, perMessageDeflate: values["per-message-deflate"], pingInterval: Number(values["ping-interval"]) }));
server.listen({ port: Number(values.port), host: "127.0.0.1", backlog: 4096 }, () => {
	process.stderr.write(`event=listening port=${server.address().port} tls=${Boolean(values["tls-cert"])}\n`);
});
