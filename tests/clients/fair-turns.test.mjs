// No client waits for another client's push: while some clients cause much work at once, another one is still
// answered. The tests count how often it is answered, not how fast. This process may get no processor time on a loaded machine
// while the server works, so they try up to five times.
import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import { io } from "socket.io-client";
import { Raw, frame, frames, request } from "./support/raw.mjs";
import { startSockeye } from "./support/server.mjs";
import { next } from "./support/wait.mjs";

const TARGET = "/socket.io/?EIO=4&transport=";

/** Counts the answers to a client that asks, gets its answer and asks again, until `work` is done. */
async function answersDuring(server, work) {
  const socket = io(server.url, { transports: ["websocket"], reconnection: false, forceNew: true });
  await next(socket, "connect");
  let done = false;
  let answers = 0;
  const finished = work().finally(() => (done = true));
  while (!done) {
    await socket.emitWithAck("message-with-ack", "x");
    answers++;
  }
  await finished;
  socket.disconnect();
  return answers;
}

/** The answers during the work that `prepare` returns, until they are `enough`. */
async function mostAnswers(server, enough, prepare) {
  let most = 0;
  for (let round = 0; round < 5 && most < enough; round++) most = Math.max(most, await answersDuring(server, await prepare()));
  return most;
}

/** A WebSocket client that sends everything in one piece, then a ping; resolves with the pong. */
async function pushAll(raw, bytes) {
  raw.write(Buffer.concat([bytes, frame(9, "all")]));
  await raw.until((received) => frames(received).some(({ opcode, payload }) => opcode === 10 && payload.toString() === "all"));
  raw.end();
}

/** A connected WebSocket client that writes frames of its own. */
async function connected(server, headers = "") {
  const raw = await Raw.upgrade(server, `${TARGET}websocket`, { headers });
  raw.write(frame(1, "40"));
  await raw.until((received) => frames(received).some(({ payload }) => payload.toString().startsWith("40")));
  return raw;
}

test("messages that inflate a thousandfold", async () => {
  const server = await startSockeye("protocol", ["--per-message-deflate"]);
  const text = `42["nobody-listens","${"a".repeat(990_000)}"]`;
  const packed = zlib.deflateRawSync(text, { level: 9, memLevel: 9, finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const bomb = frame(1, packed, { rsv: 4 });
  const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n";
  const answers = await mostAnswers(server, 20, async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => connected(server, offer)));
    return () => Promise.all(clients.map((raw) => pushAll(raw, Buffer.concat(Array(50).fill(bomb)))));
  });
  assert.ok(answers >= 20, `${answers} answers while 200 messages were inflated`);
  await server.stop();
});

test("a read full of tiny frames", async () => {
  const server = await startSockeye("protocol");
  const tiny = Buffer.concat(Array(100_000).fill(frame(1, '42["x"]')));
  const answers = await mostAnswers(server, 10, async () => {
    const clients = await Promise.all(Array.from({ length: 2 }, () => connected(server)));
    return () => Promise.all(clients.map((raw) => pushAll(raw, tiny)));
  });
  assert.ok(answers >= 10, `${answers} answers while 200,000 frames were read`);
  await server.stop();
});

test("a push of tiny packets", async () => {
  const server = await startSockeye("protocol");
  const { sid } = JSON.parse((await request(server, `${TARGET}polling`)).text.slice(1));
  const push = (body) => request(server, `${TARGET}polling&sid=${sid}`, { method: "POST", body });
  assert.equal((await push("40")).text, "ok");
  const answers = await mostAnswers(server, 10, () => async () => {
    assert.equal((await push(Array(120_000).fill('42["x"]').join("\x1e"))).text, "ok");
  });
  assert.ok(answers >= 10, `${answers} answers while 120,000 packets were handled`);
  await server.stop();
});
