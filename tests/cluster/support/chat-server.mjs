// node/apps/chat.js on a port that the kernel picks, which it prints: node chat-server.mjs [REDIS_URL]
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { root } from "../../clients/support/server.mjs";

const [url] = process.argv.slice(2);
const http = createServer();
const io = new Server(http);
if (url) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}
console.log = () => {}; // silences the chat: only the port is read here
createRequire(import.meta.url)(path.join(root, "node/apps/chat.js"))(io);
http.listen(0, "127.0.0.1", () => process.stdout.write(JSON.stringify({ port: http.address().port }) + "\n"));
