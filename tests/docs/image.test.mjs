// The image and the compose file: pinned bases, labels, the health check, and the command and file of Compose 2.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "../clients/support/server.mjs";

const read = (file) => readFileSync(path.join(root, file), "utf8");
const dockerfile = read("deploy/Dockerfile");

test("the bases are pinned, and Debian 13 can be chosen", () => {
  assert.match(dockerfile, /^ARG BASE=debian:bookworm-\d{8}-slim$/m);
  assert.match(dockerfile, /--build-arg BASE=debian:trixie-\d{8}-slim/);
  const stages = ["${BASE}"];
  for (const [, base, name] of dockerfile.matchAll(/^FROM (\S+)(?: AS (\w+))?$/gm)) {
    assert.ok(stages.includes(base), base);
    stages.push(name);
  }
  assert.match(read("deploy/Dockerfile.backend"), /^FROM node:\d+\.\d+\.\d+-bookworm-slim$/m);
});

test("the image has labels, a health check without a shell, and a target for applications", () => {
  for (const label of ["title", "description", "version", "revision"]) assert.match(dockerfile, new RegExp(`org\\.opencontainers\\.image\\.${label}=`));
  assert.match(dockerfile, /^HEALTHCHECK .* CMD \["sockeye", "--health"\]$/m);
  const [, dev] = dockerfile.split(/^FROM tools AS dev$/m);
  for (const file of ["/usr/include/", "sockeye.pc", "libsockeye"]) assert.ok(dev.split(/^FROM /m)[0].includes(file), file);
  assert.ok(!/AS \w+$/.test(dockerfile.match(/^FROM .*$/gm).at(-1)), "the last target is the server");
});

test("pages write `docker compose`, the command of Compose 2, and docker-compose.yml has no version", () => {
  const pages = ["README.md", "docker-compose.yml", ...["docs", "deploy"].flatMap((folder) => readdirSync(path.join(root, folder))
    .filter((file) => file.endsWith(".md")).map((file) => `${folder}/${file}`))];
  for (const page of pages) assert.doesNotMatch(read(page), /docker-compose (--|up|down|build)/, page);
  const compose = parse(read("docker-compose.yml"), { merge: true });
  assert.equal(compose.version, undefined);
  assert.ok(Object.keys(compose.services).length > 5);
});
