// A mixed cluster that shares Redis streams: two C nodes and two Node.js servers with
// @socket.io/redis-streams-adapter. Every operation is requested and checked on each side.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { next } from "../clients/support/wait.mjs";
import { ask, startNode, startPeer, subscribers } from "./support/cluster.mjs";
import { operations } from "./support/operations.mjs";
import { Redis } from "./support/redis.mjs";

const NAMES = ["c1", "c2", "js1", "js2"];
const MODE = ["--redis-mode", "streams"];
const servers = {};
let redis;

before(async () => {
  redis = await Redis.start();
  servers.c1 = await startNode("c1", redis, ["--workers", "1", ...MODE]);
  servers.c2 = await startNode("c2", redis, ["--workers", "1", ...MODE]);
  servers.js1 = await startPeer("js1", redis, ["--streams=1"]);
  servers.js2 = await startPeer("js2", redis, ["--streams=1"]);
  await subscribers(redis, 4, "socket.io#/#");
  await subscribers(redis, 4, "socket.io#/team#");
});

after(async () => {
  for (const server of Object.values(servers)) await server.stop();
  await redis?.stop();
});

const { sockets, everybody, reached } = operations(NAMES, servers, { asksRooms: ["c1", "c2"] });
