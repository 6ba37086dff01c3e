// The pieces of work whose instructions `make bench-cost` counts. One server does each `few` times, another one `many` times. The
// difference between the two leaves out the cost of the start, of the end, and of what happens only once. `allocations` is the
// largest number of allocations that the work may make each time.
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { MsgpackClient, PollingClient, SocketClient, TlsClient } from "./cost_clients.mjs";

const { encode } = createRequire(new URL("../../package.json", import.meta.url))("notepack.io");
const TEXT = "x".repeat(64);
const LISTENERS = 50;
const ADMIN_UI = ["--admin-ui", "--admin-ui-mode", "development", "--admin-ui-auth", "none"];
const BYTES = Buffer.alloc(16 * 1024, "binary");
/** 110 bytes as JSON. */
const OBJECT = { id: 123456, name: "Ada Lovelace", tags: ["alpha", "beta", "gamma"], position: { x: 12.5, y: -7 }, active: true };

async function withClient(Client, port, work) {
  const client = await Client.open(port);
  await work(client);
  await client.close();
}

async function times(n, work) {
  for (let i = 0; i < n; i++) await work(i);
}

const echo = (Client) => (port, n) => withClient(Client, port, (client) => times(n, () => client.ask(`42["echo","${TEXT}"]`)));
const objectEcho = (Client) => (port, n) => withClient(Client, port, (client) => times(n, () => client.ask(client.event("echo", OBJECT))));
const binaryEcho = (Client) => (port, n) => withClient(Client, port, (client) => times(n, () => client.askBinary("echo", BYTES)));
const connect = (Client) => (port, n) => times(n, () => withClient(Client, port, () => {}));

async function broadcast(port, n) {
  const clients = [];
  await times(LISTENERS, async () => clients.push(await SocketClient.open(port)));
  await times(n, () => {
    const heard = clients.map((client) => client.next());
    clients[0].ws.send(`42["broadcast","${TEXT}"]`);
    return Promise.all(heard);
  });
  await times(LISTENERS, (i) => clients[i].close());
}

const join = (port, n) => withClient(SocketClient, port, (client) => times(n, (i) => client.ask(`42${i}["join","room-${i + 10_000}"]`)));

const command = (...args) => Buffer.concat([
  Buffer.from(`*${args.length}\r\n`),
  ...args.map(Buffer.from).flatMap((arg) => [Buffer.from(`$${arg.length}\r\n`), arg, Buffer.from("\r\n")]),
]);

/** Sends a command to Redis many times. Each command makes a client of this class receive an event. */
const receive = (Client, sent) => async (port, n, { redis }) => {
  const publisher = net.connect(redis, "127.0.0.1");
  await once(publisher, "connect");
  publisher.resume();
  await withClient(Client, port, (client) =>
    times(n, async () => {
      const heard = client.next();
      publisher.write(sent);
      await heard;
    }));
  publisher.destroy();
};

/** One client's object is relayed to another client, and to the other nodes. */
const relay = (Client) => async (port, n) => {
  const hearer = await Client.open(port);
  await withClient(Client, port, (client) =>
    times(n, async () => {
      const heard = hearer.next();
      client.ws.send(client.event("broadcast", OBJECT));
      await heard;
    }));
  await hearer.close();
};

// The messages that Node.js servers publish. A message with a binary value is MessagePack in all forms. A message without one is
// JSON in the sharded form and in streams.
const opts = { rooms: [], except: [], flags: {} };
const ofOther = (packet) => ({ type: 3, data: { packet, opts }, uid: "00000000000other", nsp: "/" });
const inStream = (data) => command("XADD", "socket.io", "*", "uid", "00000000000other", "nsp", "/", "type", "3", "data", data);
const news = { type: 2, data: ["news", TEXT] };
const binaryNews = { type: 2, data: ["news", TEXT, Buffer.alloc(8)] };
const redisText = command("PUBLISH", "socket.io#/#", encode(["other1", { ...news, nsp: "/" }, opts]));
const shardedText = command("SPUBLISH", "socket.io#/#", JSON.stringify(ofOther(news)));
const shardedBinary = command("SPUBLISH", "socket.io#/#", encode(ofOther(binaryNews)));
const streamText = inStream(JSON.stringify(ofOther(news).data));
const streamBinary = inStream(encode(ofOther(binaryNews).data).toString("base64"));
const SHARDED = ["--redis-mode", "sharded"];
const STREAMS = ["--redis-mode", "streams"];
/** The log of a node that reads what is added to its stream from now on. */
const READING = /event=listening.* port=(\d+)[^]*event=stream reader=up/;

export const works = [
  { id: "echo", title: "echo of 64 bytes", few: 100, many: 1600, allocations: 0, run: echo(SocketClient) },
  { id: "tls-echo", title: "echo of 64 bytes by TLS", few: 100, many: 1600, tls: true, run: echo(TlsClient) },
  { id: "admin-ui", title: "echo of 64 bytes, Admin UI on, nobody looks", few: 100, many: 1600, args: ADMIN_UI, run: echo(SocketClient) },
  { id: "object-echo", title: "echo of an object of 110 bytes", few: 100, many: 1600, allocations: 0, run: objectEcho(SocketClient) },
  { id: "msgpack-echo", title: "echo of an object of 110 bytes, MessagePack", few: 100, many: 1600, allocations: 0, run: objectEcho(MsgpackClient) },
  { id: "binary-echo", title: "echo of 16 KiB of binary", few: 20, many: 420, allocations: 5, run: binaryEcho(SocketClient) },
  { id: "msgpack-binary", title: "echo of 16 KiB of binary, MessagePack", few: 20, many: 420, allocations: 1, run: binaryEcho(MsgpackClient) },
  { id: "delivery", title: "delivery of a broadcast of 64 bytes to 50", few: 10, many: 210, per: LISTENERS, allocations: 0, run: broadcast },
  { id: "connect", title: "connect, join / and leave", few: 20, many: 170, allocations: 3, run: connect(SocketClient) },
  { id: "polling-connect", title: "connect by polling, join / and leave", few: 10, many: 210, allocations: 3, run: connect(PollingClient) },
  { id: "polling-echo", title: "echo by polling: a POST and a GET", few: 20, many: 320, allocations: 0, run: echo(PollingClient) },
  { id: "join", title: "join of a new room, acknowledged", few: 50, many: 1550, allocations: 2, run: join },
  { id: "backend", title: "object from a client to a backend and back", few: 50, many: 1550, backend: true, allocations: 0, run: objectEcho(SocketClient) },
  { id: "backend-msgpack", title: "object to a backend and back, MessagePack", few: 50, many: 1550, backend: true, allocations: 2, run: objectEcho(MsgpackClient) },
  { id: "relay", title: "object from a client to another and to Redis", few: 50, many: 1550, redis: true, allocations: 1, run: relay(SocketClient) },
  { id: "relay-msgpack", title: "object to a client and to Redis, MessagePack", few: 50, many: 1550, redis: true, allocations: 1, run: relay(MsgpackClient) },
  { id: "redis", title: "broadcast from Redis, classic mode", few: 50, many: 1550, redis: true, allocations: 0, run: receive(SocketClient, redisText) },
  { id: "redis-msgpack", title: "broadcast from Redis, classic, MessagePack", few: 50, many: 1550, redis: true, allocations: 0, run: receive(MsgpackClient, redisText) },
  { id: "sharded", title: "broadcast from Redis, sharded mode", few: 50, many: 1550, redis: true, args: SHARDED, allocations: 0, run: receive(SocketClient, shardedText) },
  { id: "sharded-msgpack", title: "binary broadcast, sharded mode, MessagePack", few: 50, many: 1550, redis: true, args: SHARDED, allocations: 0, run: receive(MsgpackClient, shardedBinary) },
  { id: "streams", title: "broadcast from Redis, streams mode", few: 50, many: 1550, redis: true, args: STREAMS, ready: READING, allocations: 0, run: receive(SocketClient, streamText) },
  { id: "streams-msgpack", title: "binary broadcast, streams mode, MessagePack", few: 50, many: 1550, redis: true, args: STREAMS, ready: READING, allocations: 0, run: receive(MsgpackClient, streamBinary) },
];
