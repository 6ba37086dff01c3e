// One image of deploy/Dockerfile and its image `dev`, as their users see them; started by images.sh.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { io } from "socket.io-client";
import { next, until } from "../../clients/support/wait.mjs";

const { IMAGE, DEV_IMAGE, SUITE, VERSION, REVISION } = process.env;
const APP_IMAGE = IMAGE.replace(":", "-app:");
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../..");
const docker = async (...args) => (await promisify(execFile)("docker", args)).stdout.trim();
const sockets = [];
const containers = [];

after(async () => {
  for (const socket of sockets) socket.disconnect();
  if (containers.length) await docker("rm", "-f", ...containers);
});

/** Starts a container of the image and connects a client to it; images.sh removes containers with this label. */
async function start(image) {
  const id = await docker("run", "-d", "--label", "sockeye-test", "-p", "127.0.0.1::3000", image);
  containers.push(id);
  const url = `http://${await docker("port", id, "3000/tcp")}`;
  const connect = (options) => {
    const socket = io(url, { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500, ...options });
    sockets.push(socket);
    return socket;
  };
  return { id, connect };
}

/** The health check of the image itself: the engine runs it every 5 seconds. */
const healthy = (id) => until(async () => (await docker("inspect", "-f", "{{.State.Health.Status}}", id)) === "healthy", "the container is healthy");

test(`the image of ${SUITE}`, async () => {
  const [image] = JSON.parse(await docker("inspect", IMAGE));
  const label = (name) => image.Config.Labels[`org.opencontainers.image.${name}`];
  assert.deepEqual([label("title"), label("version"), label("revision")], ["Sockeye", VERSION, REVISION]);
  assert.equal(image.Config.User, "sockeye");

  const { id, connect } = await start(IMAGE);
  assert.notEqual(await docker("exec", id, "id", "-u"), "0", "the user is not root");
  assert.equal(await docker("exec", id, "sockeye", "--version"), `sockeye ${VERSION}`);
  assert.match(await docker("exec", id, "cat", "/etc/os-release"), new RegExp(`VERSION_CODENAME=${SUITE}`));

  const polling = connect({ transports: ["polling"] });
  assert.match((await next(polling, "welcome"))[0], /Welcome/);
  const websocket = connect({ transports: ["websocket"] });
  await next(websocket, "welcome");
  const heard = [next(polling, "chat message"), next(websocket, "chat message")];
  websocket.emit("chat message", "to all");
  assert.deepEqual(await Promise.all(heard), [["to all"], ["to all"]]);
  await healthy(id);

  await docker("stop", "--time", "40", id);
  assert.equal(await docker("inspect", "-f", "{{.State.ExitCode}}", id), "0", "the server ends with exit code 0");
});

test(`an application that is built in the image dev of ${SUITE}`, async () => {
  // the lines that deploy/Dockerfile recommends
  const lines = readFileSync(path.join(root, "deploy/Dockerfile"), "utf8").match(/^# {3}.*$/gm).map((line) => line.slice(4));
  const recipe = lines.join("\n").replace("FROM sockeye-dev ", `FROM ${DEV_IMAGE} `).replace("FROM sockeye\n", `FROM ${IMAGE}\n`);
  const folder = mkdtempSync(path.join(tmpdir(), "sockeye-image-"));
  try {
    writeFileSync(path.join(folder, "Dockerfile"), recipe);
    copyFileSync(path.join(here, "app.c"), path.join(folder, "app.c"));
    await docker("build", "-q", "-t", APP_IMAGE, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const { id, connect } = await start(APP_IMAGE);
  const socket = connect({});
  await next(socket, "connect");
  assert.equal(await socket.timeout(20_000).emitWithAck("hello"), "from the image");
  await healthy(id);
});

test(`programs with the library build in the image dev of ${SUITE}`, () => {
  const program = readFileSync(path.join(root, "node/examples/embed.c"));
  const build = "cat >embed.c && cc embed.c -o shared $(pkg-config --cflags --libs sockeye) -lev && " +
    "rm /usr/lib/libsockeye.so* && cc embed.c -o static $(pkg-config --static --cflags --libs sockeye)";
  execFileSync("docker", ["run", "--rm", "-i", "--label", "sockeye-test", DEV_IMAGE, "sh", "-ec", build], { input: program });
});
