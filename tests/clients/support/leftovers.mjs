// A failing test leaves its servers running and its clients connected. They would keep its file alive, and all later
// files waiting, until the time-out of the whole run. A file therefore ends some seconds after its last test, together
// with the processes that it has started.
import { after } from "node:test";

const LEFT_MS = 5000;
const children = new Set();

/** Registers a process that must end with this file at the latest. */
export function endsWithFile(child) {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

// only under `node --test`: servers of other programs import this file too
if (process.env.NODE_TEST_CONTEXT) after(() => setTimeout(() => process.exit(), LEFT_MS).unref());
