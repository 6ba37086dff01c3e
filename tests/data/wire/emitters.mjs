// The messages that emitters in other languages publish, by the rules of their own MessagePack libraries, as lines
// "name <TAB> channel <TAB> hex": node tests/data/wire/emitters.mjs > tests/data/wire/emitters.txt. Sources: rase-/socket.io-php-emitter and its
// descendants (PHP's empty map is an empty array), roma-glushko/socket.io-redis-emitter (Python: None for options that are not set), epli2/socketio-rust-emitter,
// old MessagePack without str8 (msgpack-php, msgpack-python before 1.0), tables of Lua.
const length = (n, fix, long, max) => (n < max ? [fix | n] : [...long, n >> 8, n & 255]);
const str = (text) => [...length(text.length, 0xa0, [0xda], 32), ...Buffer.from(text)]; // old: raw16 from 32 bytes on
const str8 = (text) => [0xd9, text.length, ...Buffer.from(text)];
const array = (...items) => [...length(items.length, 0x90, [0xdc], 16), ...items.flat()];
const array16 = (...items) => [0xdc, 0, items.length, ...items.flat()];
const map = (...pairs) => [...length(pairs.length / 2, 0x80, [0xde], 16), ...pairs.flat()];
const map16 = (...pairs) => [0xde, 0, pairs.length / 2, ...pairs.flat()];
const bin = (...bytes) => [0xc4, bytes.length, ...bytes];
const [nil, yes, no, int] = [[0xc0], [0xc3], [0xc2], (n) => [n]];

const packet = (...more) => map(str("type"), int(2), str("data"), array(str("news"), int(1)), str("nsp"), str("/"), ...more);
const long = "x".repeat(40);
const messages = {
  "opts-empty-array": [str("emitter"), packet(), array()],
  "opts-absent": [str("emitter"), packet()],
  "opts-nil": [str("emitter"), packet(), nil],
  "opts-empty-map": [str("emitter"), packet(), map()],
  "php-no-rooms": [str("$ENGINE"), packet(), map(str("flags"), array())],
  "php-rooms": [str("emitter"), packet(), map(str("rooms"), array(str("red")), str("flags"), array())],
  "php-flag": [str("emitter"), packet(), map(str("rooms"), array(), str("flags"), map(str("volatile"), yes, str("broadcast"), yes))],
  "python-none": [str("emitter"), packet(), map(str("flags"), map(str("volatile"), no, str("compress"), nil), str("rooms"), nil, str("except"), nil)],
  "python-rooms": [str("emitter"), packet(), map(str("rooms"), array(str("red"), str("blue")), str("except"), nil, str("flags"), nil)],
  "lua-empty-tables": [str("emitter"), packet(), map(str("rooms"), map(), str("except"), map(), str("flags"), map())],
  "lua-number-flag": [str("emitter"), packet(), map(str("rooms"), map(), str("flags"), map(str("volatile"), int(1)))],
  "no-uid": [nil, packet(), map(str("rooms"), array(), str("flags"), map())],
  "no-nsp": [str("emitter"), map(str("type"), int(2), str("data"), array(str("news"), int(1))), map(str("rooms"), array())],
  "nil-nsp": [str("emitter"), map(str("type"), int(2), str("data"), array(str("news"), int(1)), str("nsp"), nil), map(str("rooms"), array())],
  "numeric-room": [str("emitter"), packet(), map(str("rooms"), array(int(7)))],
  "old-raw": [str("emitter"), map(str("type"), int(2), str("data"), array(str("news"), str(long)), str("nsp"), str("/")), map(str("rooms"), array())],
  "new-str8": [str("emitter"), map(str8("type"), int(2), str8("data"), array(str8("news"), str8(long)), str8("nsp"), str8("/")), map(str8("rooms"), array())],
  "wide-heads": [str("emitter"), map16(str("type"), [0xcc, 2], str("data"), array16(str("news"), [0xd3, 0, 0, 0, 0, 0, 0, 0, 1]), str("nsp"), str("/")), map16(str("rooms"), array16())],
  "binary-event": [str("emitter"), map(str("type"), int(5), str("data"), array(str("news"), bin(1, 2, 255)), str("nsp"), str("/")), map(str("rooms"), array())],
  "more-elements": [str("emitter"), packet(), map(str("rooms"), array()), str("1700000000000-0")],
};
for (const [name, parts] of Object.entries(messages)) {
  const channel = /rooms$/.test(name) ? "socket.io#/#red#" : "socket.io#/#";
  process.stdout.write(`${name}\t${channel}\t${Buffer.from(array(...parts)).toString("hex")}\n`);
}
