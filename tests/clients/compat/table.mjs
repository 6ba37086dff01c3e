// Tries every client in every way against the built server, and prints the table of docs/clients.md: make clients-table
import { pathToFileURL } from "node:url";
import { startSockeye } from "../support/server.mjs";
import { CLIENTS, WAYS } from "./clients.mjs";

/** The cell has the text of the first server with which the client works. */
async function cell(servers, client, name) {
  const failures = [];
  if (client.ways && !client.ways.includes(name)) return { text: "—", failures };
  for (const { server, text } of servers) {
    try {
      await client.run(server.url, WAYS[name]);
      return { text, failures };
    } catch (error) {
      failures.push(`${client.title}, ${name}, ${text}: ${error.message}`);
    }
  }
  return { text: "no", failures };
}

/** Resolves with the lines of the table and with what the clients said when they failed. */
export async function makeTable() {
  const servers = [
    { text: "yes", server: await startSockeye("protocol") },
    { text: "with `--allow-eio3`", server: await startSockeye("protocol", ["--allow-eio3"]) },
  ];
  const lines = [`| Client | ${Object.values(WAYS).map(({ title }) => title).join(" | ")} |`, `|---${"|---".repeat(Object.keys(WAYS).length)}|`];
  const failures = [];
  try {
    for (const client of CLIENTS) {
      const cells = await Promise.all(Object.keys(WAYS).map((name) => cell(servers, client, name)));
      lines.push(`| ${client.title} | ${cells.map(({ text }) => text).join(" | ")} |`);
      failures.push(...cells.flatMap((one) => one.failures));
    }
  } finally {
    await Promise.all(servers.map(({ server }) => server.stop()));
  }
  return { lines, failures };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { lines, failures } = await makeTable();
  console.log(lines.join("\n"));
  for (const failure of failures) console.error(failure);
}
