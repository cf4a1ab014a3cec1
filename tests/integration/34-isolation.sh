#!/bin/bash
# test: limit=600
# tests/integration/34-isolation.sh: a worker that was taken over, and workers that misbehave: only they themselves are hurt.
# The workers are tests/fakes/attack.c, which confines itself as a relay does and is built as a released one. Each attack is tried
# without the confinement, too: there it works, or this machine refuses it to everybody and it proves nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/supervisor-lib.sh
. tests/integration/supervisor-lib.sh
supervisor_begin
PID_a=''

mkdir "$T/host"
printf 'h:1:d:u:s3cret-pg\n' > "$T/host/pgpass"
: > "$T/host/removable"
export ATTACK_FOLDER=$T/host ATTACK_PORT=${ZOOKEEPER##*:} PGSHOVEL_BACKOFF_MS=10
printf 'confine = "all";\n' > "$T/conf"

attackers() { # NAME OPTION…: a supervisor of such workers
	local name=$1
	shift
	sup "$name" --relay "$BUILD/tests/attack" --credentials-dir "$T/host" --config "$T/conf" --worker-memory 64MB --log-level info "$@"
}

metric() { # NAME: a number of supervisor a
	exec {http}<> "/dev/tcp/127.0.0.1/$PORT" || return 1
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$http"
	sed -n "s/^$1[ {].* \([0-9.e+-]*\)\r*$/\1/p; s/^$1 \([0-9.e+-]*\)\r*$/\1/p" <&"$http" | head -n 1
	exec {http}>&-
}

# result NAME: what became of an attack in the last run of the attacker
result() {
	grep "^attack set=attacker .* $1 " "$W" | tail -n 1 | awk '{ print $5 }'
}

# ---- a cgroup for each worker, where one is delegated

group='' RC=''
mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ "$(id -u)" = 0 ] && [ -n "$mount" ] && mkdir "$mount/pgshovel-test-$SUFFIX" 2> /dev/null; then
	group=$mount/pgshovel-test-$SUFFIX
	at_exit group_remove
fi
# shellcheck disable=SC2317 # at_exit
group_remove() {
	[ ! -e "$group/cgroup.kill" ] || echo 1 > "$group/cgroup.kill"
	wait_for 20 grep -q 'populated 0' "$group/cgroup.events"
	find "$group" -depth -type d -exec rmdir {} \;
}
group_of() { # PID
	sed -n "s|^0::.*/pgshovel-test-$SUFFIX||p" "/proc/$1/cgroup"
}
# shellcheck disable=SC2317 # wait_for
no_group() {
	[ ! -d "$group/set-$1" ]
}
if [ -n "$group" ] && attack delegate "$group"; then
	mkdir "$group/set-left"
	put caged victim
	show_log "$T/c.log"
	# nothing else may be in it when it hands its controllers on
	(
		echo "$BASHPID" > "$group/cgroup.procs"
		exec pgshoveld --host c --set caged --relay "$BUILD/tests/attack" --session-timeout 1s --worker-memory 64MB 2> "$T/c.log"
	) &
	PID=$!
	ok 'a worker below a delegated cgroup' at_least 1 start caged kind=victim
	is "$(group_of "$PID")" /supervisor 'the supervisor has moved into one of its own'
	caged() { # it is put there right after it has begun
		[ "$(group_of "$(worker_of caged)")" = /set-caged ]
	}
	wait_for 10 caged
	is "$(group_of "$(worker_of caged)")" /set-caged 'the worker has one, too'
	ok 'one that an earlier supervisor left is gone' no_group left
	if grep -qw memory "$group/cgroup.controllers"; then
		is "$(cat "$group/set-caged/memory.max")" $((64 * 1024 * 1024)) 'its memory is limited by it'
	else
		skip 'its memory is limited by it' 'no memory controller in cgroup v2 here'
		ok 'that is said once' said c 'it has no memory controller, every worker limits its own'
	fi
	if grep -qw pids "$group/cgroup.controllers"; then
		is "$(cat "$group/set-caged/pids.max")" 512 'its threads are counted'
	else
		skip 'its threads are counted' 'no pids controller in cgroup v2 here'
	fi
	z remove "/$CLUSTER/sets/caged"
	ok 'the cgroup of a dropped set goes with its worker' wait_for 60 no_group caged
	ends "$PID" 60
	is "${RC:-none}" 0 'the supervisor of a set that was dropped ends'
else
	skip 'a cgroup for each worker' 'no cgroup can be made here'
fi

# ---- what a relay cannot do, once it is confined

PORT=$(server_port "$T")
attackers a --metrics-listen "$PORT"
put victim victim
ok 'a victim is there' at_least 1 start victim kind=victim
VICTIM=$(worker_of victim)
put attacker attack
ok 'the attacker has tried everything' at_least 1 end attacker
names=$(sed -n 's/^attack set=attacker pid=[0-9]* \([a-z0-9-]*\) .*/\1/p' "$W")
ok 'there are attacks' test "$(wc -w <<< "$names")" -gt 30
abi=$(attack landlock)
declare -A needs=([memory-file]=1 [environment]=1 [credentials]=1 [list]=1 [write]=1 [remove]=1 [connect]=4 [bind]=4 [abstract-socket]=6)
for name in $names; do
	if [ "$abi" -lt "${needs[$name]:-0}" ]; then
		skip "confined: $name" "Landlock here is of version $abi"
		continue
	fi
	is "$(result "$name")" refused "confined: $name fails"
done
is "$(sed -n 's/^own-port .* \([A-Z]*\)$/\1/p' "$W")" ECONNREFUSED 'a port of its own set it may try'
like "$(grep 'Max core file size' "/proc/$VICTIM/limits")" ' 0 +0 ' 'no core file is written'
like "$(grep NoNewPrivs "/proc/$VICTIM/status")" '1$' 'nothing gains rights'
like "$(grep '^Seccomp:' "/proc/$VICTIM/status")" '2$' 'a filter of system calls is there'
ok 'the victim lives' alive "$VICTIM"

# ---- the same without: a reload turns it off for workers that start from now on

printf 'confine = "none";\n' > "$T/conf"
kill -HUP "$PID_a"
ok 'the reload is done' said a 'configuration and credentials were read again'
put attacker attack 00000000000000000000000000000002
ok 'the attacker has tried everything again' at_least 2 end attacker
# These prove nothing if they fail here, too.
must=' memory-file memory-call signal signal-supervisor signal-owner credentials list write remove fork exec connect bind listen abstract-socket memfd dumpable memory-limit '
for name in $names; do
	if [ "$(result "$name")" = "done" ]; then
		pass "not confined: $name works"
	elif [[ $must != *" $name "* ]]; then
		skip "not confined: $name" "this machine refuses it to everybody"
	else
		fail "not confined: $name works"
	fi
done
printf 'confine = "files,network,wrong";\n' > "$T/conf"
kill -HUP "$PID_a"
ok 'a piece that does not exist is refused' said a 'could not reload: .*"files,network,wrong" is no confinement.*keeping what was'
printf 'confine = "all";\n' > "$T/conf"
kill -HUP "$PID_a"
read_twice() {
	[ "$(grep -c 'configuration and credentials were read again' "$T/a.log")" = 2 ]
}
wait_for 15 read_twice || diag 'the workers below may not be confined'
z remove "/$CLUSTER/sets/attacker"

# ---- workers that misbehave toward the supervisor

put zero zero
put leak leak
put stopped stopped
put deaf deaf
put spin spin
put babble babble
put flood flood
ok 'a leaking worker gets no more than it may have' at_least 1 leaked leak
like "$(sed -n 's/^leaked .* mb=//p' "$W" | head -n 1)" '^[0-9]{1,2}$' 'and that is below 100 MB'
ok 'one that ends with 0 unasked is started again' at_least 3 start zero
ok 'one that stopped itself is there' up stopped
ok 'one that computes is there' up spin
ok 'one that floods its control socket is there' up flood
ok 'one that floods its log is there' up babble
DEAF=$(worker_of deaf)
SPIN=$(worker_of spin)
z remove "/$CLUSTER/sets/deaf"
z remove "/$CLUSTER/sets/spin"
put calm victim
ok 'a new set gets its worker meanwhile' at_least 1 start calm kind=victim
ok 'one that ignores STOP and SIGTERM is killed' wait_for 60 dead "$DEAF"
ok 'one that computes and hears nothing, too' wait_for 60 dead "$SPIN"
is "$(worker_of victim)" "$VICTIM" "the victim's worker is still its first"
ok 'and lives' alive "$VICTIM"
for name in zero leak stopped babble flood; do
	z remove "/$CLUSTER/sets/$name"
done
lag=$(metric pgshovel_supervisor_loop_lag_seconds)
ok "the supervisor's loop was late by ${lag:-?} s at worst" awk -v lag="${lag:-9}" 'BEGIN { exit !(lag < 2) }'

# ---- one set that crashes 1,000 times beside 200 others

N=200
z fill "$CLUSTER" s "$N" "$T/victim.pgshovel"
others_up() {
	[ "$(grep -c '^start set=s[0-9]' "$W")" -ge "$N" ]
}
ok "$N sets have their workers" wait_for 120 others_up
before=$(sed -n 's/^start \(set=s[0-9]* pid=[0-9]*\) .*/\1/p' "$W" | sort)
crashes() {
	[ "$(grep -c '^start set=crash ' "$W")" -ge 1000 ]
}
put crash crash
ok 'a set crashes 1,000 times' wait_for 240 crashes
is "$(sed -n 's/^start \(set=s[0-9]* pid=[0-9]*\) .*/\1/p' "$W" | sort)" "$before" 'no worker of another set was started again'
all_live() {
	local pid
	for pid in "${pids[@]}"; do
		alive "$pid" || return 1
	done
}
mapfile -t pids < <(sed 's/.*pid=//' <<< "$before")
ok 'all of them live' all_live
lines=$(grep -c 'set=crash worker exited' "$T/a.log")
ok "the log says so some of the time ($lines lines)" test "$lines" -lt 200
lag=$(metric pgshovel_supervisor_loop_lag_seconds)
ok "the supervisor's loop was late by ${lag:-?} s at worst" awk -v lag="${lag:-9}" 'BEGIN { exit !(lag < 2) }'
kill -TERM "$PID_a"
ends "$PID_a" 60
is "${RC:-none}" 0 'the supervisor ends with 0'

tap_done
