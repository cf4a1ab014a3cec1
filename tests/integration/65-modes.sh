#!/bin/bash
# test: limit=600
# tests/integration/65-modes.sh: what a set file may ask for besides the defaults, through the whole line: capture by statement,
# at least once, one topic for the whole set with transaction boundaries, several databases, synchronous standbys.
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

line_own # synchronous_standby_names is changed
line_begin pg zk kafka
supervisor=
line_database DB
line_database DB2
load_tables "$DB"
load_tables "$DB2"
ok 'cluster initialize' pgshovel cluster initialize
pgshoveld_start supervisor --host "a$SUFFIX"

# ---- capture = "statement", delivery = "at-least-once"
line_prefix P1
SET_EXTRA='relay = { delivery = "at-least-once"; };'
set_file once "$P1" "$DB" acc:id,bal,owner ord marks.mark | sed 's/name = "acc";/& capture = "statement";/' > "$T/once.pgshovel"
run pgshovel set create once "$T/once.pgshovel"
is "$RC" 0 'a set captured by statement, delivered at least once'
diag "$ERR"
sql "$DB" -c "update acc set bal = bal + id; delete from acc where id % 100 = 0; insert into acc select i, 1, 'new' from generate_series(2001, 2100) i"
load_start "$DB" 5
load_wait
is $? 0 'pgbench ends without an error'
ok 'everything arrives' load_delivered "$DB" "$P1"
load_touch "$DB"
ok 'and the last change' load_delivered "$DB" "$P1"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P1" acc id,bal,owner
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P1" ord
ok 'chains hold' consume_prefix "$P1" --check --repeats
ok 'set drop' pgshovel set drop once

# ---- topics.layout = "single", format.transactions
line_prefix P2
{
	set_file single "$P2" "$DB" acc:id,bal,owner ord marks.mark | grep -v '^topics'
	echo "topics = { prefix = \"$P2.all\"; partitions = 1; replication = 1; layout = \"single\"; };"
} | sed 's/^relay = .*/format = { transactions = true; };/' > "$T/single.pgshovel"
run pgshovel set create single "$T/single.pgshovel"
is "$RC" 0 'a set with one topic and transaction boundaries'
diag "$ERR"
sql "$DB" -c "begin; update acc set bal = 1 where id in (1, 2); insert into ord (id, acc, amount) values (-7, 1, 1); update acc set bal = 2 where id = 1; commit"
single_complete() {
	consume_prefix "$P2" --dump > "$T/single" 2> "$T/null" && grep -q '"status\\*":\\*"END' "$T/single"
}
ok 'BEGIN and END arrive' wait_for 60 single_complete
is "$(grep -c '"op\\*":\\*"[cud]' "$T/single")" 4 'the four events of the transaction, in one topic'
like "$(grep 'END' "$T/single" | head -n 1)" 'event_count\\*":4' 'END counts them'
like "$(grep 'ord' "$T/single" | grep 'after')" 'total_order\\*":3' 'in their order'
ok 'set drop' pgshovel set drop single

# ---- two databases; relay.sync_standbys
line_prefix P3
cat > "$T/two.pgshovel" <<-SET
	name = "two";
	databases = (
	  { name = "d1"; conninfo = "$DB"; },
	  { name = "d2"; conninfo = "$DB2"; }
	);
	tables = ( { name = "acc"; columns = [ "id", "bal", "owner" ]; }, { name = "ord"; }, { name = "marks.mark"; } );
	topics = { prefix = "$P3.{database}"; partitions = 2; replication = 1; };
	kafka = [ "bootstrap.servers=$KAFKA" ];
	relay = { sync_standbys = true; };
SET
run pgshovel set create two "$T/two.pgshovel"
is "$RC" 0 'a set over two databases'
diag "$ERR"
load_touch "$DB"
load_touch "$DB2"
ok 'the first delivers' load_delivered "$DB" "$P3.d1"
ok 'the second delivers' load_delivered "$DB2" "$P3.d2"
ok 'd1: rows from Kafka equal the table' load_same "$DB" "$P3.d1" acc id,bal,owner
ok 'd2: rows from Kafka equal the table' load_same "$DB2" "$P3.d2" acc id,bal,owner

sql "$POSTGRES" -c "alter system set synchronous_standby_names = 'nobody'" -c 'select pg_reload_conf()' > "$T/null"
# No commit waits before the checkpointer has read the settings again, and only a commit shows that it has.
probe_waits() {
	[ "$(sql "$POSTGRES" -c "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'probe'")" -gt 0 ]
}
probed() {
	probe_waits || server_process_gone "$probe"
}
standby_asked() {
	PGAPPNAME=probe sql "$DB" -c "select pg_logical_emit_message(true, 'probe', '')" > "$T/probe" 2>&1 &
	probe=$!
	wait_for 30 probed && probe_waits
}
wait_for 60 standby_asked || diag "no commit waits: $(cat "$T/probe")"
sql "$DB" -c "set synchronous_commit = local; insert into marks.mark values ('waits-$SUFFIX')"
waiting() { # a backend of ours waits for the standby
	[ "$(sql "$POSTGRES" -c "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name like 'pgshovel:%'")" -gt 0 ]
}
ok 'the relay waits for the synchronous standby' wait_for 60 waiting
nok 'what no standby has is not in Kafka' load_seen "$P3.d1" "waits-$SUFFIX"
sql "$POSTGRES" -c "alter system reset synchronous_standby_names" -c 'select pg_reload_conf()' > "$T/null"
ok 'it arrives when no standby is asked for' wait_for 60 load_seen "$P3.d1" "waits-$SUFFIX"
ok 'd1: no event twice, chains hold' consume_prefix "$P3.d1" --check
ok 'd2: no event twice, chains hold' consume_prefix "$P3.d2" --check
ok 'set drop' pgshovel set drop two
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
