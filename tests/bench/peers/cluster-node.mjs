// The application of application.mjs on socket.io with the Redis adapter.
//
//     node cluster-node.mjs REDIS_URL
import http from "node:http";
import { require, serve } from "./application.mjs";

const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const publisher = createClient({ url: process.argv[2] });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
const server = http.createServer();
serve(new Server(server, { adapter: createAdapter(publisher, subscriber), serveClient: false, perMessageDeflate: false }));
server.listen(0, "127.0.0.1", () => {
	process.stderr.write(`event=listening port=${server.address().port} tls=false\n`);
});
