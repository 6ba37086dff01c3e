// RESULTS.md: sections are replaced one by one, so that one benchmark keeps the results of another.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { here } from "./paths.mjs";

export const file = path.join(here, "RESULTS.md");
const NAMES = ["peers", "backends", "cluster", "idle", "idle-many"];
const HEAD = "# Figures\n\nMade by `make bench`, `make bench-backends`, `make bench-cluster` and `make bench-idle`; docs/load-testing.md explains each line.\n";

const begin = (name) => `<!-- ${name} -->`;
const end = (name) => `<!-- end of ${name} -->`;

/** The text with one section replaced or added; sections stand in a fixed order. */
export function replaced(text, name, section) {
  const parts = NAMES.map((other) => {
    const from = text.indexOf(begin(other));
    const to = text.indexOf(end(other));
    const old = from >= 0 && to > from ? text.slice(from + begin(other).length, to).trim() : "";
    const body = other === name ? section.trim() : old;
    return body ? `${begin(other)}\n${body}\n${end(other)}\n` : "";
  });
  return [HEAD, ...parts.filter(Boolean)].join("\n");
}

/** Replaces a file at once: an end of this process leaves the old text or the new one. */
export function writeWhole(to, text) {
  writeFileSync(`${to}.new`, text);
  renameSync(`${to}.new`, to);
}

export function writeSection(name, section) {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  writeWhole(file, replaced(text, name, section));
}
