# shellcheck shell=bash
# tests/lib/wait.sh: waiting for a condition; the only place of the tests that sleeps. Sourced.
# It does not judge: what a condition means is the caller's business.

# wait_for SECONDS COMMAND…: runs COMMAND every 50 ms until it succeeds; 1 when SECONDS have passed without success. SECONDS is a whole number.
wait_for() {
	local limit=$((SECONDS + $1))
	shift
	while ! "$@"; do
		[ "$SECONDS" -lt "$limit" ] || return 1
		sleep 0.05
	done
}
