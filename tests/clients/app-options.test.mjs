// The options that an application declares: help, checks, the four places that set them, SIGHUP, faulty declarations.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { io } from "socket.io-client";
import { buildApplication } from "./support/application.mjs";
import { build, startSockeye } from "./support/server.mjs";
import { until, within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-app-options-"));
after(() => rmSync(dir, { recursive: true }));

const declared = `
const sio_option sio_app_options[] = {
  {.name = "scoreLimit", .kind = SIO_OPTION_NUMBER, .initial = "10", .min = 1, .max = 100, .help = "Maximum score"},
  {.name = "scoreTitle", .kind = SIO_OPTION_TEXT, .help = "Title of the board", .reload = true},
  {.name = "scoreKey", .kind = SIO_OPTION_TEXT, .help = "Key of the board", .secret = true},
  {0},
};`;
const app = buildApplication(path.join(dir, "score.so"), `#include <sockeye.h>
${declared}
static uint64_t at_start;
static const char *key_at_start;

static void
on_options(sio_socket *socket, sio_event *event, void *arg)
{
	sio_server *io = sio_socket_server(socket);

	(void)arg;
	sio_ack(event, "[i,i,s,b]", (int64_t)at_start, (int64_t)sio_option_number(io, "scoreLimit"),
		sio_option_text(io, "scoreTitle"), key_at_start == sio_option_text(io, "scoreKey"));
}

int
sio_app(sio_server *io)
{
	at_start = sio_option_number(io, "scoreLimit");
	key_at_start = sio_option_text(io, "scoreKey");
	sio_on(sio_of(io, "/"), "options", on_options, NULL);
	return 0;
}`);

function run(args, env = {}) {
  const { status, stdout, stderr } = spawnSync(path.join(build, "sockeye"), args,
    { env: { ...process.env, ...env }, encoding: "utf8", timeout: 120_000 });
  return { status, stdout, lines: stderr.split("\n").filter(Boolean) };
}

function file(name, ...lines) {
  writeFileSync(path.join(dir, name), lines.join("\n") + "\n");
  return path.join(dir, name);
}

for (const args of [["--app", app, "--help"], ["--help", "--app", app], ["--config", file("help.conf", `app = ${app}`), "-h"]]) {
  test(`the application's options are in the help: ${args[0]} … ${args.at(-1)}`, () => {
    const { status, stdout } = run(args);
    assert.equal(status, 0);
    assert.match(stdout, /\n\nApplication\n {2}--score-limit N +Maximum score; 1 to 100; default 10 \[SOCKEYE_SCORE_LIMIT\]\n/);
    assert.match(stdout, /--score-title TEXT .*SIGHUP applies/);
  });
}

test("--check explains wrong values, wherever they stand", () => {
  const conf = file("wrong.conf", `app = ${app}`, "scoreLimt = 3", "scoreLimit = 0");
  const { status, lines } = run(["--config", conf, "--check", "--score-limit", "many"], { SOCKEYE_SCORE_LIMIT: "101" });
  assert.equal(status, 2);
  assert.deepEqual(lines.map((line) => line.replace(/^sockeye: /, "")), [
    `${conf}:2: unknown option scoreLimt; did you mean scoreLimit?`,
    `${conf}:3: option scoreLimit: "0" is out of range (use 1 to 100)`,
    'option SOCKEYE_SCORE_LIMIT: "101" is out of range (use 1 to 100)',
    'option --score-limit: "many" is not a whole number',
  ]);
});

test("--print-config shows where each value comes from, but no secret", () => {
  const conf = file("print.conf", `app = ${app}`, "scoreLimit = 7");
  const { stdout } = run(["--config", conf, "--print-config", "--score-key", "hunter2"], { SOCKEYE_SCORE_TITLE: "Cup" });
  assert.match(stdout, new RegExp(`\n# Application\nscoreLimit = 7 {2}# ${conf}:2\nscoreTitle = Cup {2}# environment\n`));
  assert.match(stdout, /\n# scoreKey = \*\*\* {2}# flag\n/);
});

test("--check names the line of an application that cannot be loaded", () => {
  const conf = file("gone.conf", "port = 0", `app = ${dir}/gone.so`);
  const { status, lines } = run(["--config", conf, "--check"]);
  assert.equal(status, 2);
  assert.match(lines[0], new RegExp(`^sockeye: ${conf}:2: cannot load application ${dir}/gone.so: No such file`));
});

for (const [what, source, error] of [
  ["declares an option of the server", `const sio_option sio_app_options[] = {{.name = "port", .help = "x"}, {0}};`,
    /option port: the name is in use already/],
  ["crashes while it is loaded", "__attribute__((constructor)) static void start(void) { __builtin_trap(); }",
    /cannot load application .*: it crashes \((Illegal instruction|Trace)/],
  ["ends the process", "#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { _Exit(0); }",
    /cannot load application .*: it ends the process/],
]) {
  test(`an application that ${what} is refused with one line`, () => {
    const so = buildApplication(path.join(dir, "faulty.so"),
      `#include <sockeye.h>\n${source}\nint sio_app(sio_server *io) { (void)io; return 0; }`);
    // with sanitizers, ASan would report the crash
    const { status, lines } = run(["--app", so, "--port", "0"], { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:handle_sigill=0` });
    assert.equal(status, 1);
    assert.match(lines.join("\n"), error);
    assert.equal(lines.length, 1);
  });
}

for (const workers of ["1", "2"]) {
  test(`with ${workers} workers, sio_app() and handlers read the values; SIGHUP changes those that may`, async () => {
    const lines = ["scoreTitle = Cup", "scoreKey = hunter2"];
    const conf = file(`run${workers}.conf`, ...lines, "scoreLimit = 20");
    const server = await startSockeye(app, ["--config", conf, "--score-limit", "30", "--workers", workers]);
    const client = io(server.url, { transports: ["websocket"] });
    const options = () => within(client.emitWithAck("options"), "the options");
    const reread = async (title) => {
      let answer;
      await until(async () => (answer = await options())[2] === title, () => `the title is ${title}, not ${answer[2]}`); // workers read the file after the master has logged that it did
      return answer;
    };
    try {
      assert.deepEqual(await options(), [30, 30, "Cup", true]);
      file(`run${workers}.conf`, "scoreTitle = Bowl", lines[1], "scoreLimit = 40");
      process.kill(server.pid, "SIGHUP");
      const line = await server.line((fields) => fields.event === "reload" && fields.config);
      assert.equal(line.changed, "scoreTitle");
      assert.equal(line.needs_restart, ""); // the flag still counts
      assert.deepEqual(await reread("Bowl"), [30, 30, "Bowl", true]);
      file(`run${workers}.conf`, lines[1]);
      process.kill(server.pid, "SIGHUP");
      assert.deepEqual(await reread(""), [30, 30, "", true]);
    } finally {
      client.disconnect();
      await server.stop();
    }
  });
}
