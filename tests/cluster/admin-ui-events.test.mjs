// Plays the same scenario at Sockeye and at a Node.js server with @socket.io/admin-ui. An admin of each server records the events
// that it gets. The events are the same, one by one: names, arguments, shapes and order. Only ids and times differ, and a few members that
// Sockeye leaves out or hides on purpose (docs/admin-ui.md).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openAdmin } from "../clients/support/admin-ui.mjs";
import { startSockeye } from "../clients/support/server.mjs";
import { next } from "../clients/support/wait.mjs";
import { ask, connect, peerApp, startPeer } from "./support/cluster.mjs";
import { Redis } from "./support/redis.mjs";

const NAME = "peer";
const ISO_DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const NOT_COMPARED = ["server_stats"]; // a server sends it at intervals, not because of a step
const NAMESPACE_ONLY = ""; // the id in a socket_updated by which Sockeye makes the page know the namespace "/"

/** The sockets of a list, and the rooms that a socket leaves at once, come in any order. */
function inOrder(events) {
  const order = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  for (const [event, sockets] of events) if (event === "all_sockets") sockets.sort(order);
  let end = 0;
  for (let i = 0; i < events.length; i = end) {
    for (end = i + 1; end < events.length && events[i][0] === "room_left" && events[end][0] === "room_left"; end++);
    events.splice(i, end - i, ...events.slice(i, end).sort(order));
  }
  return events;
}

let redis;
let ours;
let theirs;

before(async () => {
  redis = await Redis.start();
  [ours, theirs] = await Promise.all([
    startSockeye(peerApp, ["--workers", "1", "--admin-ui", "--admin-ui-mode", "development"], { PEER_NAME: NAME, SOCKEYE_ADMIN_UI_AUTH: "none" }),
    startPeer(NAME, redis, ["--admin-ui"]),
  ]);
});
after(async () => {
  await ours?.stop();
  await theirs?.stop();
  await redis?.stop();
});

/** One admin, and the events that it gets in each step of the scenario. */
class Recorder {
  steps = {};
  #names = new Map();
  #marks = 0;

  constructor(server, admin, marker) {
    Object.assign(this, { server, admin, marker });
  }

  /** From now on the id of a socket is shown as a name. */
  name(socket, name) {
    this.#names.set(socket.id, `<${name}>`);
  }

  /** Does `work`, waits until the admin has received the events `until`, and keeps all events that it received meanwhile. */
  async step(title, work, ...until) {
    await work();
    for (const [event, predicate] of until) await this.admin.until(event, predicate);
    const mark = ++this.#marks; // arrives after everything that the server has sent before
    this.marker.emit("mark", mark);
    await this.admin.until("event_received", (nsp, id, [event, value]) => event === "mark" && value === mark);
    this.steps[title] = this.#take();
  }

  #take() {
    const events = this.admin.seen.splice(0).filter(([event, argument, , args]) => !NOT_COMPARED.includes(event) && args?.[0] !== "mark" && argument?.id !== NAMESPACE_ONLY);
    return inOrder(events.map((event) => this.#plain(event)));
  }

  #plain(value, key) {
    if (typeof value === "string") return this.#names.get(value) ?? (ISO_DATE.test(value) ? "<date>" : value);
    if (Array.isArray(value)) return value.map((one) => this.#plain(one));
    if (typeof value !== "object" || value === null) return value;
    if (typeof value.clientId === "string") value = { ...value, clientId: `<${value.clientId.length} characters>` }; // Sockeye does not derive its clientId from the sid
    if (key === "handshake") return this.#handshake(value);
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.#plain(member, name)]));
  }

  /** The values of header fields are hidden unless they are known to be harmless, and the URL ends before its query. */
  #handshake({ headers, time, issued, url, query, ...others }) {
    assert.equal(typeof issued, "number");
    assert.ok(!Number.isNaN(Date.parse(time)), time);
    const { EIO, transport } = query;
    others.address = others.address.replace("::ffff:", ""); // the Node.js server listens for IPv4 and IPv6 on one socket
    return { ...others, url: url.split("?")[0], headers: Object.keys(headers).sort(), query: { EIO, transport } };
  }
}

async function play(server) {
  const first = await connect(server);
  await ask(first, "join", "red");
  const before = openAdmin(server); // so that Sockeye, too, already reports events when the next admin arrives
  await next(before, "connect");
  const admin = openAdmin(server);
  await next(admin, "connect");
  const recorder = new Recorder(server, admin, first);
  const step = recorder.step.bind(recorder);
  recorder.name(first, "first");
  recorder.name(before, "admin of before");
  recorder.name(admin, "admin");
  await step("an admin arrives", () => {}, ["config"], ["all_sockets"]);

  let second;
  await step("a client comes by long-polling and upgrades", async () => {
    second = await connect(server, { nsp: "/team", transports: ["polling", "websocket"] });
    recorder.name(second, "second");
  }, ["socket_updated", ({ transport }) => transport === "websocket"]);
  await step("it joins and leaves a room", async () => {
    await ask(second, "join", "blue");
    await ask(second, "leave", "blue");
  }, ["room_left", (nsp, room) => room === "blue"]);
  await step("a server sends", () => ask(first, "emit", { to: ["red"] }, "news", [1, { deep: ["é", null] }, "three", 4])); // peer.c always sends four

  await step("an admin moves sockets", () => {
    admin.emit("join", "/team", "green", second.id);
    admin.emit("join", "/", "yellow");
    admin.emit("leave", "/", "yellow", "red");
  }, ["room_joined", (nsp, room) => room === "green"], ["room_left", (nsp, room) => room === "yellow"]);
  await step("an admin sends", async () => {
    const got = next(second, "hello");
    admin.emit("emit", "/team", "green", "hello", "from the admin");
    await got;
  });
  await step("an admin disconnects a socket", async () => {
    const gone = next(second, "disconnect");
    admin.emit("_disconnect", "/team", false, second.id);
    await gone;
  }, ["socket_disconnected"], ["room_left", (nsp, room) => room === "green"]);

  const third = await connect(server);
  const { id } = third; // kept here, because a client forgets its id when it disconnects
  recorder.name(third, "third");
  await step("a client disconnects", () => void third.disconnect(), ["socket_disconnected", (nsp, of) => of === id], ["room_left", (nsp, room, of) => of === id]);
  for (const socket of [first, second, third, before, admin]) socket.disconnect();
  return recorder.steps;
}

test("an admin gets the same events for the same scenario", async () => {
  const [found, wanted] = await Promise.all([play(ours), play(theirs)]);
  assert.deepEqual(Object.keys(found), Object.keys(wanted));
  for (const [title, events] of Object.entries(wanted)) assert.deepEqual(found[title], events, title);
});
