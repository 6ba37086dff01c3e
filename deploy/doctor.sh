#!/bin/sh
# Checks everything between clients and Sockeye, and reports what is wrong: deploy/doctor.sh [URL [ADMIN_URL]]
#   URL        the address that clients use, with the balancer (default http://localhost:3000); SOCKEYE_PATH sets the path
#   ADMIN_URL  a node's --admin-port, e.g. http://localhost:9100
# It takes one ping interval (25 s). Exit code: 0, 1 if something is wrong, 2 for invalid usage. Needs curl.
set -u

for argument; do
	case $argument in
	-h | --help)
		sed -n "2,/^# It takes/{s|deploy/doctor\\.sh|${0##*/}|;s/^# //p;}" "$0"
		exit 0 ;;
	-*)
		echo "${0##*/}: unknown option $argument; see --help" >&2
		exit 2 ;;
	esac
done
[ $# -le 2 ] || { echo "${0##*/}: too many arguments; see --help" >&2; exit 2; }
command -v curl >/dev/null || { echo "${0##*/}: curl is missing; install it" >&2; exit 1; }
url=${1:-http://localhost:3000}
admin=${2:-}
engine="${url%/}${SOCKEYE_PATH:-/socket.io}/?EIO=4"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
bad=0

ok() { echo "ok    $*"; }
warn() { echo "warn  $*"; }
fail() {
	echo "FAIL  $*"
	bad=1
}

# ----------------------------------------------------------- this machine

sysctl_of() { cat "/proc/sys/$(echo "$1" | tr . /)" 2>/dev/null; }

# name, minimum, consequence of a lower value
at_least() {
	value=$(sysctl_of "$1")
	if [ -z "$value" ]; then
		return
	elif [ "$value" -lt "$2" ]; then
		warn "$1 is $value: $3; sysctl -w $1=$2"
	else
		ok "$1 is $value"
	fi
}

descriptors=$(ulimit -Hn)
if [ "$descriptors" = unlimited ] || [ "$descriptors" -ge 65536 ]; then
	ok "a process may have $descriptors descriptors"
else
	warn "a process may have $descriptors descriptors (ulimit -Hn), and needs one per client; raise LimitNOFILE or limits.conf"
fi
at_least net.core.somaxconn 1024 "when all clients come back at once, connections are lost"
at_least net.ipv4.tcp_max_syn_backlog 1024 "when all clients come back at once, connections are lost"
at_least net.netfilter.nf_conntrack_max 262144 "the firewall drops connections beyond that"
sysctl_of net.ipv4.ip_local_port_range | {
	read -r first last && ok "a balancer on this machine can have $((last - first + 1)) connections to each node (net.ipv4.ip_local_port_range)"
}

# -------------------------------------------------- the path to the server

# Sends a request on a new connection, as after a change of networks. Writes the body to $dir/NAME, the status to standard output,
# and to $dir/NAME.error why there is no response.
get() {
	name=$1
	shift
	curl -sS -k --http1.1 -o "$dir/$name" -w '%{http_code}' "$@" 2>"$dir/$name.error"
}

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([A-Za-z0-9_-]*\).*/\1/p" "$dir/open" 2>/dev/null; }

# The node that a session id names by its first two characters, in base64url
node_of() {
	awk -v id="$1" 'BEGIN {
		digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		print 64 * (index(digits, substr(id, 1, 1)) - 1) + index(digits, substr(id, 2, 1)) - 1
	}'
}

# Opens sessions, and sends requests of each. Writes a line for each session: its first two characters, and "reached" or "missed".
try_nodes() {
	for _ in 1 2 3 4 5 6 7 8 9; do
		get open -m 10 "$engine&transport=polling" >/dev/null
		id=$(field sid)
		[ -n "$id" ] || continue
		result=reached
		for _ in 1 2 3; do
			status=$(get post -m 10 -X POST -H 'Content-Type: text/plain;charset=UTF-8' --data-binary 3 "$engine&transport=polling&sid=$id")
			[ "$status" = 200 ] || result=missed
		done
		get close -m 5 -X POST --data-binary 1 "$engine&transport=polling&sid=$id" >/dev/null
		echo "${id%"${id#??}"} $result"
	done >"$dir/nodes"
}

# Names the nodes that the balancer does not know, while it knows others. Returns 1 if there are none.
name_unknown_nodes() {
	missed=$(sed -n 's/ missed$//p' "$dir/nodes" | sort -u)
	[ -n "$missed" ] && grep -q ' reached$' "$dir/nodes" || return 1
	for prefix in $missed; do
		! grep -qxe "$prefix reached" "$dir/nodes" || continue
		named=yes
		fail "requests of sessions of node $(node_of "$prefix") do not reach it: no rule of the balancer knows session ids that begin with $prefix; add one, or give the node a --node-id that has one (see deploy/README.md)"
	done
	[ "${named:-}" = yes ]
}

finish() {
	[ -n "${session:-}" ] && get close -m 5 -X POST --data-binary 1 "$session" >/dev/null
	[ $bad -eq 0 ] && echo "Nothing is wrong."
	exit $bad
}

status=$(get open -m 10 "$engine&transport=polling")
sid=$(field sid)
if [ "$status" = 000 ]; then
	fail "no answer from $url: $(sed -n 's/^curl: ([0-9]*) //p' "$dir/open.error" | head -1); is the server running, and is this its address?"
	finish
elif [ "$status" != 200 ] || [ -z "$sid" ]; then
	fail "no handshake at $engine: status $status, \"$(head -c 100 "$dir/open" 2>/dev/null | tr -d '\000-\037')\""
	finish
fi
interval=$(($(field pingInterval) / 1000))
patience=$((interval + $(field pingTimeout) / 1000))
session="$engine&transport=polling&sid=$sid"
ok "handshake: session $sid, pings every $interval s, patience $patience s"

# WebSocket: must be accepted, and still open after a ping. It runs in the background, because the long poll also takes one interval.
get websocket -N -m $((interval + 3)) -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
	-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' "$engine&transport=websocket" >"$dir/websocket.status" &
websocket=$!

unknown=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	status=$(get post -m 10 -X POST -H 'Content-Type: text/plain;charset=UTF-8' --data-binary 3 "$session")
	[ "$status" = 200 ] || unknown=$((unknown + 1))
done
try_nodes
if [ $unknown -gt 0 ] && name_unknown_nodes; then
	kill $websocket 2>/dev/null
	session=
	finish
elif [ $unknown -gt 0 ]; then
	fail "$unknown of 12 requests of one session were refused: not all of them reach the node of the session, or only with a cookie that clients do not send (see deploy/README.md)"
	kill $websocket 2>/dev/null
	session=
	finish
fi
ok "12 requests of one session on 12 connections: all reached its node"
name_unknown_nodes || ok "sessions of $(cut -d' ' -f1 "$dir/nodes" | sort -u | wc -l) nodes: all their requests reached them"

# The steps before may have taken longer than a ping interval, so the long poll gets a session of its own. If that session is at a
# node that the balancer does not know, which has been reported already, another session takes its place.
get close -m 5 -X POST --data-binary 1 "$session" >/dev/null
for _ in 1 2 3 4 5 6 7 8 9; do
	get open -m 10 "$engine&transport=polling" >/dev/null
	sid=$(field sid)
	grep -qxe "${sid%"${sid#??}"} missed" "$dir/nodes" || break
done
session="$engine&transport=polling&sid=$sid"
began=$(date +%s)
for _ in 1 2 3 4; do # other packets may come first
	status=$(get poll -m $((patience + 10)) "$session")
	[ "$status" = 200 ] || break
	tr '\036' '\n' <"$dir/poll" | grep -qx 2 && status=pinged && break
done
took=$(($(date +%s) - began))
if [ "$status" = pinged ]; then
	ok "a long poll was held for $took s until the ping"
else
	fail "a long poll ended after $took s with status $status: the read time-outs of all proxies on the way must be more than $patience s"
fi

wait $websocket
status=$(cat "$dir/websocket.status")
frames=$(od -An -v -tx1 "$dir/websocket" 2>/dev/null | tr -d ' \n')
if [ "$status" != 101 ]; then
	fail "WebSocket: status $status instead of 101: a proxy on the way does not pass upgrades on (check HTTP/1.1, Upgrade, Connection)"
elif [ "${frames%810132*}" = "$frames" ]; then
	fail "WebSocket: cut off before the first ping: the tunnel or read time-outs of all proxies on the way must be more than $patience s"
else
	ok "WebSocket: open until after the first ping"
fi

# ----------------------------------------------------------------- the node

if [ -n "$admin" ]; then
	status=$(get ready -m 5 "${admin%/}/readyz")
	if [ "$status" != 200 ]; then
		fail "$admin: the node is not ready: status $status $(cat "$dir/ready" 2>/dev/null)"
	elif grep -q '"degraded":true' "$dir/ready"; then
		fail "$admin: the node serves its clients, but is degraded: $(cat "$dir/ready")"
	else
		ok "$admin: ready"
	fi
	# a node that does not answer has been reported above, and an older node does not have this page
	if [ "$(get cluster -m 5 "${admin%/}/cluster")" = 200 ]; then
		conflicts=$(sed -n 's/.*"conflicts":\[\([^]]*\)\].*/\1/p' "$dir/cluster")
		if [ -n "$conflicts" ]; then
			fail "$admin: the nodes of the cluster contradict one another: $conflicts (see docs/cluster.md, Who is in the cluster)"
		else
			ok "$admin: the cluster has $(grep -o '"state":"serving"' "$dir/cluster" | wc -l) serving workers"
		fi
	fi
fi
finish
