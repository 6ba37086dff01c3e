// The rows of the table and their targets.
//
// A target is a ratio to another server in the same run (`times`), a limit for Sockeye's own value (`most`), a limit
// for how far it may lie above another server's value (`above`), or above that server's median latency (`medianOf`).

const BUNS = ["bunEngine", "bun"];
const ALL = ["sockeye", "node", ...BUNS, "floor", "floorPerTurn"];
const REAL = ["sockeye", "node", ...BUNS]; // the floor cannot take part: it has no polling, TLS or rooms
const PAIR = ["sockeye", "node"];
const FLOORS = ["sockeye", "floorPerTurn"];
const IDLE_MS = 2000;
const LEFT_MS = 5000; // until memory is measured again
const KEPT_KIB = 1024; // memory counts as given back if it exceeds its former value by at most this

const messages = { unit: "messages/s", value: (report) => report.rates.messages };
const deliveries = { unit: "deliveries/s", value: (report) => report.rates.deliveries };
const connects = { unit: "clients/s", value: (report) => report.rates.connects };
const memory = { unit: "bytes", value: (report) => report.server.memoryPerClient, lessIsBetter: true };
const p99 = { unit: "ms", value: ({ latency }) => (latency?.count > 0 ? latency.p99 : NaN), lessIsBetter: true };

/**
 * How much more memory a new server has after all clients have left than before the first one connected. This includes
 * pages of its program.
 */
const remainder = { title: "when all have left", unit: "KiB more", value: ({ server }) => (server.memoryAfter - server.memoryBefore) / 1024, lessIsBetter: true };

/**
 * The longest round trip that the client has seen. No turn of the server's loop that answered was longer. Whatever else
 * delays the server or the load tester counts, too.
 */
const longest = { title: "the longest", unit: "ms", value: ({ latency }) => (latency?.count > 0 ? latency.max : NaN), lessIsBetter: true };

const idle = (clients) => ({
  ...memory, anyTime: true, // valid at any load of the machine: other programs do not change how much memory a client takes
  scenario: "idle", servers: REAL, clients, options: { clients, browserHeaders: true, duration: IDLE_MS, settle: LEFT_MS }, also: remainder,
});

export const rows = [
  {
    id: "echo", title: "echo, 100 clients", ...messages, scenario: "echo", servers: ALL, options: { clients: 100 },
    targets: [{ times: 0.95, of: "floor" }, { times: 4, of: "node" }],
  },
  {
    id: "broadcast-1", title: "broadcast to 1,000, 1 in flight", ...deliveries, scenario: "broadcast", servers: ALL, options: { clients: 1000, inFlight: 1 },
    targets: [{ times: 0.95, of: "floor" }, { times: 2, of: "node" }],
  },
  {
    id: "broadcast-8", title: "broadcast to 1,000, 8 in flight", ...deliveries, scenario: "broadcast", servers: ALL, options: { clients: 1000, inFlight: 8 },
    targets: [{ times: 0.8, of: "floorPerTurn" }, { times: 12, of: "node" }],
  },
  {
    id: "broadcast-2k", title: "broadcast of 2 KB to 1,000, 1 in flight", ...deliveries, scenario: "broadcast", servers: PAIR,
    options: { clients: 1000, inFlight: 1, size: 2048 }, targets: [],
  },
  {
    id: "deflate", title: "the same with permessage-deflate", ...deliveries, scenario: "broadcast", kind: "deflate", servers: PAIR,
    options: { clients: 1000, inFlight: 1, size: 2048, perMessageDeflate: true }, targets: [],
  },
  {
    id: "connect", title: "connects (WebSocket, joined to /)", ...connects, scenario: "connect", servers: ALL,
    options: { clients: 10_000, connecting: 256 },
    targets: [{ times: 0.75, of: "floor" }, { times: 9, of: "node" }],
  },
  { id: "idle-5000", title: "memory per idle client, 5,000", ...idle(5000), targets: [{ most: 1536 }, { most: KEPT_KIB, of: "also" }] },
  { id: "idle-15000", title: "memory per idle client, 15,000", ...idle(15_000), targets: [{ most: 1536 }, { most: KEPT_KIB, of: "also" }] },
  {
    id: "polling", title: "echo by polling, 100 clients", ...messages, scenario: "polling", servers: REAL, options: { clients: 100 },
    targets: [{ times: 5, of: "node" }],
  },
  {
    id: "tls", title: "echo by TLS, 100 clients", ...messages, scenario: "echo", kind: "tls", servers: REAL, options: { clients: 100, noVerify: true },
    targets: [{ times: 3, of: "node" }, { times: 1.5, of: "bunEngine" }],
  },
  {
    id: "polling-connect", title: "connects by polling, joined to /", ...connects, scenario: "connect", servers: REAL,
    clients: 11_000, // descriptors: the tester opens two connections for each
    options: { clients: 5000, connecting: 256, transport: "polling" }, targets: [],
  },
  { id: "room", title: "room of 10 among 5,000, 8 in flight", ...deliveries, scenario: "room", servers: REAL, options: { clients: 5000, roomSize: 10, inFlight: 8 }, targets: [] },
  { id: "ack", title: "acknowledgements, 100 clients", ...messages, scenario: "ack", servers: ALL, options: { clients: 100 }, targets: [] },
  {
    id: "fetch", title: "fetchSockets over 15,000 of this node", unit: "ms", value: (report) => report.latency.p50, lessIsBetter: true,
    scenario: "ack", servers: REAL, options: { clients: 15_000, event: "fetch", senders: 1, inFlight: 1 }, also: longest, targets: [{ most: 2 }],
  },
  {
    id: "fetch-all", title: "fetchSockets over 15,000 of two nodes", unit: "ms", value: (report) => report.latency.p50, lessIsBetter: true,
    scenario: "ack", kind: "cluster", servers: PAIR, options: { clients: 15_000, event: "fetch all", senders: 1, inFlight: 1 }, targets: [],
    needs: "redis-server",
  },
  {
    id: "binary", title: "echo of 16 KB binary, 100 clients", ...messages, scenario: "echo", servers: ALL,
    options: { clients: 100, binary: true, size: 16_384 }, targets: [],
  },
  {
    id: "cluster", title: "cluster of two with Redis, 16 in flight", ...deliveries, scenario: "cluster", kind: "cluster", servers: PAIR,
    options: { clients: 20, inFlight: 16 }, targets: [{ times: 4, of: "node" }], needs: "redis-server",
  },
  {
    id: "cluster-200", title: "the same, 200 clients on each node", ...deliveries, scenario: "cluster", kind: "cluster", servers: PAIR,
    options: { clients: 400, inFlight: 16 }, targets: [{ times: 3, of: "node" }], needs: "redis-server",
  },
  {
    id: "receive", title: "from Redis to one client, 16 in flight", ...deliveries, scenario: "cluster", kind: "cluster", servers: PAIR,
    options: { clients: 2, inFlight: 16 }, targets: [], needs: "redis-server",
  },
  {
    id: "cluster-latency", title: "p99 to the other node at a tenth of Node.js's rate", ...p99, scenario: "cluster", kind: "cluster",
    servers: PAIR, after: "cluster",
    options: ({ node }) => ({ clients: 20, spin: true, messageRate: Math.max(1, Math.round(node.value / 20 / 10)) }),
    targets: [{ medianOf: "node" }], needs: "redis-server",
  },
  {
    id: "beside", title: "p99 of an echo beside 4 broadcasts a second to 15,000", ...p99, scenario: "echo", servers: PAIR, clients: 15_100,
    options: { clients: 20, messageRate: 100 }, beside: { scenario: "broadcast", options: { clients: 15_000, messageRate: 4 } },
    targets: [{ most: 20 }],
  },
  {
    id: "heartbeats", title: "p99 of an echo beside 15,000 clients, a heartbeat every 5 s", ...p99, scenario: "echo", kind: "heartbeats", servers: PAIR, clients: 15_100,
    options: { clients: 20, messageRate: 100 }, beside: { scenario: "idle", options: { clients: 15_000 } }, targets: [{ most: 20 }],
  },
  {
    id: "open-loop", title: "p99 at half of that broadcast rate", ...p99, scenario: "broadcast", servers: FLOORS, after: "broadcast-8",
    options: ({ sockeye }) => ({ clients: 1000, messageRate: Math.max(1, Math.round(sockeye.value / 1000 / 2)) }),
    targets: [{ above: 5, of: "floorPerTurn" }],
  },
];

/** The number of file descriptors that the largest row needs. */
export const filesOf = (row) => (row.clients ?? row.options.clients ?? 1000) + 512;
