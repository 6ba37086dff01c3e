// A backend that runs as a separate process, for tests that kill it: node echo-backend.mjs unix:///path. It echoes "echo",
// answers events that ask for an acknowledgement, and joins each socket to "lobby". For each OPEN it prints {"type":"OPEN",…}.
import { Link, rooms } from "./harness.mjs";

const link = await Link.open({ address: process.argv[2] });
link.serveEcho();
const opened = (f) => {
  if (!f.open.again) link.send("JOIN", { handle: f.handle }, rooms(["lobby"]));
  console.log(JSON.stringify({ type: "OPEN", ...f.open }));
};
link.on("OPEN", opened);
for (const f of link.frames) if (f.type === "OPEN") opened(f);
link.on("close", () => process.exit(0));
console.log(JSON.stringify({ type: "READY" }));
