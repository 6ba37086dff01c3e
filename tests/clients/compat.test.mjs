// The table of docs/clients.md says what is true.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { makeTable } from "./compat/table.mjs";
import { root } from "./support/server.mjs";

test("docs/clients.md shows which clients work, and how", async () => {
  const page = readFileSync(path.join(root, "docs/clients.md"), "utf8");
  const shown = /<!-- clients: [^>]*-->\n\n([\s\S]*?)\n\n<!-- end of clients -->/.exec(page)[1];
  const { lines, failures } = await makeTable();
  assert.equal(lines.join("\n"), shown, `run make clients-table; the clients said:\n${failures.join("\n")}`);
});
