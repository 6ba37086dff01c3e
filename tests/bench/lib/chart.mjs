// An SVG with a bar for each row, which shows how many times faster than Node.js Sockeye is. It is readable on light and dark
// backgrounds.

const WIDTH = 760;
const LEFT = 300; // of the bars; the titles are to the left of it
const RIGHT = 70; // for the number behind the longest bar
const BAR = 18;
const STEP = 30;
const TOP = 56;

// The background is painted, because a page may be dark where the system is light, or vice versa.
const STYLE = `
  .ground { fill: #ffffff; }
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .head { font-size: 15px; font-weight: 600; }
  .note { font-size: 12px; fill: #59636e; }
  .bar { fill: #c8553d; }
  .one { stroke: #59636e; stroke-width: 1; stroke-dasharray: 3 3; }
  .target { stroke: #1f2328; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .bar { fill: #e2725b; }
    .one { stroke: #9198a1; }
    .target { stroke: #f0f6fc; }
  }`;

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function barOf({ title, ratio, target }, i, x) {
  const y = TOP + i * STEP;
  const middle = y + BAR / 2;
  const hides = target > ratio && x(target) < x(ratio) + RIGHT; // the mark would cross the number
  const mark = target ? `\n  <line class="target" x1="${x(target)}" y1="${y - 3}" x2="${x(target)}" y2="${y + BAR + 3}"/>` : "";
  return `  <text x="${LEFT - 10}" y="${middle + 4.5}" text-anchor="end">${escape(title)}</text>
  <rect class="bar" x="${LEFT}" y="${y}" width="${Math.max(1, x(ratio) - LEFT).toFixed(1)}" height="${BAR}" rx="3"/>${mark}
  <text x="${(hides ? x(target) : x(ratio)) + 8}" y="${middle + 4.5}">${ratio.toFixed(1)} ×</text>`;
}

/** The bars of a result: the rows that Node.js took part in. */
export const barsOf = (results) =>
  results
    .filter(({ ratios }) => Number.isFinite(ratios.node))
    .map(({ title, ratios, verdicts }) => ({ title, ratio: ratios.node, target: verdicts.find(({ of, times }) => of === "node" && times)?.times }));

export function chart(bars, note) {
  const most = Math.max(1, ...bars.map(({ ratio, target = 0 }) => Math.max(ratio, target)));
  const x = (value) => Math.round((LEFT + (value / most) * (WIDTH - LEFT - RIGHT)) * 10) / 10;
  const bottom = TOP + bars.length * STEP;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 40}" width="${WIDTH}" height="${bottom + 40}" role="img" aria-label="Sockeye beside Node.js socket.io">
  <style>${STYLE}
  </style>
  <rect class="ground" width="${WIDTH}" height="${bottom + 40}" rx="6"/>
  <text class="head" x="16" y="24">Sockeye, times Node.js socket.io (one core each, same run)</text>
  <text class="note" x="16" y="42">Longer is better: rates are higher, memory is less by so many times. Upright mark: the target.</text>
  <line class="one" x1="${x(1)}" y1="${TOP - 6}" x2="${x(1)}" y2="${bottom}"/>
${bars.map((bar, i) => barOf(bar, i, x)).join("\n")}
  <text class="note" x="${x(1)}" y="${bottom + 12}" text-anchor="middle">1 × Node.js</text>
  <text class="note" x="16" y="${bottom + 30}">${escape(note)}</text>
</svg>
`;
}
