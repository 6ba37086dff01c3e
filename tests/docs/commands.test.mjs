// Every command in the pages is run: here, by the test that BY names, or not at all for the reason that NOT_RUN gives. A new
// command that matches none of them fails.
//
// Here, servers start as the pages say, except for their ports and files, until they listen. The load tester runs the pages'
// scenarios with few clients for a second. `docker compose`, installed packages and hours of tests have tests of their own.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "../clients/support/port.mjs";
import { Server, build, root, startSockeye } from "../clients/support/server.mjs";
import { Redis } from "../cluster/support/redis.mjs";

const read = (file) => readFileSync(path.join(root, file), "utf8");
const inFolder = (folder) => readdirSync(path.join(root, folder)).filter((file) => file.endsWith(".md")).map((file) => `${folder}/${file}`);
const PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...inFolder("docs"), ...inFolder("deploy"), ...inFolder("backends/javascript"), ...inFolder("backends/python")];

// The lines of all sh blocks. A line that ends with \ or has an open quote goes on; comments at the end are cut off.
function commandsOf(page) {
  const lines = [];
  for (const [, block] of read(page).matchAll(/^[ ]*```sh\n([^]*?)^[ ]*```$/gm)) {
    let line = "";
    for (const part of block.split("\n")) {
      line += line ? ` ${part.trim()}` : part.trim();
      if (line.endsWith("\\")) line = line.slice(0, -1).trim();
      else if ((line.match(/'/g) ?? []).length % 2 === 0) {
        if (line && !line.startsWith("#")) lines.push(line.replace(/\s+#\s.*$/, ""));
        line = "";
      }
    }
    assert.equal(line, "", `${page}: a command does not end`);
  }
  return lines;
}
const commands = [...new Set(PAGES.flatMap(commandsOf))];

// [commands, the file that runs them, a text in that file]
const BY = [
  [/^make$|^make test$/, ".ci/run", "make test"],
  [/^make (unit|unit-ws|unit-javascript|test-clients|test-backends|test-cluster|test-load)$/, "Makefile", /^\w+: unit$[^]*^\w+: test-clients$/m],
  [/^make (test-compose|test-deb)$/, "Makefile", /\w+: test-deb\)$/m],
  [/^make bench-cost$/, "Makefile", /^\w+: bench-cost-check$/m],
  [/^make DEBUG=1$/, "Makefile", /^\w+: DEBUG=1 .*unit-socketio$/m],
  [/^make admin-ui$/, "Makefile", "test-clients: all $(TEST_APP) $(PEER_APP) $(TESTS_NPM) admin-ui"],
  [/^curl .*\/api\//, "tests/docs/docs.test.mjs", "the examples of the HTTP API give the answers beside them"],
  [/^curl .*\/cluster$/, "tests/cluster/members.test.mjs", "/cluster"],
  [/^cc -shared -fPIC -Inode hello\.c -o hello\.so$/, "tests/docs/docs.test.mjs", "hello.c is built by the command beside it"],
  [/^cc -shared .* team\.c /, "tests/docs/docs.test.mjs", "the blocks of the tutorial are the team chat, which its command builds"],
  [/hello_test/, "tests/docs/docs.test.mjs", "the test of hello.c is built and run by the commands beside it"],
  [/^cc -shared .* && mv hello\.so\.new hello\.so$/, "tests/clients/reload-app.test.mjs", "rename"],
  [/^sudo make install && sudo ldconfig$|^cc node\/examples\/embed\.c/, "deploy/install.mk", "examples/embed.c"],
  [/^docker compose up --scale node=3$/, "tests/compose/run.sh", "--scale node=3"],
  [/^sudo apt install /, "tests/deb/run.sh", "apt install"],
  [/^sudo systemctl (reload|stop|start) sockeye$/, "tests/deb/systemd.sh", "systemctl reload sockeye"],
  [/^sudo systemctl enable --now sockeye\.socket$/, "tests/deb/systemd.sh", "systemctl start sockeye.socket"],
  [/sockeye .*--exec "node --import @sockeye\/backend\/register server\.js"/, "tests/backends/node-examples.test.mjs", "exec node --import @sockeye/backend/register server.js"],
  [/sockeye .*--exec "python3 -m sockeye app\.py"|python3 -m sockeye examples\/chat\.py$/, "tests/backends/python-exec.test.mjs", "python3 -m sockeye"],
  [/^npm install \.\.\/sockeye\/backends\/javascript$/, "Makefile", "$(EXAMPLES_JS)/node_modules/.package-lock.json"],
];

const NOT_RUN = [
  [/^make run$/, "asks for a password and does not end; the command behind it runs as the first one of docs/cluster.md"],
  [/^make (fuzz|chaos|chaos-backends|chaos-cluster)$/, "runs for minutes or hours; CI runs the same programs for a fixed number of inputs"],
  [/^make chaos-recovery$/, "runs for minutes; CI plays the shorter programs of tests/cluster/recovery-random.test.mjs"],
  [/^make bench(-log|-adminui|-idle|-backends|-cluster|-recovery)?$/, "measures a quiet machine for minutes"],
  [/^make test-images$/, "builds the images for two versions of Debian, which takes many minutes and a package mirror; part of a release"],
  [/^git ls-files .* clang-format/, "needs clang-format 14, which Debian 13 does not have"],
  [/^pkill /, "ends programs by name, and so also those of other tests; tests/backends/exec.test.mjs sends the same signals"],
  [/^htpasswd /, "asks for a password; tests/clients/admin-ui.test.mjs has hashes of this kind"],
  [/^sudo editor /, "opens an editor"],
];

// Parts of the shell scripts in docs/load-testing.md, around commands that run here.
const SCRIPT = /^(sleep \d+|kill (-9 )?[$!\w ]+|wait \$load; echo .*|KEY=.*|export PYTHONPATH=.*|redis-server --port 6379( .*)?( &.*)?)$/;
const isServer = (command) => /(^|\/| )sockeye( |$)/.test(command) && !command.includes("--exec") && !/^(sudo|curl|npm|pkill|cc|make)|python3/.test(command);
const isLoad = (command) => command.startsWith("build/sockeye-load ");
const isEcho = (command) => command.startsWith("build/engine-echo ");
const isOther = (command) => [...BY, ...NOT_RUN].some(([pattern]) => pattern.test(command)) || SCRIPT.test(command) || command.startsWith("openssl req ");

test("every command is run by a test, or the reason why not is given", () => {
  assert.deepEqual(commands.filter((command) => !isLoad(command) && !isEcho(command) && !isOther(command) && !isServer(command)), []);
  for (const [pattern] of [...BY, ...NOT_RUN]) assert.ok(commands.some((command) => pattern.test(command)), `no page has a command like ${pattern}`);
  for (const [pattern, file, text] of BY) assert.ok(text instanceof RegExp ? text.test(read(file)) : read(file).includes(text), `${file} no longer runs ${pattern}`);
});

let folder, redis;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "sockeye-commands-"));
  for (const name of ["node", "build"]) symlinkSync(name === "build" ? build : path.join(root, name), path.join(folder, name));
  const pem = commands.find((command) => command.startsWith("openssl req "));
  execFileSync("sh", ["-ec", pem], { cwd: folder, stdio: "ignore" });
  for (const [from, to] of [["cert.pem", "site.pem"], ["key.pem", "site.key"]]) symlinkSync(from, path.join(folder, to));
  writeFileSync(path.join(folder, "secret"), "a secret for backends\n", { mode: 0o600 });
  writeFileSync(path.join(folder, "admins"), "admin:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n");
  const [, hello] = /^```c\n(\/\* hello\.c \*\/[^]*?)^```$/m.exec(read("docs/application.md"));
  writeFileSync(path.join(folder, "hello.c"), hello);
  execFileSync("cc", ["-shared", "-fPIC", "-Inode", "hello.c", "-o", "hello.so"], { cwd: folder });
  symlinkSync(path.join(build, "examples/team.so"), path.join(folder, "team.so"));
  redis = await Redis.start();
});
after(async () => {
  await redis?.stop();
  rmSync(folder, { recursive: true });
});

/** The words of a command, without what belongs to the shell, and the variables before it. */
function words(command) {
  const plain = command.replace(/ & ?\w*=?\$?!?$| &$/, "").replace(/ > \S+$/, "").replace(/; echo .*$/, "");
  const all = execFileSync("sh", ["-c", `printf '%s\\0' ${plain}`], { encoding: "utf8", env: { ...process.env, KEY: "0123456789abcdef0123456789abcdef" } }).split("\0").slice(0, -1);
  const first = all.findIndex((word) => !/^[A-Z_]+=/.test(word));
  return [Object.fromEntries(all.slice(0, first).map((word) => word.split(/=(.*)/s))), ...all.slice(first)];
}

for (const command of commands.filter((one) => isServer(one) || isEcho(one))) {
  test(command, async () => {
    const [env, program, ...args] = words(command.replaceAll("redis://127.0.0.1:6379", redis.url)
      .replace(/unix:\/\/\/(run\/sockeye|tmp)/, `unix://${folder}`).replaceAll("/etc/sockeye/secret", "secret"));
    for (const flag of ["--port", "--admin-port"]) if (args.includes(flag)) args[args.indexOf(flag) + 1] = String(await freePort());
    const at = args.findIndex((word) => word.startsWith("tls://"));
    if (at >= 0) args[at] = `tls://127.0.0.1:${await freePort()}`;
    const server = new Server(path.basename(program), args, { ...(isEcho(command) ? {} : { SOCKEYE_PORT: "0", SOCKEYE_DRAIN_TIME: "0" }), ...env }, { cwd: folder });
    await server.line((fields) => fields.event === "listening");
    await server.stop();
  });
}

test("the commands of the load tester", async () => {
  const bench = (...args) => startSockeye("bench", args);
  const servers = await Promise.all([bench(), ...["1", "2"].map((id) => bench("--node-id", id, "--redis", redis.url)),
    startSockeye("chat", ["--tls-cert", path.join(folder, "cert.pem"), "--tls-key", path.join(folder, "key.pem")])]);
  const [one, left, right, secure] = servers;
  try {
    for (const server of [left, right]) await server.line((fields) => fields.event === "bus" && fields.state === "up");
    for (const command of commands.filter(isLoad)) {
      const [, , ...args] = words(command.replace("$!", String(one.pid)).replace(" --browser-headers", ""));
      const urls = { "http://localhost:3000": one.url, "http://localhost:3001": left.url, "http://localhost:3002": right.url, "https://localhost:3443/admin": `${secure.url.replace("127.0.0.1", "localhost")}/admin` };
      const few = { "--clients": "10", "--duration": "1s", "--message-rate": "50" };
      const changed = args.map((word, i) => urls[word] ?? few[args[i - 1]] ?? word).map((word) => (word.includes("messages>") ? "lost=0,errors=0,messages>0" : word).replace("joined=200", "joined=10"));
      if (!changed.includes("--duration") && args[0] !== "connect") changed.push("--duration", "1s");
      execFileSync(path.join(build, "sockeye-load"), changed, { cwd: folder, stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
    }
  } finally {
    for (const server of servers) await server.stop();
  }
});
