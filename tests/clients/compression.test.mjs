// Compressed WebSocket messages (--per-message-deflate): to one client, to all, and messages that must not be compressed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Api, apiEnv, apiFlags } from "../cluster/support/api.mjs";
import { freePort } from "./support/port.mjs";
import { frame, frames, Raw, TEXT } from "./support/raw.mjs";
import { startSockeye } from "./support/server.mjs";

const COMPRESSED = 4; // RSV1
const words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit"];

function* texts(seed) {
  for (let i = 0; ; i++) {
    let text = `${i}:`;
    const length = i % 5 === 0 ? 100 : 1500 + (i * 397) % 4000;
    while (text.length < length) text += ` ${words[(seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8 & 7]}${seed & 63}`;
    yield text;
  }
}

test("stock clients get broadcasts and answers of their own in any mixture", async (t) => {
  const server = await startSockeye("bench", ["--per-message-deflate"]);
  t.after(() => server.stop());
  const clients = await Promise.all([true, { threshold: 0 }, { serverNoContextTakeover: true }, { serverMaxWindowBits: 10 }, false].map(async (perMessageDeflate) => {
    const socket = io(server.url, { transports: ["websocket"], forceNew: true, perMessageDeflate });
    t.after(() => socket.disconnect());
    const client = { socket, broadcasts: [], echoes: [], sent: [], changed: () => {} };
    socket.on("broadcast", (text) => client.changed(client.broadcasts.push(text)));
    socket.on("echo", (text) => client.changed(client.echoes.push(text)));
    await new Promise((resolve) => socket.on("connect", resolve));
    return client;
  }));
  const text = texts(1);
  const all = [];
  for (let i = 0; i < 120; i++) {
    const client = clients[i % clients.length];
    for (let j = 0; j < i % 8; j++) {
      client.sent.push(text.next().value);
      client.socket.emit("echo", client.sent.at(-1));
    }
    if (i % 3 !== 0) continue;
    all.push(text.next().value);
    clients[0].socket.emit("broadcast", all.at(-1)); // from one client, so their order is known
  }
  await Promise.all(clients.map(async (client) => {
    while (client.broadcasts.length < all.length || client.echoes.length < client.sent.length)
      await new Promise((resolve) => (client.changed = resolve));
    assert.deepEqual(client.broadcasts, all);
    assert.deepEqual(client.echoes, client.sent);
  }));
});

test("an event that is not to be compressed leaves uncompressed, to one client and to all", async (t) => {
  const admin = await freePort();
  const server = await startSockeye("protocol", ["--per-message-deflate", ...apiFlags(admin)], apiEnv);
  t.after(() => server.stop());
  const clients = await Promise.all([1, 2].map(async () => {
    const raw = await Raw.upgrade(server, "/socket.io/?EIO=4&transport=websocket",
      { headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n", then: frame(TEXT, "40") });
    t.after(() => raw.end());
    const [, connected] = await raw.until((bytes) => frames(bytes).length >= 2).then(frames);
    return { raw, sid: JSON.parse(String(connected.payload).slice(2)).sid };
  }));
  const api = new Api(admin);
  const seen = clients.map(({ raw }) => frames(raw.received).length);
  const emit = async (options, receivers) => {
    const { status } = await api.post("emit", { event: "text", args: ["x".repeat(3000)], ...options });
    assert.equal(status, 200);
    return Promise.all(receivers.map(async (i) => {
      const got = frames(await clients[i].raw.until((bytes) => frames(bytes).length > seen[i]));
      return got[seen[i]++].rsv;
    }));
  };
  for (const [compress, rsv] of [[{}, COMPRESSED], [{ compress: false }, 0], [{ compress: true }, COMPRESSED]]) {
    assert.deepEqual(await emit(compress, [0, 1]), [rsv, rsv]);
    assert.deepEqual(await emit({ ...compress, rooms: [clients[0].sid] }, [0]), [rsv]);
  }
});
