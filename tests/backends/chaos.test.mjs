// One round of the faults of chaos/ with a fixed seed. No client is disconnected without cause, no message arrives twice,
// and the only messages missing are those that a fault may lose.
import test from "node:test";
import assert from "node:assert/strict";
import { Run } from "./chaos/chaos.mjs";

test("two edges, three backends, one fault after the other: the history has no gap", async (t) => {
  const run = new Run({ seed: 9, clients: 24, log: (text) => t.diagnostic(text) });
  t.after(() => run.stop());
  await run.start();
  for (const name of ["kill", "deploy", "stop", "cut", "hostile", "worker", "deployAll", "killWhileDeploying", "nobody"]) await run.fault(name);
  const { wrong, ...figures } = await run.finish();
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(wrong, []);
  assert.ok(figures.owed > 500 && figures.handled > 500, "the run had enough messages to judge");
});
