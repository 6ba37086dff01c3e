// Helpers that exist once: each of these literals occurs in one file, which the others call.
//
//   node tests/structure/once.mjs
import { readdirSync, readFileSync } from "node:fs";

const HOMES = [
  ["hexadecimal digits", /"0123456789abcdef"/i, "common/base/ascii.c"],
  ["the base64url alphabet", /"[^"\n]*456789-_"/, "common/base/base64.c"],
  ["names of months", /"Jan", ?"Feb"|JanFeb/, "common/base/ascii.c"],
  ["accepting connections", /\baccept4?\(\w+, \w+, /, "common/io/acceptor.c"],
];

let failed = false;
const files = ["common", "broker", "node", "tests/load"]
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`))
  .filter((file) => file.endsWith(".c"));
for (const [what, literal, home] of HOMES) {
  const found = files.filter((file) => literal.test(readFileSync(file, "utf8")));

  if (found.join() === home) continue;
  console.error(`${what}: in ${found.join(", ")}; once, in ${home}, is enough`);
  failed = true;
}
process.exit(failed ? 1 : 0);
