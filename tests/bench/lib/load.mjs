// One run of the load tester.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { build, output } from "./paths.mjs";
import { end, launch } from "./processes.mjs";

const PATIENCE_MS = 180_000; // time for connecting and leaving, in addition to the measured time

const flag = (name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** { clients: 100, noVerify: true } as --clients 100 --no-verify */
export const flags = (options) =>
  Object.entries(options).flatMap(([name, value]) => (value === true ? [flag(name)] : [flag(name), String(value)]));

/** Runs a scenario and returns the report. */
export async function load(scenario, { urls, pids }, options, { core, files, name, onText } = {}) {
  mkdirSync(output, { recursive: true });
  const json = path.join(output, `${name ?? scenario}.json`);
  const argv = [path.join(build, "sockeye-load"), scenario, ...urls, ...flags(options), "--server-pid", pids.join(","), "--json", json];
  rmSync(json, { force: true });
  const tester = launch(onText ? argv : [...argv, "--quiet"], { core, files, onText });
  const late = setTimeout(() => end(tester), PATIENCE_MS + (options.duration ?? 0));
  const [code, signal] = await tester.ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${signal ?? `code ${code}`}\n${tester.tail}`);
  return JSON.parse(readFileSync(json, "utf8"));
}
