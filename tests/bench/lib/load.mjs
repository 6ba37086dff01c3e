// One run of the load tester.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { build, output } from "./paths.mjs";
import { end, launch, launchUntil } from "./processes.mjs";

const PATIENCE_MS = 180_000; // time for connecting and leaving, in addition to the measured time
const HOUR_MS = 3_600_000;

const flag = (name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** { clients: 100, noVerify: true } as --clients 100 --no-verify */
export const flags = (options) =>
  Object.entries(options).flatMap(([name, value]) => (value === true ? [flag(name)] : [flag(name), String(value)]));

/** Starts a scenario beside a measured one. Resolves when its clients have joined and its messages flow: { stop() }. */
export async function loadBeside(scenario, { urls }, options, { core, files }) {
  const argv = [path.join(build, "sockeye-load"), scenario, ...urls, ...flags({ duration: HOUR_MS, ...options })];
  const { process: tester } = await launchUntil(argv, /^run .* clients (\d+)/m, { core, files });
  return { stop: () => end(tester) };
}

/** Runs a scenario and returns the report. */
export async function load(scenario, { urls, pids }, options, { core, files, name, onText, patience = PATIENCE_MS } = {}) {
  mkdirSync(output, { recursive: true });
  const json = path.join(output, `${name ?? scenario}.json`);
  const argv = [path.join(build, "sockeye-load"), scenario, ...urls, ...flags(options), "--server-pid", pids.join(","), "--json", json];
  rmSync(json, { force: true });
  const tester = launch(onText ? argv : [...argv, "--quiet"], { core, files, onText });
  const late = setTimeout(() => end(tester), patience + (options.duration ?? 0));
  const [code, signal] = await tester.ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${signal ?? `code ${code}`}\n${tester.tail}`);
  return JSON.parse(readFileSync(json, "utf8"));
}
