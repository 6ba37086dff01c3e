// The HTTP API from outside: its effect on stock clients of every server, whichever server gets the request.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { startSockeye } from "../clients/support/server.mjs";
import { collect, next, patiently, until } from "../clients/support/wait.mjs";
import { Api, apiEnv, apiFlags } from "./support/api.mjs";
import { ask, connect, members, peerApp, startNode, startPeer } from "./support/cluster.mjs";
import { hubOf, workersOf } from "./support/processes.mjs";
import { freePort, Redis } from "./support/redis.mjs";

const up = (server, worker) => server.line((line) => line.event === "bus" && line.state === "up" && line.worker === worker);

async function withRedis(workers) {
  const redis = await Redis.start();
  const port = await freePort();
  const node = (name, args) => startNode(name, redis, ["--workers", String(workers), "--node-id", name.slice(1), ...args], apiEnv);
  const servers = [await node("c1", apiFlags(port)), await node("c2", apiFlags(await freePort())), await startPeer("js", redis)];
  await members(redis, 2 * workers + 1);
  await members(redis, 2 * workers + 1, "/team");
  return { servers, redis, api: new Api(port), async stop() {
    for (const server of servers) await server.stop();
    await redis.stop();
  } };
}

async function alone(workers) {
  const port = await freePort();
  const server = await startSockeye(peerApp, ["--workers", String(workers), ...apiFlags(port)], { ...apiEnv, PEER_NAME: "c" });
  for (let i = 0; i < workers && workers > 1; i++) await up(server, String(i));
  return { servers: [server, server, server], api: new Api(port), stop: () => server.stop() };
}

const forms = {
  "one process": () => alone(1),
  "three workers and their hub": () => alone(3),
  "two nodes of one process, a Node.js server and Redis": () => withRedis(1),
  "two nodes of two workers, a Node.js server and Redis": () => withRedis(2),
};

for (const [form, start] of Object.entries(forms)) {
  describe(form, () => {
    let cluster, api;
    let sockets = [];

    before(async () => {
      cluster = await start();
      api = cluster.api;
    });

    after(() => cluster?.stop());

    afterEach(() => {
      for (const socket of sockets) socket.disconnect();
      sockets = [];
    });

    /** Two clients on each server. */
    async function everybody(options) {
      await until(async () => (await api.get("sockets?fields=id")).body.sockets?.length === 0, "the clients of the previous test have left");
      for (const server of [...cluster.servers, ...cluster.servers]) sockets.push(await connect(server, options));
      return sockets;
    }

    const done = (answer, body = { ok: true }) => assert.deepEqual([answer.status, answer.body], [200, body]);

    /** The clients that got the event that `act` sends. A marker after it proves that each got it once or never. */
    async function reached(act, nsp) {
      const got = sockets.map((socket) => collect(socket, "news"));
      const marks = sockets.map((socket) => next(socket, "marker"));
      await act();
      done(await api.post("emit", { namespace: nsp, event: "marker" }));
      await Promise.all(marks);
      got.forEach((one) => one.stop());
      assert.ok(got.every((one) => one.seen.length <= 1));
      return got.map((one) => one.seen.length);
    }

    test("emit reaches all clients, rooms, all but some, or one socket, each client once", async () => {
      await everybody();
      await ask(sockets[0], "join", "red");
      await ask(sockets[2], "join", "red");
      await ask(sockets[2], "join", "blue");
      await ask(sockets[1], "join", "blue");
      const emit = (fields) => async () => done(await api.post("emit", { event: "news", args: [1, { deep: ["é", null] }], ...fields }));
      assert.deepEqual(await reached(emit({})), [1, 1, 1, 1, 1, 1]);
      assert.deepEqual(await reached(emit({ rooms: ["red"] })), [1, 0, 1, 0, 0, 0]);
      assert.deepEqual(await reached(emit({ rooms: ["red", "blue"] })), [1, 1, 1, 0, 0, 0]);
      assert.deepEqual(await reached(emit({ rooms: ["red", "blue"], except: ["blue"], volatile: true })), [1, 0, 0, 0, 0, 0]);
      assert.deepEqual(await reached(emit({ except: [sockets[5].id], compress: false })), [1, 1, 1, 1, 1, 0]);
      for (let i = 0; i < 3; i++)
        assert.deepEqual(await reached(emit({ rooms: [sockets[i].id] })), sockets.map((_, j) => Number(i === j)));
      assert.deepEqual(await reached(emit({ rooms: ["nobody"] })), [0, 0, 0, 0, 0, 0]);
      assert.deepEqual(await reached(emit({ namespace: "/team" })), [0, 0, 0, 0, 0, 0]);
    });

    test("namespaces: fixed, by pattern, and one that does not exist, which the API does not create", async () => {
      sockets.push(await connect(cluster.servers[1], { nsp: "/new-tenant" }));
      assert.deepEqual(await reached(async () => done(await api.post("emit", { namespace: "/new-tenant", event: "news" })), "/new-tenant"), [1]);
      const { body } = await api.get("sockets?namespace=/new-tenant");
      assert.deepEqual(body.sockets.map((socket) => socket.id), [sockets[0].id]);
      done(await api.post("emit", { namespace: "/nowhere", event: "news" }));
      done(await api.post("emit", { namespace: "/nowhere", event: "news", ack: true, timeout: 60_000 }),
        { ok: true, responses: [], complete: true, truncated: false, missing: 0, silentNodes: 0 });
      done(await api.get("sockets?namespace=/nowhere"), { sockets: [], complete: true, silentNodes: 0, truncated: false });
      const refused = io(`${cluster.servers[0].url}/nowhere`, { transports: ["websocket"], forceNew: true, reconnection: false });
      sockets.push(refused);
      assert.equal((await next(refused, "connect_error"))[0].message, "Invalid namespace");
    });

    test("binary values in events and acknowledgements, and the acknowledgements of all clients", async () => {
      await everybody();
      const bytes = Buffer.from([0, 255, 1]);
      for (const [i, socket] of sockets.entries()) socket.on("how", (value, more, answer) => answer({ i, value, more }));
      const sent = { event: "how", binary: true, args: [{ $base64: "AP8B" }, { list: [{ $base64: "" }] }] };
      const got = sockets.map((socket) => next(socket, "how"));
      const { status, body } = await api.post("emit", { ...sent, ack: true, timeout: 20_000 });
      for (const [value, more] of await Promise.all(got)) {
        assert.ok(bytes.equals(value));
        assert.equal(more.list[0].length, 0);
      }
      assert.equal(status, 200);
      assert.deepEqual({ ...body, responses: 0 }, { ok: true, responses: 0, complete: true, truncated: false, missing: 0, silentNodes: 0 });
      body.responses.sort((a, b) => a.i - b.i);
      assert.deepEqual(body.responses, sockets.map((_, i) => ({ i, value: { $base64: "AP8B" }, more: { list: [{ $base64: "" }] } })));
      // an object that only looks like a placeholder is plain data
      const plain = sockets.map((socket) => next(socket, "plain"));
      const looks = [{ $base64: "AP8B" }, { _placeholder: true, num: 0 }];
      done(await api.post("emit", { event: "plain", args: looks }));
      for (const args of await Promise.all(plain)) assert.deepEqual(args, looks);
    });

    test("a client that does not answer counts as missing when the time is over", async () => {
      await everybody();
      for (const socket of sockets.slice(1)) socket.on("how", (answer) => answer(7));
      const ask = (timeout) => api.post("emit", { event: "how", ack: true, timeout });
      const { status, body } = await patiently(ask, ({ body }) => body.responses.length === 5);
      assert.equal(status, 200);
      assert.deepEqual(body.responses, [7, 7, 7, 7, 7]);
      assert.equal(body.complete, false);
      assert.equal(body.missing, 1);
    });

    test("join and leave move sockets of every server, and the lists show it", async () => {
      await everybody();
      const ids = sockets.map((socket) => socket.id);
      done(await api.post("join", { rooms: [ids[0], ids[2], ids[4]], join: ["red", "b\"lue"] }));
      done(await api.post("join", { rooms: ["red"], except: [ids[0]], join: ["green"] }));
      done(await api.post("leave", { rooms: [ids[4]], leave: ["red", "never-joined"] }));
      done(await api.get("rooms"), {
        rooms: [{ name: "b\"lue", sockets: 3 }, { name: "green", sockets: 2 }, { name: "red", sockets: 2 }],
        complete: true, silentNodes: 0, truncated: false,
      });
      done(await api.get("rooms?limit=2"), {
        rooms: [{ name: "b\"lue", sockets: 3 }, { name: "green", sockets: 2 }], complete: true, silentNodes: 0, truncated: true, cursor: "green",
      });
      done(await api.get("rooms?limit=2&cursor=green"), { rooms: [{ name: "red", sockets: 2 }], complete: true, silentNodes: 0, truncated: false });
      const { body } = await api.get("sockets?room=red&fields=id,rooms");
      assert.deepEqual(body.sockets, [ids[0], ids[2]].sort().map((id) => ({ id, rooms: body.sockets.find((s) => s.id === id).rooms })));
      assert.deepEqual(body.sockets.find((s) => s.id === ids[2]).rooms.sort(), ["b\"lue", "green", "red"]);
      done(await api.get("rooms?counts=false&cursor=g"), { rooms: [{ name: "green" }, { name: "red" }], complete: true, silentNodes: 0, truncated: false });
      done(await api.post("leave", { leave: ["red", "b\"lue", "green"] }));
      assert.deepEqual((await api.get("rooms")).body.rooms, []);
    });

    test("sockets: data and handshake of each, page by page", async () => {
      await everybody({ query: { q: "1" }, auth: { token: "t" } });
      for (const [i, socket] of sockets.entries()) await ask(socket, "data", { i, deep: [1, { two: 2.5 }] });
      await ask(sockets[1], "data", { i: 1, bytes: Buffer.from("b") });
      const found = [];
      let cursor = "";
      for (let pages = 1; ; pages++) {
        const { status, body } = await api.get(`sockets?limit=4${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        assert.deepEqual([status, body.complete, body.silentNodes], [200, true, 0]);
        found.push(...body.sockets);
        if (!body.truncated) {
          assert.equal(pages, 2);
          break;
        }
        cursor = body.cursor;
      }
      assert.deepEqual(found.map((s) => s.id), sockets.map((s) => s.id).sort());
      for (const [i, socket] of sockets.entries()) {
        const one = found.find((s) => s.id === socket.id);
        assert.deepEqual(one.rooms, []);
        assert.deepEqual(one.data, i === 1 ? { i: 1, bytes: { $base64: "Yg==" } } : { i, deep: [1, { two: 2.5 }] });
        assert.equal(one.handshake.query.q, "1");
        assert.deepEqual(one.handshake.auth, { token: "t" });
      }
    });

    test("disconnect: one socket, a room, the whole connection", async () => {
      await everybody();
      const gone = (i) => next(sockets[i], "disconnect");
      let all = [gone(0), gone(1)];
      done(await api.post("disconnect", { rooms: [sockets[0].id, sockets[1].id] }));
      for (const [reason] of await Promise.all(all)) assert.equal(reason, "io server disconnect");
      done(await api.post("join", { rooms: [sockets[2].id, sockets[3].id], join: ["out"] }));
      all = [gone(2), gone(3)];
      const closed = next(sockets[2].io.engine, "close");
      done(await api.post("disconnect", { rooms: ["out"], close: true }));
      await Promise.all([...all, closed]);
      assert.ok(sockets[4].connected && sockets[5].connected);
      all = [gone(4), gone(5)];
      done(await api.post("disconnect", {}));
      await Promise.all(all);
      done(await api.get("sockets"), { sockets: [], complete: true, silentNodes: 0, truncated: false });
    });

    test("an event is sent once for each Idempotency-Key", async () => {
      await everybody();
      const emit = () => api.post("emit", { event: "news", args: ["once"] }, { "idempotency-key": "order-17" });
      const got = await reached(async () => {
        const first = await emit();
        const second = await emit();
        done(first);
        done(second);
        assert.deepEqual([first, second].map((answer) => answer.headers["idempotency-replayed"]), [undefined, "true"]);
      });
      assert.deepEqual(got, [1, 1, 1, 1, 1, 1]);
    });

    test("servers that ask one another do not wait for requests of the API", async () => {
      await everybody();
      const { error, answers } = await ask(sockets[0], "serverAsk", "question", 5);
      assert.equal(error, null);
      assert.equal(new Set(cluster.servers).size > 1 || form.startsWith("three") ? answers.length > 0 : answers.length === 0, true);
    });

    if (form.startsWith("three"))
      test("a restarted worker is reached as before", async () => {
        const [server] = cluster.servers;
        const before = workersOf(server);
        const again = server.line((line) => line.event === "worker_ready" && !before.includes(Number(line.pid)));
        process.kill(before[0], "SIGKILL");
        await again;
        await everybody();
        assert.deepEqual(await reached(async () => done(await api.post("emit", { event: "news" }))), [1, 1, 1, 1, 1, 1]);
        assert.equal((await api.get("sockets")).body.sockets.length, 6);
      });

    if (form.startsWith("three"))
      test("a restarted hub serves the API as before", async () => {
        const [server] = cluster.servers;
        await everybody();
        process.kill(hubOf(server), "SIGKILL");
        await server.line((line) => line.event === "hub_ended");
        await until(async () => (await api.get("sockets?fields=id")).body.sockets?.length === 6, "the new hub reaches all clients");
        assert.deepEqual(await reached(async () => done(await api.post("emit", { event: "news" }))), [1, 1, 1, 1, 1, 1]);
      });

    if (form.includes("two workers"))
      test("while Redis is unreachable, the API's answers report it; afterwards the API works as before", async () => {
        await everybody();
        const [server] = cluster.servers;
        const downs = () => server.logged("bus").filter(({ worker, state }) => worker === undefined && state === "down").length;
        const before = downs();
        await cluster.redis.kill();
        await server.until(() => downs() > before);
        done(await api.post("emit", { event: "late" }), { ok: true, queued: true });
        done(await api.post("join", { join: ["late"] }), { ok: true, queued: true });
        const { status, body } = await api.get("sockets");
        assert.deepEqual([status, body.complete, body.sockets], [200, false, []]);
        assert.ok(body.silentNodes >= 1);
        await cluster.redis.run();
        await members(cluster.redis, 5);
        assert.deepEqual(await reached(async () => {
          for (let answer; answer?.body.queued !== undefined || !answer; ) answer = await api.post("emit", { event: "marker-before" });
          done(await api.post("emit", { event: "news" }));
        }), [1, 1, 1, 1, 1, 1]);
      });
  });
}
