/* Starts unchanged programs with the register module, and an edge for them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { FakeEdge } from "./fake-edge.mjs";

const register = fileURLToPath(new URL("../../lib/register.js", import.meta.url));
const packages = fileURLToPath(new URL("../../../../tests/node_modules", import.meta.url));
export const PORT = 45871; // the edge's port that the program learns from $SOCKEYE_PORT; no program listens there

/* Starts a program in a folder of its own, with --import or --require. */
export function start(t, file, text, { env = {}, how = "--import", ready = false } = {}) {
	const folder = mkdtempSync(join(tmpdir(), "sockeye-register-"));
	symlinkSync(packages, join(folder, "node_modules"));
	writeFileSync(join(folder, file), text);
	const module = how === "--import" ? pathToFileURL(register).href : register;
	const child = spawn(process.execPath, [how, module, file], {
		cwd: folder,
		env: { ...process.env, SOCKEYE_PORT: String(PORT), ...env },
		stdio: ["ignore", "pipe", "pipe", ...(ready ? ["pipe"] : [])],
	});
	t.after(async () => {
		if (child.exitCode === null && child.signalCode === null) {
			child.kill("SIGKILL");
			await once(child, "exit");
		}
		rmSync(folder, { recursive: true, force: true });
	});
	let output = "";
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (output += part));
	const line = async (pattern) => {
		while (!pattern.test(output)) {
			if (child.exitCode !== null) throw new Error(`the program ended:\n${output}`);
			await Promise.race([once(child.stdout, "data"), once(child.stderr, "data"), once(child, "exit")]);
		}
		return pattern.exec(output);
	};
	return { child, line, output: () => output };
}

export async function fakeEdge(t, options) {
	const edge = await new FakeEdge(options).listen();
	t.after(() => edge.close());
	return edge;
}
