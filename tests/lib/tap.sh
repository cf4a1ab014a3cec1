# shellcheck shell=bash
# tests/lib/tap.sh: assertions of the integration tests, in TAP (testanything.org). Sourced.
# It knows nothing of pgshovel or servers. Every assertion prints one line and returns 0 or 1, so that a test can stop early.
#
#   ok NAME COMMAND…        passes when COMMAND does; its output is shown when it does not
#   nok NAME COMMAND…       the contrary
#   is GOT WANTED NAME      equal texts            isnt GOT OTHER NAME
#   like GOT REGEX NAME     extended regex         unlike GOT REGEX NAME
#   pass NAME, fail NAME
#   skip NAME REASON        counted as skipped     skip_all REASON: the whole test; ends it
#   plan N                  optional; without it tap_done prints the plan
#   diag TEXT…              a remark
#   show_log FILE…          at the first failure the ends of these files are printed
#   at_exit COMMAND…        run at the end, last in first out, also after a failure or a signal
#   tap_done                last line of a test; exit status
#   wait_for SECONDS COMMAND…   see wait.sh

# shellcheck source=tests/lib/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"

tap_count=0
tap_failed=0
tap_planned=
tap_finished=
tap_logs=()
tap_exits=()

plan() {
	tap_planned=$1
	echo "1..$1"
}

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

show_log() {
	tap_logs+=("$@")
}

tap_logs_print() {
	local log
	for log in ${tap_logs[@]+"${tap_logs[@]}"}; do
		[ -s "$log" ] || continue
		diag "---- the end of $log"
		tail -n "${TAP_LOG_LINES:-40}" "$log" | cut -c1-400 | sed 's/^/#   /'
	done
}

pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	diag "at $(tap_where)"
	[ "$tap_failed" != 1 ] || tap_logs_print
	return 1
}

tap_where() { # the line of the test, not of this file
	local i
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		[ "${BASH_SOURCE[i]}" != "${BASH_SOURCE[0]}" ] && echo "${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}" && return
	done
}

ok() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1)
	rc=$?
	[ $rc = 0 ] && { pass "$name"; return; }
	fail "$name"
	diag "\"$*\" exited with $rc:"
	diag "$(tail -n 20 <<< "$out")"
	return 1
}

nok() {
	local name=$1 out
	shift
	out=$("$@" 2>&1) || { pass "$name"; return; }
	fail "$name"
	diag "\"$*\" succeeded:"
	diag "$(tail -n 20 <<< "$out")"
	return 1
}

is() {
	[ "$1" = "$2" ] && { pass "$3"; return; }
	fail "$3"
	diag "got:    $(head -c 2000 <<< "$1")"
	diag "wanted: $(head -c 2000 <<< "$2")"
	return 1
}

isnt() {
	[ "$1" != "$2" ] && { pass "$3"; return; }
	fail "$3"
	diag "got:    $(head -c 2000 <<< "$1")"
	return 1
}

like() {
	[[ $1 =~ $2 ]] && { pass "$3"; return; }
	fail "$3"
	diag "got:    $(head -c 2000 <<< "$1")"
	diag "wanted: /$2/"
	return 1
}

unlike() {
	[[ $1 =~ $2 ]] || { pass "$3"; return; }
	fail "$3"
	diag "got:    $(head -c 2000 <<< "$1")"
	diag "without /$2/"
	return 1
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
	tap_finished=1
	echo "1..0 # SKIP $1"
	exit 0
}

at_exit() {
	local quoted
	printf -v quoted '%q ' "$@"
	tap_exits+=("$quoted")
}

tap_end() {
	local rc=$? i
	trap '' INT TERM HUP
	[ -n "$tap_finished" ] || { [ "$tap_failed" != 0 ] || tap_logs_print; diag "the test ended early, exit status $rc"; [ $rc != 0 ] || rc=1; }
	for ((i = ${#tap_exits[@]} - 1; i >= 0; i--)); do
		eval "${tap_exits[i]}"
	done
	exit $rc
}

tap_done() {
	tap_finished=1
	if [ -z "$tap_planned" ]; then
		echo "1..$tap_count"
	elif [ "$tap_planned" != "$tap_count" ]; then
		diag "planned $tap_planned tests, ran $tap_count"
		exit 1
	fi
	[ "$tap_failed" = 0 ] || exit 1
	exit 0
}

trap tap_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
