// Prints the table "what is kept and what is lost" of docs/cluster.md: `make readme` calls this.
import { MODES, SCENARIOS } from "./scenarios.mjs";

const modes = Object.entries(MODES);
console.log(`| What fails | Lost: ${modes.map(([, { title }]) => title).join(" | Lost: ")} |`);
console.log(`|---${"|---".repeat(modes.length)}|`);
for (const { title, loses } of SCENARIOS) console.log(`| ${title} | ${modes.map(([mode]) => loses[mode]?.text ?? "").join(" | ")} |`);
