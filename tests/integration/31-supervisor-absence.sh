#!/bin/bash
# test: limit=300
# tests/integration/31-supervisor-absence.sh: ZooKeeper killed, paused, away for 30 s; sessions that expire; supervisors killed and stopped;
# two supervisors for the same sets. Whatever happens: no worker stops that still owns its set, and never two of one set on purpose.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/supervisor-lib.sh
. tests/integration/supervisor-lib.sh
supervisor_begin

session_of() { # NAME of a supervisor: its newest session
	sed -n 's/.*connected to ZooKeeper (session \(0x[0-9a-f]*\).*/\1/p' "$T/$1.log" | tail -n 1
}
session_is_not() { # NAME SESSION
	[ "$(session_of "$1")" != "$2" ]
}
z_answers() {
	z list / > /dev/null 2>&1
}
token_is_of_lock() { # SET: the token that the worker has is the lock's
	[ "$(token_of "$1" | cut -d. -f2)" = "$(z stat "/$CLUSTER/locks/$1" | sed 's/czxid=\([0-9]*\) .*/\1/')" ]
}

# of the two hosts here "one" and "two" are placed on a, "three" on b; nothing moves for this alone
export PGSHOVEL_HOLD_SECONDS=600
put one ok
put two ok
put three ok
sup a --session-timeout 1s
ok 'two sets are up' up one
ok 'both of them' up two
ONE=$(worker_of one) TWO=$(worker_of two)

# ---- killed and started again

server_kill zk "$OWN"
ok 'the loss is noticed' said a 'lost the connection to ZooKeeper; what runs goes on'
kill -KILL "$TWO"
ok 'a worker that crashes while ZooKeeper is away is started again' at_least 2 start two
server_start zk "$OWN" > /dev/null
ok 'ZooKeeper is back' wait_for 15 z_answers
put two ok-2
ok 'a version set afterwards is seen' at_least 3 start two
ok 'the other worker never stopped' alive "$ONE"
is "$(did stop one)" 0 'and was not asked to'
ok 'its token is the one of the lock' wait_for 10 token_is_of_lock one

# ---- mute for longer than the session

server_pause zk "$OWN"
kill -KILL "$(worker_of two)"
ok 'ZooKeeper mute: a crashed worker is started again' at_least 4 start two
wait_for 3 false
server_resume zk "$OWN"
ok 'it answers again' wait_for 15 z_answers
put two ok-3
ok 'changes are seen again' at_least 5 start two
ok 'the other worker lives' alive "$ONE"

# ---- a session that expires

before=$(session_of a)
locked=$(z stat "/$CLUSTER/locks/one")
ok 'the session is ended by somebody else' z expire "$before"
ok 'a new one is opened' wait_for 15 session_is_not a "$before"
ok 'the worker goes on with a new token' at_least 1 token one
isnt "$(z stat "/$CLUSTER/locks/one")" "$locked" 'of a lock that was taken again'
ok 'which is its token' wait_for 10 token_is_of_lock one
ok 'same process' alive "$ONE"
ok 'the host node is back too' wait_for 10 z get "/$CLUSTER/hosts/a"
put two ok-4
ok 'watches work in the new session' at_least 6 start two

# ---- a lock that is deleted by hand

tokens=$(did token one)
z remove "/$CLUSTER/locks/one"
ok 'a deleted lock is taken again' at_least $((tokens + 1)) token one
ok 'by the same worker' alive "$ONE"

# ---- a second supervisor; the first is killed, stopped, and comes back

sup b
ok 'a second supervisor says who has the sets' said b 'set=three the set is owned by host "a" \(pid [0-9]+\); waiting'
ok 'and is ready' said b 'ready:'
starts=$(did start one)
kill -KILL "$PID_a"
ok 'kill -9: the workers die with their supervisor' wait_for 5 dead "$ONE"
ok 'the second takes over' at_least $((starts + 1)) start one
BONE=$(worker_of one)
is "$(sed -n "s/^start set=one pid=$BONE .* ppid=\([0-9]*\) .*/\1/p" "$W")" "$PID_b" 'it is a worker of the second'
sup a
ok 'the first comes back and waits' wait_for 15 grep -q 'set=one the set is owned by host "b"' "$T/a.log"
# ownership moves while the owner cannot look: it must notice afterwards
kill -STOP "$PID_b"
ok 'the second is stopped beyond its session: the first takes over' at_least $((starts + 2)) start one
AONE=$(worker_of one)
kill -CONT "$PID_b"
ok 'the second finds the lock held elsewhere' said b 'set=one the lock is held by host "a" \(pid [0-9]+\) now; stopping here'
ok 'and stops its worker' wait_for 10 dead "$BONE"
is "$(grep -c "^stop set=one pid=$BONE " "$W")" 1 'gracefully'
ok 'the new owner is not disturbed' alive "$AONE"
kill -TERM "$PID_a"
ends "$PID_a" 15
is "$RC" 0 'the first ends in order'
ok 'the second takes over at once' at_least $((starts + 3)) start one

# ---- restart of a killed supervisor under the same name

kill -KILL "$PID_b"
sup b
ok 'a killed supervisor that is started again gets its sets back' at_least $((starts + 4)) start one
ok 'a host node of its former self does not keep it' wait_for 10 z get "/$CLUSTER/hosts/b"

# ---- 30 s without ZooKeeper

up one
up two
ONE=$(worker_of one) TWO=$(worker_of two)
stops=$(grep -c ^stop "$W")
server_kill zk "$OWN"
either_gone() { dead "$ONE" || dead "$TWO"; }
nok 'in 30 s without ZooKeeper no worker ends' wait_for 30 either_gone
is "$(grep -c ^stop "$W")" "$stops" 'nor is asked to'
server_start zk "$OWN" > /dev/null
ok 'it is back' wait_for 15 z_answers
put two ok-5
starts=$(did start two)
ok 'and changes are seen' wait_for 15 dead "$TWO"
ok 'by a new worker' at_least "$starts" start two
ok 'the other one is still the same' alive "$ONE"

# ---- everything vanishes at once: that is no drop of every set

up two
TWO=$(worker_of two)
wipe() { # whole or not at all: a lock or the host's node that is not taken again yet refuses it
	{
		for node in sets/one sets/two sets/three sets locks/one locks/two locks/three locks rollouts decisions hosts/b hosts; do echo "delete /$CLUSTER/$node"; done
		for node in $(z list "/$CLUSTER/status"); do echo "delete /$CLUSTER/status/$node"; done
		printf 'delete %s\n' "/$CLUSTER/status" "/$CLUSTER"
	} > "$T/wipe"
	z multi < "$T/wipe"
}
ok 'all nodes are deleted at once' wait_for 15 wipe
ok 'the supervisor says so' said b 'cluster ".*" does not exist in ZooKeeper'
nok 'but its workers go on' wait_for 3 either_gone
z multi < <(printf 'create %s x\n' "/$CLUSTER" "/$CLUSTER/sets" "/$CLUSTER/locks" "/$CLUSTER/hosts" "/$CLUSTER/status")
ok 'a damaged cluster node is named' said b 'cluster ".*" cannot be used'
nok 'and stops nothing' either_gone

# ---- a cluster that is made later; its generation

sup c --cluster empty
ok 'no cluster yet: it waits and says what to do' said c 'cluster "empty" does not exist .*pgshovel cluster initialize'
ok 'and is ready all the same' said c 'ready:'
z init empty 5
CLUSTER=empty put one ok
CLUSTER=empty at_least 1 start one 'token=5\.'
ok 'a cluster that is made later is seen' test "$(did start one 'token=5\.')" -ge 1
z set /empty $'pgshovel-cluster 1\nsoftware 0.1.0\ngeneration 6\n'
ok 'a raised generation reaches the worker' wait_for 10 grep -q '^token set=one .* 6\.' "$W"
CONE=$(worker_of one)
z remove /empty/sets/one
ok 'a real drop stops' wait_for 10 dead "$CONE"

kill -TERM "$PID_b" "$PID_c"
ends "$PID_b" 15
is "$RC" 0 'the end of one'
ends "$PID_c" 15
is "$RC" 0 'and of the other'
tap_done
