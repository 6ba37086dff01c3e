// The result as Markdown.
import { rows } from "./rows.mjs";
import { servers } from "./servers.mjs";

const ids = Object.keys(servers);
export const ratioHeads = ["to Node.js", "to bun-engine", "to the floor", "per turn"];
export const ratioIds = ["node", "bunEngine", "floor", "floorPerTurn"];
const titles = ids.map((id) => servers[id].title);

export function number(value) {
  if (!Number.isFinite(value)) return "";
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

const times = (value) => (Number.isFinite(value) ? `${number(value)} x` : "");

/** Rows of cells, the first with the headings, as a table whose source is aligned too. */
export function align(table, leftColumns) {
  const widths = table[0].map((_, column) => Math.max(3, ...table.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, i) => (i < leftColumns ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i < leftColumns ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(table[0]), rule, ...table.slice(1).map(line)].join("\n");
}

function valueOf(of) {
  if (!of) return "";
  if (of.failed > 0 && of.failed === of.runs) return "failed";
  return `${number(of.value)}${of.testerBound ? "*" : ""}${of.failed > 0 ? "†" : ""}`;
}

const alsoTitle = (id) => rows.find((row) => row.id === id).also.title;

export const valueTable = (results) =>
  align(
    [
      ["work", "unit", ...titles, ...ratioHeads],
      ...results.flatMap(({ id: row, title, unit, alsoUnit, medians, ratios }) => [
        [title, unit, ...ids.map((id) => valueOf(medians[id])), ...ratioIds.map((id) => times(ratios[id]))],
        ...(alsoUnit ? [[`  ${alsoTitle(row)}`, alsoUnit, ...ids.map((id) => number(medians[id]?.also)), ...ratioIds.map(() => "")]] : []),
      ]),
    ],
    2,
  );

function wordsOf({ times: least, most, above, medianOf, of }, { unit, alsoUnit, medians }) {
  if (medianOf) return `at most the median of ${servers[medianOf].title}${Number.isFinite(medians[medianOf]?.p50) ? `, ${number(medians[medianOf].p50)} ${unit}` : ""}`;
  if (least !== undefined) return `at least ${least} x ${servers[of].title}`;
  if (above !== undefined) return `less than ${above} ${unit} over ${servers[of].title}`;
  return `at most ${number(most)} ${of === "also" ? alsoUnit : unit}`;
}

function measuredOf({ times: least, above, of, measured }, { unit, alsoUnit }) {
  if (!Number.isFinite(measured)) return "";
  if (least !== undefined) return times(measured);
  return `${number(measured)} ${above === undefined && of === "also" ? alsoUnit : unit}`;
}

const metOf = ({ met, measured }) => (met ? "yes" : Number.isFinite(measured) ? "no" : "not measured");

export const targetTable = (results) =>
  align(
    [
      ["work", "target", "met", "measured", "by processor time"],
      ...results.flatMap((result) =>
        result.verdicts.map((verdict) => [result.title, wordsOf(verdict, result), metOf(verdict), measuredOf(verdict, result), times(verdict.byProcessor)])),
    ],
    3,
  );

/** The table of processor times, which are meaningful even where the load tester was the limit. */
export const costTable = (results) =>
  align(
    [
      ["work", ...titles, ...ratioHeads],
      ...results
        .filter(({ medians }) => Number.isFinite(medians.sockeye.cost))
        .map(({ title, medians }) => [
          title, ...ids.map((id) => number(medians[id]?.cost)), ...ratioIds.map((id) => times(medians[id]?.cost / medians.sockeye.cost)),
        ]),
    ],
    1,
  );

export const latencyTable = (results) =>
  align(
    [
      ["work", ...titles],
      ...results
        .filter(({ medians }) => Number.isFinite(medians.sockeye.p50))
        .map(({ title, medians }) => [title, ...ids.map((id) => (Number.isFinite(medians[id]?.p50) ? `${number(medians[id].p50)} / ${number(medians[id].p99)}` : ""))]),
    ],
    1,
  );

const range = ([least, most] = [NaN, NaN]) => (Number.isFinite(least) ? `${number(least)} to ${number(most)}` : "");
const spreadOf = (of) => (of && Number.isFinite(of.value) ? `${number(((of.most - of.least) / of.value) * 100)} %` : "");

/** How far the rounds lie apart: of each server in per cent of its median, and the least and the largest ratio of a round. */
export const spreadTable = (results) =>
  align(
    [
      ["work", "rounds", ...titles, ...ratioHeads],
      ...results.map(({ title, medians, spreads }) => [title, number(medians.sockeye.runs), ...ids.map((id) => spreadOf(medians[id])), ...ratioIds.map((id) => range(spreads[id]))]),
    ],
    1,
  );

const failedText = ({ runs, failed, reasons }) => (failed === 0 ? [] : [`${failed} of ${runs} runs failed: ${reasons.join("; ")}`]);

function rowFaults({ title, leftOut, medians }) {
  if (leftOut) return [`- ${title}: left out, ${leftOut}`];
  const texts = Object.entries(medians).map(([id, of]) => [id, [...of.faults, ...failedText(of)]]);
  return texts.filter(([, text]) => text.length > 0).map(([id, text]) => `- ${title}, ${servers[id].title}: ${text.join(", ")}`);
}

/** The failures of all runs, one line for each server of a row, and the rows that were left out. */
export const faultLines = (results) => results.flatMap(rowFaults);
