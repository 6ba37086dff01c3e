// The Node.js twin of tests/cluster/app/peer.c: socket.io with the Redis adapter; a client can request each
// operation. As a program it serves on a port that the kernel picks, which it prints: node peer.mjs NAME REDIS_URL
// [--specific | --sharded=MODE | --streams=COUNT [--sharded-pub-sub]] [--v2] [--admin-ui] [--recovery] [--patient]
import { instrument } from "@socket.io/admin-ui";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";

const [name, url, ...flags] = process.argv.slice(2);
const cluster = url.startsWith("redis+cluster://");
const rootNodes = cluster && url.slice("redis+cluster://".length).split(",").map((host) => ({ url: `redis://${host}` }));
const streams = flags.find((flag) => flag.startsWith("--streams="));
const publisher = cluster ? createCluster({ rootNodes }) : createClient({ url });
const subscriber = publisher.duplicate();
for (const client of [publisher, subscriber]) client.on("error", () => {});
// The adapter does not await publish(). If Redis has just closed the connection, or a member of a Redis Cluster dies, the
// failed publish must not end this process.
process.on("unhandledRejection", (error) => {
  const lost = ["EPIPE", "ECONNRESET"].includes(error?.code) || error?.constructor.name === "SocketClosedUnexpectedlyError";
  if (!lost && !cluster) throw error;
});
await Promise.all([publisher.connect(), subscriber.connect()]);

const sharded = flags.find((flag) => flag.startsWith("--sharded="));
// A join in sharded mode does not wait for its SSUBSCRIBE. The answers below wait for it, so that tests know when it is done.
let subscribed;
const { sSubscribe } = subscriber;
subscriber.sSubscribe = (...args) => (subscribed = sSubscribe.apply(subscriber, args));

const io = new Server({
  allowEIO3: flags.includes("--v2"),
  ...(flags.includes("--patient") ? {} : { pingInterval: 2000, pingTimeout: 4000 }),
  ...(flags.includes("--recovery") ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {}),
  adapter: sharded
    ? createShardedAdapter(publisher, subscriber, { subscriptionMode: sharded.split("=")[1] })
    : streams
      ? createStreamsAdapter(publisher, { streamCount: Number(streams.split("=")[1]), useShardedPubSub: flags.includes("--sharded-pub-sub") })
    : createAdapter(publisher, subscriber, { publishOnSpecificResponseChannel: flags.includes("--specific") }),
});

function targetOf(socket, spec) {
  let target = spec.from === "others" ? socket.broadcast : socket.nsp.except([]);
  for (const room of spec.to ?? []) target = target.to(room);
  for (const room of spec.except ?? []) target = target.except(room);
  if (spec.volatile) target = target.volatile;
  if (spec.local) target = target.local;
  return spec.timeout ? target.timeout(spec.timeout) : target;
}

function serve(nsp) {
  nsp.on("connection", (socket) => {
    socket.data.node = name; // added to `data`, in which the admin UI may have stored a member
    socket.on("join", async (room, ack) => {
      socket.join(room);
      await subscribed;
      ack();
    });
    socket.on("leave", (room, ack) => ack(socket.leave(room)));
    socket.on("data", (data, ack) => ack(void (socket.data = data)));
    socket.on("emit", (spec, event, args, ack) => {
      for (let i = 0; i < (spec.times ?? 1); i++) targetOf(socket, spec).emit(event, ...args, ...(spec.times ? [i] : []));
      ack(0);
    });
    socket.on("ask", (spec, event, value, ack) =>
      targetOf(socket, spec).emit(event, value, (error, answers) => ack({ error: error ? error.message : null, answers })));
    socket.on("fetch", async (spec, ack) => {
      try {
        const sockets = await targetOf(socket, spec).fetchSockets();
        ack({ error: null, sockets: sockets.map((s) => ({ id: s.id, rooms: [...s.rooms], data: s.data, query: s.handshake.query })) });
      } catch (error) {
        ack({ error: error.message, sockets: [] });
      }
    });
    socket.on("socketsJoin", (spec, room, ack) => ack(targetOf(socket, spec).socketsJoin(room)));
    socket.on("socketsLeave", (spec, room, ack) => ack(targetOf(socket, spec).socketsLeave(room)));
    socket.on("disconnectSockets", (spec, close, ack) => ack(targetOf(socket, spec).disconnectSockets(close)));
    socket.on("serverEmit", (event, value, ack) => ack(nsp.serverSideEmit(event, value)));
    socket.on("serverAsk", (event, value, ack) =>
      nsp.serverSideEmit(event, value, (error, answers) => ack({ error: error ? error.message : null, answers })));
    socket.on("allRooms", async (ack) => ack([...(await nsp.adapter.allRooms())]));
    socket.on("rooms", async (ack) => {
      await subscribed;
      ack([...socket.rooms]);
    });
  });
  nsp.on("note", (value) => nsp.local.emit("note", name, value));
  nsp.on("question", (value, ack) => ack({ node: name, value }));
  nsp.on("mute", () => {});
}

/** Accepts a client after as many milliseconds as the `delay` of its auth. */
function serveSlowly(nsp) {
  nsp.use(({ handshake: { auth } }, accept) => (auth.delay > 0 ? setTimeout(accept, auth.delay) : accept()));
  serve(nsp);
}

if (flags.includes("--admin-ui")) instrument(io, { auth: false, mode: "development" });
serve(io.of("/"));
serve(io.of("/team"));
serveSlowly(io.of(/^\/slow-.*$/));
io.listen(0);
process.stdout.write(`${JSON.stringify({ port: io.httpServer.address().port })}\n`);
process.on("SIGTERM", () => process.exit(0));
