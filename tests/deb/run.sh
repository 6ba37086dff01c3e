#!/usr/bin/env bash
# Builds the Debian packages, then installs, starts, upgrades and removes them in a new system: run.sh BUILD. The system is a
# chroot that debootstrap makes. A copy of it boots in a container, where systemd.sh tests the units. Without root, Debian's
# tools or a mirror of its packages, the script prints the reason and the test counts as skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
export MAKEFLAGS= BUILD=$1
. tests/deb/debian.sh

folder=$(realpath "$BUILD")/deb
work=$folder/test
root=$work/root

skip() {
	echo "SKIPPED: $1"
	exit 0
}

fail() {
	echo "FAILED: $1" >&2
	[ ! -s "$work/server.log" ] || sed 's/^/server: /' "$work/server.log" >&2
	exit 1
}

step() {
	echo "== $1"
}

# The rest runs in mount and process namespaces of its own: when it ends, every process and mount of the chroot ends, too.
if [ "${IN_NAMESPACE:-}" != yes ]; then
	[ "$(id -u)" = 0 ] || skip "only root can make a chroot"
	deploy/install-deps.sh --no-questions deb chroot || skip "Debian's tools cannot be installed"
	unshare --mount --pid --fork true 2>/dev/null || skip "this container permits no namespaces"
	make deb DEB_REUSE=1
	rm -rf --one-file-system "$work"
	mkdir -p "$work"
	IN_NAMESPACE=yes exec unshare --mount --pid --fork --mount-proc "$0" "$@"
fi

version=$(dpkg-deb -f "$folder"/sockeye_*.deb Version)
architecture=$(dpkg --print-architecture)

# ------------------------------------- what the packages and make install have in common

step "the packages hold what make install installs"
make -s install DESTDIR="$work/installed" PREFIX=/usr LIBDIR="/usr/lib/$(gcc -print-multiarch)" UNITDIR=/usr/lib/systemd/system
(cd "$work/installed" && find . ! -type d -printf '/%P\n') | sort >"$work/installed.list"
for package in sockeye libsockeye0 libsockeye-dev; do
	dpkg-deb -x "$folder/${package}_${version}_$architecture.deb" "$work/extracted"
done
(cd "$work/extracted" && find . ! -type d -printf '/%P\n') | grep -v ^/usr/share/doc/ |
	sed -e 's|^/lib/|/usr/lib/|' -e '/\/man\//s|\.gz$||' | sort >"$work/packaged.list"
diff "$work/installed.list" "$work/packaged.list" >&2 || fail "different files"

step "a program builds with libsockeye-dev"
PKG_CONFIG_SYSROOT_DIR=$work/extracted PKG_CONFIG_PATH=$(echo "$work"/extracted/usr/lib/*/pkgconfig) \
	sh -c 'cc node/examples/embed.c -o "$0/embed" $(pkg-config --cflags --libs sockeye) -lev' "$work"

# ----------------------------------------------------------------- the new system

step "a new system"
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
debian_system "$suite" || skip "$debian_failed"
mkdir "$root"
tar -C "$root" -xf "build/debian/$suite.tar"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/packages"
cp "$folder"/{sockeye,libsockeye0,libsockeye-dev}_"${version}_$architecture.deb" "$root/packages/"

inside() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

# All files, except for what apt and dpkg keep about packages
files() {
	inside find / -xdev ! -type d ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*' ! -path '/var/cache/*' ! -path '/var/log/*' \
		! -path '/packages/*' ! -path '/etc/ld.so.cache' | sort
}

try_apt() {
	inside apt-get -o Acquire::Retries=3 -o APT::Sandbox::User=root -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1
}

apt() {
	try_apt "$@" || {
		cat "$work/apt.log" >&2
		fail "apt-get $*"
	}
}

# Starts the server as its unit does, but as nobody, on free ports, and waits until it listens.
server=""
start() {
	: >"$work/server.log"
	local command
	command=$(inside sed -n 's/^ExecStart=//p' /lib/systemd/system/sockeye.service)
	# shellcheck disable=SC2086
	chroot --userspec=nobody:nogroup "$root" env -i SOCKEYE_PORT=0 SOCKEYE_ADMIN_PORT=0 SOCKEYE_WORKERS=2 SOCKEYE_DRAIN_TIME=0 \
		$command 2>"$work/server.log" &
	server=$!
	for _ in $(seq 600); do
		port=$(sed -n 's/.* event=listening .*port=\([0-9]*\).*/\1/p' "$work/server.log")
		[ -z "$port" ] || return 0
		kill -0 "$server" 2>/dev/null || fail "the server does not start"
		sleep 0.1
	done
	fail "the server does not listen"
}

stop() {
	kill -TERM "$server"
	wait "$server" || fail "the server ended with $?"
}

# Asks for a handshake and for the page of the chat.
request() {
	handshake=$(curl -sf --max-time 30 "http://127.0.0.1:$port/socket.io/?EIO=4&transport=polling") || fail "$1: no handshake"
	[[ $(curl -sf --max-time 30 "http://127.0.0.1:$port/") == *'<title>'* ]] || fail "$1: no page"
}

ours=(/packages/sockeye_"${version}_$architecture".deb /packages/libsockeye0_"${version}_$architecture".deb)
try_apt update && try_apt install --download-only "${ours[@]}" ||
	skip "the chroot reaches no package mirror: $(tail -1 "$work/apt.log")"
apt install systemd procps curl # for systemd.sh
files >"$work/before.list"

step "install"
apt install "${ours[@]}"
[ "$(inside sockeye --version)" = "sockeye $version" ] || fail "the version"
inside sockeye --config /etc/sockeye/sockeye.conf --check || fail "the configuration that is installed"
inside bash -c 'source /usr/share/bash-completion/completions/sockeye
	COMP_WORDS=(sockeye --log-level wa) COMP_CWORD=2; _sockeye; [ "${COMPREPLY[*]}" = warn ]' || fail "completion"

# explained SED 'PATTERN' MESSAGE: changes the configuration. The program must end with code 2 and one line, which names the file and
# the line that matches the pattern, and says MESSAGE.
explained() {
	local config=$root/etc/sockeye/sockeye.conf line said expected code=0
	cp "$config" "$work/sockeye.conf"
	sed -i "$1" "$config"
	line=$(grep -n "$2" "$config" | tail -1)
	expected="sockeye: /etc/sockeye/sockeye.conf:${line%%:*}: $3"
	said=$(inside sockeye --config /etc/sockeye/sockeye.conf --check 2>&1) || code=$?
	cp "$work/sockeye.conf" "$config"
	[ "$code" = 2 ] || fail "the code is $code: $said"
	[ "$said" = "$expected" ] || fail "$expected"$'\n'"but: $said"
}

step "mistakes in the configuration are explained"
explained 's/^port = .*/prot = 3000/' '^prot' 'unknown option prot; did you mean port?'
explained 's/^port = .*/port 3000/' '^port' '"port" is not a setting (use name = value)'
explained 's/^port = .*/port = 70000/' '^port' 'option port: "70000" is out of range (use 0 to 65535)'
explained '$aport = 3001' '^port' "option port: is set in line $(grep -n '^port' "$root/etc/sockeye/sockeye.conf" | cut -d: -f1) already"
explained 's/^adminPort = .*/adminPort = 3000/' '^adminPort' \
	'options --admin-port and --port: both are 3000; choose another number for one of them'
explained 's|^app = .*|app = /srv/none.so|' '^app' 'cannot load application /srv/none.so: No such file or directory'
explained 's|^public = .*|public = /srv/none|' '^public' 'option --public: "/srv/none" is not a directory'
explained 's/^#tlsCert/tlsCert/' '^tlsCert' \
	'option --tls-key: missing (--tls-cert needs it, as TLS needs both a certificate and a key)'
explained 's/^#tls/tls/' '^tlsCert' \
	'options --tls-cert and --tls-key: cannot read the certificate file "/etc/ssl/certs/chat.pem": No such file or directory; check the path'
explained 's/^#trustProxy.*/trustProxy = balancer/' '^trustProxy' \
	'option --trust-proxy: "balancer" is not an address (use true, false, a number of hops, or networks: loopback, linklocal, uniquelocal, 10.0.0.0/8)'
explained '$alogLevel = loud' '^logLevel' 'option logLevel: "loud" is not valid (use one of error|warn|info|debug)'
explained '$apingInterval = soon' '^pingInterval' 'option pingInterval: "soon" is not a duration (use 300, 300ms, 25s or 2m)'
explained '$ainclude = more.conf' '^include' 'cannot read "/etc/sockeye/more.conf": No such file or directory'

# The container shares neither processes nor the network with this machine.
step "the units, under systemd"
machine=$work/machine
cp -ax "$root" "$machine"
make -s "$BUILD/tests/trouble.so"
cp "$BUILD/tests/trouble.so" tests/deb/systemd.sh "$machine/packages/"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2 \
	-keyout "$machine/packages/tls.key" -out "$machine/packages/tls.pem" 2>/dev/null
chmod 600 "$machine/packages/tls.key"
cat >"$machine/etc/systemd/system/test.service" <<-END
	[Unit]
	SuccessAction=exit
	FailureAction=exit
	[Service]
	Type=oneshot
	ExecStart=/packages/systemd.sh
	StandardOutput=file:/packages/result
	StandardError=file:/packages/result
END
code=0
timeout --kill-after=10 300 systemd-nspawn --quiet --directory="$machine" --machine=sockeye-test --register=no --keep-unit \
	--private-network --boot systemd.unit=test.service >"$work/boot.log" 2>&1 </dev/null || code=$?
if [ -s "$machine/packages/result" ]; then
	sed 's/^/   /' "$machine/packages/result"
	[ "$(tail -1 "$machine/packages/result")" = passed ] ||
		fail "the units, under systemd$([ "$code" -lt 124 ] || echo ': not at an end after 300 seconds')"
else
	echo "SKIPPED: the units, because systemd does not boot in a container here: $(tail -1 "$work/boot.log")"
fi

step "start"
start
request "after the installation"

step "upgrade, while the server runs"
echo "pingInterval = 7s" >>"$root/etc/sockeye/sockeye.conf"
dpkg-deb -R "$folder/sockeye_${version}_$architecture.deb" "$work/next"
sed -i "s/^Version: .*/Version: $version+1/" "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/packages/next.deb" >/dev/null
apt install /packages/next.deb
[ "$(inside dpkg-query -W -f '${Version}' sockeye)" = "$version+1" ] || fail "the version after the upgrade"
request "after the upgrade, the old server"
stop
start
request "after the upgrade"
[[ $handshake == *'"pingInterval":7000'* ]] || fail "the configuration is lost"
stop

step "remove, purge"
apt remove sockeye
[ ! -e "$root/usr/bin/sockeye" ] || fail "the program is left"
grep -q '^pingInterval' "$root/etc/sockeye/sockeye.conf" || fail "remove must leave the configuration"
apt purge sockeye libsockeye0
apt autoremove --purge
files >"$work/after.list"
comm -13 "$work/before.list" "$work/after.list" >"$work/left.list"
[ ! -s "$work/left.list" ] || { cat "$work/left.list" >&2; fail "files are left"; }
umount "$root/proc" "$root/run"
rm -rf --one-file-system "$work"
echo "passed"
