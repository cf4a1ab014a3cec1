#!/bin/bash
# test: limit=300
# tests/integration/66-replaced.sh: a relay that finds the position of a newer owner. When its host was replaced without knowing it, it ends
# with 79 and nothing is parked; when ZooKeeper went back in time, which no newer owner has seen, the set parks until "cluster recover".
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/lib/load.sh
. tests/lib/load.sh
# shellcheck source=tests/integration/fault-lib.sh
. tests/integration/fault-lib.sh

fault_begin
cut='' other='' back=''

logged() { # NAME REGEX [N]: that many lines at least
	[ "$(grep -cE "$2" "$T/$1.log")" -ge "${3:-1}" ]
}

# ---- replaced: cut off from ZooKeeper, then replaced by a host that is gone again
mkfifo "$T/gate"
gate --to "$ZOOKEEPER" --control "$T/gate" --log "$T/gate.log" &
gate=$!
wait_for 30 grep -qs ^port "$T/gate.log" || exit 1
pgshoveld_start cut --host "a$SUFFIX" --session-timeout 4s --zookeeper-hosts "127.0.0.1:$(awk '$1 == "port" { print $2 }' "$T/gate.log")"
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
kill -STOP "$gate"
pgshoveld_start other --host "b$SUFFIX" --session-timeout 4s
took_over() {
	relay_of "$other" > "$T/pid" && logged cut 'worker exited: code 79'
}
ok 'another host takes over from one that is cut off' wait_for 90 took_over
load_touch "$DB"
ok 'and delivers' load_delivered "$DB" "$P"
pgshoveld_stop "$other"
is $? 0 'the other host stops'
ok 'the one that is cut off starts a relay, which finds the position of the other' wait_for 120 logged cut 'code 79: the position of database "main" in Kafka was written by a newer owner'
kill -CONT "$gate"
load_touch "$DB"
ok 'it goes on with a new token when it sees ZooKeeper again' load_delivered "$DB" "$P" 120
is "$(grep -c 'parked until' "$T/cut.log")" 0 'and was parked at no time'
ok 'nothing lost, nothing doubled' same_acc
pgshoveld_stop "$cut"
is $? 0 'the supervisor ends by SIGTERM'
kill "$gate"

# ---- ZooKeeper is put back to before the generation of the position
ok 'cluster recover' pgshovel cluster recover
before=$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER")
pgshoveld_start other --host "b$SUFFIX" --session-timeout 4s
ok 'the line is up in a new generation' load_delivered "$DB" "$P"
pgshoveld_stop "$other"
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER" "$(sed 's/^generation .*/generation 1/' <<< "$before")"$'\n'
pgshoveld_start back --host "a$SUFFIX" --session-timeout 4s
ok 'behind it the set parks and says why' wait_for 90 logged back 'this host holds the lock of the set in ZooKeeper, but .* was written by a newer owner .*"pgshovel cluster recover" cures that; parked'
is "$(grep -c 'started worker' "$T/back.log")" 1 'nothing was tried twice'
ok 'set status says so' wait_for 60 status_says 'parked.*|this host holds the lock'
run pgshovel set position shop
like "$RC $OUT$ERR" '^78 .*was written by a newer owner' 'set position refuses likewise'
load_touch "$DB"
ok 'cluster recover' pgshovel cluster recover
ok 'cures it by itself' load_delivered "$DB" "$P" 120
ok 'nothing lost, nothing doubled' same_acc
pgshoveld_stop "$back"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
