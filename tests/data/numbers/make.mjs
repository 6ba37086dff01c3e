// Writes the number tables that the unit tests compare with: what JavaScript itself prints and reads.
//   node tests/data/numbers/make.mjs
// written.txt: <bits of the double, hexadecimal> <JSON.stringify of it>
// read.txt:    <bits> <JSON text of a number>
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const view = new DataView(new ArrayBuffer(8));
const bits = (x) => (view.setFloat64(0, x), view.getBigUint64(0).toString(16).padStart(16, "0"));
const from = (b) => (view.setBigUint64(0, BigInt.asUintN(64, b)), view.getFloat64(0));

let state = 88172645463325252n; // xorshift: the same table each time
const random = () => {
  state ^= BigInt.asUintN(64, state << 13n);
  state ^= state >> 7n;
  state ^= BigInt.asUintN(64, state << 17n);
  return state;
};

const doubles = [0, -0, NaN, Infinity, -Infinity, 0.1, 0.2, 0.1 + 0.2, 1 / 3, 2 / 3, 100, 123456789012, 1e21, 1e20, 1e22,
  999999999999999900000, 123456789012345680000, 1e-6, 1e-7, 1.5e-7, 0.00001, 0.000001234, 1.7976931348623157e308, 5e-324,
  2.2250738585072014e-308, 2.225073858507201e-308, 9007199254740991, 9007199254740992, 9007199254740994, -9007199254740993,
  4.35, 0.000035, 1.005, 5e-7, 123e-20, 1.2e21, 12e20, 4294967295, 4294967296, -2147483648, 4.4501477170144023e-308];
for (let e = -1074; e <= 1023; e++) doubles.push(from(e < -1022 ? 1n << BigInt(e + 1074) : BigInt(e + 1023) << 52n));
for (let e = -323; e <= 308; e += 3) doubles.push(Number(`1e${e}`), -Number(`9.87e${e}`));
for (let i = 0; i < 600; i++) doubles.push(from(random()));
for (let i = 0; i < 300; i++) doubles.push(Number(random() % 1000000n) / 10 ** Number(random() % 9n));
for (let i = 0; i < 100; i++) doubles.push(from(random() & 0x000fffffffffffffn));
writeFileSync(`${here}/written.txt`, doubles.map((x) => `${bits(x)} ${JSON.stringify(x)}\n`).join(""));

const long = (n, digit) => String(digit).repeat(n);
const texts = ["0", "-0", "0.0", "-0e7", "1", "-1", "1e3", "5.0", "1E+2", "1e-2", "0.1", "123456789012345678", "9007199254740993",
  "9007199254740992.99999999999", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "1e22", "1e23", "8.5e22",
  "1e999999", "-1e999999", "1e-999999", "0e999999", "1e308", "1.8e308", "1.7976931348623158e308", "1.7976931348623159e308",
  "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072012e-308",
  `0.${long(400, 0)}1e401`, `${long(400, 1)}e-399`, `${long(1000, 9)}`, `1${long(400, 0)}e-400`, `0.${long(1000, 3)}`,
  `9007199254740993.${long(900, 0)}1`, `9007199254740993.${long(900, 0)}`, `1.${long(800, 0)}1`, "1e99999999999999999999",
  "1e-99999999999999999999", "123456789012345e7", "123456789012345e22", "123456789012345e-22", "9.999999999999999e22"];
for (let i = 0; i < 300; i++) texts.push(`${random() % 3n ? "" : "-"}${random() % 100n}.${random()}e${Number(random() % 640n) - 320}`);
for (let i = 0; i < 100; i++) texts.push(`${random() % 1000000n}.${random() % 1000n}e${Number(random() % 46n) - 23}`);
writeFileSync(`${here}/read.txt`, texts.map((t) => `${bits(JSON.parse(t))} ${t}\n`).join(""));
