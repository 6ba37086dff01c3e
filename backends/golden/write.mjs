// Writes frames.json: node backends/golden/write.mjs > backends/golden/frames.json
//
// Each example shows the bytes of a frame of ../PROTOCOL.md beside its content. The tests of every implementation read them.
// This encoder serves only these examples and shares no code with the implementations under test.

const TYPES = ["CHALLENGE", "HELLO", "WELCOME", "NSP", "NSPASK", "NSPANSWER", "SESSION", "OPEN", "ACCEPT", "REFUSE", "EVENT", "ACK",
  "EMIT", "ACKED", "CAST", "CASTED", "JOIN", "LEAVE", "DISC", "CLOSED", "DATA", "TRANSPORT", "PEER", "PEERS", "REQUEST",
  "RESPONSE", "CONNERR", "PING", "PONG", "WINDOW", "DRAIN", "HANDOFF", "BYE", "ENDED", "CATCHUP", "HISTORY", "FORGET", "PAST",
  "PRESENCE", "USER", "WHO", "PRESENT", "CHANGE"];
const ACK = 0x01, REATTACH = 0x02, WIDE = 0x02, RECOVERED = 0x04, VOLATILE = 0x04, BIN = 0x08, NOCOMPRESS = 0x10, CLOSE = 0x20, TIMED = 0x40,
  LAST = 0x40, OPTIONAL = 0x80;

const number = (value, bytes) => {
  const out = Buffer.alloc(bytes);
  out.writeUIntLE(value, 0, bytes);
  return out;
};
const sized = (bytes, width = 4) => Buffer.concat([number(bytes.length, width), bytes]);

const parts = {
  u32: (value) => number(value, 4),
  text: (value) => sized(Buffer.from(value)),
  rooms: (names) => Buffer.concat([number(names.length, 2), ...names.map((name) => sized(Buffer.from(name), 2))]),
  rest: (value) => Buffer.from(value),
  restHex: (value) => Buffer.from(value, "hex"),
  args: (value) => Buffer.from(value),
  sizedArgs: (value) => sized(Buffer.from(value)),
  attachments: (list) => Buffer.concat(list.map((hex) => sized(Buffer.from(hex, "hex")))),
};

function bytesOf(type, fields, body) {
  const { flags = 0, nsp = 0, handle = 0, id = 0, length = body.length } = fields;
  return Buffer.concat([number(length, 4), number(type, 1), number(flags, 1), number(nsp, 2), number(handle, 4), number(id, 4), body]);
}

const frames = [];
function frame(name, typeName, fields, ...list) {
  const type = typeof typeName === "number" ? typeName : TYPES.indexOf(typeName);
  const body = Buffer.concat(list.map((part) => parts[Object.keys(part)[0]](Object.values(part)[0])));
  frames.push({
    name, type, typeName: TYPES[type] ?? null, flags: fields.flags ?? 0, nsp: fields.nsp ?? 0, handle: fields.handle ?? 0,
    id: fields.id ?? 0, parts: list, hex: bytesOf(type, fields, body).toString("hex"),
  });
}

const nonce = "00112233445566778899aabbccddeeff".repeat(2);
frame("challenge", "CHALLENGE", {}, { rest: `{"v":[1],"edge":"e1","nonce":"${nonce}"}` });
frame("the shortest hello", "HELLO", {}, { rest: '{"v":[1],"instance":"x1"}' });
frame("hello with everything", "HELLO", {}, {
  rest: '{"v":[1],"instance":"x-1_a.b","worker":3,"group":"shop","namespaces":["/","/admin"],' +
    '"proof":"6fb917da91a23e0043528e2262aec49c633110bbfa4df61770d9d78359c65e3c",' +
    '"weight":2,"hooks":{"request":true,"errors":true},"upstream":"http://127.0.0.1:3001","pid":4711,"app":"server.js",' +
    '"language":"node","recovery":true}',
});
frame("welcome", "WELCOME", {}, {
  rest: '{"v":1,"edge":"e1","worker":0,"workers":2,"up":60000,"window":4194304,"maxFrame":16777216,"ping":5000,"options":{"pingInterval":25000,' +
    '"pingTimeout":20000,"maxHttpBufferSize":1000000,"path":"/socket.io/","transports":["polling","websocket"],' +
    '"connectTimeout":45000,"fanout":"direct"}}',
});
frame("namespace", "NSP", { nsp: 1 }, { rest: "/admin" });
frame("namespace of the highest number, in UTF-8", "NSP", { nsp: 65535 }, { rest: "/straße" });
frame("does a namespace exist", "NSPASK", { id: 7 }, { text: "/dynamic-42" }, { text: '{"token":"abc"}' });
frame("it does", "NSPANSWER", { id: 7, flags: ACK });
frame("it does not", "NSPANSWER", { id: 7 });
frame("session", "SESSION", { handle: 1 }, {
  rest: '{"id":"AAAAAAAAAAAAAAAAAAAB","transport":"polling","address":"10.0.0.9","secure":false,"time":1700000000000,"method":"GET",' +
    '"url":"/socket.io/?EIO=4&transport=polling","headers":["Host","localhost:3000","Cookie","a=1"]}',
});
frame("open", "OPEN", { handle: 2, nsp: 0, id: 1 }, { text: "BBBBBBBBBBBBBBBBBBBC" }, { text: "{}" });
frame("open with auth in a namespace", "OPEN", { handle: 3, nsp: 1, id: 1 }, { text: "CCCCCCCCCCCCCCCCCCCD" }, { text: '{"token":"é"}' });
frame("open again", "OPEN", { handle: 258, nsp: 1, id: 257, flags: REATTACH }, { text: "CCCCCCCCCCCCCCCCCCCD" },
  { text: '{"token":"é"}' }, { rooms: ["lobby", "room 7"] }, { text: '{"user":"ann"}' });
frame("open again, no rooms, no data", "OPEN", { handle: 259, id: 257, flags: REATTACH }, { text: "DDDDDDDDDDDDDDDDDDDE" },
  { text: "{}" }, { rooms: [] }, { text: "" });
frame("open for a client that has come back", "OPEN", { handle: 260, id: 257, flags: REATTACH | RECOVERED }, { text: "DDDDDDDDDDDDDDDDDDDE" },
  { text: "{}" }, { rooms: ["lobby"] }, { text: '{"user":"ann"}' });
frame("accept", "ACCEPT", { handle: 2 });
frame("refuse", "REFUSE", { handle: 2 }, { rest: '{"message":"not allowed","data":{"code":7}}' });
frame("event", "EVENT", { handle: 2 }, { args: '["hi",1,{"a":[true,null]}]' });
frame("event that wants an answer", "EVENT", { handle: 2, id: 5, flags: ACK }, { args: '["ask"]' });
frame("event whose number needs 53 bits", "EVENT", { handle: 2, id: 4294967295, flags: ACK | WIDE }, { u32: 2097151 }, { args: '["ask"]' });
frame("event with attachments", "EVENT", { handle: 2, flags: BIN },
  { sizedArgs: '["file",{"_placeholder":true,"num":0},{"deep":{"_placeholder":true,"num":1}}]' }, { attachments: ["010203", ""] });
frame("wide event with an attachment", "EVENT", { handle: 2, id: 1, flags: ACK | WIDE | BIN }, { u32: 1 },
  { sizedArgs: '["f",{"_placeholder":true,"num":0}]' }, { attachments: ["ff"] });
frame("event that only looks like one with an attachment", "EVENT", { handle: 2 }, { args: '["x",{"_placeholder":true,"num":0}]' });
frame("ack", "ACK", { handle: 2, id: 5 }, { args: '["answer"]' });
frame("ack of a wide number", "ACK", { handle: 2, id: 4294967295, flags: WIDE }, { u32: 2097151 }, { args: "[]" });
frame("ack with an attachment", "ACK", { handle: 2, id: 6, flags: BIN }, { sizedArgs: '[{"_placeholder":true,"num":0}]' },
  { attachments: ["c0ffee"] });
frame("emit", "EMIT", { handle: 2 }, { args: '["hello","you"]' });
frame("emit in UTF-8", "EMIT", { handle: 2 }, { args: '["grüß","日本","👋"]' });
frame("emit, volatile and not compressed", "EMIT", { handle: 2, flags: VOLATILE | NOCOMPRESS }, { args: '["tick",1]' });
frame("emit that wants an answer", "EMIT", { handle: 2, id: 9, flags: ACK }, { args: '["ask"]' });
frame("emit that wants an answer in time", "EMIT", { handle: 2, id: 10, flags: ACK | TIMED }, { u32: 5000 }, { args: '["ask"]' });
frame("emit that wants an answer in time, with an attachment", "EMIT", { handle: 2, id: 11, flags: ACK | TIMED | BIN }, { u32: 1 },
  { sizedArgs: '["f",{"_placeholder":true,"num":0}]' }, { attachments: ["00"] });
frame("answer of a client", "ACKED", { handle: 2, id: 9 }, { args: "[1,2]" });
frame("answer of a client with an attachment", "ACKED", { handle: 2, id: 9, flags: BIN },
  { sizedArgs: '[{"_placeholder":true,"num":0}]' }, { attachments: ["dead"] });
frame("cast to all", "CAST", { nsp: 0 }, { rooms: [] }, { rooms: [] }, { args: '["news",1]' });
frame("cast to rooms except a room", "CAST", { nsp: 1 }, { rooms: ["lobby", "日本"] }, { rooms: ["BBBBBBBBBBBBBBBBBBBC"] }, { args: '["news"]' });
frame("cast to the room without a name", "CAST", {}, { rooms: [""] }, { rooms: [] }, { args: '["news"]' });
frame("cast, volatile and not compressed, with an attachment", "CAST", { flags: VOLATILE | NOCOMPRESS | BIN }, { rooms: ["a"] },
  { rooms: [] }, { sizedArgs: '["img",{"_placeholder":true,"num":0}]' }, { attachments: ["89504e47"] });
frame("cast that wants answers in time", "CAST", { id: 12, flags: ACK | TIMED }, { u32: 1000 }, { rooms: ["a"] }, { rooms: ["b"] },
  { args: '["ask"]' });
frame("how many a cast reached", "CASTED", { id: 12 }, { u32: 3 });
frame("an answer to a cast", "CASTED", { id: 12, flags: ACK }, { args: '["yes"]' });
frame("an answer to a cast with an attachment", "CASTED", { id: 12, flags: ACK | BIN }, { sizedArgs: '[{"_placeholder":true,"num":0}]' },
  { attachments: ["01"] });
frame("no answer to the cast will follow", "CASTED", { id: 12, flags: LAST });
frame("join", "JOIN", { handle: 2 }, { rooms: ["lobby", "room 7"] });
frame("leave", "LEAVE", { handle: 2 }, { rooms: ["lobby"] });
frame("disconnect from the namespace", "DISC", { handle: 2 });
frame("disconnect altogether", "DISC", { handle: 2, flags: CLOSE });
frame("a socket has left", "CLOSED", { handle: 2 }, { rest: "client namespace disconnect" });
frame("data", "DATA", { handle: 2 }, { rest: '{"user":"ann","tags":["a"]}' });
frame("no data", "DATA", { handle: 2 });
frame("upgraded", "TRANSPORT", { handle: 1 }, { rest: "websocket" });
frame("to a peer", "PEER", {}, { text: "x2" }, { restHex: "00ff10" });
frame("to all peers", "PEER", {}, { text: "" }, { restHex: "7b7d" });
frame("peers", "PEERS", {}, { rest: '["x1","x2"]' });
frame("may this request in", "REQUEST", { id: 21 }, {
  rest: '{"method":"GET","url":"/socket.io/?EIO=4&transport=polling","httpVersion":"1.1","headers":["Host","localhost"],' +
    '"address":"10.0.0.9","secure":true}',
});
frame("it may", "RESPONSE", { id: 21 }, { rest: '{"allow":true,"headers":[["Set-Cookie","sid=1"]]}' });
frame("it may not", "RESPONSE", { id: 21 }, { rest: '{"allow":false,"status":401,"headers":[],"body":"no"}' });
frame("a refused request", "CONNERR", {}, {
  rest: '{"code":1,"message":"Session ID unknown","method":"GET","url":"/socket.io/?sid=x","address":"10.0.0.9"}',
});
frame("ping", "PING", { id: 4294967295 });
frame("pong", "PONG", { id: 4294967295 });
frame("window", "WINDOW", { id: 2097152 });
frame("drain", "DRAIN", {});
frame("handoff", "HANDOFF", { handle: 1 });
frame("bye", "BYE", {}, { rest: "shutdown" });
frame("a session has ended", "ENDED", { nsp: 1 }, { text: "CCCCCCCCCCCCCCCCCCCD" }, { text: "expired" }, { text: '{"user":"ann"}' });
frame("a session without data has ended", "ENDED", {}, { text: "CCCCCCCCCCCCCCCCCCCD" }, { text: "displaced" }, { text: "" });
frame("join with the last events", "CATCHUP", { handle: 2, id: 31 }, { u32: 50 }, { text: "lobby" });
frame("the last events of a room", "HISTORY", { nsp: 1, id: 32 }, { u32: 20 }, { text: "日本" }, { text: "1700000000000-3" }, { text: "" });
frame("forget an event", "FORGET", { nsp: 0, id: 33 }, { text: "lobby" }, { text: "1700000000000-1" });
frame("forget all events of a room", "FORGET", { nsp: 0, id: 34 }, { text: "lobby" }, { text: "" });
frame("an event of a room", "PAST", { id: 32 }, { text: "1700000000000-1" }, { u32: 3487918080 }, { u32: 395 }, { args: '["news","grüß"]' });
frame("an event with an attachment", "PAST", { id: 32, flags: BIN }, { text: "1700000000000-2" }, { u32: 3487918080 }, { u32: 395 },
  { sizedArgs: '["img",{"_placeholder":true,"num":0}]' }, { attachments: ["89504e47"] });
frame("no more events", "PAST", { id: 32, flags: LAST }, { u32: 2 }, { text: "" });
frame("no history", "PAST", { id: 32, flags: LAST }, { u32: 0 }, { text: "not-found" });
frame("presence in a namespace", "PRESENCE", { nsp: 1, id: 41 }, { text: "room:" }, { text: "presence" });
frame("presence, with changes to be reported", "PRESENCE", { id: 42, flags: ACK }, { text: "" }, { text: "" });
frame("the user of a socket", "USER", { handle: 2 }, { text: "grüß" }, { rest: '{"state":"online"}' });
frame("no user", "USER", { handle: 2 }, { text: "" });
frame("who is in a room", "WHO", { nsp: 1, id: 43 }, { u32: 4294967295 }, { text: "room:日本" }, { text: "" });
frame("is a user in a room", "WHO", { id: 44 }, { u32: 1 }, { text: "room:a" }, { text: "ada" });
frame("a user in a room", "PRESENT", { id: 43 }, { text: "ada" }, { rest: '{"state":"online"}' });
frame("no more users", "PRESENT", { id: 43, flags: LAST }, { u32: 1 }, { text: "" });
frame("no presence", "PRESENT", { id: 43, flags: LAST }, { u32: 0 }, { text: "not-found" });
frame("a user has joined", "CHANGE", { nsp: 1 }, { text: "room:a" }, { text: "ada" }, { rest: '{"state":"online"}' });
frame("a user has left", "CHANGE", { nsp: 1, id: 2 }, { text: "room:a" }, { text: "ada" });
frame("of a type that nobody knows, to be ignored", 99, { flags: OPTIONAL, handle: 1 }, { restHex: "0102" });

// Frames that a receiver must refuse. "header": the length exceeds `maxFrame`; "body": the body does not hold the parts of its
// type; "type": the type is unknown and the frame not optional.
const malformed = [];
const bad = (name, what, typeName, fields, hex) =>
  malformed.push({
    name, what, ...(fields.maxFrame ? { maxFrame: fields.maxFrame } : {}),
    hex: bytesOf(typeof typeName === "number" ? typeName : TYPES.indexOf(typeName), fields, Buffer.from(hex, "hex")).toString("hex"),
  });
bad("longer than maxFrame", "header", "EMIT", { handle: 2, length: 65537, maxFrame: 65536 }, "");
bad("of the greatest length", "header", "EMIT", { handle: 2, length: 4294967295, maxFrame: 16777216 }, "");
bad("of an unknown type", "type", 99, {}, "");
bad("text longer than the body", "body", "OPEN", { handle: 2, id: 1 }, "05000000" + "41414141");
bad("text whose length wraps around", "body", "OPEN", { handle: 2, id: 1 }, "ffffffff" + "41");
bad("no second text", "body", "OPEN", { handle: 2, id: 1 }, "01000000" + "41");
bad("three bytes of a u32", "body", "EMIT", { handle: 2, id: 1, flags: ACK | TIMED }, "010000");
bad("fewer rooms than counted", "body", "JOIN", { handle: 2 }, "0200" + "0100" + "61");
bad("room longer than the body", "body", "JOIN", { handle: 2 }, "0100" + "0500" + "61");
bad("bytes behind the rooms", "body", "JOIN", { handle: 2 }, "0100" + "0100" + "61" + "00");
bad("no rooms except", "body", "CAST", {}, "0000");
bad("no room", "body", "CATCHUP", { handle: 2, id: 31 }, "32000000");
bad("bytes behind the room", "body", "CATCHUP", { handle: 2, id: 31 }, "32000000" + "01000000" + "61" + "00");
bad("no second id", "body", "HISTORY", { id: 32 }, "32000000" + "01000000" + "61" + "00000000");
bad("bytes behind the ids", "body", "HISTORY", { id: 32 }, "32000000" + "01000000" + "61" + "00000000" + "00000000" + "00");
bad("no event to forget", "body", "FORGET", { id: 33 }, "01000000" + "61");
bad("no event of presence", "body", "PRESENCE", { id: 41 }, "01000000" + "61");
bad("bytes behind the event", "body", "PRESENCE", { id: 41 }, "00000000" + "00000000" + "00");
bad("user longer than the body", "body", "USER", { handle: 2 }, "04000000" + "616263");
bad("no user to ask for", "body", "WHO", { id: 43 }, "01000000" + "01000000" + "61");
bad("args longer than the body", "body", "EMIT", { handle: 2, flags: BIN }, "03000000" + "5b5d");
bad("attachment longer than the body", "body", "EMIT", { handle: 2, flags: BIN }, "02000000" + "5b5d" + "04000000" + "0102");
bad("half a length of an attachment", "body", "EMIT", { handle: 2, flags: BIN }, "02000000" + "5b5d" + "0100");

const line = (entry) => "    " + JSON.stringify(entry);
process.stdout.write(`{\n  "version": 1,\n  "secret": "open sesame",\n  "nonce": "${nonce}",\n  "frames": [\n${frames.map(line).join(",\n")}\n  ],\n  "malformed": [\n${malformed.map(line).join(",\n")}\n  ]\n}\n`);
