#!/usr/bin/env bash
# Runs `docker compose --profile backend up --scale node=3` and tests the result with stock clients. The script uses the Docker
# engine that runs, or starts one. If an image cannot be pulled, the script makes it from Debian's packages, under the tag that
# docker-compose.yml names. If no engine can be started, the script prints the reason and the test counts as skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(pwd)/build/compose
mkdir -p "$work"
engine=""
export COMPOSE_PROJECT_NAME=sockeye-test

# the name of the base image in a Dockerfile
base=$(sed -n 's/^ARG BASE=//p' deploy/Dockerfile)
node=$(sed -n 's/^FROM //p' deploy/Dockerfile.backend)

# Debian 12 has only the older program, which reads the same file
compose() {
	if docker compose version >/dev/null 2>&1; then
		docker compose --profile backend "$@"
	else
		docker-compose --profile backend "$@"
	fi
}

skip() {
	echo "SKIPPED: $1"
	exit 0
}

clean() {
	compose down --volumes --timeout 5 >"$work/down.log" 2>&1 || true
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" 2>/dev/null || true
	fi
}

deploy/install-deps.sh compose || skip "Docker's packages cannot be installed"

if ! docker info >/dev/null 2>&1; then
	[ "$(id -u)" = 0 ] || skip "no Docker engine runs, and only root can start one"
	export DOCKER_HOST=unix://$work/docker.sock
	dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
		>"$work/dockerd.log" 2>&1 &
	engine=$!
	trap clean EXIT
	for _ in $(seq 300); do
		docker info >/dev/null 2>&1 && break
		kill -0 "$engine" 2>/dev/null || { engine=""; skip "dockerd does not start here: $(tail -1 "$work/dockerd.log")"; }
		sleep 0.1
	done
	docker info >/dev/null 2>&1 || skip "dockerd does not answer: $(tail -1 "$work/dockerd.log")"
fi
trap clean EXIT

have() {
	docker image inspect "$1" >/dev/null 2>&1
}

if ! have "$base"; then
	echo "making the base image"
	rm -rf "$work/root"
	debootstrap --variant=minbase bookworm "$work/root" >"$work/debootstrap.log" 2>&1 ||
		skip "debootstrap cannot make a base image: $(tail -1 "$work/debootstrap.log")"
	tar -C "$work/root" -c . | docker import - "$base" >/dev/null
	rm -rf "$work/root"
fi
docker run --rm "$base" apt-get update -qq >"$work/network.log" 2>&1 ||
	skip "containers reach no package mirror here: $(tail -1 "$work/network.log")"
for port in 8080 8081; do
	if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then
		skip "port $port is taken by another program"
	fi
done
have redis:7 || docker build -q -t redis:7 - >/dev/null 2>"$work/build.log" <<-END
	FROM $base
	RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server
END
have haproxy:2.6 || docker build -q -t haproxy:2.6 - >/dev/null 2>>"$work/build.log" <<-END
	FROM $base
	RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends haproxy
	CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
END

have "$node" || docker build -q -t "$node" - >/dev/null 2>>"$work/build.log" <<-END
	FROM $base
	RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs && useradd --create-home node
END

echo "building and starting"
compose build node backend1 >"$work/build-node.log" 2>&1 || { cat "$work/build-node.log"; exit 1; }
compose up -d --scale node=3 >"$work/up.log" 2>&1 || { cat "$work/up.log"; exit 1; }
timeout 400 node --test --test-concurrency=1 tests/compose/*.test.mjs || { compose logs --tail 40; exit 1; }
