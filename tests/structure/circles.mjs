// Circles between the files of a folder: a file is a .c with its .h; it points at another whose header it includes or
// whose functions it calls. A circle of more than LIMIT files cannot be read one file at a time. A smaller one has its
// reason in the opening comment of one of the folder's headers, which names all files of the circle.
//
//   node tests/structure/circles.mjs build/obj node/socketio...
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const LIMIT = 3;
const [objects, ...folders] = process.argv.slice(2);

const stem = (file) => path.basename(file).replace(/\.[cho]$/, "");

// The global symbols of the files of a folder, with the name of the file: those that it defines, or those that it needs.
function symbols(folder, names, kind) {
  const files = names.map((name) => path.join(objects, folder, `${name}.o`));
  const lines = execFileSync("nm", ["-g", "-A", kind, "--format=posix", ...files], { encoding: "utf8", maxBuffer: 1 << 26 }).split("\n");
  return lines.filter(Boolean).map((line) => {
    const [, file, symbol] = /^(.*): (\S+)/.exec(line);
    return [symbol, stem(file)];
  });
}

function includes(folder, file) {
  const found = [];
  for (const line of readFileSync(path.join(folder, file), "utf8").split("\n")) {
    const match = /^#include "(.*)"/.exec(line);
    if (match && path.dirname(match[1]) === folder) found.push(stem(match[1]));
  }
  return found;
}

// Each file, with the set of files in the same folder that it depends on.
function arrows(folder) {
  const files = readdirSync(folder).filter((file) => /\.[ch]$/.test(file));
  const to = new Map(files.map((file) => [stem(file), new Set()]));
  const home = new Map();
  const compiled = files.filter((file) => file.endsWith(".c")).map(stem);

  for (const file of files) for (const other of includes(folder, file)) to.get(stem(file)).add(other);
  if (compiled.length === 0) return to;
  for (const [symbol, name] of symbols(folder, compiled, "--defined-only")) home.set(symbol, name);
  for (const [symbol, name] of symbols(folder, compiled, "--undefined-only"))
    if (home.has(symbol)) to.get(name).add(home.get(symbol));
  return to;
}

function reach(to, from) {
  const seen = new Set();
  const next = [...to.get(from)];

  while (next.length) {
    const name = next.pop();
    if (seen.has(name) || !to.has(name)) continue;
    seen.add(name);
    next.push(...to.get(name));
  }
  return seen;
}

function circles(folder) {
  const to = arrows(folder);
  const reached = new Map([...to.keys()].map((name) => [name, reach(to, name)]));
  const found = new Map();

  for (const name of to.keys()) {
    const circle = [...to.keys()].filter((other) => reached.get(name).has(other) && reached.get(other).has(name));
    if (circle.length > 1) found.set(circle.join(), circle);
  }
  return [...found.values()];
}

function explained(folder, circle) {
  const headers = readdirSync(folder).filter((file) => file.endsWith(".h"));

  return headers.some((header) => {
    const [opening] = /^\/\*[^]*?\*\//.exec(readFileSync(path.join(folder, header), "utf8")) ?? [""];

    return circle.every((file) => file === stem(header) || opening.includes(`${file}.c`) || opening.includes(`${file}.h`));
  });
}

let failed = false;
for (const folder of folders) {
  for (const circle of circles(folder)) {
    if (circle.length <= LIMIT && explained(folder, circle)) continue;
    const fault = circle.length > LIMIT ? "" : ", and no header says why";
    console.error(`${folder}: ${circle.length} files go in a circle: ${circle.sort().join(", ")}${fault}`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
