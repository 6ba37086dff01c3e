#!/usr/bin/env bash
# Runs several lanes of `make` at the same time: lanes.sh FOLDER. The Makefile's target `test` calls it. Each line of $TEST_LANES
# is one step: "lane: arguments of make". The steps of a lane run one after the other. They continue after a failure, so one run
# shows every failure. The output of a step goes to a file in FOLDER, and is printed as a whole when the step ends. Then come a
# table of all steps, what each failed step says about its failures and, last, a line for each failed test.
#
# A step that left tests out is `skipped` in the table, with the reasons below; this is not a failure. Nor is an `unsteady` step: some
# of its test files failed beside the other lanes, and passed when they ran again alone. Such a test is at fault all the same, or the
# program is, so its failures are shown, too.
set -uo pipefail

folder=$1
jobs="-j$(nproc) --keep-going"

# The lanes run in a session of their own. A signal ends all processes of the session, even those in other process groups,
# such as the children of timeout(1). Prints the ids of the processes.
members() {
	local stat line state session_of
	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		read -r state _ _ session_of _ <<<"${line##*) }"
		[ "$session_of" != "$session" ] || [ "$state" = Z ] || echo "${line%% *}"
	done
} 2>/dev/null

end() {
	trap '' INT TERM HUP
	for signal in TERM KILL; do
		# shellcheck disable=SC2046
		kill -$signal $(members) 2>/dev/null
		for _ in $(seq 200); do
			[ -n "$(members)" ] || exit "$1"
			sleep 0.1
		done
	done
	exit "$1"
}

if [ "${IN_SESSION:-}" != yes ]; then
	rm -rf "$folder"
	mkdir -p "$folder"
	IN_SESSION=yes setsid "$0" "$@" </dev/null &
	session=$!
	trap 'end 130' INT
	trap 'end 143' TERM HUP
	wait "$session"
	exit
fi
unset IN_SESSION

# explain LOG: prints what node --test, cmocka, a broken invariant, the sanitizers, Python's unittest and make say about failures,
# with the logs of the programs that tests/clients/support/leftovers.mjs adds.
explain() {
	awk '
	function show(text) { if (shown++ < 400) print text }
	# a failed test of node --test, with its error; not a test that failed only because one inside it did
	/^ *not ok / { test = $0 "\n"; next }
	test != "" {
		test = test $0 "\n"
		if (/^ *\.\.\.$/) { if (test !~ /subtestsFailed/) show(test); test = "" }
		next
	}
	/^# failed: / { logging = 1; show($0); next }
	logging && /^#  *\| / { show($0); next }
	{ logging = 0 }
	# the others: some lines before the failure, and some after it
	{ before[NR % 12] = $0 }
	/^ *✖|\[  ERROR   \]|\[   LINE   \]|\[  FAILED  \]|^(FAIL|ERROR|FAILED): ?|broken invariant|Sanitizer: |runtime error: |^make.*\*\*\*/ {
		for (line = NR - 11; line < NR; line++) if (line > until && line > 0) show(before[line % 12])
		show($0)
		until = NR + 25
		next
	}
	NR <= until { show($0) }
	END { if (shown > 400) print "(and " shown - 400 " more lines)" }
	' "$1"
}

# failures LOG: prints a line for each failed test of node --test: where it is, its name, and the beginning of its error. Of other
# programs it prints the first lines that tell of a failure.
failures() {
	awk '
	/^ *not ok / { test = $0; sub(/^ *not ok [0-9]* - /, "", test); place = error = ""; next }
	test == "" { next }
	/^ *location: / { place = $0; sub(/^ *location: .(file:\/\/)?/, "", place); sub(/.$/, "", place); sub(/^.*\/tests\//, "tests/", place) }
	/^ *failureType: .(subtestsFailed|cancelledByParent)/ { test = "" }
	/^ *code: / { lines = 0 }
	lines > 0 { lines--; sub(/^ */, ""); error = error " " $0 }
	/^ *error: / { error = $0; sub(/^ *error: /, "", error); if (sub(/^\|-?$/, "", error)) lines = 12 }
	/^ *\.\.\.$/ && !lines { print "  " place ": " test ": " substr(error, 1, 400); test = "" }
	' "$1"
	grep -q '^# fail ' "$1" || grep -E ' error: |\[  FAILED  \]|^(FAIL|ERROR|FAILED): ?|broken invariant|Sanitizer: |^make.*\*\*\*' "$1" | head -8 | cut -c1-400 | sed 's/^/  /'
}

# skips LOG: prints what kept tests from running: "SKIPPED: reason" of a script, or "missing: program" as the reason of a test of
# node --test. Other reasons of node --test name what the test is not meant for.
skips() {
	sed -n -e 's/^SKIPPED: //p' -e 's/^ *ok .* # SKIP missing: /missing: /p' "$1" | sort -u
}

# failed_files LOG: prints the files of the tests that failed. Prints nothing if node --test has not run all of its files, and nothing
# after a crash or what a sanitizer found: those fail for certain. Node.js 18 writes the place as a URL.
failed_files() {
	grep -q '^# fail ' "$1" && ! grep -vE '^ *(# Subtest|ok|not ok)' "$1" | grep -qE 'event=crash|broken invariant|Sanitizer: |runtime error: ' || return 0
	awk '
	/^ *not ok / { failed = 1 }
	failed && sub(/^ *location: .(file:\/\/)?/, "") && sub(/:[0-9]+:[0-9]+.$/, "")
	/^ *\.\.\.$/ { failed = 0 }
	' "$1" | sort -u
}

# passes_again LOG ARGUMENTS...: runs the failed test files of a step once more, if they are at most AGAIN_MAX
AGAIN_MAX=4
passes_again() {
	local files
	files=$(failed_files "$1" | tr '\n' ' ')
	[ -n "$files" ] && [ "$(wc -w <<<"$files")" -le $AGAIN_MAX ] || return 1
	# shellcheck disable=SC2086
	make $jobs "${@:2}" TEST_FILES="$files" >"${1%.log}-again.log" 2>&1 </dev/null
}

# step LANE NUMBER ARGUMENTS...: runs one step
step() {
	local log=$folder/$1-$2.log name="make ${*:3}" start=$SECONDS result=ok skipped TIMEFORMAT='%0U+%0S'
	# shellcheck disable=SC2086
	{ time make $jobs "${@:3}" >"$log" 2>&1 </dev/null || result=FAILED; } 2>"$folder/processor-$1"
	skipped=$(skips "$log")
	[ $result != ok ] || [ -z "$skipped" ] || result=skipped
	exec 9>>"$folder/printing"
	flock 9
	printf '\n===== %s: %s, after %d s (lane %s) =====\n' "$name" "$result" $((SECONDS - start)) "$1"
	cat "$log"
	printf '%-8s %5d s %5d s of processor  %-10s %-35s %s\n' "$result" $((SECONDS - start)) $(($(<"$folder/processor-$1"))) "$1" "$name" "$log" >>"$folder/steps"
	[ -z "$skipped" ] || sed 's/^/         skipped: /' <<<"$skipped" >>"$folder/steps"
	[ $result != FAILED ] || echo "$log ${*:3}" >>"$folder/failed"
	exec 9>&-
}

lane() {
	local number=0 lane arguments
	case $1 in
	computing)
		# The other lanes mostly wait, but have deadlines. So this lane gets only the processor time that they leave.
		renice -n 4 -p $BASHPID >/dev/null
		jobs+=" --output-sync=target" ;;
	units) jobs+=" --output-sync=target" ;;
	esac
	while IFS=: read -r lane arguments; do
		# shellcheck disable=SC2086
		[ "$lane" != "$1" ] || step "$1" $((++number)) $arguments
	done <<<"$TEST_LANES"
}

for name in $(sed -n "s/:.*//p" <<<"$TEST_LANES" | sort -u); do
	lane "$name" &
done
wait

touch "$folder/failed"
while read -r log arguments; do
	# shellcheck disable=SC2086
	passes_again "$log" $arguments && sed -i "\\|$log\$|s/^FAILED  /unsteady/" "$folder/steps"
done <"$folder/failed"

printf '\n===== all steps, in the order in which they ended =====\n'
cat "$folder/steps"
while read -r line; do
	printf '\n===== %s =====\n' "$line"
	explain "${line##* }"
done < <(grep -E '^(FAILED|unsteady)' "$folder/steps")
while read -r log arguments; do
	printf '\nfailed tests of make %s\n' "$arguments"
	failures "$log"
	[ ! -e "${log%.log}-again.log" ] || printf '  when they ran again: %s\n' "$(failures "${log%.log}-again.log")"
done <"$folder/failed"
! grep -q ^FAILED "$folder/steps"
