# Functions for the tests that need a Docker engine; they source this file at the top of the repository. They use
# the engine that runs, or start one with its data in build/compose. An image that the engine lacks is made from Debian's packages.
# shellcheck shell=bash
. tests/deb/debian.sh

work=$(pwd)/build/compose
mkdir -p "$work"
engine="" # the process id of the engine that engine_open has started

skip() {
	echo "SKIPPED: $1"
	exit 0
}

# Prints how long the last phase took, and the name of the next one. So a log that ends too early shows where the time went.
phase() {
	[ -z "${phase_name:-}" ] || echo "== $phase_name: $((SECONDS - phase_start)) s"
	phase_name=${1:-} phase_start=$SECONDS
	[ -z "$phase_name" ] || echo "== $phase_name ..."
}

# Ends the engine, if engine_open has started it.
engine_close() {
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" 2>/dev/null || true
		engine=""
	fi
}

# engine_open: finds or starts an engine, or skips the test. The caller calls engine_close when it ends.
engine_open() {
	phase "engine"
	deploy/install-deps.sh compose || skip "Docker's packages cannot be installed"
	if docker info >/dev/null 2>&1; then return; fi
	[ "$(id -u)" = 0 ] || skip "no Docker engine runs, and only root can start one"
	# one engine at a time owns the folder of data
	exec 8>"$work/lock"
	flock 8
	export DOCKER_HOST=unix://$work/docker.sock
	dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
		>"$work/dockerd.log" 2>&1 8>&- &
	engine=$!
	for _ in $(seq 600); do
		if docker info >/dev/null 2>&1; then return; fi
		kill -0 "$engine" 2>/dev/null || { engine=""; skip "dockerd does not start here: $(tail -1 "$work/dockerd.log")"; }
		sleep 0.1
	done
	skip "dockerd does not answer: $(tail -1 "$work/dockerd.log")"
}

have() {
	docker image inspect "$1" >/dev/null 2>&1
}

# base_image SUITE IMAGE: makes the image, which stands for Debian's own, unless the engine has it.
base_image() {
	local suite=$1 image=$2
	if have "$image"; then return; fi
	phase "system for the base image, $suite"
	debian_system "$suite" || skip "$debian_failed"
	docker import "build/debian/$suite.tar" "$image" >/dev/null
}
