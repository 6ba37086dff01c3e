// The works whose instructions `make bench-cost` counts. Each is done `few` and `many` times by two servers; the difference is
// free of what a server costs to start, to stop and to do something for the first time. `allocations` is the most that a work may
// make each time.
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { MsgpackClient, PollingClient, SocketClient } from "./cost_clients.mjs";

const { encode } = createRequire(new URL("../../package.json", import.meta.url))("notepack.io");
const TEXT = "x".repeat(64);
const LISTENERS = 50;
const ADMIN_UI = ["--admin-ui", "--admin-ui-mode", "development", "--admin-ui-auth", "none"];
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

/** Publishes as a Node.js server of the cluster does. */
const receive = (Client) => async (port, n, { redis }) => {
  const publisher = net.connect(redis, "127.0.0.1");
  await once(publisher, "connect");
  publisher.resume();
  const message = encode(["other1", { type: 2, data: ["news", TEXT], nsp: "/" }, { rooms: [], except: [], flags: {} }]);
  const head = `*3\r\n$7\r\nPUBLISH\r\n$12\r\nsocket.io#/#\r\n$${message.length}\r\n`;
  const command = Buffer.concat([Buffer.from(head), message, Buffer.from("\r\n")]);
  await withClient(Client, port, (client) =>
    times(n, async () => {
      const heard = client.next();
      publisher.write(command);
      await heard;
    }));
  publisher.destroy();
};

export const works = [
  { id: "echo", title: "echo of 64 bytes", few: 100, many: 1600, allocations: 0, run: echo(SocketClient) },
  { id: "admin-ui", title: "echo of 64 bytes, Admin UI on, nobody looks", few: 100, many: 1600, args: ADMIN_UI, run: echo(SocketClient) },
  { id: "object-echo", title: "echo of an object of 110 bytes", few: 100, many: 1600, allocations: 0, run: objectEcho(SocketClient) },
  { id: "msgpack-echo", title: "the same by the MessagePack parser", few: 100, many: 1600, allocations: 0, run: objectEcho(MsgpackClient) },
  { id: "delivery", title: "delivery of a broadcast of 64 bytes to 50", few: 10, many: 210, per: LISTENERS, allocations: 0, run: broadcast },
  { id: "connect", title: "connect, join / and leave", few: 20, many: 170, allocations: 3, run: connect(SocketClient) },
  { id: "polling-connect", title: "connect by polling, join / and leave", few: 10, many: 210, allocations: 3, run: connect(PollingClient) },
  { id: "polling-echo", title: "echo by polling: a POST and a GET", few: 20, many: 320, allocations: 0, run: echo(PollingClient) },
  { id: "join", title: "join of a new room, acknowledged", few: 50, many: 1550, run: join },
  { id: "redis", title: "broadcast received from Redis by one client", few: 50, many: 1550, redis: true, allocations: 0, run: receive(SocketClient) },
  { id: "redis-msgpack", title: "the same by a client of the MessagePack parser", few: 50, many: 1550, redis: true, allocations: 0, run: receive(MsgpackClient) },
];
