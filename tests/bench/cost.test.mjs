// The table of `make bench-cost`: written, read again and compared.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { allocations, compareAllocations, compareCosts, formatCosts, instructions, parseCosts } from "./lib/costs.mjs";
import { works } from "./lib/cost_works.mjs";
import { here } from "./lib/paths.mjs";

const counts = Object.fromEntries(works.map(({ id }, i) => [id, 700 + 1000 * i]));

test("calls that depend on the clock do not count", () => {
  const profile = "events: Ir\n\nfn=(1) main\n1 10\ncfn=(2) on_timer\ncalls=3 7\n2 300\ncfn=(3) work\ncalls=1 7\n+1 50\n\nfn=(2)\n7 300\n\nfn=(4) other\n1 5\ncfn=(2)\ncalls=1 7\n* 40\n\ntotals: 405\n";
  assert.equal(instructions(profile, []), 405);
  assert.equal(instructions(profile, ["on_timer"]), 65);
});

test("calls of the allocator count, but not those that it makes itself", () => {
  const profile = "fn=(1) main\n1 10\ncfn=(2) malloc\ncalls=3 7\n2 300\ncfn=(3) realloc\ncalls=2 7\n+1 50\n\nfn=(3)\n7 30\ncfn=(2)\ncalls=2 7\n* 40\n\nfn=(4) other\ncfn=(2)\ncalls=1 7\n* 40\ncfn=(5) malloc_usable_size\ncalls=9 7\n* 40\n\ntotals: 405\n";
  assert.equal(allocations(profile), 3 + 2 + 1);
});

test("a piece of work may not allocate more than its limit", () => {
  assert.deepEqual(compareAllocations(works, { echo: 0.01, connect: 3.02, "admin-ui": 9 }), []);
  assert.match(compareAllocations(works, { echo: 1 })[0], /^echo: 1\.0 allocations; at most 0 are allowed/);
  assert.equal(compareAllocations(works, { connect: 4, "polling-connect": 4 }).length, 2);
});

test("what is written is read again", () => {
  const costs = { platform: "cc (Debian 1.2) 1.2, x64, aes", counts };
  const allocated = Object.fromEntries(Object.keys(counts).map((id) => [id, 2.5]));
  assert.deepEqual(parseCosts(formatCosts(works, { ...costs, allocated })), costs);
});

test("growth of 3 % passes, more fails, and less passes", () => {
  assert.deepEqual(compareCosts({ echo: 1000, join: 500 }, { echo: 1030, join: 400 }), []);
  const [line, ...others] = compareCosts({ echo: 1000, join: 500 }, { echo: 1031, join: 500 });
  assert.match(line, /^echo: 1031 instructions, 3\.1 % more/);
  assert.deepEqual(others, []);
});

test("a piece of work that is not in the table fails", () => {
  assert.match(compareCosts({}, { echo: 1 })[0], /^echo: .* make bench-cost/);
});

test("the committed table has every piece of work", () => {
  const table = parseCosts(readFileSync(path.join(here, "COSTS.md"), "utf8"));
  assert.ok(table.platform);
  for (const { id } of works) assert.ok(table.counts[id] > 0, id);
});

test("a MessagePack client costs less than a JSON client", () => {
  const { counts } = parseCosts(readFileSync(path.join(here, "COSTS.md"), "utf8"));
  assert.ok(counts["msgpack-echo"] < counts["object-echo"], "an object");
  assert.ok(counts["msgpack-binary"] < counts["binary-echo"], "binary");
});
