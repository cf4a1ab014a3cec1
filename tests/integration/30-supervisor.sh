#!/bin/bash
# test: limit=300
# tests/integration/30-supervisor.sh: a supervisor and its workers: start, new version, drop, crash, park, broken documents,
# bad manners, reload, one set by hand. ZooKeeper answers all the time; what happens when it does not is 31-supervisor-absence.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/supervisor-lib.sh
. tests/integration/supervisor-lib.sh
supervisor_begin

# ---- start: readiness, what a worker is given

notify "$T/notify" "$T/notified" &
NOTIFY=$!
wait_for 5 test -S "$T/notify"
put one ok
put two ok
mkdir "$T/credentials"
printf 'h:1:d:u:s3cret-pg\n' > "$T/credentials/pgpass"
printf 'sasl.password=s3cret-two\n' > "$T/credentials/kafka.two"
exec 7< /dev/null # a descriptor that the supervisor inherits and a worker must not
server_pause zk "$OWN"
NOTIFY_SOCKET=$T/notify sup a --credentials-dir "$T/credentials" --heartbeat-timeout 2s
ok 'while ZooKeeper is mute it asks systemd for more time' wait_for 10 grep -q '|EXTEND_TIMEOUT_USEC=' "$T/notified"
nok 'and is not ready' grep -q 'READY=1' "$T/notified"
is "$(wc -l < "$W")" 0 'nor does it start anything'
server_resume zk "$OWN"
ok 'the first set has a worker' up one
ONE=$(worker_of one)
ok 'the second set has a worker' up two
TWO=$(worker_of two)
ok 'it is ready then' wait_for 10 grep -q '|READY=1|' "$T/notified"
ok 'STATUS is a summary' wait_for 10 grep -q '|STATUS=cluster .*2 up' "$T/notified"
like "$(grep "^start set=one" "$W")" "ppid=$PID_a group=own extra_fds=none sealed=yes term_blocked=0 notify=none credentials=1 " \
	'a worker: own group, fds 0-4 only, sealed assignment, clean signals, no NOTIFY_SOCKET'
like "$(grep "^start set=two" "$W")" 'credentials=2 ' "a set's own credentials go to its worker only"
like "$(token_of one)" '^1\.[0-9]+\.[0-9]+$' 'the token is GENERATION.CZXID.SPAWN'
is "$(token_of one | cut -d. -f2)" "$(z stat "/$CLUSTER/locks/one" | sed 's/czxid=\([0-9]*\) .*/\1/')" 'its second part is the czxid of the lock'
ok 'the host has its node' z get "/$CLUSTER/hosts/a"
ok 'the status node says that it is up' wait_for 10 status_has a '"set":"one","state":"up","owned":true,"owner":"a"'
ok 'and what its source does' wait_for 10 status_has a '"sources":[{"database":"main","state":"working","phase":"idle"'
nok 'no secret in argv or environment' grep -aq s3cret "/proc/$PID_a/cmdline" "/proc/$PID_a/environ" "/proc/$TWO/cmdline" "/proc/$TWO/environ"
nok 'nor in ZooKeeper or logs' grep -q s3cret <(z get "/$CLUSTER/status/a"; z get "/$CLUSTER/locks/two"; cat "$T/a.log")

# ---- a new version restarts that set once; a touch restarts nothing

put one ok-2
ok 'a new version stops the old worker' at_least 1 stop one
ok 'and starts a new one' at_least 2 start one
is "$(did start one)" 2 'once'
is "$(grep -n -m1 '^stop set=one' "$W" | cut -d: -f1)" "$(($(grep -n '^start set=one' "$W" | sed -n 2p | cut -d: -f1) - 1))" 'stop first, then start'
ok 'the old worker is gone' dead "$ONE"
ok 'the other worker never noticed' alive "$TWO"
z touch "/$CLUSTER/sets/two"
put one ok-2 00000000000000000000000000000002
ok 'the same document of another rollout is a new version' at_least 3 start one
ok 'a touch of the other set restarted nothing' alive "$TWO"
is "$(did start two)" 1 'so its worker is still the first'
nok 'a stop that was asked for is no failure' grep -Eq 'set=one (worker exited|.*starting again)' "$T/a.log"
up one
ONE=$(worker_of one)

# ---- workers that fail; the others never notice

put crash crash
put early crashearly
put zero exit0
put fenced exit79
put park exit78
ok 'a crashing worker is started again' at_least 3 start crash
ok 'one that dies before it says hello too' at_least 3 start early
ok 'one that ends with 0 unasked too' at_least 2 start zero
ok 'one that a newer owner fenced is parked when ZooKeeper says that there is none' said a 'set=fenced this host holds the lock of the set in ZooKeeper, but a higher token owns the source; parked until'
is "$(did start fenced)" 1 'and is not started before that is known'
ok 'the log says when' said a 'set=crash worker exited: killed by signal 9 \(SIGKILL\); starting again in [0-9.]+ s \(failure 3'
ok 'exit code 78 parks the set' said a 'set=park worker exited: code 78: source "main" went back in time ; accept it or restore; parked'
ok 'the status says why' wait_for 10 status_has a '"last_exit":{"code":78'
first=$(sed -n 's/.*set=crash worker exited.*starting again in \([0-9.]*\) s (failure 1 .*/\1/p' "$T/a.log")
third=$(sed -n 's/.*set=crash worker exited.*starting again in \([0-9.]*\) s (failure 3 .*/\1/p' "$T/a.log")
ok "back-off grows (${first:-?} s, ${third:-?} s)" awk -v a="${first:-9}" -v b="${third:-0}" 'BEGIN { exit !(a >= 0.1 && a <= 0.26 && b > 2 * a - 0.01 && b >= 0.49 && b <= 1.01) }'
is "$(did start park)" 1 'a parked set is not started again by itself'
z touch "/$CLUSTER/sets/park"
ok 'a touch of its node starts it' at_least 2 start park
z set "/$CLUSTER" "$(z get "/$CLUSTER" | sed 's/^generation .*/generation 9/')"$'\n'
ok 'a new generation starts the fenced one' at_least 1 start fenced 'token=9\.'
put park ok
ok 'a new version does too' at_least 3 start park
ok 'and it stays up' up park
put crash ok
ok 'a new version ends the back-off' said a "set=crash started worker .* $(z get "/$CLUSTER/sets/crash" | sed -n '1s/pgshovel 1 \(.\{12\}\).*/version \1/p')"

# ---- broken documents

z set "/$CLUSTER/sets/one" 'no document at all'
ok 'a document that cannot be read stops its set' at_least 3 stop one
ok 'the log says so' said a "set=one the set's document cannot be used"
ok 'the status too' wait_for 10 status_has a '"set":"one","state":"parked"'
z set "/$CLUSTER/sets/one" "$(z get "/$CLUSTER/sets/park" | sed '1s/^pgshovel 1 /pgshovel 2 /')"
ok 'an unknown format is named' said a 'set=one .*format'
put one ok-3
ok 'a good document brings it back' at_least 4 start one
z create "/$CLUSTER/sets/Not.A.Set" x
put late ok
ok 'a node with a name that no set has is left alone' up late

# ---- bad manners

put flood flood
put strange strange
ok 'a flooding worker is there' up flood
cpu() { # hundredths of a second that the supervisor has used
	local stat fields
	read -r stat < "/proc/$PID_a/stat"
	read -r -a fields <<< "${stat##*) }"
	echo $((fields[11] + fields[12]))
}
before=$(cpu)
wait_for 2 false
ok "it costs the supervisor little ($(($(cpu) - before)) of 200)" test $(($(cpu) - before)) -lt 15
put one ok-4
ok 'another set gets its new version meanwhile' at_least 5 start one
ok 'strange messages are ignored' up strange
ok 'and counted' said a 'set=strange the worker .* sent .*; ignoring this'
put silent silent
ok 'a worker without a sign of life is killed' said a 'set=silent killing worker .*: no sign of life'
ok 'and started again' at_least 2 start silent
z remove "/$CLUSTER/sets/silent"
put ignore ignore
put stubborn stubborn
ok 'a worker that ignores STOP' up stubborn
STUBBORN=$(worker_of stubborn)
ok 'a worker that ignores everything' up ignore
IGNORE=$(worker_of ignore)
z remove "/$CLUSTER/sets/stubborn"
z remove "/$CLUSTER/sets/ignore"
z remove "/$CLUSTER/sets/flood"

# ---- drop

z remove "/$CLUSTER/sets/two"
ok 'a dropped set: its worker is told to stop' at_least 1 stop two
ok 'and is gone' wait_for 10 dead "$TWO"
no_lock() { [ "$(z list "/$CLUSTER/locks" | grep -cx "$1")" = 0 ]; }
ok 'the lock is given back' wait_for 10 no_lock two
ok 'one that ignores STOP gets SIGTERM' wait_for 15 dead "$STUBBORN"
nok 'and needs no SIGKILL' grep -q 'set=stubborn .*SIGKILL' "$T/a.log"

# ---- an absence of the supervisor itself

LATE=$(worker_of late)
kill -STOP "$PID_a" "$LATE" # as when a virtual machine is paused
wait_for 4 false            # longer than the heartbeat timeout
kill -CONT "$PID_a"
ok 'a supervisor that was stopped notices it' said a 'was held up for'
kill -CONT "$LATE"
put late ok-2
ok 'and goes on' at_least 2 start late
nok 'no worker was killed for its silence' grep -Eq 'set=(one|park|late) killing' "$T/a.log"
ok 'one that ignores SIGTERM was killed' wait_for 15 dead "$IGNORE"

# ---- reload, diagnosis, stop

put partly partly
partly_parked() { # as its newest worker says
	z get "/$CLUSTER/status/a" | grep -Eq "\"pid\":$(worker_of partly),.*\"sources\":\[\{\"database\":\"main\",\"state\":\"parked\""
}
ok 'a worker goes on although a source of it is parked' wait_for 10 partly_parked
z touch "/$CLUSTER/sets/partly"
ok 'a touch of its node starts it again, to try the source' at_least 2 start partly
ok 'the log says why' said a 'set=partly stopping worker .*: what is parked of it is tried again'
ok 'the source is parked again' wait_for 15 partly_parked
kill -USR1 "$PID_a"
ok 'SIGUSR1: a diagnosis in the log' said a 'set=late diagnosis: state up, pid '
ok 'and a request to the workers' at_least 1 dump late
printf 'sasl.password=s3cret-one\n' > "$T/credentials/kafka.one"
kill -HUP "$PID_a"
ok 'SIGHUP reads the files again' said a 'read again'
ok 'RELOADING comes with its time' wait_for 10 grep -Eq '\|RELOADING=1\|MONOTONIC_USEC=[0-9]+\|' "$T/notified"
ok 'and tries a source that is parked' at_least 3 start partly
put one ok-5
ok 'a new worker' at_least 6 start one
like "$(grep '^start set=one' "$W" | tail -n 1)" 'credentials=2 ' 'has the new credentials'
truncate -s 100000 "$T/credentials/kafka.one"
kill -HUP "$PID_a"
ok 'a reload that fails is told' said a 'could not reload: credentials file .*; keeping what was'
put one ok-6
ok 'another worker' at_least 7 start one
like "$(grep '^start set=one' "$W" | tail -n 1)" 'credentials=2 ' 'has those from before'
up one
ONE=$(worker_of one)
kill -TERM "$PID_a"
ends "$PID_a" 15; ok 'SIGTERM ends it' dead "$PID_a"
is "$RC" 0 'with 0'
ok 'its workers are gone' dead "$ONE"
is "$(z list "/$CLUSTER/locks" | wc -l)$(z list "/$CLUSTER/hosts" | wc -l)" 00 'locks and host node go at once'
ok 'systemd was told' wait_for 10 grep -q '|STOPPING=1|' "$T/notified"
is "$(grep -c '|READY=1|' "$T/notified")" 3 'READY was said once at the start and once after each reload'
is "$(grep -En -m1 'READY=1|RELOADING' "$T/notified" | grep -c RELOADING)" 0 'and not by the reload first'

# ---- the sample configuration has every option that a file may hold

sed 's/^#\([a-z_]* = \)/\1/' systemd/pgshoveld.conf > "$T/sample.conf"
for option in $(pgshoveld --mdoc-options | sed -n 's/^\.It .*Fl -\([a-z0-9-]*\).*/\1/p' | grep -Evx 'set|config|stdout|file|from|commit|version|help'); do
	ok "the sample has $option" grep -q "^${option//-/_} = " "$T/sample.conf"
done
sed -i '/^\(zookeeper_hosts\|cluster\|credentials_dir\|relay\) =/d' "$T/sample.conf"
run timeout 20 pgshoveld --config "$T/sample.conf" --set nosuch --relay "$BUILD/tests/worker"
like "$ERR" 'set "nosuch" does not exist' 'and can be read'
echo 'no_such_key = 1;' >> "$T/sample.conf"
run timeout 20 pgshoveld --config "$T/sample.conf" --set nosuch --relay "$BUILD/tests/worker"
is "$RC" 78 'an unknown key: exit 78'
like "$ERR" 'sample.conf:[0-9]+: .*no_such_key' 'with file, line and key'

# ---- one set by hand

for set in late crash early zero fenced park strange; do z remove "/$CLUSTER/sets/$set"; done
run timeout 20 pgshoveld --set nosuch --relay "$BUILD/tests/worker"
is "$RC" 78 'an unknown set: exit 78'
is "$(grep -c 'set "nosuch" does not exist in cluster' <<< "$ERR")" 1 'and one line that says so'
run timeout 20 pgshoveld --cluster nosuch --set one --relay "$BUILD/tests/worker"
is "$RC" 78 'no cluster: exit 78'
like "$ERR" 'cluster "nosuch" does not exist .*pgshovel cluster initialize' 'and what to do'
run timeout 20 pgshoveld --nonsense
is "$RC" 64 'an unknown option: exit 64'
is "$(wc -l <<< "$ERR")" 1 'with one line'
run timeout 20 pgshoveld --from 1:1: --set one
is "$RC" 64 '--from without --stdout or --file: exit 64'
run timeout 20 pgshoveld --set one --relay /nowhere/at/all
is "$RC" 78 'no worker binary: exit 78'
sup hand --set one
ok 'pgshoveld --set runs its worker' at_least 8 start one
is "$(z list "/$CLUSTER/hosts" | wc -l)" 0 'without a host node'
sup other --set one
ok 'a second one says who owns the set' said other 'set=one the set is owned by host "hand"'
sup printer --set one --stdout
ok 'with --stdout it needs no lock' at_least 9 start one
ok "and the worker's output is ours" wait_for 10 grep -q '^{"fake":1}$' "$T/printer.out"
kill -INT "$PID_printer"
ends "$PID_printer" 10; ok 'SIGINT ends it' dead "$PID_printer"
is "$RC" 0 'with 0'
kill -TERM "$PID_hand"
ends "$PID_hand" 10; ok 'the owner ends' dead "$PID_hand"
ok 'and the one that waited takes over' at_least 10 start one
z remove "/$CLUSTER/sets/one"
ends "$PID_other" 10; ok 'a drop ends it' dead "$PID_other"
is "$RC" 0 'with 0'
put one exit78
run timeout 20 pgshoveld --set one --stdout --relay "$BUILD/tests/worker" --host x
is "$RC" 78 'a command with --stdout ends as its worker does'
kill "$NOTIFY"
tap_done
