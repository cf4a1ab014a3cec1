#!/bin/bash
# test: limit=1200
# tests/integration/70-brokers.sh: what brokers do to a relay under load: killed, away, an expired transaction, topics that are deleted,
# recreated and widened, and a zombie that continues behind a new owner. Every event is in Kafka once for a read_committed reader,
# and what cannot go on stops by name. PGSHOVEL_TEST_AWAY: for how many seconds the broker is away (20).
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

LOAD_RATE=400
line_own pg=--ticker kafka=--version=4.2.0
fault_begin 'transaction.timeout.ms=5000'
first='' second='' third=''

# ---- a transaction that the broker expires: the relay is stopped with one open
PGSHOVEL_STOP_AT=produced_all:3 PGSHOVEL_STOP_FILE=$T/stopped pgshoveld_start first --host "a$SUFFIX" --session-timeout 4s
stopped() { # every try is windows that take longer than the library lingers: the broker knows of the transaction
	sql "$DB" -c 'do $$ begin for i in 1..15 loop update acc set bal = bal + 1; end loop; end $$'
	test -s "$T/stopped"
}
expired() {
	kafka_java "$OWN/kafka" org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$KAFKA" list > "$T/transactions" 2>&1
	grep -q "pgshovel.$CLUSTER.*CompleteAbort" "$T/transactions"
}
if has_steps && wait_for 120 stopped; then
	relay=$(relay_of "$first")
	ok 'the broker ends the transaction of a relay that was stopped' wait_for 90 expired || diag "$(cat "$T/transactions")"
	kill -CONT "$relay"
	ok 'the relay goes on by itself' load_delivered "$DB" "$P" 120
	is "$(relay_of "$first")" "$relay" 'it is the same process'
	ok 'nothing lost, nothing doubled' same_acc
else
	skip 'expired transaction' 'no steps in this build'
fi
pgshoveld_stop "$first"
is $? 0 'the supervisor ends by SIGTERM'

# ---- the only broker is killed under load
pgshoveld_start second --host "a$SUFFIX" --session-timeout 4s
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
load_start "$DB" 8
for ((i = 0; i < 2; i++)); do
	server_kill kafka "$OWN"
	server_start kafka "$OWN" > /dev/null || break
	load_delivered "$DB" "$P" 150 || break
done
is $i 2 'the broker was killed twice under load, each time the rows arrived'
load_wait
is $? 0 'no write of the application failed'
ok 'nothing lost, nothing doubled' same

# ---- away
away=${PGSHOVEL_TEST_AWAY:-20}
relay=$(relay_of "$second")
load_start "$DB" "$away"
load_delivered "$DB" "$P"
rss=$(rss_of "$relay") cpu=$(cpu_of "$relay")
server_kill kafka "$OWN"
load_touch "$DB" # something waits, also where the load was over by now
ok 'set status says that it retries' wait_for 60 status_says 'retrying|stalled'
load_wait
is $? 0 'no write of the application failed'
rss=$(($(rss_of "$relay") - rss)) cpu=$(($(cpu_of "$relay") - cpu))
is "$(relay_of "$second")" "$relay" 'the relay is still the same process'
waiting() { # events and age of the queue, as the status has them
	pgshovel set status shop --json | tee "$T/status" | jq -e '.[].sets[] | select(.set == "shop" and .owned) | .sources[0] | .queue_events > 100 and .queue_age_us > 1000000'
}
ok 'set status says how much waits, and since when' wait_for 60 waiting || diag "$(cat "$T/status")"
diag "while the broker was away: $rss KiB more, $cpu ms of CPU"
ok 'its memory stays' test "$rss" -lt 49152
ok 'it does not turn in circles' test "$cpu" -lt 3000
server_start kafka "$OWN" > /dev/null
ok 'it catches up' load_delivered "$DB" "$P" 180
ok 'set status says that it works' wait_for 60 status_says working
ok 'nothing lost, nothing doubled' same

# ---- more partitions: harmless
topic --alter --topic "$P.public.acc" --partitions 5
load_touch "$DB"
ok 'a topic with more partitions than the set knows' load_delivered "$DB" "$P" 120
like "$(kafkatool --brokers "$KAFKA" list "$P.public.acc")" '5$' 'it has them'
ok 'nothing lost, nothing doubled' same

# ---- a zombie: supervisor and relay are stopped until another host has taken over
relay=$(relay_of "$second")
kill -STOP "$second" "$relay"
load_touch "$DB"
pgshoveld_start third --host "b$SUFFIX" --session-timeout 4s
ok 'another host takes over when the session has expired' load_delivered "$DB" "$P" 120
load_start "$DB" 4
kill -CONT "$relay"
ended() {
	server_process_gone "$relay"
}
ok 'the zombie ends' wait_for 120 ended
# its parent is stopped: the status is still there
is "$(($(awk '{ print $NF }' "/proc/$relay/stat") >> 8))" 79 'with exit status 79'
kill -CONT "$second"
load_wait
ok 'the new owner goes on' load_delivered "$DB" "$P"
ok 'nothing lost, nothing doubled' same
pgshoveld_stop "$second"
is $? 0 'the old supervisor ends by SIGTERM'

# ---- a data topic is deleted under the relay
load_start "$DB" 3
kafkatool --brokers "$KAFKA" delete "$P.public.ord" > /dev/null
load_wait
ok 'a deleted topic parks the set, by name' wait_for 120 status_says "topic \"$P.public.ord\" does not exist although"
ok 'the relay ended with 78' wait_for 60 grep -q 'exit.* 78' "$T/third.log"
kafkatool --brokers "$KAFKA" create "$P.public.ord" 3
kill -HUP "$third"
ok 'created again, the set goes on' load_delivered "$DB" "$P" 120
sql "$DB" -c 'update ord set amount = amount + 1'
ok 'and the last change too' load_delivered "$DB" "$P"
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P" ord
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal,owner
ok 'no event twice, chains hold' consume_prefix "$P" --check

# ---- a data topic is deleted and made again while the relay writes to it: its offsets begin anew
kafkatool --brokers "$KAFKA" delete "$P.public.ord" > /dev/null
no_ord() { [ -z "$(kafkatool --brokers "$KAFKA" list "$P.public.ord")" ]; }
wait_for 30 no_ord
kafkatool --brokers "$KAFKA" create "$P.public.ord" 3
sql "$DB" -c 'update ord set amount = amount + 1 where id in (select id from ord limit 500)'
ok 'a topic made anew parks the set, by name' wait_for 120 status_says "topic \"$P.public.ord\" .* it was deleted and made again"
kill -HUP "$third"
ok 'after SIGHUP it goes on' load_delivered "$DB" "$P" 120

# ---- the positions topic is deleted
kafkatool --brokers "$KAFKA" delete "$CLUSTER.shop.positions" > /dev/null
load_touch "$DB"
ok 'without its positions the set parks and says why' wait_for 120 status_says 'positions topic holds no position'
pgshoveld_stop "$third"
tap_done
