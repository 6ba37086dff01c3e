#!/bin/sh
# Installs the missing packages of the named groups: `install-deps.sh build` for building, `install-deps.sh test` for all tests,
# or single groups (the table below). If nothing is missing, it takes milliseconds and prints nothing.
# On Debian 12 and 13 it uses apt, as root or by sudo; on other systems it prints one line that names what is missing. With
# --no-questions it uses sudo only if sudo asks for no password.
set -eu
root=${DEPS_ROOT:-} # where to look for files instead of /; for the test of this script

ask=yes
if [ "${1:-}" = --no-questions ]; then
	ask=
	shift
fi
groups=${*:-build}
case " $groups " in *" test "*) groups="build unit fuzz npm clients backends cluster load docs bench" ;; esac

# What to look for, and the package: its name on Debian 13, or "name13|name12" if the names differ; the first one that apt knows is used.
table() {
	case $1 in
	build) cat <<-'END'
		cmd    cc                     gcc
		cmd    make                   make
		cmd    pkg-config             pkgconf|pkg-config
		header stdio.h                libc6-dev
		header crypt.h                libcrypt-dev
		header ev.h                   libev-dev
		header hiredis/hiredis.h      libhiredis-dev
		header openssl/ssl.h          libssl-dev
		header zlib.h                 zlib1g-dev
		header pcre2.h                libpcre2-dev
		header msgpack.h              libmsgpack-c-dev|libmsgpack-dev
		header llhttp.h|llhttp/llhttp.h libllhttp-dev|node-llhttp
		END
		# npm fetches the browser client, once
		[ -f "$(dirname "$0")/../build/client/bundle.c" ] || table npm ;;
	npm) cat <<-'END'
		cmd    node                   nodejs
		cmd    npm                    npm
		cmd    curl                   curl
		file   etc/ssl/certs/ca-certificates.crt|etc/pki/tls/certs/ca-bundle.crt|etc/ssl/cert.pem ca-certificates
		END
		;;
	unit) cat <<-'END'
		header cmocka.h               libcmocka-dev
		cmd    openssl                openssl
		cmd    redis-server           redis-server
		file   usr/share/i18n/charmaps/UTF-8.gz locales
		END
		;;
	fuzz) cat <<-'END'
		cmd    clang                  clang
		file   usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*.a|usr/lib/clang/*/lib/*/libclang_rt.fuzzer*.a libclang-rt-dev|libclang-rt-14-dev
		END
		;;
	clients) cat <<-'END'
		cmd    openssl                openssl
		cmd    chromium-headless-shell chromium-headless-shell
		cmd    redis-server           redis-server
		cmd    nginx                  nginx-light|nginx
		cmd    curl                   curl
		python socketio               python3-socketio
		python aiohttp                python3-aiohttp
		python websocket              python3-websocket
		python msgpack                python3-msgpack
		END
		;;
	cluster) cat <<-'END'
		cmd    redis-server           redis-server
		cmd    chromium-headless-shell chromium-headless-shell
		cmd    haproxy                haproxy
		cmd    nginx                  nginx-light|nginx
		cmd    curl                   curl
		cmd    openssl                openssl
		END
		;;
	backends) cat <<-'END'
		cmd    openssl                openssl
		cmd    chromium-headless-shell chromium-headless-shell
		END
		table python ;;
	docs) cat <<-'END'
		cmd    curl                   curl
		cmd    openssl                openssl
		cmd    redis-server           redis-server
		END
		;;
	bench) cat <<-'END'
		cmd    openssl                openssl
		cmd    redis-server           redis-server
		cmd    valgrind               valgrind
		END
		;;
	load) cat <<-'END'
		cmd    redis-server           redis-server
		cmd    openssl                openssl
		python socketio               python3-socketio
		python aiohttp                python3-aiohttp
		END
		;;
	python) cat <<-'END'
		cmd    openssl                openssl
		python socketio               python3-socketio
		python aiohttp                python3-aiohttp
		python flask_socketio         python3-flask-socketio
		python fastapi                python3-fastapi
		python uvicorn                python3-uvicorn
		END
		;;
	deb) cat <<-'END'
		file   usr/share/build-essential/list|usr/share/doc/build-essential/copyright build-essential
		cmd    dpkg-buildpackage      dpkg-dev
		cmd    dh                     debhelper
		cmd    lintian                lintian
		END
		;;
	chroot) cat <<-'END'
		cmd    debootstrap            debootstrap
		cmd    curl                   curl
		cmd    openssl                openssl
		cmd    systemd-nspawn         systemd-container
		END
		;;
	compose) cat <<-'END'
		cmd    dockerd                docker.io
		cmd    docker-compose         docker-compose
		cmd    debootstrap            debootstrap
		cmd    iptables               iptables
		END
		;;
	*) return 1 ;;
	esac
}

# Whether one of the files "a|b" exists. Each may be a pattern.
file() {
	old=$IFS
	IFS='|'
	for pattern in $1; do
		for path in "$root"/$pattern; do
			[ -e "$path" ] && IFS=$old && return 0
		done
	done
	IFS=$old
	return 1
}

header() {
	for name in "${1%%|*}" "${1##*|}"; do
		file "usr/include/$name|usr/local/include/$name|usr/share/include/$name|usr/include/*-linux-*/$name" && return 0
	done
	[ -z "$root" ] || return 1
	# The compiler may find it in another place.
	for name in "${1%%|*}" "${1##*|}"; do
		echo "#include <$name>" | ${CC:-cc} -E -x c - >/dev/null 2>&1 && return 0
	done
	return 1
}

is_there() {
	case $1 in
	cmd)
		[ "$2" = cc ] && set -- cmd "${CC:-cc}" && set -- cmd "${2%% *}"
		command -v "$2" >/dev/null || file "usr/sbin/$2" ;;
	header) header "$2" ;;
	file) file "$2" ;;
	python)
		file "usr/lib/python3/dist-packages/$2|usr/lib/python3/dist-packages/$2.py" ||
			{ [ -z "$root" ] && /usr/bin/python3 -c "import $2" 2>/dev/null; } ;;
	esac
}

missing=""
for group in $groups; do
	rows=$(table "$group") || { echo "install-deps.sh: there is no group '$group' (use build, test, unit, fuzz, npm, clients, backends, python, cluster, load, docs, bench, deb, chroot or compose)" >&2; exit 2; }
	while read -r kind what package; do
		case "$missing " in *" $package "*) continue ;; esac
		is_there "$kind" "$what" || missing="$missing $package"
	done <<-END
	$rows
	END
done
[ -n "$missing" ] || exit 0

# Prints one line and ends.
give_up() {
	echo "missing:$missing; $1" >&2
	exit 1
}
# shellcheck disable=SC2086
set -- $groups
by_hand="run: $0 $*"
command -v apt-get >/dev/null || give_up "this is not a Debian system (no apt-get), so install them by hand (names are Debian's)"
run=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || give_up "as root, $by_hand"
	run=sudo
	if [ -n "$ask" ]; then
		sudo true || give_up "as root, $by_hand"
	else
		sudo -n true 2>/dev/null || give_up "$by_hand"
	fi
fi

echo "install-deps.sh: looking for$missing"
$run apt-get update -qq || give_up "apt-get update failed"
names=""
for choice in $missing; do
	pick=""
	for name in $(echo "$choice" | tr '|' ' '); do
		if apt-cache show "$name" >/dev/null 2>&1; then pick=$name; break; fi
	done
	[ -n "$pick" ] || give_up "the configured Debian sources have no '$choice'"
	names="$names $pick"
done
echo "install-deps.sh: installing$names"
# sudo drops the environment, so env sets the variable after it
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names >/dev/null || give_up "apt-get install failed"
