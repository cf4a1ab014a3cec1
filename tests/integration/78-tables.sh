#!/bin/bash
# test: limit=1500
# tests/integration/78-tables.sh: tables of every kind and what is done to them, through the whole line: DDL while many sessions write,
# partitions under the name of the root and under their own, tables without a key, generated and identity columns, inheritance, dropped
# types and schemas, renamed and dropped tables; values written by a session with hostile settings; transaction boundaries of interleaved
# sessions over two databases; an event that capture did not write; captures that fail.
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
# shellcheck source=tests/integration/tables-lib.sh
. tests/integration/tables-lib.sh

line_begin pg zk kafka
supervisor='' DB='' DB2='' P='' R='' X='' Y=''
line_database DB
line_database DB2
line_prefix P # many tables
line_prefix R # renamed ones
line_prefix X # every type
line_prefix Y # transactions
load_tables "$DB"
load_tables "$DB2"
tables_make "$DB"
types_make "$DB"

# ---- the sets

SET_EXTRA='format = { transactions = true; };' set_file many "$P" "$DB" w x:id,a,b part leafy nk gen kid marks.mark |
	sed 's/name = "leafy";/& partitions = "leaf";/; s/name = "nk";/& key = [ ];/' > "$T/many.pgshovel"
set_file moved "$R" "$DB" ren gone marks.mark > "$T/moved.pgshovel"
SET_EXTRA='format = { decimal = "precise"; };' set_file types "$X" "$DB" ty.vals marks.mark > "$T/types.pgshovel"
cat > "$T/tx.pgshovel" <<-SET
	name = "tx";
	databases = ( { name = "d1"; conninfo = "$DB"; }, { name = "d2"; conninfo = "$DB2"; } );
	tables = ( { name = "acc"; columns = [ "id", "bal", "owner" ]; }, { name = "ord"; }, { name = "marks.mark"; } );
	topics = { prefix = "$Y.{database}.all"; partitions = 1; replication = 1; layout = "single"; };
	format = { transactions = true; };
	kafka = [ "bootstrap.servers=$KAFKA" ];
SET
ok 'cluster initialize' pgshovel cluster initialize
sed 's/ key = \[ \];//' "$T/many.pgshovel" > "$T/nokey.pgshovel"
run pgshovel set create many "$T/nokey.pgshovel"
like "$RC $ERR" '^78 .*table "public.nk" has no primary key.*key = \[ \]' 'a table without a key is refused unless the file asks for it'
for set in many moved types tx; do
	run pgshovel set create "$set" "$T/$set.pgshovel"
	is "$RC" 0 "set create $set" || diag "$OUT$ERR"
done
[ "$(sql "$DB" -c "select count(*) from pg_event_trigger where evtname like 'pgshovel_$CLUSTER%'")" != 0 ] || { skip 'followed DDL' 'the role is no superuser'; tap_done; }
PGSHOVEL_CHECK_SECONDS=1 pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s

# ---- DDL while sessions write

failed=
bound w x part gen kid nk
load_start "$DB" 6
tables_load "$DB"
ddl w 'alter table w add d int default 5'
ddl x 'alter table x alter c type bigint'
ddl w 'alter table w rename b to bb'
ddl x 'alter table x rename b to b2'
ddl part 'alter table part add extra int'
ddl gen 'drop type s2.mood cascade'
ddl w 'alter table w alter bb type varchar(100), alter a type bigint'
ddl w 'create table part_3 partition of part for values from (date $$2026-03-01$$) to (date $$2026-04-01$$); create table leafy_3 partition of leafy for values from (date $$2026-03-01$$) to (date $$2026-04-01$$)'
ddl x 'alter table x add unseen int; alter table x drop c'
ddl kid 'alter table par rename z to zz'
sql "$DB" -c "insert into part (id, day, v) values (-1, '2026-03-03', 1); insert into leafy (id, day, v) values (-1, '2026-03-03', 1); delete from part where id = -1"
ddl part 'alter table part detach partition part_3; alter table part attach partition part_3 for values from (date $$2026-03-01$$) to (date $$2026-04-01$$)'
ddl w 'alter table w drop bb, drop c'
ddl gen 'drop schema s2 cascade'
ddl w 'alter table w add e text; alter table w rename d to "D d"'
ddl x 'alter table x rename b2 to b; alter table x rename b to b3'
sql "$DB" -c 'begin; alter table w drop a; alter table gen add later int; rollback' || failed+='rollback'
ddl kid 'alter table par add n text'
ddl nk 'alter table nk alter b type varchar(50)'
sql "$DB" -c "insert into part (id, day, v) values (-2, '2026-03-03', 1); insert into leafy (id, day, v) values (-2, '2026-03-03', 1)"
is "$failed" '' 'no DDL failed'
load_wait
is $? 0 'pgbench ends without an error'
ok 'no write to a table failed while it was changed' writers_end tables
sql "$DB" -c 'update w set a = a + 1; update x set a = a + 1; update part set v = v + 1; update leafy set v = v + 1; update gen set a = a + 1; update kid set p = p + 1'
ok 'everything arrives' load_delivered "$DB" "$P" 120
lines_load "$DB" "$P"
ok 'w: rows from Kafka equal the table' rows_same "$P" public.w id
ok 'x: the same' rows_same "$P" public.x id id,a,b3
ok 'part: the same, under the name of the root' rows_same "$P" public.part id,day
ok 'gen: the same, with its generated column' rows_same "$P" public.gen id
ok 'kid: the same' rows_same "$P" public.kid id
for leaf in 1 2 3; do
	ok "leafy_$leaf: the same, under the name of the leaf" rows_same "$P" "public.leafy_$leaf" id,day
done
is "$(lines_wrong_shape)" '' 'every event before a change has the shape before it, every event after it the one after'
is "$(lines "select string_agg(tab || ' ' || n, ', ' order by tab) from (select tab, count(distinct shape) n from chk.shape group by tab) s")" 'gen 3, kid 3, nk 1, part 2, w 5, x 3' 'and each was seen'
is "$(lines "select count(*) from chk.ev where topic = '$P.public.leafy'")" 0 'no event has the name of the root where leaves were asked for'
is "$(lines "select count(*) > 0 from chk.ev d join chk.ev i on d.tx = i.tx and d.before ->> 'id' = i.after ->> 'id' and d.topic = '$P.public.leafy_1' and i.topic = '$P.public.leafy_2' and d.op = 'd' and i.op = 'c'")" t 'a row that moves is deleted from one leaf and inserted into the other'
is "$(lines "select count(*) from chk.ev where tab = 'leafy_1' and (after is null or (after ->> 'day')::int < 20485) is not true")" 0 'and each leaf has rows of its own only'
is "$(lines_chains "tab in ('part', 'w', 'x', 'gen', 'kid')")" 0 'chains hold'
is "$(lines "select count(*) from chk.ev where tab = 'x' and (coalesce(after, before)::jsonb ?| array['c', 'unseen'])")" 0 'an unlisted column is nowhere'
is "$(lines_boundaries)" '' 'transaction boundaries: counts and orders fit'

# without a key
is "$(lines "select count(key), max(part), string_agg(distinct op, '') from chk.ev where tab = 'nk'")" '0|0|cdu' 'without a key: keys are null, one partition'
is "$(lines_keyless nk)" "$(lines "select count(*) from nk")|0" 'without a key: rows that were written less those that were removed are the table'

# ---- and what the admin says of it

run pgshovel set inspect many
is "$RC" 0 'set inspect'
like "$ERR" 'table "public.w": column "D d" was added \(capture has followed\)' 'set inspect names a new column'
like "$ERR" 'table "public.x": column "b" is called "b3" now' 'a renamed one'
like "$ERR" 'table "public.w": column "a" was integer and is bigint now' 'a changed type'
like "$ERR" 'table "public.gen": column "m" was dropped' 'and a dropped one'
is "$(pgshovel set inspect many 2> "$T/null")" "$(sql "$DB" -c "select document from pgshovel_$CLUSTER.set where name = 'many'")" 'standard output is the document alone'
run pgshovel set upgrade "$T/many.pgshovel"
like "$RC $ERR" '^78 .*column "b" is called "b3" now.*table "public.x" has no column "b"' 'set upgrade of a document that lists it by its old name says so, and is refused'
ok 'nothing is wrong for cluster verify' pgshovel cluster verify
sed 's/"id", "a", "b"/"id", "a", "b3"/' "$T/many.pgshovel" > "$T/many2.pgshovel"
run pgshovel set upgrade "$T/many2.pgshovel"
is "$RC" 0 'set upgrade with the new name' || diag "$ERR"
run pgshovel set inspect many
is "$(wc -l <<< "$ERR")" 1 'nothing has changed since'

# ---- a new leaf without its trigger, a trigger disabled by hand

sql "$DB" -c "alter event trigger pgshovel_${CLUSTER}_ddl disable" -c "create table leafy_4 partition of leafy for values from ('2026-04-01') to ('2026-05-01')"
ok 'a new leaf that lacks a trigger parks the set, by name' wait_for 60 says many 'public\.leafy.*missing.*leafy_4'
like "$(grep -E 'leafy_4' "$T/supervisor.log" | head -n 1)" 'capture in database .* is not what the set says' 'and is in the log'
sql "$DB" -c "alter event trigger pgshovel_${CLUSTER}_ddl enable"
run pgshovel set upgrade "$T/many2.pgshovel"
is "$RC" 0 'set upgrade makes it' || diag "$OUT$ERR"
sql "$DB" -c "insert into leafy (id, day, v) values (-4, '2026-04-04', 1); alter table leafy_4 disable trigger all"
ok 'a trigger that is disabled by hand on a leaf is found' wait_for 60 says many 'public\.leafy.*disabled.*leafy_4'
sql "$DB" -c 'alter table leafy_4 enable trigger all'
run pgshovel set upgrade "$T/many2.pgshovel"
ok 'enabled, the set goes on' load_delivered "$DB" "$P" 120
ok 'with the rows of the new leaf' prefix_has "$P.public" 'public.leafy_4'

# ---- tables that are renamed, moved and dropped while sessions write

moved_load "$DB"
sql "$DB" -c "insert into gone values (1, 'last'); alter table ren rename to ren2"
ok 'a table that was renamed parks the set, by its new name' wait_for 60 says moved 'public\.ren.* is called .*public\.ren2.* now'
run pgshovel set inspect moved
like "$RC $ERR" '^0 .*table "public.ren": the table is called "public.ren2" now' 'set inspect says so'
sed 's/"ren"/"ren2"/' "$T/moved.pgshovel" > "$T/moved2.pgshovel"
run pgshovel set upgrade "$T/moved2.pgshovel"
is "$RC" 0 'set upgrade with the new name' || diag "$OUT$ERR"
ok 'the set goes on by itself' load_delivered "$DB" "$R" 120
sql "$DB" -c "create schema s8; alter table ren2 set schema s8; alter schema s8 rename to s9; drop table gone"
ok 'another schema, and a table that is gone' wait_for 60 says moved 's9\.ren2|dropped'
run pgshovel set inspect moved
like "$ERR" 'table "public.gone": the table was dropped' 'set inspect names the one'
like "$ERR" 'table "public.ren2": the table is called "s9.ren2" now' 'and the other'
sed 's/"ren2"/"s9.ren2"/; /"gone"/d' "$T/moved2.pgshovel" > "$T/moved3.pgshovel"
run pgshovel set upgrade "$T/moved3.pgshovel"
is "$RC" 0 'set upgrade without the table' || diag "$OUT$ERR"
ok 'no write failed' writers_end moved
sql "$DB" -c 'update s9.ren2 set a = a + 1'
ok 'everything arrives' load_delivered "$DB" "$R" 120
lines_load "$DB" "$R"
ok 'rows from Kafka equal the table' rows_same "$R" s9.ren2 id
is "$(lines "select string_agg(distinct topic, ' ' order by topic) from chk.ev where tab like 'ren%'")" "$R.public.ren $R.public.ren2 $R.s9.ren2" 'each under the name that the set had for it'
is "$(lines_chains "tab like 'ren%'")" 0 'and no event is missing: each before is the last after, over all names'
is "$(lines "select count(*) from chk.ev where tab = 'gone' and after ->> 'v' = 'last'")" 1 'the last row of a dropped table was delivered'

# ---- every type, written by an ordinary session and by a hostile one

sql "$DB" -c 'insert into ty.vals select * from ty.src'
sql "$DB" -c "$(types_hostile) insert into ty.vals select * from ty.src2;"
ok 'types: everything arrives' load_delivered "$DB" "$X" 120
lines_load "$DB" "$X"
is "$(lines "select count(*) from chk.ev where tab = 'vals'")" "$(sql "$DB" -c 'select 2 * count(*) from ty.src')" 'types: a record for each row'
is "$(types_differ)" '' 'what a session with hostile settings writes gives the same bytes'
is "$(types_golden)" "$(types_excepted)" 'and they are those of the golden files, but for the exceptions of tests/unit/test_golden.c'

# ---- transactions of interleaved sessions, two databases

load_start "$DB2" 6
load_wait
is $? 0 'pgbench ends without an error'
for n in 1 2; do
	db=DB
	[ $n = 1 ] || db=DB2
	ok "d$n: everything arrives" load_delivered_single "${!db}" "$Y.d$n"
	lines_load "$DB" "$Y.d$n"
	is "$(lines 'select count(*) > 100 from (select from chk.ev group by tx) t') $(lines_interleaved)" 't t' "d$n: transactions were interleaved"
	is "$(lines_contiguous)" '' "d$n: BEGIN, the events of one transaction in their order, END; nothing between"
	is "$(lines_boundaries)" '' "d$n: counts and orders fit"
	is "$(lines_chains true)" 0 "d$n: chains hold"
done

# ---- an event that capture did not write

sql "$DB" -c "begin; insert into s9.ren2 values (5001, 1); select pgq.insert_event('pgshovel:$CLUSTER:moved', 'my.event', 'hello', 'a', 'b', 'c', 'd'); insert into s9.ren2 values (5002, 1); commit" > /dev/null
ok 'a foreign event parks the set' wait_for 60 says moved 'event [0-9]+ of transaction [0-9]+.*capture did not write it: its ev_type is .*my\.event'
like "$(grep 'my\.event' "$T/supervisor.log" | head -n 1)" 'pgshovel-kafka-relay|moved' 'and is named in the log'
exited() { # the status has the error before the relay has ended because of it
	pgshovel set status moved --json | tee "$T/status" | jq -e '.[].sets[] | select(.set == "moved" and .state == "parked" and .last_exit.code == 78)'
}
ok 'with exit 78' wait_for 60 exited || diag "$(cat "$T/status")"
{ cat "$T/moved3.pgshovel"; echo 'relay = { on_poison = "quarantine"; };'; } > "$T/moved4.pgshovel"
run pgshovel set upgrade "$T/moved4.pgshovel"
is "$RC" 0 'set upgrade: on_poison = "quarantine"' || diag "$OUT$ERR"
ok 'the rest flows' load_delivered "$DB" "$R" 120
lines_load "$DB" "$R"
ok 'with both its neighbours' rows_same "$R" s9.ren2 id
run pgshovel event list moved
like "$OUT" 'kept .*my\.event .*capture did not write it' 'event list has it'
like "$(pgshovel event show moved 1)" 'hello' 'event show all of it'
ok 'event discard' pgshovel event discard moved 1

# ---- captures that fail

sed 's/name = "s9.ren2";/& on_capture_error = "count";/' "$T/moved4.pgshovel" > "$T/moved5.pgshovel"
run pgshovel set upgrade "$T/moved5.pgshovel"
is "$RC" 0 'set upgrade: on_capture_error = "count"' || diag "$OUT$ERR"
pfx=$(sql "$DB" -c "select queue_data_pfx from pgq.queue where queue_name = 'pgshovel:$CLUSTER:moved'")
for n in 0 1 2; do sql "$DB" -c "alter table ${pfx}_$n add constraint full_ check (false) not valid"; done
is "$(sql "$DB" -c 'update s9.ren2 set a = a + 1 where id <= 7' 2>&1)" '' 'with a full queue statements of the application pass'
for n in 0 1 2; do sql "$DB" -c "alter table ${pfx}_$n drop constraint full_"; done
ok 'the loss is in the status' wait_for 60 says moved 'captures failed: 7$'
like "$(cat "$T/supervisor.log")" 'captures? failed' 'and in the log'

pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
