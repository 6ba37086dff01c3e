// One run of the load tester.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { build, output } from "./paths.mjs";
import { end, endOf, failure, isRunning, launch, launchUntil, reasonIn } from "./processes.mjs";

const PATIENCE_MS = 180_000; // time for connecting and leaving, in addition to the measured time
const HOUR_MS = 3_600_000;

const flag = (name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** { clients: 100, noVerify: true } as --clients 100 --no-verify */
export const flags = (options) =>
  Object.entries(options).flatMap(([name, value]) => (value === true ? [flag(name)] : [flag(name), String(value)]));

/** Starts a scenario beside a measured one. Resolves when its clients have joined and its messages flow: { demand(), stop() }. `demand` throws if the scenario has ended. */
export async function loadBeside(scenario, { urls }, options, { core, files }) {
  const argv = [path.join(build, "sockeye-load"), scenario, ...urls, ...flags({ duration: HOUR_MS, ...options })];
  const { process: tester } = await launchUntil(argv, /^run .* clients (\d+)/m, { core, files });
  const demand = () => {
    if (!isRunning(tester)) throw failure(`the load beside it has ended: ${reasonIn(tester.tail)}`, tester.tail);
  };
  return { demand, stop: () => end(tester) };
}

/** Runs a scenario and returns the report. */
export async function load(scenario, { urls, pids }, options, { core, files, name, onText, patience = PATIENCE_MS } = {}) {
  mkdirSync(output, { recursive: true });
  const json = path.join(output, `${name ?? scenario}.json`);
  const argv = [path.join(build, "sockeye-load"), scenario, ...urls, ...flags(options), "--server-pid", pids.join(","), "--json", json];
  rmSync(json, { force: true });
  const tester = launch(onText ? argv : [...argv, "--quiet"], { core, files, onText });
  const limit = patience + (options.duration ?? 0);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(tester);
  }, limit);
  const how = await tester.ended.finally(() => clearTimeout(timer));
  const details = `${argv.join(" ")}\n${tester.tail}`;
  if (late) throw failure(`the load tester did not end within ${limit / 1000} s`, details);
  if (how[0] !== 0) throw failure(`the load tester ${endOf(how, tester.tail)}`, details);
  return JSON.parse(readFileSync(json, "utf8"));
}
