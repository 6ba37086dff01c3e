#!/usr/bin/env bash
# Runs `docker compose --profile backend up --scale node=3` and tests the result with stock clients. The script uses the Docker
# engine that runs, or starts one (engine.sh). It makes each image that the engine lacks from Debian's packages, under the tag that
# docker-compose.yml names. If no engine can be started, the script prints the reason and the test counts as skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/compose/engine.sh
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

clean() {
	compose down --volumes --timeout 5 >"$work/down.log" 2>&1 || true
	engine_close
}

trap engine_close EXIT
engine_open
trap clean EXIT
for port in 8080 8081; do
	if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then
		skip "port $port is taken by another program"
	fi
done
base_image bookworm "$base"

# apt's lists, for all images that are built here
phase "lists of packages"
lists=sockeye-test-base
docker build -q -t $lists - >/dev/null 2>"$work/build.log" <<-END || skip "containers reach no package mirror here: $(tail -1 "$work/build.log")"
	FROM $base
	RUN apt-get update -qq
END

# one image under three names, with the programs that docker-compose.yml takes from the images of others
missing=""
for image in redis:7 haproxy:2.6 "$node"; do
	have "$image" || missing+=" -t $image"
done
if [ -n "$missing" ]; then
	phase "image of Redis, HAProxy and Node.js"
	# shellcheck disable=SC2086
	docker build -q $missing - >/dev/null 2>"$work/build.log" <<-END || { cat "$work/build.log"; exit 1; }
		FROM $lists
		RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server haproxy nodejs && useradd --create-home node
		CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
	END
fi

phase "image of the node"
compose build --build-arg BASE=$lists --build-arg OPT=-O0 node >"$work/build-node.log" 2>&1 || { cat "$work/build-node.log"; exit 1; }
phase "image of the backend"
compose build backend1 >"$work/build-backend.log" 2>&1 || { cat "$work/build-backend.log"; exit 1; }
phase "start"
compose up -d --scale node=3 >"$work/up.log" 2>&1 || { cat "$work/up.log"; exit 1; }
phase "tests"
timeout 900 node --test --test-concurrency=1 tests/compose/*.test.mjs || { compose logs --tail 40; exit 1; }
phase
