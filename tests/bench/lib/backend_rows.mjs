// The rows that compare an application behind the edge with the same application on plain Node.js.
//
// A target is how many times less processor time (or memory) Node.js needs behind the edge, or how much later the median answer may
// arrive.

const messages = { unit: "messages/s", value: (report) => report.rates.messages, per: "message" };
const deliveries = { unit: "messages/s", value: (report) => report.rates.messages, per: "message" };
const connects = { unit: "clients/s", value: (report) => report.rates.connects, per: "client" };

export const rows = [
  { id: "echo", title: "echo, 100 clients, 1 in flight", ...messages, scenario: "echo", options: { clients: 100 }, least: 5 },
  { id: "echo-8", title: "echo, 100 clients, 8 in flight", ...messages, scenario: "echo", options: { clients: 100, inFlight: 8 }, least: 5 },
  { id: "ack", title: "acknowledgements, 100 clients", ...messages, scenario: "ack", options: { clients: 100 }, least: 5 },
  {
    id: "room", title: "room of 10 among 1,000, 1 sender, 1 in flight", ...deliveries, scenario: "room",
    options: { clients: 1000, roomSize: 10, senders: 1 }, least: 3,
  },
  { id: "room-8", title: "the same, 8 in flight", ...deliveries, scenario: "room", options: { clients: 1000, roomSize: 10, senders: 1, inFlight: 8 }, least: 3 },
  { id: "broadcast", title: "broadcast to 1,000, 1 in flight", ...deliveries, scenario: "broadcast", options: { clients: 1000 } },
  { id: "broadcast-8", title: "broadcast to 1,000, 8 in flight", ...deliveries, scenario: "broadcast", options: { clients: 1000, inFlight: 8 }, least: 100 },
  { id: "connect", title: "connects, joined to /", ...connects, scenario: "connect", options: { clients: 5000, connecting: 256 }, least: 5 },
  { id: "idle", title: "heap per idle client, 5,000", per: "client", heap: true, scenario: "idle", options: { clients: 5000, duration: 7000, settle: 500 }, least: 3 },
  {
    id: "latency", title: "median echo, 500 a second, 20 clients", latency: true, scenario: "echo",
    options: { clients: 20, messageRate: 500, spin: true }, later: 0.15,
  },
];

export const filesOf = (row) => (row.options.clients ?? 1000) + 512;
