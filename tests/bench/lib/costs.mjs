// Reads the output of callgrind, writes and reads COSTS.md, the table of instructions, and compares it with new counts. Pure code.
import { align } from "./table.mjs";

export const MOST = 1.03; // a count may exceed the committed one by this factor

const HEAD = `# Instructions for each piece of work

\`make bench-cost\` counts the instructions of the server outside the kernel by callgrind and writes this table. \`make
bench-cost-check\` counts them again and fails if a count has grown by more than ${Math.round((MOST - 1) * 100)} %. The counts hold for this compiler and for
processors with these features; elsewhere the check prints them and compares nothing. The allocations are the calls of
malloc() and its siblings, including those of OpenSSL. cost_works.mjs limits them for some pieces of work; this is checked everywhere.
Clients use the default parser unless a row says MessagePack. A broadcast from Redis has one receiver.
`;

const ALLOCATORS = ["malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"];

/**
 * The instructions of a profile, minus the calls of the functions in `without`. The file gives the name of a function once, after
 * its number; later lines give only the number. The cost of a call is on the line after "calls=".
 */
export function instructions(profile, without) {
  const names = new Map();
  let total = Number(/^(?:totals|summary): (\d+)/m.exec(profile)[1]);
  for (const [, number, name, cost] of profile.matchAll(/^c?fn=\((\d+)\)(?: (.*))?$(?:\ncalls=.*\n\S+ (\d+)$)?/gm)) {
    if (name) names.set(number, name);
    if (cost && without.includes(names.get(number))) total -= Number(cost);
  }
  return total;
}

/** The number of allocations. A call that an allocator makes itself, such as malloc() inside realloc(), does not count. */
export function allocations(profile) {
  const names = new Map();
  let caller;
  let total = 0;
  for (const [, called, number, name, calls] of profile.matchAll(/^(c?)fn=\((\d+)\)(?: (.*))?$(?:\ncalls=(\d+) )?/gm)) {
    if (name) names.set(number, name);
    if (!called) caller = names.get(number);
    else if (calls && ALLOCATORS.includes(names.get(number)) && !ALLOCATORS.includes(caller)) total += Number(calls);
  }
  return total;
}

/** { platform, counts: { id: instructions } } */
export function parseCosts(text) {
  const counts = {};
  for (const [, id, count] of text.matchAll(/^\| ([a-z-]+) +\|[^|]*\| +([\d,]+) \|(?: +[\d.]+ \|)?$/gm)) counts[id] = Number(count.replaceAll(",", ""));
  return { platform: /^Made with: (.*)$/m.exec(text)?.[1], counts };
}

/** `allocated`: { id: allocations } */
export function formatCosts(works, { platform, counts, allocated }) {
  const rows = works
    .filter(({ id }) => counts[id])
    .map(({ id, title }) => [id, title, counts[id].toLocaleString("en-US"), allocated[id].toFixed(1)]);
  return `${HEAD}\nMade with: ${platform}\n\n${align([["id", "work", "instructions", "allocations"], ...rows], 2)}\n`;
}

/** Returns a line for each piece of work with more allocations than allowed. Rare allocations do not count. */
export function compareAllocations(works, allocated) {
  return works.flatMap(({ id, allocations: most }) =>
    most === undefined || allocated[id] === undefined || allocated[id] < most + 0.05
      ? []
      : [`${id}: ${allocated[id].toFixed(1)} allocations; at most ${most} are allowed`]);
}

/** Returns a line for each piece of work that costs too much now, or that is not in the table. */
export function compareCosts(before, now) {
  return Object.entries(now).flatMap(([id, count]) => {
    const old = before[id];
    if (old === undefined) return [`${id}: ${count} instructions; the table has no such row: run make bench-cost`];
    if (count <= old * MOST) return [];
    return [`${id}: ${count} instructions, ${(100 * (count / old - 1)).toFixed(1)} % more than the ${old} of the table`];
  });
}
