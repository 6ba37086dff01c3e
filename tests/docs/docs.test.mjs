// Whatever README.md, CHANGELOG.md and the pages in docs/ and deploy/ refer to exists: links, files, make targets,
// programs, options, metrics, functions, and the lines of the chat that README.md quotes. The C programs in the pages
// compile.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { freePort } from "../clients/support/port.mjs";
import { build, root, startSockeye } from "../clients/support/server.mjs";

const read = (file) => readFileSync(path.join(root, file), "utf8");
const run = (program, ...args) => execFileSync(path.join(build, program), args, { encoding: "utf8" });

const inFolder = (folder) => readdirSync(path.join(root, folder)).filter((file) => file.endsWith(".md")).map((file) => `${folder}/${file}`);
const PAGES = ["README.md", "CHANGELOG.md", ...inFolder("docs"), ...inFolder("deploy"), "tests/bench/RESULTS.md"];
const LINKING = [...PAGES, ...inFolder("backends"), ...inFolder("backends/javascript"), ...inFolder("backends/python")];
// CHANGELOG.md also names what used to exist.
const CURRENT = PAGES.filter((page) => page !== "CHANGELOG.md");

const FENCE = /^```(\w*)\n([^]*?)^```$/gm;
const prose = (page) => read(page).replace(FENCE, "");
const blocks = (page, language) => [...read(page).matchAll(FENCE)].filter((match) => match[1] === language).map((match) => match[2]);
const quoted = (page) => [...prose(page).matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);

// GitHub's anchor of a heading.
const anchor = (heading) => heading.replace(/[`*]|\[|\]\([^)]*\)/g, "").trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
const anchors = (page) => [...prose(page).matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1]));

function* walk(folder) {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    if (entry.isDirectory() && !["build", "node_modules", ".git"].includes(entry.name)) yield* walk(path.join(folder, entry.name));
    else yield path.join(folder, entry.name);
  }
}
const files = [...walk(".")];

function each(pages, find, isThere) {
  const missing = pages.flatMap((page) => find(page).filter((what) => !isThere(what, page)).map((what) => `${page}: ${what}`));
  assert.deepEqual(missing, []);
}

test("README.md is short and leads to every page", () => {
  assert.ok(read("README.md").split("\n").length <= 301);
  for (const page of [...PAGES.slice(1)]) assert.ok(read("README.md").includes(`(${page}`), page);
});

test("every relative link leads to a file, and its anchor to a heading", () => {
  const links = (page) => [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]).filter((link) => !/^https?:/.test(link));
  each(LINKING, links, (link, page) => {
    const [file, heading] = link.split("#");
    const target = file ? path.join(path.dirname(page), file) : page;
    return existsSync(path.join(root, target)) && (!heading || anchors(target).includes(heading));
  });
});

test("every file that a page names exists", () => {
  const named = (page) => quoted(page).filter((text) => /^((common|broker|node|backends|deploy|docs|tests)\/[\w./*-]+|[\w*]+\.[ch])$/.test(text));
  const asPattern = (name) => new RegExp(`(^|/)${name.replace(/\/$/, "").replaceAll(".", "\\.").replaceAll("*", "[^/]*")}($|/)`);
  each(CURRENT, named, (name) => name === "hello.c" || files.some((file) => asPattern(name).test(file)));
});

test("every make target exists", () => {
  const makefiles = files.filter((file) => /(^Makefile|\.mk)$/.test(file)).map(read).join("\n");
  const targets = new Set([...makefiles.matchAll(/^([\w .$()/-]+):(?!=)|^\.PHONY:(.*)$/gm)].flatMap((match) => (match[1] ?? match[2]).split(" ")));
  const called = (page) => [...blocks(page, "sh"), ...quoted(page)].flatMap((text) => [...text.matchAll(/(?:^|sudo |[A-Z]=\S+ )make ((?:[a-z][\w-]*(?: |$))+)/gm)])
    .flatMap((match) => match[1].trim().split(" "));
  each(CURRENT, called, (target) => targets.has(target) || [...targets].some((known) => known.includes("$") && target.startsWith("unit-")));
});

// The options that applications declare: those of node/examples, and of the C blocks of the pages.
const declaring = [...files.filter((file) => /^node\/examples\/.*\.c$/.test(file)).map(read), ...CURRENT.flatMap((page) => blocks(page, "c"))].join("\n");
const declared = [...declaring.matchAll(/\{(?:\.name = )?"(\w+)",\s*(?:\.kind = )?SIO_OPTION/g)].map((match) => match[1].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
const declaredFlags = declared.map((name) => `--${name}`);
const declaredVariables = declared.map((name) => `SOCKEYE_${name.replaceAll("-", "_").toUpperCase()}`);

test("every option of a command is one of its program", () => {
  const flags = (program) => new Set(run(program, "--help").replaceAll("[no-]", "").match(/--[a-z][\w-]*/g));
  const known = { sockeye: new Set([...flags("sockeye"), ...declaredFlags]), "sockeye-load": flags("sockeye-load"), "engine-echo": new Set(["--port", "--path"]) };
  const commands = (page) => blocks(page, "sh").flatMap((block) => block.replaceAll("\\\n", " ").split("\n")).filter((line) => line.startsWith("build/"));
  each(CURRENT, commands, (line) => {
    const program = /^build\/(?:debug\/)?([\w-]+)/.exec(line)[1];
    return existsSync(path.join(build, program)) && (line.replace(/ #.*/, "").match(/(?<= )--[a-z][\w-]*/g) ?? []).every((flag) => known[program].has(flag));
  });
  const everywhere = new Set([...known.sockeye, ...known["sockeye-load"]]);
  const named = (page) => quoted(page).map((text) => /^(--[a-z][\w-]*)/.exec(text)?.[1]).filter(Boolean);
  each(CURRENT, named, (flag) => everywhere.has(flag) || everywhere.has(flag.replace("--no-", "--")) || flag.startsWith("--help"));
});

test("every option, metric and function that a page names exists", () => {
  const options = run("sockeye", "--help=markdown");
  const metrics = run("sockeye", "--help=metrics");
  const header = read("node/sockeye.h") + read("node/sockeye_test.h");
  const environment = read("node/process/exec_spawn.h") + read("backends/javascript/lib/environment.js"); // of the programs of --exec
  const names = (page, pattern) => [...prose(page).matchAll(pattern)].map((match) => match[0]);
  each(CURRENT, (page) => names(page, /\bSOCKEYE_[A-Z_]*[A-Z]\b/g), (name) => options.includes(`\`${name}\``) || declaredVariables.includes(name) || new RegExp(`[ .]${name}\\b`).test(environment));
  each(CURRENT, (page) => names(page, /\bsockeye_[a-z_]*[a-z]\b/g), (name) => name === "sockeye_test" || metrics.includes(`\`${name}\``)); // the library for tests
  each(PAGES, (page) => names(page, /\bsio_[a-z_]+\(\)/g), (name) => name === "sio_app()" || new RegExp(`\\b${name.slice(0, -2)}\\(`).test(header));
});

test("log events are words joined by underscores, and those that a page names exist", () => {
  const sources = files.filter((file) => /^(common|broker|node)\/.*\.c$/.test(file));
  const events = new Set(sources.flatMap((file) => [...read(file).matchAll(/\b(?:log_event|sio_log|sio_log_limit)\(\s*[^",;]*,\s*"([^"]*)"/g)].map((match) => match[1])));
  assert.ok(events.size > 80, `${events.size} names`);
  assert.deepEqual([...events].filter((event) => !/^[a-z0-9]+(_[a-z0-9]+)*$/.test(event)), []);
  each(CURRENT, (page) => [...read(page).matchAll(/\bevent=([\w-]+)/g)].map((match) => match[1]), (event) => events.has(event));
});

test("the chat says what README.md quotes of it", () => {
  const flat = (text) => text.replace(/\s+/g, " ");
  const programs = { C: flat(read("node/apps/chat.c")), JavaScript: flat(read("node/apps/chat.js")) };
  const rows = read("README.md").split("\n").filter((line) => /^\| .*`.*`.*`.*` \|$/.test(line) && line.includes("sio_"));
  assert.ok(rows.length >= 15);
  for (const row of rows) {
    const [, , c, javascript] = row.split(/(?<!\\)\|(?!\|)/).map((cell) => cell.replaceAll("\\|", "|"));
    for (const [language, cell] of [["C", c], ["JavaScript", javascript]])
      for (const [, code] of cell.matchAll(/`([^`]*)`/g))
        for (const piece of flat(code).split(/ … \}\)?;|(?<=;) /).filter(Boolean)) assert.ok(programs[language].includes(piece), piece);
  }
});

// A row of README.md's "How fast" and the row of RESULTS.md that it rounds.
const FIGURES = {
  "echo, 100 clients": "echo, 100 clients",
  "acknowledgements, 100 clients": "acknowledgements, 100 clients",
  "broadcast to 1,000 clients, 1 in flight": "broadcast to 1,000, 1 in flight",
  "broadcast to 1,000 clients, 8 in flight": "broadcast to 1,000, 8 in flight",
  "broadcast of 2 KB to 1,000 clients": "broadcast of 2 KB to 1,000, 1 in flight",
  "the same, compressed": "the same with permessage-deflate",
  "room of 10 among 5,000 clients": "room of 10 among 5,000, 8 in flight",
  "clients connected and joined to `/`": "connects (WebSocket, joined to /)",
  "clients connected by long-polling": "connects by polling, joined to /",
  "echo by long-polling, 100 clients": "echo by polling, 100 clients",
  "echo by TLS, 100 clients": "echo by TLS, 100 clients",
  "echo of 16 KB binary, 100 clients": "echo of 16 KB binary, 100 clients",
  "cluster of two with Redis, 10 + 10 clients, 16 in flight": "cluster of two with Redis, 16 in flight",
  "cluster of two with Redis, 200 + 200 clients": "the same, 200 clients on each node",
  "99th-percentile latency to the other node, at a tenth of Node.js's rate": "p99 to the other node at a tenth of Node.js's rate",
  "99th-percentile latency of an echo beside four broadcasts a second to 15,000": "p99 of an echo beside 4 broadcasts a second to 15,000",
  "memory of an idle client, 15,000 in one process": "memory per idle client, 15,000",
};

test("the figures of README.md are those of RESULTS.md", () => {
  const cells = (line) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const number = (text) => Number(/\d[\d.,]*/.exec(text)?.[0].replaceAll(",", ""));
  const section = read("README.md").split("## How fast")[1].split("## ")[0];
  const rows = section.split("\n").filter((line) => line.startsWith("| ")).map(cells).slice(1);
  const measured = read("tests/bench/RESULTS.md").split("\n").filter((line) => line.startsWith("| ")).map(cells);
  assert.deepEqual(rows.map(([title]) => title), Object.keys(FIGURES));
  for (const [title, ...figures] of rows) {
    const values = measured.find(([work]) => work === FIGURES[title]).slice(2).map(number);
    for (const figure of figures.filter(Boolean).map(number))
      assert.ok(values.some((value) => Math.abs(value - figure) <= 0.025 * value), `${title}: ${figure} is not near any of ${values}`);
  }
});

function inScratch(use) {
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-docs-"));
  return Promise.resolve(use(folder)).finally(() => rmSync(folder, { recursive: true }));
}

test("the C programs of the pages compile", () => inScratch(async (folder) => {
  for (const [n, program] of PAGES.flatMap((page) => blocks(page, "c")).filter((text) => text.includes("#include") && /\b(sio_app|main)\(/.test(text)).entries()) {
    const file = path.join(folder, `${n}.c`);
    writeFileSync(file, program);
    execFileSync("cc", ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", `-I${path.join(root, "node")}`, file]);
  }
}));

test("the blocks of the tutorial are the team chat, which its command builds", () => inScratch(async (folder) => {
  const [, ...pieces] = blocks("docs/tutorial.md", "c");
  const team = read("node/examples/team/team.c");
  assert.equal(pieces.join("\n"), team.slice(team.indexOf("#include")));
  assert.ok(team.split("\n").length <= 200);
  writeFileSync(path.join(folder, "team.c"), pieces.join("\n"));
  symlinkSync(path.join(root, "node"), path.join(folder, "node"));
  execFileSync("sh", ["-ec", blocks("docs/tutorial.md", "sh")[0].split("\n")[0]], { cwd: folder });
}));

test("hello.c is built by the command beside it, and answers", () => inScratch(async (folder) => {
  const page = "docs/application.md";
  writeFileSync(path.join(folder, "hello.c"), blocks(page, "c")[0]);
  symlinkSync(path.join(root, "node"), path.join(folder, "node"));
  execFileSync("sh", ["-ec", blocks(page, "sh")[0].split("\n")[0]], { cwd: folder });

  const server = await startSockeye(path.join(folder, "hello.so"));
  try {
    let url = `http://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=polling`;
    const get = async () => (await fetch(url)).text();
    const post = (body) => fetch(url, { method: "POST", body });
    url += `&sid=${JSON.parse((await get()).slice(1)).sid}`;
    await post("40");
    assert.match(await get(), /^40\{"sid":/);
    await post('420["hello","you"]');
    assert.equal(await get(), '430["delivered"]');
  } finally {
    await server.stop();
  }
}));

test("the test of hello.c is built and run by the commands beside it", () => inScratch(async (folder) => {
  const page = "docs/application.md";
  writeFileSync(path.join(folder, "hello.c"), blocks(page, "c")[0]);
  writeFileSync(path.join(folder, "hello_test.c"), blocks(page, "c").find((text) => text.startsWith("/* hello_test.c */")));
  const commands = blocks(page, "sh").find((text) => text.includes("hello_test.c"));
  execFileSync("sh", ["-ec", commands.replaceAll("-Inode", `-I${path.join(root, "node")}`).replace("-Lbuild", `-L${build}`).replace("PATH=build", `PATH=${build}`)],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
}));

test("the examples of the HTTP API give the answers beside them", async () => {
  const page = "docs/http-api.md";
  const examples = [...read(page).matchAll(/^```sh\n(curl [^]*?)^```\n+```json\n([^]*?)^```$/gm)];
  assert.ok(examples.length >= 9);
  const [port, key] = [await freePort(), "key-of-the-examples"];
  const server = await startSockeye("chat", ["--history", "room:*=100/1d", "--admin-port", String(port)], { SOCKEYE_API_KEY: key });
  try {
    for (const [, commands, answers] of [...examples, ...blocks("README.md", "sh").filter((text) => text.startsWith("curl ")).map((text) => ["", text, '{"ok":true}\n'])]) {
      const script = commands.replaceAll("127.0.0.1:9100", `127.0.0.1:${port}`).replaceAll("curl ", "curl --silent --show-error ");
      assert.equal(execFileSync("sh", ["-ec", script], { encoding: "utf8", env: { ...process.env, KEY: key } }), answers, commands);
    }
  } finally {
    await server.stop();
  }
});
