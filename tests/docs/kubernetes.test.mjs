// The Kubernetes files against the schemas of Kubernetes, and against the rest of deploy/.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Deployment, StatefulSet } from "kubernetes-models/apps/v1";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { ConfigMap, Service } from "kubernetes-models/v1";
import { parseAllDocuments } from "yaml";
import { build, root } from "../clients/support/server.mjs";

const read = (file) => readFileSync(path.join(root, "deploy", file), "utf8");
const folder = path.join(root, "deploy/kubernetes");
const files = readdirSync(folder).sort();
const kinds = { ConfigMap, Deployment, HorizontalPodAutoscaler, PodDisruptionBudget, Service, StatefulSet };
const all = files.flatMap((file) => parseAllDocuments(read(`kubernetes/${file}`)).map((document) => {
  assert.deepEqual(document.errors, [], file);
  return document.toJS();
}));
const find = (name) => all.find((one) => `${one.kind}/${one.metadata.name}` === name);
const container = (name) => find(name).spec.template.spec.containers[0];

// validate() lets unknown fields pass, so the fields that a pod and a container have here are listed.
const POD = new Set(["automountServiceAccountToken", "containers", "enableServiceLinks", "securityContext", "terminationGracePeriodSeconds", "topologySpreadConstraints", "volumes"]);
const CONTAINER = new Set(["args", "command", "env", "image", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe", "resources",
  "securityContext", "startupProbe", "volumeMounts"]);

test("every object is valid by the schema of its kind and version", () => {
  for (const object of all) {
    const Kind = kinds[object.kind];
    assert.ok(Kind, object.kind);
    const model = new Kind(object);
    assert.equal(model.apiVersion, object.apiVersion, `${object.kind} ${object.metadata.name}`);
    model.validate();
    const pod = object.spec?.template?.spec;
    if (!pod) continue;
    assert.equal(pod.enableServiceLinks, false, "a service called sockeye sets SOCKEYE_PORT, which is an option");
    for (const name of Object.keys(pod)) assert.ok(POD.has(name), name);
    for (const one of pod.containers) for (const name of Object.keys(one)) assert.ok(CONTAINER.has(name), name);
  }
  assert.throws(() => new Service({ metadata: { name: "x" }, spec: { ports: [{ port: "eighty" }] } }).validate());
});

test("selectors, services, ports and references fit together", () => {
  for (const { kind, metadata, spec } of all) {
    if (!spec?.template) continue;
    assert.deepEqual(spec.selector.matchLabels, { app: metadata.name }, kind);
    assert.deepEqual(spec.template.metadata.labels, { app: metadata.name });
    const ports = new Set(spec.template.spec.containers[0].ports.map((port) => port.name));
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      const check = spec.template.spec.containers[0][probe];
      const port = (check?.httpGet ?? check?.tcpSocket)?.port;
      if (port) assert.ok(ports.has(port), `${metadata.name}: ${probe}`);
    }
    for (const service of all.filter((one) => one.kind === "Service" && one.spec.selector.app === metadata.name))
      for (const { targetPort } of service.spec.ports) assert.ok(ports.has(targetPort), service.metadata.name);
  }
  assert.equal(find("StatefulSet/sockeye").spec.serviceName, "sockeye-nodes");
  assert.equal(find("Service/sockeye-nodes").spec.clusterIP, "None");
  assert.ok(find(`Service/${container("StatefulSet/sockeye").env.find((one) => one.name === "SOCKEYE_REDIS").value.match(/\/\/(\w+):6379$/)[1]}`));
  assert.equal(container("Deployment/haproxy").env.find((one) => one.name === "SOCKEYE_SERVICE").value, "sockeye-nodes:3000");
  const { scaleTargetRef, maxReplicas } = find("HorizontalPodAutoscaler/sockeye").spec;
  assert.ok(find(`${scaleTargetRef.kind}/${scaleTargetRef.name}`));
  assert.ok(maxReplicas <= Number(read("haproxy.cfg").match(/server-template node 1-(\d+)/)[1]));
});

test("clients recover and rooms have a history, as with docker-compose.yml", () => {
  const { node } = parseAllDocuments(readFileSync(path.join(root, "docker-compose.yml"), "utf8"))[0].toJS({ maxAliasCount: -1 }).services;
  const env = Object.fromEntries(container("StatefulSet/sockeye").env.map(({ name, value }) => [name, value]));
  for (const name of ["SOCKEYE_REDIS_LOG", "SOCKEYE_CONNECTION_STATE_RECOVERY", "SOCKEYE_HISTORY"]) assert.equal(env[name], node.environment[name], name);
});

test("a full Redis removes histories before it reaches the limit of its container", () => {
  const { args, resources } = container("Deployment/redis");
  const value = (name) => args[args.indexOf(name) + 1];
  assert.equal(value("--maxmemory-policy"), "volatile-ttl");
  assert.ok(/^\d+mb$/.test(value("--maxmemory")) && /^\d+Gi$/.test(resources.limits.memory));
  assert.ok(parseInt(value("--maxmemory"), 10) < parseInt(resources.limits.memory, 10) * 1024);
});

test("HAProxy has deploy/haproxy.cfg, word for word", () => {
  assert.equal(find("ConfigMap/haproxy").data["haproxy.cfg"], read("haproxy.cfg"));
});

test("the options exist, and a pod's name gives the node's id", () => {
  const { command, env } = container("StatefulSet/sockeye");
  const image = [...read("Dockerfile").matchAll(/(SOCKEYE_(?!APP|PUBLIC)\w+)=(\S+)/g)].map((match) => match.slice(1));
  const variables = Object.fromEntries([...image, ...env.map(({ name, value }) => [name, value])]);
  assert.deepEqual(command.slice(0, 2), ["sh", "-c"]);
  const script = command[2].replace("exec sockeye", `exec ${path.join(build, "sockeye")} --print-config`);
  const printed = execFileSync("sh", ["-c", script], { encoding: "utf8", env: { PATH: process.env.PATH, HOSTNAME: "sockeye-17", ...variables } });
  assert.match(printed, /^nodeId = 17\b/m);
});
