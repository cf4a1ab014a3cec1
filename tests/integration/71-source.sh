#!/bin/bash
# test: limit=1200
# tests/integration/71-source.sh: what happens to the source under load: PostgreSQL restarted in the fast, the immediate and the kill -9 way, the
# relay's sessions terminated again and again. Writers do not wait for the disk (synchronous_commit = off), so that a crash loses what
# they had committed: nothing of that may be in Kafka. Every event is there once.
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

# nobody flushes the log but who must: no ticker, a writer that comes seldom
line_own pg=--fsync pg=--set=wal_writer_delay=10s pg=--set=wal_writer_flush_after=1GB pg=--set=autovacuum=off
fault_begin
first='' supervisor=''
tick() { # BOOLEAN: whether the relay may tick for want of a ticker: a tick flushes the log
	sql "$DB" -c "update pgq.queue set queue_ticker_paused = not $1 where queue_name = 'pgshovel:$CLUSTER:shop'"
}

# ---- a commit that was read, and lost by the source before it was flushed
tick false
PGSHOVEL_STOP_AT=window_read:2 PGSHOVEL_STOP_FILE=$T/stopped pgshoveld_start first --host "a$SUFFIX" --session-timeout 4s
wal_writer() {
	sql "$DB" -c "select pid from pg_stat_activity where backend_type = 'walwriter'"
}
bal() {
	sql "$DB" -c "select bal from acc where id = 1"
}
first_seen() {
	consume_prefix "$P.public" --dump 2> /dev/null | grep -q .
}
sql "$DB" -c 'update acc set bal = 1 where id = 1'
ok 'the line is up' wait_for 60 first_seen || exit 1
# the relay's own commits flush as well: the first note of a delivery has been written
noted() {
	[ "$(sql "$DB" -c "select lsn is not null from pgshovel_$CLUSTER.hint")" = t ]
}
wait_for 60 noted
kill -STOP "$(wal_writer)"
PGOPTIONS='-c synchronous_commit=off' sql "$DB" -c 'update acc set bal = 2 where id = 1'
if wait_for 60 test -s "$T/stopped"; then
	relay=$(relay_of "$first")
	server_kill pg "$OWN"
	server_start pg "$OWN" > /dev/null
	is "$(bal)" 1 'the source lost a commit whose event was read'
	tick true
	kill -CONT "$relay"
	load_touch "$DB"
	ok 'the relay goes on by itself' load_delivered "$DB" "$P"
	is "$(relay_of "$first")" "$relay" 'it is the same process'
	ok 'the lost commit is not in Kafka' same_acc
else
	skip 'lost commit' 'no steps in this build'
	kill -CONT "$(wal_writer)"
	tick true
fi
pgshoveld_stop "$first"
is $? 0 'the supervisor ends by SIGTERM'

pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
load_touch "$DB"
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
relay=$(relay_of "$supervisor")
show_log "$OWN/pg/log"

# ---- restarts; the application's sessions die with them
for how in fast immediate kill; do
	PGOPTIONS='-c synchronous_commit=off' load_start "$DB" 600
	load_delivered "$DB" "$P"
	case $how in
	fast) server_stop pg "$OWN" ;;
	immediate) server_stop pg "$OWN" --mode=immediate ;;
	kill) server_kill pg "$OWN" ;;
	esac
	load_wait
	ok "PostgreSQL starts after a stop ($how)" server_start pg "$OWN"
	ok "$how: the relay goes on by itself" load_delivered "$DB" "$P" 180
	ok "$how: nothing lost, nothing doubled, nothing that the source lost" same
done
is "$(relay_of "$supervisor")" "$relay" 'it is the same process all the time'

# ---- a crash in the middle of a burst that was seen but not flushed, several times
lost=0
for ((i = 0; i < 3; i++)); do
	before=$(sql "$DB" -c 'select count(*) from ord')
	PGOPTIONS='-c synchronous_commit=off' sql "$DB" -c "insert into ord (id, acc) values (nextval('ord_id'), 0)"
	server_kill pg "$OWN"
	server_start pg "$OWN" > /dev/null || break
	[ "$(sql "$DB" -c 'select count(*) from ord')" != "$before" ] || lost=$((lost + 1))
	load_delivered "$DB" "$P" || break
done
is $i 3 'three more crashes right after a commit'
diag "$lost of them lost the commit"
ok 'nothing lost, nothing doubled, nothing that the source lost' same

# ---- its sessions are terminated
sessions() {
	sql "$DB" -c "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgshovel%' and pid <> pg_backend_pid()"
}
load_start "$DB" 15
terminated=0
for ((i = 0; i < 12; i++)); do
	[ -z "$(sessions)" ] || terminated=$((terminated + 1))
	[ $((i % 3)) != 0 ] || load_delivered "$DB" "$P" || break
done
is $i 12 'between terminations rows arrive'
ok "its sessions were terminated several times ($terminated)" test "$terminated" -ge 4
load_wait
is $? 0 'no write of the application failed'
ok 'everything arrives' load_delivered "$DB" "$P" 180
ok 'nothing lost, nothing doubled' same
is "$(relay_of "$supervisor")" "$relay" 'it is the same process all the time'
ok 'set status says that it works' wait_for 60 status_says working
nok 'nothing was taken for a rewind' grep -q 'until an operator decides' "$T/supervisor.log"
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'

# ---- its sessions are terminated at every step of its line
steps=$(pgshovel-kafka-relay --steps | awk '{ print $1 }' | paste -sd,)
n_steps=$(tr , '\n' <<< "$steps" | wc -l)
rm -f "$T/stopped"
stops() {
	[ ! -s "$T/stopped" ] || wc -l < "$T/stopped"
}
# until the next one it needs something to do: a change to send, a tick to move to
stopped_again() { # N
	[ "$(stops)" = "$1" ] && return
	sql "$DB" -c 'update acc set bal = bal + 1 where id <= 20' -c "select pgq.force_tick('pgshovel:$CLUSTER:shop')" \
		-c "select pgq.ticker('pgshovel:$CLUSTER:shop')" > /dev/null
	return 1
}
PGSHOVEL_STOP_AT=$steps PGSHOVEL_STOP_FILE=$T/stopped pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
if wait_for 60 test -s "$T/stopped"; then
	for ((i = 1; i <= n_steps; i++)); do
		wait_for 150 stopped_again $i || break
		relay=$(tail -n 1 "$T/stopped" | cut -d' ' -f2)
		wait_for 10 server_process_stopped "$relay" # it notes the step first
		sessions > /dev/null
		kill -CONT "$relay"
	done
	is "$(cut -d' ' -f1 "$T/stopped" | sort | paste -sd,)" "$(tr , '\n' <<< "$steps" | sort | paste -sd,)" "terminated at each of $n_steps steps"
	is "$(cut -d' ' -f2 "$T/stopped" | sort -u | wc -l)" 1 'it is the same process all the time'
	ok 'everything arrives' load_delivered "$DB" "$P" 180
	ok 'nothing lost, nothing doubled' same
else
	skip 'terminated at each step' 'no steps in this build'
fi

# ---- nobody flushes the log, an idle transaction among those who do not: the relay does not wait for them with a Kafka transaction open
writer=$(wal_writer)
coproc IDLE { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$DB" 2>&1; }
echo "begin; insert into ord (id, acc) values (nextval('ord_id'), 1); select 'open';" >&"${IDLE[1]}"
read -r -t 60 _ <&"${IDLE[0]}"
kill -STOP "$writer"
PGOPTIONS='-c synchronous_commit=off' sql "$DB" -c "insert into marks.mark values ('unflushed')"
ok 'a commit that nobody flushed arrives' wait_for 60 load_seen "$P" unflushed
kill -CONT "$writer"
echo '\q' >&"${IDLE[1]}"
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
