/*
 * The faults, which are played one after the other. Each function first records which events and broadcasts the fault may lose; all others must
 * arrive. It resolves when edges, backends and links work again.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Link, TYPES, frame } from "../harness.mjs";
import { WAIT, workerOf } from "./world.mjs";

const BEFORE = 2000; // ms that a marked message may have waited in the relay, or in the backend's own turn
const AFTER = 500; // ms until the last worker has subscribed again

/** The clients of these backends may lose the answers that they are waiting for. */
function atRisk({ people }, names, why) {
  for (const person of people) if (names.includes(person.by)) person.mayLose(why);
}

function disturb({ world }, kind, by, from = Date.now() - BEFORE) {
  const entry = { kind, by, from, until: Infinity };
  world.disturbances.push(entry);
  return entry;
}

async function killed(run, place, names = [place.name]) {
  const { program, instance } = place;
  disturb(run, "killed", place.name);
  program.child.kill("SIGKILL");
  await run.world.lost(instance);
  atRisk(run, names, "killed");
}

export async function kill(run, place = run.random.pick(run.world.places)) {
  await killed(run, place);
  await pause(run.random.below(500));
  await run.world.fill(place);
}

async function drained(place, old) {
  const { code } = await old.stop("SIGTERM");
  if (code !== 0) throw new Error(`the backend ended with ${code}:\n${old.lines.join("\n")}`);
}

export async function deploy(run, place = run.random.pick(run.world.places)) {
  const old = place.program;
  await run.world.fill(place);
  await drained(place, old);
}

/** All backends drain at the same time, so no backend can take over the clients. They wait for the next backend. */
export async function deployAll(run) {
  await Promise.all(run.world.places.map((place) => drained(place, place.program)));
  await pause(run.random.below(500));
  await Promise.all(run.world.places.map((place) => run.world.fill(place)));
}

export async function killWhileDeploying(run) {
  const [first, second] = run.random.shuffled(run.world.places);
  const old = first.name;
  const deployed = deploy(run, first);
  await pause(run.random.below(600));
  await killed(run, second, [old, first.name, second.name]);
  await deployed;
  await run.world.fill(second);
}

export async function stop(run) {
  const { program } = run.random.pick(run.world.places);
  program.child.kill("SIGSTOP");
  await pause(500 + run.random.below(1500));
  program.child.kill("SIGCONT");
}

/** SIGSTOP stops a backend until the edges drop its links. Then the backend continues and connects again. */
export async function stall(run) {
  const place = run.random.pick(run.world.places);
  const entry = disturb(run, "cut", place.name);
  const ready = run.world.count("backend_ready", place.instance);
  place.program.child.kill("SIGSTOP");
  await run.world.lost(place.instance, run.world.count("backend_lost", place.instance));
  atRisk(run, [place.name], "cut");
  place.program.child.kill("SIGCONT");
  await backAgain(run, place, ready);
  entry.until = Date.now();
}

async function backAgain({ world }, { instance }, before) {
  const ready = (edge) => edge.logged("backend_ready").filter((each) => each.instance === instance).length;
  await Promise.all(world.edges.map((edge, i) => edge.until(() => ready(edge) >= before[i] + 2, WAIT)));
}

async function linksEnd(run, how) {
  const place = run.world.places.at(-1);
  const entry = disturb(run, "cut", place.name);
  const lost = run.world.count("backend_lost", place.instance);
  const ready = run.world.count("backend_ready", place.instance);
  for (const edge of run.world.edges) edge.relay[how]();
  await run.world.lost(place.instance, lost);
  atRisk(run, [place.name], "cut");
  await backAgain(run, place, ready);
  entry.until = Date.now();
}

export const cut = (run) => linksEnd(run, "cut");
export const silence = (run) => linksEnd(run, "silence");

export async function worker(run) {
  const edge = run.random.pick(run.world.edges);
  const number = run.random.below(2);
  // a polling request may have just been accepted by a worker other than the client's, and is lost with that worker
  const isVictim = ({ engine }) => workerOf(engine.id) === number || engine.transport.name === "polling";
  const victims = run.people.filter((person) => person.edge === edge && isVictim(person.socket.io));
  for (const person of victims) person.expectsDrop = "worker killed";
  const entry = run.redis && disturb(run, "bus", "*");
  await run.world.killWorker(edge, number);
  if (run.redis) await run.world.onBus([0, 0]);
  if (run.redis) entry.until = Date.now() + AFTER;
  await run.settle();
  for (const person of victims) person.expectsDrop = null;
}

/** All backends are gone for some seconds. */
export async function nobody(run) {
  const { world, random } = run;
  await Promise.all(world.places.map((place) => killed(run, place)));
  atRisk(run, world.places.map(({ name }) => name), "killed");
  const late = run.newcomer();
  await pause(1000 + random.below(2000));
  await Promise.all(world.places.map((place) => world.fill(place)));
  await late;
}

/** The broker between the edges is killed and restarted. */
export async function redis(run) {
  const entry = disturb(run, "bus", "*");
  const since = run.world.edges.map((edge) => edge.logged("bus").length);
  await run.redis.kill();
  await pause(run.random.below(2000));
  await run.redis.run();
  await run.world.onBus(since);
  entry.until = Date.now() + AFTER;
}

/** A backend that sends a valid HELLO, receives clients, and then sends random bytes. */
async function liar(run, edge, worker) {
  const { random } = run;
  const link = await Link.open(edge, { accept: random.chance(0.5), hello: { worker } });
  const newcomers = [run.newcomer(edge), run.newcomer(edge)];
  await Promise.race([link.closed, pause(100 + random.below(200))]);
  const harmless = TYPES.filter((type) => !["CHALLENGE", "HELLO", "WELCOME", "CAST", "BYE"].includes(type));
  for (let i = 0; i < 40 && !link.socket.destroyed; i++) {
    const fields = { flags: random.below(256), nsp: random.below(3), handle: random.below(40), id: random.below(1 << 30) };
    link.socket.write(frame(random.pick(harmless), fields, random.bytes(random.below(200))));
  }
  link.socket.write(frame(99, { handle: 1 }, "no such type"));
  await link.closed;
  await Promise.all(newcomers);
}

/** A connection that never sends HELLO, or sends malformed frames. */
async function stranger(run, edge) {
  const link = new Link(edge.address, { hello: null });
  await link.got("CHALLENGE");
  link.socket.write(Buffer.concat([frame("HELLO", {}, run.random.bytes(100)), run.random.bytes(2000)]));
  await link.closed;
}

export async function hostile(run) {
  for (const edge of run.world.edges)
    await Promise.all([0, 1].map((number) => liar(run, edge, number)).concat(stranger(run, edge)));
}
