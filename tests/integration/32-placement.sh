#!/bin/bash
# test: limit=300
# tests/integration/32-placement.sh: sets spread over several hosts: a host joins, is drained, resumed, killed, stops. Every set has one
# owner, and never two workers; who holds it lets go before the next one starts. Workers are scripted (tests/fakes/worker.c).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/supervisor-lib.sh
. tests/integration/supervisor-lib.sh
supervisor_begin
export PGSHOVEL_HOLD_SECONDS=2
STOP_GRACE=20s
SESSION_TIMEOUT=4s # a host that is merely slow must not lose its sets to another
SETS=24

owners() { # one line a set: SET HOST
	local i
	for ((i = 0; i < SETS; i++)); do
		printf 's%d %s\n' $i "$(z get "/$CLUSTER/locks/s$i" 2> /dev/null | sed -n 's/.*"host":"\([^"]*\)".*/\1/p')"
	done
}
owned_by() { # HOST…: each of them has a fair part, and nobody else has any
	local host n
	owners > "$T/owners"
	[ "$(grep -c ' .' "$T/owners")" = $SETS ] || return 1
	for host; do
		n=$(grep -c " $host$" "$T/owners")
		[ "$n" -ge 1 ] && [ "$n" -le $((SETS * 11 / 10 / $# + 2)) ] || return 1
	done
	n=$(sed 's/.* //' "$T/owners" | sort -u | wc -l)
	[ "$n" = $# ]
}
all_up() { # every set has exactly one worker that lives, a child of the supervisor of its owner
	local set host pid supervisor
	while read -r set host; do
		pid=$(worker_of "$set")
		supervisor=PID_$host
		[ -n "$pid" ] && alive "$pid" && [ "$(awk '{ print $4 }' "/proc/$pid/stat" 2> /dev/null)" = "${!supervisor}" ] || return 1
	done < "$T/owners"
}
spread_over() {
	owned_by "$@" && all_up
}
never_two() { # no worker of a set starts while the one before it lives: the log is in the order of time
	awk '$1 == "start" { split($3, p, "="); if (($2 in pid) && !(($2, pid[$2]) in over)) { print $2; bad = 1 } pid[$2] = p[2] }
		$1 == "stop" || $1 == "end" { split($3, p, "="); over[$2, p[2]] = 1 }
		END { exit bad }' "$W"
}

for ((i = 0; i < SETS; i++)); do
	put s$i "$([ $((i % 3)) = 0 ] && echo slow || echo ok)" # a lock that is given back too early would give a slow one a second worker
done
sup a
ok 'one host has them all' wait_for 30 spread_over a
sup b
sup c
ok 'three hosts share them' wait_for 60 spread_over a b c || diag "$(cat "$T/owners")"
ok 'a set has moved because its place did' grep -q 'stopping worker .*: the set moves to another host' "$T/a.log"
ok 'no set ever had two workers' never_two
calm() { # nothing has started for twice the time that a running set waits for its new place
	local n
	n=$(grep -c ^start "$W")
	if [ "$n" != "${calm_n:-}" ]; then
		calm_n=$n calm_since=$SECONDS
	fi
	[ $((SECONDS - calm_since)) -gt $((2 * PGSHOVEL_HOLD_SECONDS)) ]
}
ok 'then nothing moves any more' wait_for 60 calm
ok 'and the map is as it was' spread_over a b c

# ---- drained

shovel() {
	pgshovel --zookeeper-hosts "$ZOOKEEPER" --cluster "$CLUSTER" "$@"
}
run shovel host drain nowhere
is "$RC" 78 'a host that was never seen is not drained'
like "$ERR" 'no supervisor named "nowhere" was ever seen in cluster' 'it is named'
run shovel host drain b
is "$RC" 0 'host drain'
ok 'its sets go to the others at once' wait_for 30 spread_over a c || diag "$(cat "$T/owners")"
ok 'no set ever had two workers' never_two
lists() { # REGEX: the status of a host is written once a second at most
	run shovel host list
	[[ $OUT =~ $1 ]]
}
ok 'host list says so' wait_for 30 lists 'b +drained +0 +0 ' || diag "$OUT"
run shovel host list
like "$OUT" 'a +active +[0-9]+ +[0-9]+ ' 'and who is active'
run shovel host drain b
like "$OUT" 'unchanged: host "b" is drained already' 'drained twice'
kill -TERM "$PID_b"
ends "$PID_b" 15
: > "$T/b.log"
sup b
ok 'started again it is drained still' said b 'this host is drained'
ok 'and ready' said b 'ready:'
ok 'nothing moves' wait_for 60 calm
is "$(grep -c "^start .* ppid=$PID_b " "$W")" 0 'it takes nothing'
ok 'the others have all of it' spread_over a c
run shovel host resume b
is "$RC" 0 'host resume'
ok 'its share comes back' wait_for 60 spread_over a b c || diag "$(cat "$T/owners")"
run shovel host resume b
like "$OUT" 'unchanged: host "b" is not drained' 'resumed twice'
run shovel host list --json
like "$OUT" '"host":"b","present":true,"drained":false' 'host list --json'

# ---- killed, stopped

kill -KILL "$PID_c"
ok 'kill -9 of a host: its sets are owned again' wait_for 60 spread_over a b || diag "$(cat "$T/owners")"
sup c
ok 'it comes back and has its share' wait_for 60 spread_over a b c
ok 'nothing moves any more' wait_for 60 calm
kill -TERM "$PID_a"
ends "$PID_a" 15
is "$RC" 0 'a host stops in order'
ok 'its sets are owned again' wait_for 30 spread_over b c
ok 'nothing moves any more' wait_for 60 calm
put late ok
ok 'a new set starts on one of them' up late
ok 'and the others stay where they are' spread_over b c
tap_done
