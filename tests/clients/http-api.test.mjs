// Access to the HTTP API: keys, methods, malformed bodies, and every answer that refuses a request.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { Api, apiEnv, apiFlags, KEY } from "../cluster/support/api.mjs";
import { freePort } from "./support/port.mjs";
import { Raw, request } from "./support/raw.mjs";
import { startSockeye } from "./support/server.mjs";
import { next } from "./support/wait.mjs";

const JSON_TYPE = { "content-type": "application/json" };

const refused = ({ status, body }, wanted, code, field) => {
  assert.equal(status, wanted, JSON.stringify(body));
  assert.deepEqual(Object.keys(body), ["error"]);
  assert.equal(body.error.code, code);
  assert.equal(body.error.field, field);
  assert.equal(typeof body.error.message, "string");
};

async function start(args = [], env = apiEnv) {
  const port = await freePort();
  const server = await startSockeye("protocol", [...apiFlags(port), ...args], env);
  server.api = new Api(port);
  return server;
}

for (const workers of ["1", "2"])
  describe(`${workers} workers`, () => {
    let server, api;

    before(async () => {
      server = await start(["--workers", workers, "--api-max-body", "2k", "--api-max-requests", "3"]);
      api = server.api;
    });

    after(() => server?.stop());

    test("the key may be sent in two ways; without the key, or with a wrong one, the answer is 401", async () => {
      const ok = async (headers) => (await new Api(api.port, null).get("rooms", headers)).status;
      assert.equal(await ok({ authorization: `Bearer ${KEY}` }), 200);
      assert.equal(await ok({ authorization: `bearer   ${KEY}` }), 200);
      assert.equal(await ok({ "x-api-key": KEY }), 200);
      for (const headers of [{}, { authorization: `Basic ${KEY}` }, { authorization: "Bearer " }, { "x-api-key": `${KEY}x` }, { "x-api-key": KEY.slice(0, -1) },
        { authorization: `Bearer ${"x".repeat(1000)}` }]) {
        for (const target of ["rooms", "nowhere"]) {
          const answer = await new Api(api.port, null).get(target, headers);
          refused(answer, 401, "unauthorized");
          assert.match(answer.headers["www-authenticate"], /^Bearer realm="sockeye"/);
        }
      }
      assert.ok(!server.output.includes(KEY.slice(0, 8)));
    });

    test("paths, methods and types", async () => {
      for (const target of ["", "/", "/emit/", "/Emit", "/emit%20", "/socket"]) refused(await api.send("GET", `/api${target}`), 404, "not_found");
      const wrong = async (method, target, allow, body) => {
        const answer = await api.send(method, `/api/${target}`, body);
        refused(answer, 405, "method_not_allowed");
        assert.equal(answer.headers.allow, allow);
      };
      await wrong("GET", "emit", "POST");
      await wrong("PUT", "emit", "POST", "{}");
      await wrong("OPTIONS", "join", "POST");
      await wrong("POST", "sockets", "GET", "{}");
      await wrong("DELETE", "rooms", "GET");
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonx", ""])
        refused(await api.send("POST", "/api/emit", '{"event":"e"}', { "content-type": type }), 415, "unsupported_media_type");
      refused(await api.send("POST", "/api/emit", '{"event":"e"}', { "content-encoding": "gzip" }), 415, "unsupported_media_type");
      const { status } = await api.send("POST", "/api/emit", '{"event":"e"}', { "content-type": "Application/JSON; charset=UTF-8" });
      assert.equal(status, 200);
    });

    test("bodies: limits, JSON, fields", async () => {
      refused(await api.send("POST", "/api/emit", ""), 400, "invalid_json");
      refused(await api.send("POST", "/api/emit", '{"event":'), 400, "invalid_json");
      refused(await api.send("POST", "/api/emit", Buffer.from('{"event":"\xff"}', "latin1")), 400, "invalid_utf8");
      refused(await api.post("emit", { event: "e", rooms: ["a"], to: "b" }), 400, "unknown_field", "to");
      refused(await api.post("emit", { event: "e", rooms: [] }), 400, "empty", "rooms");
      refused(await api.post("emit", { event: "disconnect" }), 400, "reserved_event", "event");
      refused(await api.post("join", { rooms: ["a"] }), 400, "missing_field", "join");
      refused(await api.get("sockets?limit=0"), 400, "bad_parameter", "limit");
      refused(await api.get("rooms?room=a"), 400, "unknown_parameter", "room");
      const fits = JSON.stringify({ event: "e", args: ["x".repeat(2048 - 25)] });
      assert.equal(fits.length, 2048);
      assert.equal((await api.send("POST", "/api/emit", fits)).status, 200);
      refused(await api.send("POST", "/api/emit", fits + " "), 413, "body_too_large");
      const send = (body) => request(api, "/api/emit", { method: "POST", body, headers: { authorization: `Bearer ${KEY}`, ...JSON_TYPE, "transfer-encoding": "chunked" } });
      assert.equal((await send(fits)).status, 200);
      const answer = await send(fits + " ");
      refused({ status: answer.status, body: JSON.parse(answer.text) }, 413, "body_too_large");
    });

    test("429 for too many requests at once; 409 for an Idempotency-Key in use; 422 for a used key with another body", async () => {
      const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
      await next(socket, "connect");
      const answers = new Map();
      let events = 0;
      const asked = new Promise((resolve) => socket.on("how", (key, answer) => (events++, answers.set(key, answer).size === 3) && resolve()));
      const ask = (key) => api.post("emit", { event: "how", args: [key], ack: true, timeout: 60_000 }, { "idempotency-key": key });
      const waiting = ["a", "b", "c"].map(ask);
      await asked;
      const busy = await api.post("emit", { event: "e" });
      refused(busy, 429, "too_many_requests");
      assert.equal(busy.headers["retry-after"], "1");
      answers.get("c")("c");
      assert.deepEqual((await waiting[2]).body.responses, ["c"]);
      refused(await ask("a"), 409, "still_running");
      refused(await api.post("emit", { event: "other" }, { "idempotency-key": "a" }), 422, "idempotency_key_reused");
      refused(await api.post("emit", { event: "e" }, { "idempotency-key": "x".repeat(256) }), 400, "bad_idempotency_key");
      answers.get("a")(1);
      answers.get("b")(2);
      const first = await waiting[0];
      assert.deepEqual((await waiting[1]).body.responses, [2]);
      const again = await ask("a");
      assert.deepEqual(again.body, first.body);
      assert.equal(again.headers["idempotency-replayed"], "true");
      assert.equal(events, 3);
      socket.disconnect();
    });

    test("a client that disconnects gets the answer to its request when it repeats the Idempotency-Key", async () => {
      const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
      await next(socket, "connect");
      const body = JSON.stringify({ event: "how", ack: true, timeout: 60_000 });
      const asked = next(socket, "how");
      const raw = await Raw.open(api);
      raw.write(`POST /api/emit HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${KEY}\r\nIdempotency-Key: gone\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const [answer] = await asked;
      raw.socket.destroy();
      while (!/requests_aborted_total\{[^}]*\} 1$/m.test((await request(api, "/metrics")).text)); // no event reports an aborted request
      answer("late");
      const repeat = () => api.send("POST", "/api/emit", body, { "idempotency-key": "gone" });
      let kept;
      do kept = await repeat();
      while (kept.status === 409);
      assert.deepEqual(kept.body.responses, ["late"]);
      assert.equal(kept.headers["idempotency-replayed"], "true");
      socket.disconnect();
    });

    test("requests are counted by path and status, failures are logged", async () => {
      const { text } = await request(api, "/metrics");
      assert.match(text, /^sockeye_api_requests_total\{path="\/api\/emit",status="200"\} \d+$/m);
      assert.match(text, /^sockeye_api_requests_total\{path="other",status="401"\} 6$/m);
      assert.match(text, /^sockeye_api_requests_total\{path="\/api\/emit",status="422"\} 1$/m);
      assert.match(text, /^sockeye_api_requests_aborted_total\{path="\/api"\} 1$/m);
      assert.match(text, /^sockeye_api_requests_running\{path="\/api"\} 0$/m);
      assert.ok(server.logged("api_refused").length > 0);
      assert.ok(!server.output.includes(KEY.slice(0, 8)));
    });
  });

for (const workers of ["1", "2"])
  test(`SIGHUP revokes a key (${workers} workers)`, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "sockeye-keys-"));
    const file = path.join(folder, "keys");
    const keys = ["first-key-0123456789", "second-key-0123456789"];
    const status = async (key) => (await new Api(server.api.port, key).get("rooms")).status;
    writeFileSync(file, `# of the shop\n${keys[0]}\n`);
    const server = await start(["--workers", workers, "--api-key-file", file], {});
    assert.deepEqual([await status(keys[0]), await status(keys[1])], [200, 401]);
    for (const [content, expected, logged] of [[`${keys[0]}\n${keys[1]}\n`, [200, 200], "api_keys"], ["short\n", [200, 200], "error"], [`${keys[1]}\n`, [401, 200], "api_keys"]]) {
      const lines = () => server.logged("reload").filter((line) => line.api_keys || line.error?.includes("key")).length;
      const before = lines();
      writeFileSync(file, content);
      process.kill(server.pid, "SIGHUP");
      await server.line((line) => line.event === "reload" && (line.api_keys || line.error?.includes("key")) && lines() > before);
      assert.deepEqual([await status(keys[0]), await status(keys[1])], expected, logged);
    }
    assert.ok(!server.output.includes("short") && !server.output.includes(keys[0]));
    await server.stop();
    rmSync(folder, { recursive: true });
  });

test("sockets that may not join more rooms are reported, all others join", async () => {
  const server = await start(["--max-rooms", "2"]);
  const connect = async () => {
    const socket = io(server.url, { transports: ["websocket"], forceNew: true, reconnection: false });
    await next(socket, "connect");
    return socket;
  };
  const [full, other] = [await connect(), await connect()];
  const join = (rooms, join) => server.api.post("join", { rooms, join });
  assert.equal((await join([full.id], ["a", "b"])).status, 200);
  refused(await join([full.id, other.id], ["c"]), 400, "room_limit", "join");
  assert.deepEqual((await server.api.get("rooms")).body.rooms, ["a", "b", "c"].map((name) => ({ name, sockets: 1 })));
  for (const socket of [full, other]) socket.disconnect();
  await server.stop();
});

test("without a key there is no API", async () => {
  const server = await start([], {});
  const answer = await server.api.get("rooms");
  refused(answer, 404, "no_api");
  assert.match(answer.body.error.message, /SOCKEYE_API_KEY/);
  await server.stop();
});

test("keys that are too short, and an API without its port, end the program with one line", async () => {
  for (const [args, env, wanted] of [
    [["--admin-port", "1"], { SOCKEYE_API_KEY: "hunter2" }, /16 to 256 visible ASCII characters/],
    [["--admin-port", "1", "--api-key-file", "/nowhere/keys"], {}, /cannot read \/nowhere\/keys/],
    [[], apiEnv, /use --admin-port/],
  ])
    await assert.rejects(startSockeye("protocol", args, env), (error) => wanted.test(error.message) && !error.message.includes("hunter2"));
});
