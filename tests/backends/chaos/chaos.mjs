/*
 * Runs two edges, three backends and many stock clients, plays one fault after the other, and checks the history at the end.
 *
 *   node tests/backends/chaos/chaos.mjs [--minutes 10] [--seed N] [--clients 60] [--bus]       (make chaos-backends MINUTES=10 SEED=N)
 *
 * With --bus the edges share a Redis server, broadcasts leave each backend once (--backend-fanout bus), and Redis is restarted, too.
 * A seed repeats the faults, their order and the actions of the clients; the timing still depends on the machine. The program writes one line per
 * fault and one per error. The exit code is 1 if there was an error. tests/backends/chaos.test.mjs plays a short run.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { Redis } from "../../cluster/support/redis.mjs";
import { next, within } from "../../clients/support/wait.mjs";
import * as faults from "./faults.mjs";
import { judge } from "./history.mjs";
import { Person } from "./person.mjs";
import { random } from "./random.mjs";
import { WAIT, World } from "./world.mjs";

const ROOMS = ["red", "green", "blue"];
const TICK = 20;
const ASK_AGAIN = 500;
const MOST_UNANSWERED = 100;
const LAST_ANSWERS = 16000; // longer than a question of app.mjs waits for its answer

export class Run {
  people = [];
  wrong = [];
  counts = {};
  #newcomers = 0;
  #acting = null;

  constructor({ seed, clients, eventsPerSecond = 5, log = () => {} }) {
    Object.assign(this, { seed, clients, log, random: random(seed), acts: random(seed + 1), perTick: (clients * eventsPerSecond * TICK) / 1000 });
    this.report = {
      wrong: (text) => {
        this.wrong.push(text);
        log(`WRONG ${text}`);
      },
      count: (what) => (this.counts[what] = (this.counts[what] ?? 0) + 1),
    };
  }

  async start(args = [], hasBus = false) {
    this.redis = hasBus ? await Redis.start() : null;
    this.world = await World.start(hasBus ? [...args, "--redis", this.redis.url, "--backend-fanout", "bus"] : args);
    for (let i = 0; i < this.clients; i++) this.people.push(this.#person(`p${i}`, this.world.edges[i % 2], i >> 1));
    await within(Promise.all(this.people.map(({ socket }) => socket.connected || next(socket, "connect"))), "all clients");
    for (const person of this.people) person.join(this.acts.pick(ROOMS));
    await this.settle();
    let due = 0;
    this.#acting = setInterval(() => {
      for (due += this.perTick; due >= 1; due--) this.#act(this.acts.pick(this.people));
    }, TICK);
  }

  #person(name, edge, i, options) {
    const transports = [["websocket"], ["polling"], ["polling", "websocket"]][i % 3];
    return new Person(name, edge, transports, this.report, { ordered: !this.redis, ...options });
  }

  #act(person) {
    const dice = this.acts.below(100);
    const room = this.acts.pick(ROOMS);
    if (person.sent.size >= MOST_UNANSWERED) return;
    if (dice < 70) person.say();
    else if (dice < 80) person.cast(room);
    else if (dice < 83) person.cast("*");
    else if (dice < 88) person.slow(this.acts.below(400));
    else if (dice < 94) person.join(room);
    else person.leave(room);
  }

  /** Resolves when every client has an answer and knows which backend sent it. */
  settle() {
    return within(Promise.all(this.people.map((person) => person.settle())), "answers to all", WAIT);
  }

  /** Connects a client during a fault. The client must get an answer, and then leaves. */
  async newcomer(edge = this.random.pick(this.world.edges)) {
    const i = this.#newcomers++;
    const person = this.#person(`n${i}`, edge, i, { isNew: true });
    let again;
    const answered = new Promise((resolve) => {
      const ask = () => person.settle().then(resolve);
      ask();
      again = setInterval(ask, ASK_AGAIN); // the first backend may be about to die, or may be the hostile one
    });
    try {
      await within(answered, `newcomer ${i}`, WAIT);
    } finally {
      clearInterval(again);
      person.close();
    }
    this.report.count("newcomers");
  }

  async fault(name) {
    const started = Date.now();
    await Promise.all([faults[name](this), this.newcomer()]);
    const whole = Date.now();
    await this.settle();
    this.report.count(`fault ${name}`);
    this.log(`${name}: ${whole - started} ms, then all answered in ${Date.now() - whole} ms`);
    await pause(this.random.below(500));
  }

  /** Stops the events, waits for the messages in transit, and judges the history. */
  async finish() {
    clearInterval(this.#acting);
    await this.settle();
    const until = Date.now() + LAST_ANSWERS;
    const waiting = () => this.people.some(({ sent }) => [...sent.values()].some(({ lossy }) => !lossy));
    while (waiting() && Date.now() < until) await pause(50);
    await this.settle(); // after the last broadcasts, on the same links
    const { disturbances } = this.world;
    const mayOwe = ({ who, by, at }) => {
      const person = this.people.find(({ name }) => name === who);
      const hasLeft = !person || person.lives.some(({ until: end }) => Math.abs(end - at) < LAST_ANSWERS);
      return hasLeft || disturbances.some((each) => each.by === by && at >= each.from - LAST_ANSWERS && at <= each.until + LAST_ANSWERS);
    };
    const result = judge(this.people, this.world.entries(), disturbances, mayOwe);
    result.wrong.unshift(...this.wrong);
    return { ...result, counts: this.counts };
  }

  async stop() {
    clearInterval(this.#acting);
    for (const person of this.people) person.close();
    await this.world?.stop();
    await this.redis?.stop();
  }
}

const OFTEN = ["kill", "kill", "deploy", "deploy", "stop", "worker", "hostile", "cut", "nobody", "deployAll", "killWhileDeploying"];
const SELDOM = ["stall", "silence"];

async function main() {
  const { values } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" }, clients: { type: "string" }, bus: { type: "boolean" } } });
  const often = values.bus ? [...OFTEN, "redis", "redis"] : OFTEN;
  const minutes = Number(values.minutes ?? 10);
  const seed = Number(values.seed || Date.now() % 1e6);
  const started = Date.now();
  const log = (text) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${text}`);
  const run = new Run({ seed, clients: Number(values.clients ?? 60), log });
  log(`seed ${seed}`);
  try {
    await run.start(["--backend-ping", "3000", "--backend-stall-timeout", "10000"], values.bus);
    for (let round = 0; Date.now() - started < minutes * 60_000; round++)
      for (const name of run.random.shuffled(round % 4 === 3 ? [...often, ...SELDOM] : often)) {
        if (Date.now() - started >= minutes * 60_000) break;
        await run.fault(name);
      }
    const { wrong, ...figures } = await run.finish();
    console.log(figures);
    for (const text of wrong) console.log(`WRONG ${text}`);
    process.exitCode = wrong.length > 0 ? 1 : 0;
    if (wrong.length > 0) console.log(`again: make chaos-backends MINUTES=${minutes} SEED=${seed}`);
  } finally {
    await run.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
