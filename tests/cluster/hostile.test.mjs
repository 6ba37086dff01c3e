// Anyone who can publish to Redis can send any bytes. No such message may end a node, make it grow, or keep it from
// its work.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { commandOptions } from "redis";
import { request } from "../clients/support/raw.mjs";
import { plain } from "../clients/support/server.mjs";
import { next, until } from "../clients/support/wait.mjs";
import { ask, connect, members, startNode } from "./support/cluster.mjs";
import { memory } from "./support/processes.mjs";
import { Redis, freePort } from "./support/redis.mjs";

const notepack = createRequire(import.meta.url)("notepack.io");
let redis, publisher, a, b, admin;

before(async () => {
  redis = await Redis.start();
  admin = { port: await freePort() };
  a = await startNode("a", redis, ["--admin-port", String(admin.port)]);
  b = await startNode("b", redis);
  publisher = await redis.client().connect();
});
after(async () => {
  await publisher?.disconnect();
  for (const node of [a, b]) await node?.stop();
  await redis?.stop();
});

const packet = (data, more = {}) => ({ type: 2, data, nsp: "/", ...more });
const opts = (more = {}) => ({ rooms: [], except: [], flags: {}, ...more });
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))));
const deep = (n) => bytes(new Uint8Array(n).fill(0x91), [0xc0]);
const head = (data) => bytes([0x93, 0xa6], "abcdef", [0x83, 0xa4], "type", [2, 0xa4], "data", data);

/** The malformed and hostile messages to publish, by what is wrong with them. */
const BAD = {
  nothing: bytes([]),
  "not MessagePack": bytes([0xc1]),
  "text": bytes("hello"),
  "a pickle": bytes("\x80\x04\x95\x00\x00\x00\x00cos\nsystem\n(S'true'\ntR."),
  "half a message": notepack.encode(["abcdef", packet(["x"]), opts()]).subarray(0, 20),
  "bytes behind it": bytes(notepack.encode(["abcdef", packet(["x"]), opts()]), [0]),
  "depth 10,000": head(deep(10_000)),
  "depth 100,000 of JSON": bytes(`{"type":6,"data":${"[".repeat(100_000)}`),
  "a str32 of 4 GB": head(bytes([0x91, 0xdb, 0xff, 0xff, 0xff, 0xff])),
  "a bin32 of 4 GB": head(bytes([0x91, 0xc6, 0xff, 0xff, 0xff, 0xff])),
  "an array32 of 4 GB": head([0xdd, 0xff, 0xff, 0xff, 0xff]),
  "a map32 of 4 GB": bytes([0xdf, 0xff, 0xff, 0xff, 0xff]),
  "an ext of 4 GB": head(bytes([0x91, 0xc9, 0xff, 0xff, 0xff, 0xff, 1])),
  "duplicate keys": bytes([0x93, 0xa6], "abcdef", [0x84, 0xa4], "type", [2, 0xa4], "type", [3, 0xa4], "data", [0x91, 0xa1], "x", [0xa3], "nsp", [0xa1], "/", [0x80]),
  "no packet": notepack.encode(["abcdef"]),
  "a packet that is none": notepack.encode(["abcdef", 5, opts()]),
  "no opts": notepack.encode(["abcdef", packet(["x"])]),
  "opts that are none": notepack.encode(["abcdef", packet(["x"]), []]),
  "rooms that are none": notepack.encode(["abcdef", packet(["x"]), { rooms: 7, except: "x", flags: 1 }]),
  "rooms of rooms": notepack.encode(["abcdef", packet(["x"]), opts({ rooms: [[[]]] })]),
  "no event": notepack.encode(["abcdef", packet([]), opts()]),
  "an event without a name": notepack.encode(["abcdef", packet([{ toString: "x" }]), opts()]),
  "a reserved event": notepack.encode(["abcdef", packet(["connect"]), opts()]),
  "another reserved event": notepack.encode(["abcdef", packet(["disconnect", 1]), opts()]),
  "an acknowledgement": notepack.encode(["abcdef", packet(["x"], { type: 3, id: 1 }), opts()]),
  "a forged placeholder": notepack.encode(["abcdef", packet(["news", { _placeholder: true, num: 99 }, Buffer.from("b")]), opts()]),
  "65 attachments": notepack.encode(["abcdef", packet(["news", ...Array.from({ length: 65 }, () => Buffer.from("b"))]), opts()]),
  "an unknown request": bytes('{"type":77,"uid":"abcdef"}'),
  "a request without an id": bytes('{"type":5,"opts":{"rooms":[],"except":[]}}'),
  "a request with a huge id": bytes(`{"type":1,"requestId":"${"i".repeat(1_000_000)}"}`),
  "an endless number": bytes(`{"type":${"1".repeat(1_000_000)}}`),
  "1e999999": bytes('{"type":1e999999,"requestId":"q"}'),
  "lone surrogates": bytes('{"type":6,"data":["\\ud800"],"uid":"\\udfff"}'),
  "a NUL": bytes('{"type":6,"data":["\\u0000\u0000"]}'),
  "a server's reserved event": bytes('{"type":6,"uid":"abcdef","data":["connection"]}'),
  "an answer to nothing": bytes('{"type":9,"requestId":"nobody","packet":1}'),
  "an answer with -1 clients": bytes('{"type":8,"requestId":"nobody","clientCount":-1}'),
  "random bytes": randomBytes(10_000),
};

test("with a secret, a node accepts messages only from nodes that know it", async () => {
  const env = { SOCKEYE_REDIS_SECRET: "only ours" };
  const nodes = [await startNode("c", redis, ["--redis-key", "sealed", "--workers", "1"], env), await startNode("d", redis, ["--redis-key", "sealed", "--workers", "2"], env)];
  const deaf = await startNode("e", redis, ["--redis-key", "sealed", "--workers", "1"]);
  await members(redis, 4, "/", "sealed");
  const [one, two, three] = [await connect(nodes[0]), await connect(nodes[1]), await connect(deaf)];
  two.on("news", () => assert.fail("a forged message came through"));
  three.on("marker", () => assert.fail("a sealed message came through"));
  new Emitter(publisher, { key: "sealed" }).emit("news", 1);
  await ask(three, "emit", {}, "news", [2]);
  for (const [from, to] of [[one, two], [two, one]]) {
    const heard = next(to, "marker");
    await ask(from, "emit", {}, "marker", [Buffer.from("sealed")]);
    assert.deepEqual(await heard, [Buffer.from("sealed")]);
  }
  const { answers } = await ask(one, "serverAsk", "question", 1);
  assert.deepEqual(answers.map((answer) => answer.node), ["d", "d"]);
  for (const socket of [one, two, three]) socket.disconnect();
  for (const node of [...nodes, deaf]) await node.stop();
});

test("garbage on every channel is dropped and counted, and the service goes on", async () => {
  const [one, two] = [await connect(a), await connect(b)];
  const before = plain ? memory(a.pid) : 0;
  const channels = ["socket.io#/#", `socket.io#/#${one.id}#`, "socket.io#/#nobody#", "socket.io#/#\u0000#", "socket.io-request#/#", "socket.io-response#/#", "socket.io-request#/team#"];
  for (let round = 0; round < (plain ? 20 : 3); round++)
    for (const payload of Object.values(BAD)) for (const channel of channels) await publisher.publish(commandOptions({}), channel, payload).catch(() => publisher.publish(channel, payload));
  const heard = next(two, "marker");
  two.on("news", () => assert.fail("garbage came through"));
  await ask(one, "emit", {}, "marker", ["still here"]);
  assert.deepEqual(await heard, ["still here"]);
  const { error, sockets } = await ask(one, "fetch", {});
  assert.deepEqual([error, sockets.length], [null, 2]);
  // the stats pages are written twice per second
  let dropped;
  const counted = async () => {
    const { text } = await request(admin, "/metrics");
    dropped = Number(/^sockeye_broker_malformed_total\{[^}]*\} (\d+)$/m.exec(text)[1]);
    return dropped > 100;
  };
  await until(counted, () => `more than 100 are counted, not ${dropped}`);
  const lines = a.output.split("\n").length;
  assert.ok(lines < 200, `${lines} lines in the log`);
  if (plain) assert.ok(memory(a.pid) < before + 8192, `${before} KiB, then ${memory(a.pid)} KiB`);
  for (const socket of [one, two]) {
    assert.ok(socket.connected);
    socket.disconnect();
  }
});
