// The same work on Node.js: socket.io with the Redis adapter. node cluster-node.mjs REDIS_URL
import { createRequire } from "node:module";

const require = createRequire(new URL("../../package.json", import.meta.url));
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const publisher = createClient({ url: process.argv[2] });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
const io = new Server({ adapter: createAdapter(publisher, subscriber), serveClient: false });
io.on("connection", (socket) => socket.on("broadcast", (...args) => io.emit("broadcast", ...args)));
io.listen(0);
process.stderr.write(`event=listening port=${io.httpServer.address().port} x\n`);
