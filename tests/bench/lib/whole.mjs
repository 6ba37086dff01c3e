// The last whole run, { on, plan, results, again }: `on` is its machine and software (machine.mjs), `plan` its rounds and seconds, and
// `again` lists the later runs, { date, commit, plan, titles }, that have replaced some of its rows.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { output } from "./paths.mjs";
import { withBefore } from "./repeat.mjs";

export const file = path.join(output, "results.json");

export const wholeRun = (results, on, { rounds, mostRounds, seconds }) => ({ on, plan: { rounds, mostRounds, seconds }, results, again: [] });

/** A whole run whose rows are replaced by those that were measured again. Rows without a figure of Sockeye replace nothing. */
export function merged(whole, { on, plan, results }) {
  const known = withBefore({ on, results }, whole).filter(({ medians }) => Number.isFinite(medians.sockeye.value));
  const rows = whole.results.map((row) => known.find(({ id }) => id === row.id) ?? row);
  const again = { date: on.date, commit: on.commit, plan, titles: known.map(({ title }) => title) };
  return { ...whole, results: rows, again: [...whole.again, again] };
}

/** The last whole run on this machine, or nothing. The file of Sockeye 1.0.0 has only rows, which do not say where they come from. */
export function readWhole() {
  const whole = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  return Array.isArray(whole?.again) ? whole : undefined;
}

/** "medians of 3 rounds of 2 s, up to 9 where they disagree" */
export function planText({ rounds, mostRounds, seconds }) {
  const more = mostRounds > rounds ? `, or of up to ${mostRounds} rounds where the ratios of the first ${rounds} lie apart` : "";
  return `medians of ${rounds} rounds of ${seconds} s${more}`;
}

export const againLines = ({ again }) =>
  again.map(({ date, commit, plan, titles }) => `Measured again later (${date}, commit ${commit}, ${planText(plan)}): ${titles.join("; ")}.`).join("\n\n");
