#!/usr/bin/env bash
# The units under a real systemd: runs as a service in the container that run.sh starts, after the package is installed, and
# writes a line for each step. The last line is "passed".
set -uo pipefail

config=/etc/sockeye/sockeye.conf
drop_in=/etc/systemd/system/sockeye.service.d
port=3000

step() {
	echo "== $1"
}

fail() {
	echo "FAILED: $1"
	systemctl status --no-pager --full sockeye.service
	journalctl --no-pager --lines=40 --unit=sockeye
	exit 1
}

# until_true WHAT COMMAND...: waits until the command succeeds
until_true() {
	local what=$1
	shift
	for _ in $(seq 600); do
		"$@" && return
		sleep 0.1
	done
	fail "$what"
}

shown() {
	systemctl show --value --property "$1" sockeye.service
}

is_shown() {
	[ "$(shown "$1")" = "$2" ]
}

is_other() {
	[ "$(shown "$1")" != "$2" ]
}

# grep reads to the end (no -q): otherwise journalctl may die of a broken pipe, which counts as a failure here.
journal_has() {
	journalctl --no-pager --unit=sockeye --output=cat | grep -F -- "$1" >/dev/null
}

url() {
	echo "$1://127.0.0.1:$port/socket.io/?EIO=4&transport=polling"
}

handshake() {
	[[ $(curl -sk --max-time 30 "$(url "${1:-http}")") == 0* ]]
}

refused() {
	[ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 30 "$(url http)")" = 503 ]
}

# drop_in NAME LINE...: changes the unit until `undo`
drop_in() {
	mkdir -p "$drop_in"
	printf '%s\n' '[Service]' "${@:2}" >"$drop_in/$1.conf"
	systemctl daemon-reload
}

undo() {
	systemctl stop sockeye.socket sockeye.service
	systemctl reset-failed sockeye.service 2>/dev/null
	rm -rf "$drop_in"
	cp "$config.shipped" "$config"
	systemctl daemon-reload
}

# Asks for handshakes, each on a connection of its own, until the file $asking is gone, and keeps the codes of the answers.
asking=/run/asking
ask_again_and_again() {
	while [ -e "$asking" ]; do
		curl -s -o /dev/null -w '%{http_code}\n' --max-time 30 -H 'Connection: close' "$(url http)&n=[1-20]"
	done >/run/answers
}

begin_asking() {
	rm -f /run/answers
	touch "$asking"
	ask_again_and_again &
	until_true "no answer" test -s /run/answers
}

# end_asking WHAT CODES...: fails if an answer has another code
end_asking() {
	rm "$asking"
	wait
	! grep -qvE "^($2)$" /run/answers || fail "$1: refused clients: $(sort /run/answers | uniq -c | tr '\n' ' ')"
}

# ------------------------------------------------------------------------------

echo "drainTime = 100ms" >>"$config"
cp "$config" "$config.shipped"
undo

step "start returns when the server accepts connections, and the server is not root"
systemctl start sockeye || fail "start"
handshake || fail "no handshake right after the start"
[ "$(ps -o uid= "$(shown MainPID)" | tr -d ' ')" -gt 0 ] || fail "the server runs as root"

step "reload applies what can change"
pid=$(shown MainPID)
echo "maxSessions = 1" >>"$config"
systemctl reload sockeye || fail "reload"
until_true "the new limit has no effect" refused # systemctl only sends a signal: the workers apply the limit a little later
is_shown MainPID "$pid" || fail "the server was started again"

step "reload with a mistake fails, explains it, and the server goes on"
cp "$config.shipped" "$config"
systemctl reload sockeye || fail "reload"
until_true "the former limit does not return" handshake
echo "prot = 4000" >>"$config"
! systemctl reload sockeye 2>/dev/null || fail "the mistake is accepted"
until_true "the mistake is not explained" journal_has "sockeye.conf:$(grep -c '' "$config"): unknown option prot; did you mean port?"
is_shown MainPID "$pid" && handshake || fail "the server is gone"

step "a mistake at the start: code 2, and no other start"
systemctl stop sockeye
! systemctl start sockeye 2>/dev/null || fail "the mistake is accepted"
is_shown ExecMainStatus 2 || fail "the code is $(shown ExecMainStatus)"
is_shown ActiveState failed && is_shown NRestarts 0 || fail "systemd starts it again"

step "a crash: systemd starts the server again"
undo
systemctl start sockeye
pid=$(shown MainPID)
kill -KILL "$pid"
until_true "no restart after a crash" is_shown NRestarts 1
until_true "not active after a crash" is_shown ActiveState active
is_other MainPID "$pid" && handshake || fail "no server after the crash"

step "a process that hangs: the watchdog ends it, and systemd starts it again"
undo
printf '%s\n' "app = /packages/trouble.so" "port = $port" "host = 127.0.0.1" "workers = 1" >"$config"
drop_in watchdog WatchdogSec=2
systemctl start sockeye || fail "start"
pid=$(shown MainPID)
sid=$(curl -s --max-time 30 "$(url http)" | sed -n 's/.*"sid":"\([^"]*\)".*/\1/p')
curl -s -o /dev/null --max-time 30 --data 40 "$(url http)&sid=$sid"
curl -s -o /dev/null --max-time 1 --data '42["block","/tmp/never"]' "$(url http)&sid=$sid"
until_true "the watchdog does not notice" journal_has "Watchdog timeout"
until_true "no restart after the watchdog" is_other NRestarts 0
until_true "not active after the watchdog" is_shown ActiveState active
is_other MainPID "$pid" || fail "the process that hangs is still there"
until_true "no server after the watchdog" handshake

step "LoadCredential: certificate and key that only root can read"
undo
[ "$(stat -c '%a %U' /packages/tls.key)" = "600 root" ] || fail "the key must be root's"
drop_in credentials "LoadCredential=tls-cert:/packages/tls.pem" "LoadCredential=tls-key:/packages/tls.key" \
	"Environment=SOCKEYE_TLS_CERT=%d/tls-cert" "Environment=SOCKEYE_TLS_KEY=%d/tls-key"
systemctl start sockeye || fail "start"
handshake https || fail "no handshake over TLS"

step "an upgrade: another program, and no refused client"
undo
systemctl start sockeye
pid=$(shown MainPID)
begin_asking
kill -USR2 "$pid"
until_true "no new program" is_other MainPID "$pid"
until_true "the old program stays" eval "! kill -0 $pid 2>/dev/null"
end_asking "upgrade" 200
is_shown ActiveState active && is_shown NRestarts 0 && handshake || fail "the service after the upgrade"

step "socket activation: the first client starts the server, and a restart refuses nobody"
undo
systemctl start sockeye.socket || fail "sockeye.socket"
is_shown ActiveState inactive || fail "the server runs already"
handshake || fail "no handshake through the socket"
until_true "the server was not started" is_shown ActiveState active # the server answers before systemd has read that it is ready
pid=$(shown MainPID)
begin_asking
systemctl restart sockeye || fail "restart"
is_other MainPID "$pid" || fail "no restart"
handshake || fail "no handshake after the restart"
end_asking "restart" "200|503" # 503 while the old process drains

undo
echo passed
