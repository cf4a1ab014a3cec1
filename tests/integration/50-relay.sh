#!/bin/bash
# test: limit=900
# tests/integration/50-relay.sh: one relay against real servers, without a supervisor: killed at every step of relay.c, fenced, given a
# backlog that does not fit its memory, a record that does not fit Kafka, and a file instead of Kafka. Each time every event is in
# Kafka once for a read_committed reader.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh

line_begin pg zk kafka
line_database DB
line_prefix P
sql "$DB" -c 'create table acc (id int primary key, bal int not null, pad text)' \
	-c 'create schema marks' -c 'create table marks.mark (id text primary key)'
SET_PARTITIONS=4
SET_EXTRA='relay = { batch_events = 2000; window_memory = "8MB"; };'
set_file one "$P" "$DB" acc marks.mark | sed '/^kafka = /s/ \];/, "transaction.timeout.ms=10000" ];/' > "$T/one.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create one "$T/one.pgshovel"
pgshovel set inspect one > "$T/document" 2> /dev/null
spawn=0 relay=0 driver=0 drive=''

relay_start() { # [OPTION…]: a newer owner each time
	spawn=$((spawn + 1))
	drive=$T/drive.$spawn
	: > "$drive"
	drive --cluster "$CLUSTER" --set one --document "$T/document" --partitions 4 --token "1.1.$spawn" "$@" > "$drive" 2>> "$T/relay.log" &
	driver=$!
	wait_for 60 grep -q '^pid' "$drive"
	relay=$(awk '/^pid/ { print $2; exit }' "$drive")
}
works() {
	grep -q ' working ' "$drive"
}
relay_stop() { # exit status in RC
	kill -TERM "$driver" 2> /dev/null
	wait "$driver"
	RC=$?
}
show_log "$T/relay.log"
seen() { # MARK
	consume_prefix "$P.marks" --dump 2> /dev/null | grep -qF "$1"
}
delivered() { # [SECONDS]: everything committed so far is in Kafka
	local mark=$RANDOM-$RANDOM
	sql "$DB" -c "insert into marks.mark values ('$mark')"
	wait_for "${1:-120}" seen "$mark"
}
same() {
	consume_prefix "$P" --rebuild "$P.public.acc" > "$T/rebuilt" && rows_of "$DB" acc id > "$T/source" && cmp "$T/rebuilt" "$T/source"
}

sql "$DB" -c "insert into acc select g, 0, 'before' from generate_series(1, 500) g"
relay_start
ok 'rows written before the first relay arrive' delivered
relay_stop
is "$RC" 0 'asked to stop it ends with 0'
sql "$DB" -c "update acc set bal = bal + 1 where id <= 100"
relay_start
ok 'a restart goes on' delivered
relay_stop

# ---- killed at every step; the next relay makes it good
changes() { # STEP
	sql "$DB" -c "update acc set bal = bal + 1 where id <= 50" -c "insert into acc select max(id) + 1, 0, '$1' from acc"
}
relay_at() { # STEP: a relay that is stopped there
	rm -f "$T/stopped"
	PGSHOVEL_STOP_AT=$1 PGSHOVEL_STOP_FILE=$T/stopped relay_start
	# the mark moves only when there is a tick to move to
	[[ $1 != before_mark && $1 != marked ]] || { wait_for 30 works; sql "$DB" -c "select pgq.force_tick('pgshovel:$CLUSTER:one')" -c "select pgq.ticker('pgshovel:$CLUSTER:one')" > /dev/null; }
	wait_for 60 test -s "$T/stopped" && return
	diag "step $1 was not reached"
	return 1
}
mapfile -t steps < <(pgshovel-kafka-relay --steps | awk '{ print $1 }')
n_steps=${#steps[@]} killed=0
for step in "${steps[@]}"; do
	changes "$step"
	! relay_at "$step" || killed=$((killed + 1))
	kill -KILL "$relay"
	wait "$driver" 2> /dev/null
	[ "$killed" != 0 ] || break # no steps in this build
done
if [ "$killed" = 0 ]; then
	skip "$n_steps" 'no steps in this build'
else
	is "$killed" "$n_steps" "killed at each of $n_steps steps"
fi
relay_start
ok 'everything arrives' delivered
ok 'no event twice, chains hold' consume_prefix "$P" --check
ok 'rows from Kafka equal the table' same

# ---- a zombie: stopped in the middle of a transaction while a newer owner takes over
zombie=$relay zombie_driver=$driver
kill -STOP "$zombie"
sql "$DB" -c "update acc set bal = bal + 1 where id <= 10"
relay_start
ok 'a newer owner takes over from a stopped one' delivered
kill -CONT "$zombie"
wait "$zombie_driver"
is $? 79 'the old one is fenced: exit status 79'
sql "$DB" -c "update acc set bal = bal + 1 where id <= 10"
ok 'the new one goes on' delivered
relay_stop

# ---- stopped at every step, for longer than a transaction may last, while the next relay takes over
if [ "$killed" != 0 ]; then
	zombies=() drivers=() since=$SECONDS
	for step in "${steps[@]}"; do
		changes "zombie $step"
		relay_at "$step" || continue
		zombies+=("$relay") drivers+=("$driver")
	done
	is ${#zombies[@]} "$n_steps" "stopped at each of $n_steps steps"
	relay_start
	ok 'the last of them delivers everything' delivered
	old() { [ $((SECONDS - since)) -gt 12 ]; }
	wait_for 15 old
	changes 'before the zombies go on'
	kill -CONT "${zombies[@]}"
	fenced=0
	for i in "${!drivers[@]}"; do
		wait "${drivers[i]}"
		rc=$?
		[ $rc = 79 ] && fenced=$((fenced + 1)) || diag "the one stopped at ${steps[i]} ended with $rc"
	done
	is $fenced "$n_steps" 'each is fenced when it goes on: exit status 79'
	changes 'after the zombies'
	ok 'the owner goes on' delivered
	ok 'rows from Kafka equal the table' same
else
	relay_start
fi
ok 'no event twice, chains hold, after zombies' consume_prefix "$P" --check

# ---- transactions that stay open, and the mark
coproc OPEN { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$DB" 2>&1; }
echo "begin isolation level repeatable read; update acc set pad = 'open' where id = 1; select 'open';" >&"${OPEN[1]}"
read -r -t 20 _ <&"${OPEN[0]}"
sql "$DB" -c "begin; update acc set pad = 'prepared' where id = 2; prepare transaction 'test-$SUFFIX'"
ok 'open transactions delay nobody' delivered
mark() {
	sql "$DB" -c "select sub_last_tick from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer join pgq.queue q on q.queue_id = s.sub_queue where queue_name = 'pgshovel:$CLUSTER:one'"
}
# the relay may be faster with the tick, as nobody else ticks here: then pgq.ticker() has nothing to do
sql "$DB" -c "select pgq.force_tick('pgshovel:$CLUSTER:one')" -c "select pgq.ticker('pgshovel:$CLUSTER:one')" > /dev/null
tick=$(sql "$DB" -c "select max(tick_id) from pgq.tick join pgq.queue on queue_id = tick_queue where queue_name = 'pgshovel:$CLUSTER:one'")
ok 'rows flow' delivered
ok 'the mark waits for old snapshots' test "$(mark)" -lt "$tick"
echo "commit; select 'done';" >&"${OPEN[1]}"
read -r -t 20 _ <&"${OPEN[0]}"
echo '\q' >&"${OPEN[1]}"
sql "$DB" -c "commit prepared 'test-$SUFFIX'"
ok 'their rows arrive' delivered
ok 'and they are right' same
mark_moved() { [ "$(mark)" -ge "$tick" ]; }
ok 'the mark moves on' wait_for 60 mark_moved
relay_stop

# ---- one transaction that does not fit into window_memory; killed in its middle
sql "$DB" -c "insert into acc select g, 1, repeat('x', 200) from generate_series(100001, 200000) g"
PGSHOVEL_STOP_AT=position_produced:15 PGSHOVEL_STOP_FILE=$T/stopped3 relay_start
if [ "$killed" != 0 ] && wait_for 180 test -s "$T/stopped3"; then
	kill -KILL "$relay"
	wait "$driver" 2> /dev/null
	relay_start
fi
ok '100,000 rows of one transaction arrive' delivered 300
rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$relay/status")
# sanitizers need a multiple
grep -qE "__(asan|tsan)_init" "$(command -v pgshovel-kafka-relay)" || ok "in bounded memory ($((rss / 1024)) MB)" test "$rss" -lt $((128 * 1024))
relay_stop
ok 'no event twice, chains hold' consume_prefix "$P" --check
ok 'and the rows are equal' same

# ---- files
relay_start --file "$T/lines" --commit "$T/position"
wait_for 120 test -s "$T/position"
lines() { [ "$(wc -l < "$T/lines")" = "$(consume_prefix "$P" --dump 2> /dev/null | wc -l)" ]; }
ok 'a file gets every record' wait_for 240 lines
relay_stop
plain() { # the time of encoding is the only difference
	sed -E 's/\\"ts_(ms|us|ns)\\":[0-9]+//g' | jq -c '[.topic, .key, .value]' | sort
}
plain < "$T/lines" > "$T/lines.sorted"
consume_prefix "$P" --dump 2> /dev/null | plain > "$T/kafka.sorted"
ok 'the same records as Kafka' cmp "$T/lines.sorted" "$T/kafka.sorted"
size=$(wc -l < "$T/lines")
tail -n 1 "$T/lines" | head -c 50 >> "$T/lines" # as one leaves it that is killed while it writes
sql "$DB" -c "update acc set bal = 7 where id <= 3"
relay_start --file "$T/lines" --commit "$T/position"
more() { [ "$(wc -l < "$T/lines")" -ge $((size + 3)) ]; }
ok 'a kept position is gone on from' wait_for 60 more
relay_stop
is "$(wc -l < "$T/lines")" $((size + 3)) 'and nothing comes twice'
ok 'half a line that was left is cut off' jq -e . "$T/lines"
printf 'not ours' > "$T/other"
relay_start --file "$T/other" --commit "$T/position"
wait "$driver"
is $? 78 'a file that ends with something else is refused'
is "$(cat "$T/other")" 'not ours' 'and left as it was'

# ---- a record that Kafka will not take
relay_start
ok 'Kafka again' delivered
sql "$DB" -c "insert into acc values (999999, 1, repeat('y', 2000000))"
wait "$driver"
is $? 78 'a record over the limit stops the set: exit status 78'
like "$(grep '^dying' "$drive")" '^dying 78 .*event [0-9]+ of transaction [0-9]+, table "public.acc", key .*999999' 'with its coordinates'
tap_done
