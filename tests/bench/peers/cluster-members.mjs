// Several members of a cluster in one process: servers of application.mjs, each with its own connections to Redis.
//
//     node cluster-members.mjs classic|sharded REDIS_URL MEMBERS
import http from "node:http";
import { require, serve } from "./application.mjs";

const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const [kind, url, members] = process.argv.slice(2);
const adapterOf = { classic: createAdapter, sharded: createShardedAdapter }[kind];
const ports = [];
for (let i = 0; i < Number(members); i++) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const server = http.createServer();
  const io = new Server(server, { adapter: adapterOf(publisher, subscriber), serveClient: false, perMessageDeflate: false });
  serve(io);
  io.of(/^\/n-\d+$/).on("connection", (socket) => {
    socket.on("join", (room, done) => done(socket.join(room)));
    socket.on("room", (room, ...args) => socket.nsp.to(room).emit("room", room, ...args));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ports.push(server.address().port);
}
process.stderr.write(`event=listening ports=${ports.join()}\n`);
