#!/bin/bash
# test: limit=600
# tests/integration/76-windows.sh: snapshots that are hard to read windows between: ticks that go backwards, 500 transactions in progress,
# transactions and prepared ones left open over ticks, rotations and restarts, savepoints rolled back by the hundred,
# repeatable-read writers with snapshots older than rotations, an idle transaction on a calm source. Each event once, in order.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/integration/relay-lib.sh
. tests/integration/relay-lib.sh

line_begin zk kafka
# a server of its own: no ticker but this test, room for prepared transactions, WAL that nobody flushes by the way
POSTGRES=$(server_start pg "$T/servers" --set=max_prepared_transactions=600 --set=wal_writer_delay=10s --set=autovacuum=off) || exit 1
line_database DB
line_prefix P
sql "$DB" -c 'create table acc (id int primary key, bal int not null, owner text)' \
	-c 'create schema marks' -c 'create table marks.mark (id text primary key)'
SET=win
SET_EXTRA='relay = { batch_events = 50; };' set_file win "$P" "$DB" acc marks.mark > "$T/win.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create win "$T/win.pgshovel" || exit 1
relay_document
show_log "$T/relay.log"
# tick and rotate whenever asked
sql "$DB" -c "update pgq.queue set queue_ticker_max_lag = '0', queue_ticker_idle_period = '0', queue_ticker_max_count = 1, queue_rotation_period = '0' where queue_name = 'pgshovel:$CLUSTER:win'"

same() { # Kafka holds what the table holds, and each event once
	consume_prefix "$P" --rebuild "$P.public.acc" > "$T/rebuilt" && rows_of "$DB" acc id > "$T/source" && [ -s "$T/source" ] &&
		cmp "$T/rebuilt" "$T/source" && consume_prefix "$P" --check
}
# session NAME: a psql that stays; say NAME SQL: its answer (one line) in ANSWER
session() {
	mkfifo "$T/$1.in" "$T/$1.out"
	psql -X -q -A -t -d "$DB" < "$T/$1.in" > "$T/$1.out" 2>&1 &
	exec {fd_in}> "$T/$1.in" {fd_out}< "$T/$1.out"
	printf -v "in_$1" %s "$fd_in"
	printf -v "out_$1" %s "$fd_out"
}
say() { # NAME SQL
	local in=in_$1 out=out_$1
	ANSWER=
	echo "$2" >&"${!in}"
	read -r -t 60 ANSWER <&"${!out}"
}
leave() { # NAME
	local in=in_$1 out=out_$1
	echo '\q' >&"${!in}"
	eval "exec ${!in}>&- ${!out}<&-"
}
rotate() {
	# the table to truncate may be in use: then the next time
	queue_do maint_rotate_tables_step1 2> "$T/null"
	sql "$DB" -c 'select pgq.maint_rotate_tables_step2()' > "$T/null"
}
rotations() {
	sql "$DB" -c "select queue_switch_step1 from pgq.queue where queue_name = 'pgshovel:$CLUSTER:win'"
}
mark() {
	sql "$DB" -c "select sub_last_tick from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer join pgq.queue q on q.queue_id = s.sub_queue where queue_name = 'pgshovel:$CLUSTER:win' and co_name = 'relay'"
}

# ---- two tickers whose snapshots cross, while no relay reads
sql "$DB" -c "insert into acc select g, 0, 'first' from generate_series(1, 100) g"
session late
for i in 1 2 3 4 5; do
	say late "begin isolation level repeatable read; select count(*) from acc;"
	sql "$DB" -c "update acc set bal = $i where id <= 20"
	queue_do ticker
	sql "$DB" -c "update acc set bal = -$i where id > 90"
	say late "select pgq.ticker('pgshovel:$CLUSTER:win') > 0; commit;"
	is "$ANSWER" t "the second ticker ticks with an older snapshot ($i)"
done
leave late
backwards=$(sql "$DB" -c "select count(*) from (select txid_snapshot_xmax(tick_snapshot) x, lag(txid_snapshot_xmax(tick_snapshot)) over (order by tick_id) before from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue where queue_name = 'pgshovel:$CLUSTER:win') t where x < before")
is "$backwards" 5 'ticks go backwards'
relay_start
ok 'a backlog over such ticks arrives' delivered
ok 'each event once, rows equal' same

# ---- a tick that is newer than the position, with a snapshot that is older
session later
say later "begin isolation level repeatable read; select count(*) from acc;"
sql "$DB" -c "update acc set bal = bal + 1 where id <= 20"
ok 'rows are delivered' delivered
relay_kill
say later "select pgq.ticker('pgshovel:$CLUSTER:win') > 0; commit;"
is "$ANSWER" t 'after that a ticker ticks with a snapshot of before'
leave later
sql "$DB" -c "update acc set bal = bal + 1 where id > 90"
relay_start
ok 'a restart goes on' delivered
ok 'each event once, rows equal: an older tick' same

# ---- 500 transactions in progress, over restarts
for ((i = 1; i <= 500; i++)); do
	echo "begin; insert into acc values ($((1000 + i)), $i, 'prepared'); prepare transaction 'p$i';"
done > "$T/prepare.sql"
ok '500 transactions are prepared' sql "$DB" -f "$T/prepare.sql"
sql "$DB" -c "update acc set bal = bal + 1 where id <= 100"
# a snapshot lists what is older than the newest that has ended
is "$(sql "$DB" -c "select count(*) >= 500 from pg_snapshot_xip(pg_current_snapshot())")" t 'each snapshot names 500 transactions'
ok 'the rows of others arrive' delivered
relay_kill
sql "$DB" -c "update acc set bal = bal + 1 where id <= 100"
queue_do ticker
PGSHOVEL_HELD_SECONDS=3 relay_start
ok 'and after a restart' delivered
is "$(consume_prefix "$P" --dump | grep -c prepared)" 0 'nothing of the prepared ones is visible'
warned() { # the tick is what the mark would move to
	queue_do ticker
	grep -q "a prepared transaction is open; the queue's tables are not rotated until it ends" "$T/relay.log"
}
if grep -q PGSHOVEL_HELD_SECONDS "$(command -v pgshovel-kafka-relay)"; then
	ok 'after ten minutes (here three seconds) the relay says what holds the queue' wait_for 90 warned
else
	skip 'what holds the queue' 'it takes ten minutes in this build'
fi
for ((i = 1; i <= 500; i++)); do
	case $((i % 3)) in
	0) echo "commit prepared 'p$i';" ;;
	1) echo "rollback prepared 'p$i';" ;;
	esac
done > "$T/some.sql"
ok 'a third commits, a third rolls back' sql "$DB" -f "$T/some.sql"
relay_kill
relay_start
sql "$DB" -f <(for ((i = 2; i <= 500; i += 3)); do echo "commit prepared 'p$i';"; done)
ok 'the rest commits; everything arrives' delivered
ok 'each event once, rows equal: 500 in progress' same

# ---- savepoints: more subtransactions than a snapshot remembers, most of them rolled back
for ((i = 1; i <= 300; i++)); do
	echo "savepoint s; insert into acc values ($((2000 + i)), $i, 'savepoint'); update acc set bal = bal + 1 where id = $((i % 100 + 1));"
	[ $((i % 4)) = 0 ] && echo 'release s;' || echo 'rollback to s;'
done > "$T/savepoints.sql"
ok '300 savepoints in one transaction' sql "$DB" -c begin -f "$T/savepoints.sql" -c commit
ok 'arrives' delivered
ok 'each event once, rows equal: savepoints' same
is "$(consume_prefix "$P" --dump | grep -c savepoint)" 75 'only what was not rolled back'

# ---- old snapshots and rotations: a transaction that is hours old, seen from the queue: ticks, rotations and restarts go by
session reader
say reader "begin; insert into acc values (3000, 0, 'long'); select 'open';"
session writer
newest=$(sql "$DB" -c "select max(tick_id) from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue where queue_name = 'pgshovel:$CLUSTER:win'")
say writer "begin isolation level repeatable read; select count(*) > 0 from acc;"
is "$ANSWER" t 'a repeatable-read writer has its snapshot'
for ((i = 1; i <= 6; i++)); do
	sql "$DB" -c "update acc set bal = bal + 1 where id between 1 and 30"
	queue_do ticker
	delivered > "$T/null" || diag "round $i was not delivered"
	rotate
	[ "$i" != 3 ] || { relay_kill; relay_start; }
done
ok 'the mark has not passed the old snapshots' test "$(mark)" -le "$newest"
say writer "insert into acc values (3001, 0, 'old snapshot'); select 'wrote';"
is "$ANSWER" wrote 'the writer of the old snapshot does not fail'
rotate
say writer "commit; select 'committed';"
is "$ANSWER" committed 'and commits'
held=$(rotations)
moved() {
	queue_do ticker
	rotate
	[ "$(rotations)" -gt "$held" ]
}
say reader "commit; select 'committed';"
is "$ANSWER" committed 'the long transaction commits'
ok 'both arrive' delivered
ok 'each event once, rows equal: old snapshots' same
sql "$DB" -c "update acc set bal = bal + 1 where id = 1"
ok 'the queue is rotated again' wait_for 60 moved
leave reader
leave writer

# ---- rotation whenever it is possible, under writers with snapshots of all ages
pids=()
for ((w = 0; w < 4; w++)); do
	for ((i = 0; i < 25; i++)); do
		echo "begin isolation level repeatable read; select count(*) from acc; select pg_sleep($w * 0.02); insert into acc values ($((10000 + w * 1000 + i)), $i, 'rr'); commit;"
	done > "$T/rr$w.sql"
	sql "$DB" -f "$T/rr$w.sql" > "$T/rr$w.out" 2>&1 &
	pids+=($!)
done
rotated=0 last=$(rotations)
while for pid in "${pids[@]}"; do ! server_process_gone "$pid" && break; done; do
	queue_do ticker
	rotate
	now=$(rotations)
	[ "$now" = "$last" ] || rotated=$((rotated + 1))
	last=$now
done
for pid in "${pids[@]}"; do
	wait "$pid" || diag "a writer failed: $(cat "$T"/rr*.out)"
done
held=$(rotations)
for ((i = 0; i < 3; i++)); do
	sql "$DB" -c "update acc set bal = bal + 1 where id <= 10"
	ok "rotation $i after them" wait_for 60 moved
	held=$(rotations)
done
diag "$rotated rotations meanwhile"
ok 'everything arrives' delivered
is "$(sql "$DB" -c "select count(*) from acc where owner = 'rr'")" 100 'no write failed'
ok 'each event once, rows equal: rotations' same

# ---- an idle transaction on a calm source: nobody flushes WAL, nobody waits for it
session idle
say idle "set synchronous_commit = off; begin; insert into acc values (4000, 0, 'idle'); select 'open';"
PGOPTIONS='-c synchronous_commit=off' sql "$DB" -c "insert into acc values (4001, 0, 'calm')"
calm() {
	consume_prefix "$P" --dump 2> "$T/null" | grep -q calm
}
ok 'a commit that nobody flushed arrives' wait_for 60 calm
say idle "commit; select 'committed';"
leave idle
ok 'so does the idle one' delivered
ok 'each event once, rows equal: idle' same
relay_stop
is "$RC" 0 'asked to stop it ends with 0'

# ---- the hint is written before the mark moves: the witness of a position stays in the queue until the database has noted the delivery
sql "$DB" -c "update acc set bal = bal + 1 where id <= 10"
rm -f "$T/stopped"
PGSHOVEL_STOP_AT=committed,before_mark PGSHOVEL_STOP_FILE=$T/stopped relay_start
if wait_for 60 grep -qs '^committed' "$T/stopped"; then
	queue_do ticker
	wait_for 10 server_process_stopped "$relay" # it notes the step first
	kill -CONT "$relay"
	ok 'the mark is about to move right after a delivery' wait_for 60 grep -q '^before_mark' "$T/stopped"
	isnt "$(sql "$DB" -c "select nonce from pgshovel_$CLUSTER.hint")" "$(positions | tail -n 1 | jq -r .nonce)" 'the database has noted the delivery by then'
	relay_kill
else
	skip 'hint and mark' 'no steps in this build'
	relay_stop
fi
tap_done
