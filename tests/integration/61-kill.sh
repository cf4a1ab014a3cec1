#!/bin/bash
# test: limit=900
# tests/integration/61-kill.sh: relay and supervisor are killed with -9 ten times each, turn about, under load; afterwards nothing is lost and
# nothing doubled for a read_committed consumer.
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

line_begin pg zk kafka
supervisor=
line_database DB
line_prefix P
load_tables "$DB"
set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel"
pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
load_touch "$DB"
ok 'the line is up' load_delivered "$DB" "$P"

relay_of() { # SUPERVISOR: pid of its relay
	local kid
	# shellcheck disable=SC2013 # words are wanted
	for kid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[ "$(tr '\0' ' ' < "/proc/$kid/cmdline" | awk '{ print $1 }' | xargs basename)" = pgshovel-kafka-relay ] && echo "$kid" && return
	done
	return 1
}

another_relay() { # OLD: one runs and it is not OLD
	local pid
	pid=$(relay_of "$supervisor") && [ "$pid" != "$1" ] && echo "$pid" > "$T/relay"
}

load_start "$DB" 45
# Turn about: a fresh supervisor has no back-off yet. Some kills hit a start, some a relay that works.
relays=0 supervisors=0 left=0
for ((i = 0; i < 10; i++)); do
	wait_for 90 another_relay 0 || break
	relay=$(cat "$T/relay")
	kill -KILL "$relay" && relays=$((relays + 1))
	wait_for 90 another_relay "$relay" || break
	[ $((i % 2)) = 0 ] || load_delivered "$DB" "$P" || break
	relay=$(cat "$T/relay")
	kill -KILL "$supervisor" && supervisors=$((supervisors + 1))
	wait "$supervisor" 2> /dev/null
	wait_for 20 line_gone "$relay" || left=$((left + 1))
	pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
	[ $((i % 3)) != 0 ] || load_delivered "$DB" "$P" || break
done
is "$relays" 10 'the relay was killed ten times and came again'
is "$supervisors" 10 'the supervisor was killed ten times'
is "$left" 0 'no relay survived its supervisor'
load_wait
is $? 0 'pgbench ends without an error'
like "$(cat "$T/load.log")" 'number of failed transactions: 0' 'no transaction of the application failed'
ok 'everything arrives' load_delivered "$DB" "$P" 180
sql "$DB" -c 'update ord set amount = amount + 1'
ok 'and the last change too' load_delivered "$DB" "$P"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal,owner
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P" ord
ok 'no event twice, chains hold' consume_prefix "$P" --check
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
