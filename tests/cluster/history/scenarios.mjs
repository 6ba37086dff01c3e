// The scenarios: what fails, in which kind of world, and which messages may be lost then. `make readme` writes
// the table of docs/cluster.md from these rows, and history.test.mjs and `make chaos-cluster` check that the servers
// lose nothing else.
import { setTimeout as sleep } from "node:timers/promises";
import { allReached, certify, logLines, restart } from "./world.mjs";

/**
 * `args` of the C nodes; `peer`: arguments of a Node.js server beside them; `counted`: what every server subscribes to;
 * `scatters`: the rooms are distributed over the masters of a Redis Cluster; `stream`: the key that has the broadcasts.
 * Redis keeps its data in a restart.
 */
export const MODES = {
  classic: { title: "classic", args: [], peer: [], counted: ["socket.io-request#/#"] },
  log: { title: "classic with `--redis-log`", args: ["--redis-log"], peer: [], counted: ["socket.io-request#/#"], stream: "socket.io-log" },
  sharded: { title: "sharded", args: ["--redis-mode", "sharded"], peer: ["--sharded=dynamic"], counted: ["socket.io#/#", "SHARDNUMSUB"], scatters: true },
  streams: { title: "streams", args: ["--redis-mode", "streams"], peer: ["--streams=1"], stream: "socket.io" },
};

/** Losses that a row allows, in the words of the table. */
export const NOTHING = { text: "nothing", counted: false, gaps: false };
export const IN_FLIGHT = { text: "in flight; counted", counted: true, gaps: false };
export const CRASHED = { ...IN_FLIGHT, killed: true }; // Redis is killed, maybe between its answer and its delivery
export const DEAF = { text: "unheard until subscribed again; gap counted", counted: true, gaps: true };
export const KILLED = { text: "in flight from that node", counted: false, gaps: false };

const clientIds = async (redis, pattern = /./) =>
  String(await redis.command("CLIENT", "LIST")).split("\n").filter((line) => line && !/cmd=client/.test(line) && pattern.test(line)).map((line) => /^id=(\d+)/.exec(line)[1]);

const slotOf = async (cluster, key) => Number(await cluster.ask(cluster.servers.at(-1), "CLUSTER", "KEYSLOT", key));

const node = (world, random) => world.nodes[random.below(world.nodes.length)];

export const SCENARIOS = [
  {
    key: "restart", kind: "plain", title: "Redis is killed and starts again",
    loses: { classic: CRASHED, sharded: CRASHED, log: NOTHING, streams: NOTHING },
    async act({ redis }, random) {
      await redis.kill();
      await sleep(random.between(0, 400));
      await redis.run();
    },
  },
  {
    key: "away", kind: "plain", title: "Redis is away for seconds",
    loses: { classic: CRASHED, sharded: CRASHED, log: NOTHING, streams: NOTHING },
    async act(world, random) {
      const lines = logLines(world);
      await world.redis.kill();
      await allReached(world, "down", lines);
      await sleep(random.between(1_000, 2_500));
      await world.redis.run();
      await allReached(world, "up", lines);
    },
  },
  {
    key: "pause", kind: "plain", title: "Redis pauses for less than 10 s",
    loses: { classic: NOTHING, sharded: NOTHING, log: NOTHING, streams: NOTHING },
    async act({ redis }, random) {
      redis.pause();
      await sleep(random.between(500, 2_000));
      redis.resume();
    },
  },
  {
    key: "cuts", kind: "plain", title: "connections to Redis are cut one by one",
    loses: { classic: DEAF, sharded: DEAF, log: NOTHING, streams: NOTHING },
    async act({ redis }, random) {
      for (const id of random.shuffled(await clientIds(redis))) {
        await redis.command("CLIENT", "KILL", "ID", id);
        await sleep(random.between(10, 120));
      }
    },
  },
  {
    key: "acl", kind: "plain", title: "an ACL forbids publishing, and allows it again",
    loses: { classic: IN_FLIGHT, sharded: IN_FLIGHT, log: NOTHING, streams: NOTHING },
    async act(world, random) {
      // a worker notices only when it publishes, so one worker of each node is enough
      const lines = logLines(world);
      await world.redis.command("ACL", "SETUSER", "node", "-publish", "-spublish", "-xadd", "-eval", "-evalsha");
      await allReached(world, "down", lines, 1);
      await sleep(random.between(200, 1_500));
      await world.redis.command("ACL", "SETUSER", "node", "allcommands");
      await allReached(world, "up", lines, 1);
    },
  },
  {
    key: "certificates", kind: "tls", title: "authority and certificates change, then Redis restarts",
    loses: { classic: CRASHED, log: NOTHING, sharded: CRASHED, streams: NOTHING },
    async act(world) {
      const lines = logLines(world);
      certify(world.dir, `authority ${Date.now()}`);
      for (const node of world.nodes) node.child.kill("SIGHUP");
      await world.redis.kill();
      await world.redis.run();
      await allReached(world, "up", lines);
    },
  },
  {
    key: "promoted", kind: "pair", title: "a replica is promoted behind the nodes' back",
    loses: { classic: DEAF, log: NOTHING, sharded: DEAF, streams: IN_FLIGHT },
    async act(world) {
      const lines = logLines(world);
      await world.second.command("REPLICAOF", "NO", "ONE");
      await world.redis.command("REPLICAOF", "127.0.0.1", String(world.second.port));
      await allReached(world, "up", lines);
    },
  },
  {
    key: "failover", kind: "sentinel", title: "the Redis master dies, and Sentinel promotes its replica",
    loses: { classic: CRASHED, sharded: CRASHED, log: NOTHING, streams: IN_FLIGHT },
    async act(world) {
      const lines = logLines(world);
      await world.redis.kill();
      await allReached(world, "up", lines);
    },
  },
  {
    key: "member", kind: "cluster", title: "a master of a Redis Cluster dies, and its replica takes its place",
    loses: { classic: DEAF, log: NOTHING, sharded: DEAF, streams: IN_FLIGHT },
    async act({ cluster, nodes, mode }) {
      const used = nodes[0].logged("bus").filter(({ state }) => state === "up").at(-1)?.server;
      const owner = mode.stream && (await cluster.owner(await slotOf(cluster, mode.stream)));
      const server = owner ?? cluster.servers.find(({ port }) => used === `127.0.0.1:${port}`) ?? cluster.servers[0];
      await cluster.kill(server);
      await server.run();
      await cluster.ready();
    },
  },
  {
    key: "slots", kind: "cluster", title: "slots of a Redis Cluster move to another master",
    loses: { classic: NOTHING, log: NOTHING, sharded: DEAF, streams: NOTHING },
    async act({ cluster, mode }, random) {
      for (const key of mode.stream ? [mode.stream, mode.stream] : ["socket.io#/#", "socket.io#/#left#", "socket.io#/#right#"]) {
        const slot = await slotOf(cluster, key);
        const owner = await cluster.owner(slot);
        const others = [];
        for (const at of [0, 8_000, 16_000]) others.push(await cluster.owner(at));
        await cluster.move(slot, random.shuffled(others.filter((other) => other && other !== owner))[0]);
        await sleep(random.between(50, 300));
      }
    },
  },
  ...["haproxy", "nginx"].flatMap((kind) => [
    {
      key: "drained", kind, title: `a node drains behind ${kind}, for clients of the others`,
      loses: { classic: NOTHING, log: NOTHING, sharded: NOTHING, streams: NOTHING },
      async act(world, random) {
        const drained = node(world, random);
        drained.gone = true;
        await drained.stop();
        await restart(world, drained);
      },
    },
    {
      key: "killed", kind, title: `a node is killed behind ${kind}, for clients of the others`,
      loses: { classic: KILLED, log: KILLED, sharded: KILLED, streams: KILLED },
      async act(world, random) {
        const killed = node(world, random);
        killed.gone = killed.killed = true;
        killed.child.kill("SIGKILL");
        await killed.exited;
        await restart(world, killed);
      },
    },
  ]),
];
