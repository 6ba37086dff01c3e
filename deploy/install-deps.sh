#!/bin/sh
# Installs the Debian packages that are missing: `install-deps.sh build` for building, `install-deps.sh test` for the tests too,
# `install-deps.sh compose` for the tests with Docker.
# Debian 12 and 13; asks sudo when not root; touches nothing when all is there.
set -eu
cd "$(dirname "$0")/.."

want=${1:-build}
case $want in
build | test | compose) ;;
*) echo "install-deps.sh: say 'build', 'test' or 'compose', not '$want'" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null; then
	echo "install-deps.sh: this is not a Debian system (no apt-get); install the packages named in deploy/install-deps.sh by hand" >&2
	exit 1
fi

# name on Debian 12, or "name12|name13" where it differs: the first that is installed or known to apt counts
packages="gcc make pkgconf|pkg-config libev-dev libhiredis-dev libssl-dev zlib1g-dev libpcre2-dev libmsgpack-c-dev|libmsgpack-dev libllhttp-dev|node-llhttp"
if [ "$want" = test ]; then
	packages="$packages redis-server haproxy nginx-light|nginx libcmocka-dev clang libclang-rt-dev|libclang-rt-14-dev openssl curl chromium python3-socketio python3-aiohttp python3-websocket"
fi

if [ "$want" = compose ]; then
	packages="docker.io docker-compose debootstrap iptables"
fi

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

missing=""
for choice in $packages; do
	found=""
	for name in $(echo "$choice" | tr '|' ' '); do
		if installed "$name"; then found=yes; break; fi
	done
	[ -n "$found" ] || missing="$missing $choice"
done
# Node.js may come from elsewhere than Debian's packages: the commands count; to build, only where the browser client
# has not been fetched yet
if [ "$want" != build ] || [ ! -f build/client/bundle.c ]; then
	command -v node >/dev/null || missing="$missing nodejs"
	command -v npm >/dev/null || missing="$missing npm"
fi

[ -n "$missing" ] || exit 0

run=""
by_root() {
	echo "install-deps.sh: missing:$missing; as root, run: $PWD/deploy/install-deps.sh $want" >&2
	exit 1
}
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || by_root
	run=sudo
	sudo true || by_root
fi

echo "install-deps.sh: looking for$missing"
$run apt-get update -qq
names=""
for choice in $missing; do
	pick=""
	for name in $(echo "$choice" | tr '|' ' '); do
		if apt-cache show "$name" >/dev/null 2>&1; then pick=$name; break; fi
	done
	if [ -z "$pick" ]; then
		echo "install-deps.sh: no package for '$choice' in the configured Debian sources" >&2
		exit 1
	fi
	names="$names $pick"
done
echo "install-deps.sh: installing$names"
# sudo hands no variables on, so env comes after it
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names >/dev/null
