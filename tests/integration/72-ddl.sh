#!/bin/bash
# test: limit=900
# tests/integration/72-ddl.sh: ALTER TABLE under load through the whole line, with the event trigger: columns are added, dropped, renamed and
# change their type, captured ones and others. No write fails, every event has the shape it was written in, the set can be upgraded
# afterwards. Capture that disappears (a disabled trigger, a table that is dropped and created again) stops the set by name.
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
supervisor=''
[ "$(sql "$DB" -c "select count(*) from pg_event_trigger where evtname like 'pgshovel_$CLUSTER%'")" != 0 ] || { skip 'followed DDL' 'the role is no superuser'; tap_done; }
PGSHOVEL_CHECK_SECONDS=1 pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
load_touch "$DB"
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
relay=$(relay_of "$supervisor")

# ddl STATEMENTS: and an event of every row of acc and of some of ord in the shape that results
failed=
ddl() {
	sql "$DB" -c "$1" 2> "$T/ddl.err" || failed+="$1: $(cat "$T/ddl.err"); "
	load_touch "$DB"
	sql "$DB" -c 'update ord set amount = coalesce(amount, 0) + 1 where id in (select id from ord order by id desc limit 50)'
}
load_start "$DB" 20
wrote() { # or ord had no event of its first shape
	[ "$(sql "$DB" -c 'select count(*) from ord')" -ge 50 ]
}
wait_for 60 wrote
ddl ''
ddl 'alter table acc add unseen int'
ddl "alter table ord add note text default 'first'"
ddl 'alter table acc alter bal type bigint'
ddl 'alter table acc rename owner to holder'
ddl 'alter table acc rename secret to hidden; alter table acc rename hidden to secret'
ddl 'begin; update acc set unseen = 1, bal = bal + 3000000000 where id <= 10; alter table ord rename note to remark; update ord set remark = null where id % 3 = 0; commit'
ddl 'begin; alter table acc drop holder; update acc set bal = bal - 2; rollback'
ddl 'alter table ord alter remark type varchar(40), drop at'
ddl 'alter table acc alter secret type varchar(64)'
ddl 'alter table acc drop holder'
ddl 'alter table acc rename unseen to seen; alter table ord add gone int; alter table ord drop gone'
is "$failed" '' 'no DDL failed'
load_wait
is $? 0 'pgbench ends without an error'
like "$(cat "$T/load.log")" 'number of failed transactions: 0' 'no transaction of the application failed'
sql "$DB" -c 'update ord set amount = coalesce(amount, 0) + 1'
ok 'everything arrives' load_delivered "$DB" "$P"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P" ord
ok 'no event twice, chains hold on the columns that both know' consume_prefix "$P" --check
is "$(relay_of "$supervisor")" "$relay" 'the relay was never restarted'

shapes() { # TABLE: the columns of all `after`, each shape once
	consume_prefix "$P" --dump 2> /dev/null | grep -F "\"$P.public.$1\"" > "$T/dump"
	sql "$DB" <<-SQL
		create temporary table lines (line json);
		\\copy lines from '$T/dump' with (format csv, delimiter e'\x02', quote e'\x01')
		select distinct (select string_agg(name, ',') from json_object_keys(row) name) from
			(select distinct on (1) (select string_agg(name, ',') from json_object_keys(x.row) name), x.row from
				(select (line ->> 'value')::json -> 'after' as row from lines) x where json_typeof(x.row) = 'object') y order by 1;
	SQL
}
is "$(shapes acc)" "$(printf '%s\n' id,bal id,bal,holder id,bal,owner)" 'acc: every event has a shape that the table had, and each was seen'
is "$(shapes ord)" "$(printf '%s\n' id,acc,amount,at id,acc,amount,at,note id,acc,amount,at,remark id,acc,amount,remark)" 'ord: the same, with all its columns'
consume_prefix "$P" --dump > "$T/dump" 2> /dev/null
is "$(grep -c 'holder' "$T/dump" | sed 's/[1-9].*/some/')" some 'the records are there'
nok 'an unlisted column is nowhere' grep -qE 'unseen|seen|secret|hidden' "$T/dump"
ok 'nothing is wrong for cluster verify' pgshovel cluster verify

# ---- the set follows
run pgshovel set upgrade "$T/shop.pgshovel"
is "$RC" 78 'a document that lists a column which is gone is refused'
like "$ERR" 'table "public.acc" has no column "owner"' 'and the message says so'
sed 's/"id", "bal", "owner"/"id", "bal", "seen"/' "$T/shop.pgshovel" > "$T/next.pgshovel"
load_start "$DB" 4
run pgshovel set upgrade "$T/next.pgshovel"
is "$RC" 0 'set upgrade after the DDL' || diag "$ERR"
load_wait
is $? 0 'pgbench ends without an error'
load_touch "$DB"
ok 'rows arrive' load_delivered "$DB" "$P"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal,seen
ok 'no event twice, chains hold' consume_prefix "$P" --check

# ---- capture that disappears
trigger=$(sql "$DB" -c "select tgname from pg_trigger where tgrelid = 'ord'::regclass and tgname like ' pgshovel%r'")
sql "$DB" -c "alter table ord disable trigger \"$trigger\""
ok 'a disabled trigger parks the set, by name' wait_for 90 status_says 'public\.ord.*disabled'
ok 'the relay ended with 78' wait_for 60 grep -q 'exit.* 78' "$T/supervisor.log"
nok 'nor is it right for cluster verify' pgshovel cluster verify
sql "$DB" -c "alter table ord enable trigger \"$trigger\""
kill -HUP "$supervisor"
ok 'enabled again, the set goes on' load_delivered "$DB" "$P"
sql "$DB" -c 'begin; create table other (like ord including all); drop table ord; alter table other rename to ord; commit'
ok 'a table that was dropped and created again parks it, by name' wait_for 90 status_says 'public\.ord.*dropped and created again'
run pgshovel set upgrade "$T/next.pgshovel"
is "$RC" 0 'set upgrade takes the new table' || diag "$OUT$ERR"
sql "$DB" -c "insert into ord (id, acc) values (3000000000, 1)"
ok 'and the set goes on by itself' load_delivered "$DB" "$P"
ok 'with its rows' grep -q 3000000000 <(consume_prefix "$P" --rebuild "$P.public.ord")
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
