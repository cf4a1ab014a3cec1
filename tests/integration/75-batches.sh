#!/bin/bash
# test: limit=900
# tests/integration/75-batches.sh: batches of any size in bounded memory: with the relay stopped and no ticker, one transaction of many events and
# one statement of many rows. Kafka's transactions stay within batch_events, batch_bytes and half their timeout, the position says
# where in the window it is, a kill in the middle goes on there, transaction boundaries are counted over it, rows that triggers
# wrote again are put in order over the parts, or the set says what it needs for that.
#
# Two sizes. In `make test`: EVENTS and ROWS as below, small batches and little window_memory, so that the same paths are taken; time is not
# measured. In full, with programs of MODE=release (docs/performance.md):
#   PGSHOVEL_TEST_FULL=1 PGSHOVEL_TEST_ONLY=75-batches BUILD=build/release tests/run integration
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

full=${PGSHOVEL_TEST_FULL:-}
EVENTS=60000 ROWS=15000 BATCH=2000 relay_keys='batch_events = 2000; window_memory = "2MB";'
[ -z "$full" ] || { EVENTS=${PGSHOVEL_TEST_EVENTS:-5000000} ROWS=${PGSHOVEL_TEST_ROWS:-1000000} BATCH=20000 relay_keys=; }

line_begin pg zk kafka
line_database DB
line_prefix P
sql "$DB" -c 'create table acc (id int primary key, bal int not null, pad text)' \
	-c 'create schema marks' -c 'create table marks.mark (id text primary key)'
SET=big
SET_EXTRA="relay = { $relay_keys };" set_file big "$P" "$DB" acc marks.mark |
	sed '/^kafka = /s/ \];/, "compression.type=lz4", "transaction.timeout.ms=20000" ];/' > "$T/big.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create big "$T/big.pgshovel" || exit 1
relay_document
show_log "$T/relay.log"
sql "$DB" -c "select pgq.set_queue_config('pgshovel:$CLUSTER:big', 'ticker_paused', 'true')" > "$T/null"
relation=$(sql "$DB" -c "select id from \"pgshovel_$CLUSTER\".relation where table_name = 'acc'")
events=$(sql "$DB" -c "select queue_data_pfx from pgq.queue where queue_name = 'pgshovel:$CLUSTER:big'")

# events FIRST LAST PAD: one transaction, straight into the queue, as capture would write it
events() {
	sql "$DB" -c "insert into ${events}_0 (ev_time, ev_type, ev_data, ev_extra1)
		select now(), 'I', format('(%s,1,%s)', g, repeat('x', $3)), '$relation' from generate_series($1, $2) g"
}
# cut positions, one a line: ev_id
cuts() {
	positions | jq -r 'select(.upto != null) | .ev_id'
}
parts() { # AT LEAST
	[ "$(cuts | wc -l)" -ge "$1" ]
}
now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}
asan() {
	grep -qE '__(asan|tsan)_init' "$(command -v pgshovel-kafka-relay)"
}
hwm() {
	awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$relay/status"
}
# In an ASan build: what it keeps of freed memory would hide the rest
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=8:thread_local_quarantine_size_kb=64"
in_bounds() { # NAME
	local rss
	rss=$(hwm)
	ok "$1: memory stays within bounds: $rss MB" test "$rss" -le 128
}

# killed_at N STEP: a relay that is killed when N - 1 parts are in Kafka and, with steps, one more is about to be
killed_at() {
	local before
	before=$(cuts | wc -l)
	rm -f "$T/stopped"
	if asan; then
		PGSHOVEL_STOP_AT=$2:$1 PGSHOVEL_STOP_FILE=$T/stopped relay_start
		wait_for 120 test -s "$T/stopped"
	else
		relay_start
	fi
	wait_for 120 parts $((before + $1 - 1))
	relay_kill
	[ "$(positions | tail -n 1 | jq '.upto != null and .ev_id > 0')" = true ]
}

# public_events: what the checker found in the tables' topics: their number, and its problems on stderr
public_events() {
	consume_prefix "$P.public" --check --timeout 600 2> "$T/checked" || cat "$T/checked" >&2
	sed -n 's/^checked: .* \([0-9]*\) events, .* 0 problems$/\1/p' "$T/checked"
}

# ---- one transaction
ok "one transaction of $EVENTS events while the relay is stopped" events 1 "$EVENTS" 40
if [ -n "$full" ]; then
	relay_start
	ok 'the relay works' wait_for 120 relay_works
	works=$(now_ms)
	ok 'the first part is in Kafka' wait_for 300 parts 1
	first=$(now_ms)
	ok "after $((first - works)) ms: within 3 s per million events" test $((first - works)) -le $((EVENTS * 3 / 1000))
	relay_kill
fi
ok 'killed in the middle the position is inside the window' killed_at 5 position_produced
n=$(cuts | wc -l)
relay_start
ok 'another one goes on' wait_for 300 parts $((n + 2))
in_bounds 'in the middle'
ok 'everything arrives' delivered 600
in_bounds 'one transaction'
cuts > "$T/cuts"
ok 'positions go up' sort -n -c "$T/cuts"
is "$(awk -v n="$BATCH" 'NR > 1 && $1 - last > n { print } { last = $1 }' "$T/cuts")" '' "no part has more than $BATCH events"
is "$(public_events)" "$EVENTS" 'no event is missing, none is there twice'
relay_stop

# ---- stopped while a part is committed and the next one read: another takes over
if asan; then
	rm -f "$T/stopped"
	events 200000000 $((200000000 + 5 * BATCH)) 40
	PGSHOVEL_STOP_AT=commit_begun:3 PGSHOVEL_STOP_FILE=$T/stopped relay_start
	ok 'stopped while a part is committed' wait_for 120 test -s "$T/stopped"
	zombie=$relay zombie_driver=$driver
	relay_start
	ok 'another one takes over' delivered
	kill -CONT "$zombie"
	wait "$zombie_driver"
	is $? 79 'the stopped one is fenced'
	is "$(public_events)" $((EVENTS + 5 * BATCH + 1)) 'no event is missing, none is there twice'
	relay_stop
else
	skip 'stopped while a part is committed' 'no steps in this build'
fi

# ---- a transaction of Kafka that lasts: held for more than half its timeout, it ends after the events that it has
in_time() { # TRY
	local before
	[ "$1" = 1 ] || relay_kill # the one before would send these events
	before=$(cuts | wc -l)
	rm -f "$T/stopped"
	events $((100000000 + $1 * 10000)) $((100000999 + $1 * 10000)) 40
	PGSHOVEL_STOP_AT=produced_one PGSHOVEL_STOP_FILE=$T/stopped relay_start
	wait_for 120 test -s "$T/stopped" || return 1
	wait_for 11 false # the clock is what is tested
	kill -CONT "$relay"
	delivered && [ "$(cuts | wc -l)" -gt "$before" ]
}
if asan; then
	# a machine that is slow at that moment loses the transaction: again
	in_time 1 || in_time 2 || in_time 3
	ok 'a part ends in time, without the rest of its events' test $? = 0
	relay_stop
else
	skip 'a part ends in time' 'no steps in this build'
fi

# ---- one statement
ok "one statement of $ROWS rows" sql "$DB" -c "insert into acc select g, 2, repeat('y', 200) from generate_series(10000001, 10000000 + $ROWS) g"
before=$(cuts | wc -l)
seen=$(public_events)
relay_start
ok 'everything arrives' delivered 600
in_bounds 'one statement'
is "$(public_events)" $((seen + ROWS)) 'no event is missing, none is there twice'
is "$(cuts | tail -n "+$((before + 1))" | awk -v n="$BATCH" 'NR > 1 && $1 - last > n { print } { last = $1 }')" '' "no part has more than $BATCH events"
ok 'several parts' parts $((before + 2))
relay_stop

# ---- batch_bytes, and whole transactions: counts go on where a kill was
SET_EXTRA='format = { transactions = true; };
relay = { batch_bytes = "64kB"; window_memory = "1MB"; };' set_file big "$P" "$DB" acc marks.mark > "$T/big.pgshovel"
run pgshovel set upgrade big "$T/big.pgshovel"
is "$RC" 0 'set upgrade: boundaries, parts of 64 kB'
relay_document
before=$(cuts | wc -l)
inside=3000
[ -z "$full" ] || inside=30000
sql "$DB" -c "begin" -c "insert into acc select g, 3, repeat('z', 500) from generate_series(20000001, 20000000 + $inside) g" -c "insert into marks.mark values ('inside')" -c "update acc set bal = 4 where id = 20000001" -c commit
ok 'killed while a part is committed and the next one read' killed_at 8 commit_begun
is "$(positions | tail -n 1 | jq '.transaction.total > 0 and .transaction.collections[0][0] == "public.acc"')" true 'the position counts'
relay_start
ok 'everything arrives' delivered
relay_stop
cuts | tail -n "+$((before + 1))" > "$T/cuts"
is "$(awk 'NR > 1 && $1 - last > 65536 / 500 + 1 { print } { last = $1 }' "$T/cuts")" '' 'no part has more than 64 kB'
consume_prefix "$P" --dump | grep -a 'transaction\\*":{\|"status\\*":' | jq -c '.value | fromjson' > "$T/values"
txid=$(jq -r 'select(.after.bal == 4) | .source.txId' "$T/values")
is "$(jq -c "select(.id == \"$txid\") | [.status, .event_count, (.data_collections // [] | map([.data_collection, .event_count]))]" "$T/values")" \
	"[\"BEGIN\",null,[]]
[\"END\",$((inside + 2)),[[\"public.acc\",$((inside + 1))],[\"marks.mark\",1]]]" 'one BEGIN, one END that counts all'
is "$(jq -r "select(.transaction.id == \"$txid\") | .transaction.total_order" "$T/values" | sort -n | uniq | wc -l)" $((inside + 2)) 'each change has a place of its own'
is "$(jq -r "select(.transaction.id == \"$txid\" and .source.table == \"acc\") | .transaction.data_collection_order" "$T/values" | sort -n | tail -n 1)" $((inside + 1)) 'in its table too'

# ---- rows that triggers write again, in transactions that do not fit into window_memory (1 MB)
sql "$DB" <<-'SQL'
	create table nest (id int primary key, v int not null, n int not null, pad text);
	-- row 1 of a statement changes its row 1000, whose own event is still to come
	create function again() returns trigger language plpgsql as $$ begin update nest set n = 2, v = v + 1 where id = new.id + 999; return null; end $$;
	create trigger again after insert or update on nest for each row when (new.n = 1 and new.id % 1000 = 1) execute function again();
SQL
line_prefix P
SET=nest
nest_file() { # WINDOW_MEMORY
	SET_EXTRA="relay = { batch_events = 500; window_memory = \"$1\"; };" set_file nest "$P" "$DB" nest marks.mark > "$T/nest.pgshovel"
}
nest_file 1MB
ok 'set create: a table that its triggers write again' pgshovel set create nest "$T/nest.pgshovel"
relay_document
sql "$DB" -c "insert into nest select g, 0, 1, repeat('x', 300) from generate_series(1, 8000) g"
relay_start
wait "$driver"
is $? 78 'a transaction that must be in memory as a whole is not sent otherwise'
like "$(grep '^dying' "$T/drive")" 'raise relay.window_memory to "[0-9]+MB"' 'it says how much that takes'
nest_file "$(grep -o '[0-9]*MB' "$T/drive" | tail -n 1)"
ok 'set upgrade' pgshovel set upgrade nest "$T/nest.pgshovel"
relay_document
relay_start
ok 'with that it arrives' delivered
relay_stop
nest_file 1MB
ok 'set upgrade' pgshovel set upgrade nest "$T/nest.pgshovel"
relay_document
sql "$DB" -c "begin" -c "update nest set n = 3, v = v + 1" -c "update nest set v = v + 1 where id % 2 = 0" -c commit
ok 'killed in the middle of one that is in order' killed_at 4 commit_begun
relay_start
ok 'it arrives' delivered
relay_stop
ok 'no event twice, chains hold' consume_prefix "$P" --check
consume_prefix "$P" --rebuild "$P.public.nest" > "$T/rebuilt"
rows_of "$DB" nest id > "$T/source"
ok 'rows from Kafka equal the table' cmp "$T/rebuilt" "$T/source"
tap_done
