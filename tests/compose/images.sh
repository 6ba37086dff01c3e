#!/usr/bin/env bash
# Builds the images of deploy/Dockerfile for Debian 12 and 13, with the target `dev`, and tests each in containers. It needs what
# run.sh needs, and skips as run.sh does. SUITES="trixie" tests one of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/compose/engine.sh

clean() {
	local containers
	containers=$(docker ps -aq --filter label=sockeye-test 2>/dev/null) || true
	# shellcheck disable=SC2086
	[ -z "$containers" ] || docker rm -f $containers >/dev/null
	engine_close
}

# build TARGET-OPTIONS... : builds from the sources at hand
build() {
	docker build -f deploy/Dockerfile --build-arg BASE="$BASE" --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" "$@" . \
		>"$work/image.log" 2>&1 || { tail -60 "$work/image.log"; exit 1; }
}

trap engine_close EXIT
engine_open
trap clean EXIT
VERSION=$(sed -n 's/^VERSION := //p' Makefile)
REVISION=$(git rev-parse HEAD 2>/dev/null || echo none)
export VERSION REVISION
for suite in ${SUITES:-bookworm trixie}; do
	BASE=$(grep -o "debian:$suite-[0-9]*-slim" deploy/Dockerfile | head -1)
	export IMAGE=sockeye-test:$suite DEV_IMAGE=sockeye-test-dev:$suite SUITE=$suite
	base_image "$suite" "$BASE"
	phase "network of containers"
	docker run --rm "$BASE" apt-get update -qq >"$work/network.log" 2>&1 ||
		skip "containers reach no package mirror here: $(tail -1 "$work/network.log")"
	phase "image of $suite"
	build -t "$IMAGE"
	phase "image of $suite, target dev"
	build -t "$DEV_IMAGE" --target dev
	phase "tests of $suite"
	timeout 300 node --test tests/compose/images/*.test.mjs
done
phase
