// The configuration file: what --check says about mistakes, what wins, what --print-config shows, what SIGHUP changes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { build, startSockeye } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-config-"));
after(() => rmSync(dir, { recursive: true }));

/** Writes a file of these lines and returns its path. */
function file(name, ...lines) {
  const at = path.join(dir, name);
  mkdirSync(path.dirname(at), { recursive: true });
  writeFileSync(at, lines.join("\n") + "\n");
  return at;
}

function run(args, env = {}) {
  const { status, stdout, stderr } = spawnSync(path.join(build, "sockeye"), args,
    { env: { ...process.env, ...env }, encoding: "utf8", timeout: 120_000 });
  return { status, stdout, lines: stderr.split("\n").filter(Boolean) };
}

/** The value and the comment of an option in the output of --print-config. */
function printed(stdout, name) {
  const [, value, from] = new RegExp(`^${name} = (.*?)  # (.*)$`, "m").exec(stdout) ?? assert.fail(`${name} in ${stdout}`);
  return [value, from];
}

test("two listeners on one port are a mistake, unless their addresses differ", () => {
  const check = (...lines) => run(["--config", file("ports.conf", ...lines), "--check"]);
  const same = check("port = 4000", "adminPort = 4000");
  assert.deepEqual([same.status, same.lines], [2, [`sockeye: ${dir}/ports.conf:2: options --admin-port and --port: both are 4000; choose another number for one of them`]]);
  assert.equal(check("port = 4000", "host = 127.0.0.1", "adminPort = 4000").status, 2);
  assert.equal(check("port = 4000", "host = 127.0.0.2", "adminPort = 4000").status, 0);
  assert.equal(check("port = 0", "adminPort = 0").status, 0);
});

test("--check explains each mistake of a file and of those it includes, with its place", () => {
  file("broken.d/origin.conf", "corsOrigin = https://a.example/");
  const broken = file("broken.conf",
    "prot = 4000", //                                             1
    "pingInterval = soon", //                                     2
    "redisSecret hunter2-hunter2", //                             3
    "port = 3001", //                                             4
    "SOCKEYE_PORT = 3002", //                                     5
    'exec = "node server.js', //                                  6
    `tlsCert = ${dir}/gone.pem`, //                               7
    "logLevel = loud", //                                         8
    "cookieSameSite = never", //                                  9
    "serverMaxWindowBits = 8", //                                10
    "include = gone.conf", //                                    11
    "include = broken.d/*.conf", //                              12
    "redis = redis//:hunter2@x", //                              13
    "maxSessions =", //                                          14
    "config = other.conf", //                                    15
    "include = broken.conf", //                                  16: itself
    `public = ${dir}/gone`); //                                  17
  const got = run(["--config", broken, "--check", "--drain-tim", "3", "--workers", "many"], { SOCKEYE_PING_TIMEOUT: "x" });
  assert.equal(got.status, 2, got.lines.join("\n"));
  for (const [place, what] of [
    [`${broken}:1`, /unknown option prot; did you mean port\?/],
    [`${broken}:2`, /option pingInterval: "soon" is not a duration/],
    [`${broken}:3`, /"redisSecret" is not a setting \(use name = value\)/],
    [`${broken}:5`, /option SOCKEYE_PORT: is set in line 4 already/],
    [`${broken}:6`, /option exec: the closing quote is missing/],
    [`${broken}:7`, /option --tls-key: missing/],
    [`${broken}:8`, /option logLevel: "loud" is not valid \(use one of/],
    [`${broken}:9`, /option --cookie-same-site: must be/],
    [`${broken}:10`, /option --server-max-window-bits: must be/],
    [`${broken}:11`, /cannot read ".*gone\.conf": No such file/],
    [`${dir}/broken.d/origin.conf:1`, /option --cors-origin: .* has a path/],
    [`${broken}:13`, /option --redis: the URL must begin with/],
    [`${broken}:14`, /option maxSessions: "" is not a whole number/],
    [`${broken}:15`, /option config: cannot be set in a file/],
    [`${broken}:16`, /more than 8 levels/],
    [`${broken}:17`, /option --public: .* is not a directory/],
    ["option SOCKEYE_PING_TIMEOUT", /"x" is not a duration/],
    ["unknown option --drain-tim", /did you mean --drain-time/],
    ["option --workers", /"many" is not a whole number/],
  ])
    assert.ok(got.lines.some((line) => line.startsWith(`sockeye: ${place}: `) && what.test(line) ||
      line.startsWith(`sockeye: ${place}`) && what.test(line)), `${place} ${what}\n${got.lines.join("\n")}`);
  assert.ok(got.lines.every((line) => !line.includes("hunter2")), "secrets are not shown");
});

test("a start with a broken file prints the first mistake and ends with 2; a missing file is 1", () => {
  const broken = file("start.conf", "port = 0", "prot = 1", "hots = x");
  const got = run(["--config", broken]);
  assert.deepEqual([got.status, got.lines], [2, [`sockeye: ${broken}:2: unknown option prot; did you mean port?`]]);
  const gone = run(["--config", path.join(dir, "nothing.conf")]);
  assert.deepEqual([gone.status, gone.lines.length], [1, 1]);
  assert.match(gone.lines[0], /cannot read ".*nothing\.conf": No such file/);
  assert.equal(run(["--config", path.join(dir, "nothing.conf"), "--check"]).status, 2);
});

test("a flag wins over the environment, which wins over the file; --print-config says so and hides secrets", () => {
  file("part.conf", "maxSessions = 7");
  const good = file("good.conf", "port = 1 # first", "ping-interval = 30000", "maxSessions = 5", "include = part.conf",
    'redisSecret = "hunter2 # is secret"', "redis = redis://me:hunter2@h:1/0", "backend = unix:///a", "backend = unix:///b");
  const got = run(["--config", good, "--print-config", "--drain-time", "2m"], { SOCKEYE_PORT: "2", SOCKEYE_DRAIN_TIME: "3" });
  assert.equal(got.status, 0, got.lines.join("\n"));
  assert.deepEqual(printed(got.stdout, "port"), ["2", "environment"]);
  assert.deepEqual(printed(got.stdout, "drainTime"), ["2m", "flag"]);
  assert.deepEqual(printed(got.stdout, "pingInterval"), ["30s", `${good}:2`]);
  assert.deepEqual(printed(got.stdout, "maxSessions"), ["7", `${dir}/part.conf:1`]);
  assert.deepEqual(printed(got.stdout, "backend")[0], "unix:///a,unix:///b");
  assert.deepEqual(printed(got.stdout, "# redis"), ["redis://me:***@h:1/0", `${good}:6`]);
  assert.deepEqual(printed(got.stdout, "pingTimeout"), ["20s", "default"]);
  assert.ok(!got.stdout.includes("hunter2"));
  // an empty value takes back what an included file says
  file("public.conf", `public = ${dir}/gone`);
  const taken = run(["--config", file("none.conf", "include = public.conf", "public ="), "--check"]);
  assert.deepEqual([taken.status, taken.lines], [0, []]);
  // SOCKEYE_CONFIG names the file too, and what was printed is a valid file
  const again = run(["--check"], { SOCKEYE_CONFIG: file("again.conf", got.stdout) });
  assert.deepEqual([again.status, again.lines], [0, []]);
});

async function handshake(server) {
  const answer = await fetch(`http://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=polling`);
  const body = await answer.text();
  return answer.ok ? JSON.parse(body.slice(1)) : null;
}

for (const workers of [1, 2]) {
  test(`SIGHUP applies what can change and names what cannot (${workers} workers)`, async () => {
    const conf = file(`hup-${workers}.conf`, "maxSessions = 1000", "pingInterval = 20s");
    const server = await startSockeye("chat", ["--config", conf, "--workers", String(workers)]);
    const reloads = () => server.logged("reload").filter((line) => line.config === conf || line.error?.startsWith(conf));
    const reload = async (...lines) => {
      const before = reloads().length;
      file(`hup-${workers}.conf`, ...lines);
      server.child.kill("SIGHUP");
      return server.until(() => reloads()[before]);
    };

    assert.equal((await handshake(server)).pingInterval, 20_000);
    const bad = await reload("maxSessions = 1", "pingInterval = soon");
    assert.match(bad.error, /:2: option pingInterval: "soon"/);
    const good = await reload("maxSessions = 1", "pingInterval = 30s", "drainTime = 5s", "path = /other");
    assert.deepEqual([good.level, good.changed, good.needs_restart], ["warn", "maxSessions", "path,pingInterval"]);
    await within((async () => { while (await handshake(server)); })(), "handshakes above maxSessions are refused");

    if (workers > 1) { // a worker that starts later has the same options as its siblings
      const ended = server.line((line) => line.event === "worker_ended" && line.worker === "0");
      const again = server.until(() => server.logged("worker_ready").filter((line) => line.worker === "0")[1]);
      process.kill(Number(server.logged("worker_ready").find((line) => line.worker === "0").pid), "SIGKILL");
      await ended;
      await again;
    }
    const back = await reload("pingInterval = 20s");
    assert.deepEqual([back.level, back.changed, back.needs_restart], ["info", "maxSessions", ""]);
    await within((async () => {
      for (let seen = 0; seen < 4;) {
        const open = await handshake(server);
        if (open) assert.equal(open.pingInterval, 20_000), seen++;
      }
    })(), "handshakes are accepted again");
    await server.stop();
  });
}
