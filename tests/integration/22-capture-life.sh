#!/bin/bash
# test: limit=240
# tests/integration/22-capture-life.sh: statement capture, what the check finds, retiring and forgetting.
# Uses psql only: no program of pgshovel, no ZooKeeper, no Kafka.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/capture-lib.sh
. tests/integration/capture-lib.sh

# ---- installation

refused 'a role without pgq_admin is told what it lacks' 'is not a member of "pgq_admin"' "set role $writer; $(sed -n '/^do /,/^\$do\$;/p' sql/000-schema.sql)" < /dev/null
as "$shovel" "$PLAIN" -f "$T/install.sql" || exit 1
new_set shop

# ---- statement mode

app "create table bulk (id int primary key, v float8, w text, \"N\"\"x'%\" int); alter table bulk owner to $shovel" > /dev/null
ok 'a table is captured by statement' capture shop bulk "array['id', 'v', 'N\"x''%']" null statement
is "$(app "select string_agg(tgname, ',' order by tgname) from pg_trigger where tgrelid = 'bulk'::regclass")" "$(printf " pgshovel_${CLUSTER}__shop_%s" d, i, k, t, u)" 'with triggers for each operation'
app "insert into bulk select i, i / 10.0, 'x', i from generate_series(1, 3) i; update bulk set v = v + 1 where id > 1; update bulk set w = 'y'; delete from bulk where id = 2; delete from bulk where id = 99; update bulk set v = 0 where id = 99; insert into bulk select 1 where false; truncate bulk" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,0.1,1)|' 'I|(2,0.2,2)|' 'I|(3,0.3,3)|' 'U|(2,1.2,2)|(2,0.2,2)' 'U|(3,1.3,3)|(3,0.3,3)' 'D||(2,1.2,2)' 'T||')" 'rows of a statement, in order; statements without rows and unlisted columns write nothing'
app "insert into bulk values (1, 0.1, 'x', 1), (2, 0.2, 'x', 2); insert into bulk values (2, 5, 'z', 0), (3, 6, 'z', 0) on conflict (id) do update set v = excluded.v" > /dev/null
events shop
is "$(sort <<< "$EVENTS")" "$(printf '%s\n' 'I|(1,0.1,1)|' 'I|(2,0.2,2)|' 'I|(3,6,0)|' 'U|(2,5,2)|(2,0.2,2)')" 'upsert by statement'
app "begin; update bulk set v = 7 where id = 1; update bulk set v = id; commit" > /dev/null
events shop 'ev_type, ev_data, ev_extra2'
is "$EVENTS" "$(printf '%s\n' 'U|(1,7,1)|(1,0.1,1)' 'U|(2,2,2)|(2,5,2)' 'U|(3,3,0)|(3,6,0)' 'U|(1,1,1)|(1,7,1)')" 'old and new rows are paired'
is "$(app "set statement_timeout = '20s'; insert into bulk select i, i, 'x', i from generate_series(10, 20000) i; update bulk set v = v + 1 where id = 10; update bulk set v = v + 1; select count(*) from pgq.event_1 where ev_type = 'U' and split_part(ev_data, ',', 1) <> split_part(ev_extra2, ',', 1)")" 0 'no pair is wrong among 20,000, and a cached plan of one row does not make it slow'
events shop ev_id
is "$(wc -l <<< "$EVENTS")" $((19991 * 2 + 1 + 3)) 'none is missing'
sql "$db" -c "set extra_float_digits = -5; set datestyle = german; insert into bulk values (5, 0.1::float8 + 0.2::float8, '', 0)"
events shop
is "$EVENTS" 'I|(5,0.30000000000000004,0)|' 'settings of the writer do not matter by statement either'
like "$(app 'alter table bulk drop column v')" 'cannot drop column v' 'captured columns are kept'
app 'alter table bulk rename v to vv; update bulk set vv = 8 where id = 5; insert into bulk (id, vv) values (6, 1); delete from bulk where id = 6' > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'U|(5,8,0)|(5,0.30000000000000004,0)' 'I|(6,1,)|' 'D||(6,1,)')" 'a rename does not stop writers'
open_session stale
say stale "begin isolation level repeatable read; select count(*) > 0 from pg_class"
app "create table young (id int primary key, v int); alter table young owner to $shovel" > /dev/null
capture shop young null null statement
app 'alter table young rename v to w' > /dev/null
say stale "insert into young values (1, 2); truncate young; commit"
is "$SAID" '' 'neither does it one whose snapshot is older than the table'
close_session stale
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,2)|' 'T||')" 'and what it writes is right'
app 'drop table young; alter table bulk rename vv to v' > /dev/null
rollout shop young "select $S.relation_retire('shop', reloid) from $S.relation where current and table_name = 'young'" > /dev/null
ok 'by row from now on' capture shop bulk "array['id', 'v', 'N\"x''%']" null row
is "$(app "select string_agg(tgname, ',' order by tgname) from pg_trigger where tgrelid = 'bulk'::regclass")" "$(printf " pgshovel_${CLUSTER}__shop_%s" k, r, t)" 'the triggers of the other mode are gone'
app 'update bulk set v = 9 where id = 5' > /dev/null
events shop
is "$EVENTS" 'U|(5,9,0)|(5,8,0)' 'one event for one change'
is "$(problems shop)" '' 'nothing is wrong'
ok 'and by statement again' capture shop bulk "array['id', 'v']" null statement
app 'update bulk set v = 10 where id = 5' > /dev/null
events shop
is "$EVENTS" 'U|(5,10)|(5,9)' 'one event again'
app "create function nothing() returns trigger language plpgsql as 'begin return new; end'; create trigger later after insert on bulk for each row execute function nothing()" > /dev/null
like "$(problems shop)" '^bulk: cannot capture "public.bulk" by statement: it has row triggers' 'a row trigger that comes later is found'
app 'drop trigger later on bulk' > /dev/null

app "create table vars (id int primary key, g date, cur int, n int, o int, k int, x int, a int, b int, z int, pgs_new int, tg_op text); alter table vars owner to $shovel" > /dev/null
capture shop vars null null statement
app "insert into vars (id, g, z) values (1, '2026-01-01', 9); update vars set cur = 1, k = 2; delete from vars" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,2026-01-01,,,,,,,,9,,)|' 'U|(1,2026-01-01,1,,,2,,,,9,,)|(1,2026-01-01,,,,,,,,9,,)' 'D||(1,2026-01-01,1,,,2,,,,9,,)')" 'columns named like anything in the function'
rollout shop vars "select $S.relation_retire('shop', 'vars'::regclass)" > /dev/null
q "select $S.capture_drop('shop', 'vars'::regclass)" > /dev/null

# ---- what the check finds

app "create table a (id int primary key, v int); create table b (id int primary key, v int); create table u (id int primary key, o int not null unique); alter table a owner to $shovel; alter table b owner to $shovel; alter table u owner to $shovel" > /dev/null
capture shop a null null
capture shop b "array['id']" null
capture shop u null "array['o']"
is "$(problems shop)" '' 'three tables, no problem'
found() { # NAME REGEX SQL UNDO
	app "$3" > /dev/null
	like "$(problems shop)" "$2" "$1"
	app "$4" > /dev/null
	[ "$(problems shop)" = '' ] || fail "$1: undone"
}
found 'trigger disabled' '^a: capture is disabled' 'alter table a disable trigger user' 'alter table a enable trigger user'
found 'trigger only for replicas' '^a: capture is disabled' "alter table a enable replica trigger \" pgshovel_${CLUSTER}__shop_r\"" 'alter table a enable trigger user'
found 'trigger dropped' '^a: capture is missing' "begin; drop trigger \" pgshovel_${CLUSTER}__shop_r\" on a; commit" "begin; set role $shovel; select $S.capture_stub('shop', 'a', null); commit"
found 'truncate trigger dropped' '^a: capture is missing .*_t"' "drop trigger \" pgshovel_${CLUSTER}__shop_t\" on a" "set role $shovel; select $S.capture_stub('shop', 'a', null)"
found 'trigger narrowed' '^a: capture was changed by hand' "create or replace trigger \" pgshovel_${CLUSTER}__shop_r\" after insert or update or delete on a for each row when (pg_trigger_depth() = 0) execute function $S.$(app "select 'capture_shop_' || 'a'::regclass::oid")()" "set role $shovel; select $S.capture_stub('shop', 'a', null)"
found 'function edited' '^a: its capture function was changed' "create or replace function $S.$(app "select 'capture_shop_' || 'a'::regclass::oid")() returns trigger language plpgsql security definer as 'begin return null; end'" \
	"set role $shovel; select $S.capture_replace('shop', (select id from $S.relation where table_name = 'a' and current))"
found 'column added to a table of all columns' '^a: column "n" is new' 'alter table a add n int' 'alter table a drop n'
is "$(app 'alter table b add n int'; problems shop)" '' 'not to one with a list'
found 'key without its index' '^u: its key has no unique index' 'alter table u drop constraint u_o_key' 'alter table u add unique (o)'
found 'key that may be null' '^u: key column "o" may be null' 'alter table u alter o drop not null' 'alter table u alter o set not null'
found 'table unlogged' '^b: cannot capture "public.b".*unlogged' 'alter table b set unlogged' 'alter table b set logged'
found 'table renamed' '^b: the table is called "public.bb" now: ' 'alter table b rename to bb' 'alter table bb rename to b'
found 'table in another schema' '^b: the table is called "other.b" now' 'create schema other; alter table b set schema other' 'alter table other.b set schema public'
found 'tables swapped' '^b: the table is called "public.b_old" now, and another one has its name' 'alter table b rename to b_old; create table b (id int primary key)' 'drop table b; alter table b_old rename to b'
found 'consumer missing' 'its consumer "relay" is missing' "select pgq.unregister_consumer('pgshovel:$CLUSTER:shop', 'relay')" "select pgq.register_consumer('pgshovel:$CLUSTER:shop', 'relay')"
like "$(q "select problem from $S.capture_check('nope')")" 'no active set "nope"' 'set unknown'
out=$(app 'drop table b')
is "$out" '' 'a captured table can be dropped'
like "$(problems shop)" '^b: the table was dropped: take it out' 'table dropped'
app "create table b (id int primary key); alter table b owner to $shovel" > /dev/null
like "$(problems shop)" '^b: the table was dropped and created again' 'table created again'
capture shop b null null
is "$(problems shop)" '' 'an upgrade captures the new one'
is "$(q "select count(*) from $S.relation where table_name = 'b' and current")" 1 'and only that one'
app "begin; insert into b values (1); commit; alter table b rename to b_old; create table b (id int primary key); alter table b owner to $shovel" > /dev/null
capture shop b null null
events shop
app "insert into b_old values (2); insert into b values (3)" > /dev/null
events shop
is "$EVENTS" 'I|(3)|' 'after a swap of names the old table is not captured under the new name'
app "alter table a rename v to x; alter table a add y int" > /dev/null
q "select $S.relation_follow(id) from $S.relation where current and table_name = 'a'" > /dev/null
is "$(problems shop)" '' 'relation_follow cures renames and new columns'
events shop
app "insert into a values (1, 2, 3)" > /dev/null
events shop "ev_data, ev_extra1 = (select id::text from $S.relation where current and table_name = 'a' and made_by = 'ddl')"
is "$EVENTS" '(1,2,3)|t' 'with a relation of its own'

# ---- captures that fail

app "create table strict (id int primary key, v text); create table lax (like strict including all); create table lax_bulk (like strict including all);
	alter table strict owner to $shovel; alter table lax owner to $shovel; alter table lax_bulk owner to $shovel" > /dev/null
capture shop strict null null
capture shop lax null null row count || diag "$(cat "$T/out")"
capture shop lax_bulk null null statement count || diag "$(cat "$T/out")"
is "$(problems shop)" '' 'nothing is wrong'
events shop
is "$(app "begin; insert into lax values (1, 'a'); insert into lax_bulk values (1, 'a'), (2, 'b'); select count(*) from pgq.event_1 where ev_txid = txid_current(); commit")" 3 'on_capture_error = "count" captures like the other'
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,a)|' 'I|(1,a)|' 'I|(2,b)|')" 'events of the transaction'
lost() { # NAME NUMBER BREAK MEND
	local before
	before=$(q "select $S.capture_lost('shop')")
	app "$3" > /dev/null
	like "$(app "insert into strict values (9, 'x')")" 'ERROR' "$1: with \"fail\" the statement fails"
	is "$(app "insert into lax values (8, 'x'), (9, 'x'); update lax set v = 'y' where id = 9; delete from lax where id > 7; insert into lax_bulk values (9, 'x'); delete from lax_bulk where id = 9")" '' "$1: with \"count\" no statement does"
	app "$4" > /dev/null
	is "$(($(q "select $S.capture_lost('shop')") - before))" "$2" "$1: and each is counted"
}
lost 'rights are gone' 7 "revoke pgq_admin from $shovel" "grant pgq_admin to $shovel"
lost 'the queue is full' 7 "alter table pgq.event_1_0 add constraint full_ check (false) not valid; alter table pgq.event_1_1 add constraint full_ check (false) not valid; alter table pgq.event_1_2 add constraint full_ check (false) not valid" \
	"alter table pgq.event_1_0 drop constraint full_; alter table pgq.event_1_1 drop constraint full_; alter table pgq.event_1_2 drop constraint full_"
lost 'a table of the queue is gone' 7 "alter schema pgq rename to pgq_gone" "alter schema pgq_gone rename to pgq"
app "begin; insert into lax values (10, 'r'); rollback" > /dev/null
events shop
is "$EVENTS" '' 'nothing of them is in the queue'
app "update lax set v = 'z' where id = 1; insert into strict values (1, 's')" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'U|(1,z)|(1,a)' 'I|(1,s)|')" 'what comes later is'
rollout shop fail "select $S.relation_retire('shop', reloid) from $S.relation where current and table_name in ('strict', 'lax', 'lax_bulk')" > /dev/null
q "select $S.capture_drop('shop', rel) from $S.capture_list('shop') where table_name ~ 'strict|lax'" > /dev/null

# ---- the end

refused 'what is captured is not dropped' 'table "public.a" is still captured by set "shop"' "select $S.capture_drop('shop', 'a'::regclass)"
aoid=$(app "select 'a'::regclass::oid")
rollout shop out "select $S.relation_retire('shop', $aoid)" > /dev/null
app "insert into a values (2)" > /dev/null
events shop
is "$EVENTS" '' 'a table that left the set is not captured'
is "$(q "select string_agg(table_name || ' ' || live, ', ' order by table_name) from $S.capture_list('shop')")" "$(app "select rel || ' false, ' from $S.capture_list('shop') where table_name ~ '^[0-9]' order by table_name" | tr -d '\n')public.a false, public.b true, public.b_old false, public.bulk true, public.u true" 'capture_list tells stubs from the rest' ||
	diag "$(q "select * from $S.capture_list('shop')")"
ok 'its triggers go by themselves' q "select $S.capture_drop('shop', $aoid)"
is "$(app "select count(*) from pg_trigger where tgrelid = $aoid")" 0 'all of them'
ok 'a second time is no error' q "select $S.capture_drop('shop', $aoid)"
refused 'an active set is not forgotten' 'set "shop" is active' "select $S.set_forget('shop')"
open_session slow
say slow "begin; update bulk set v = -1 where id = 5"
rollout shop drop "select $S.set_retire('shop', 'drop')" > /dev/null
say slow "update bulk set v = -2 where id = 5"
is "$SAID" '' 'a transaction that began before the drop goes on writing'
events shop # of the open transaction's first statement nothing is seen
is "$(app "insert into u values (8, 8); select count(*) from $S.relation where current")" 0 'nothing is current'
events shop
is "$EVENTS" '' 'what is written after the drop is not captured'
like "$(q "select $S.set_forget('shop')")" '^capture is still installed on .*"public.bulk"' 'forgetting says what is in the way'
refused 'dropped, it is not created again before it is forgotten' 'is not cleaned up yet' "select $S.set_create('shop', 'v', 'd', 'x', 1)"
refused 'nor retired twice' 'no active set "shop"' "select $S.set_retire('shop', 'y')"
q "set statement_timeout = '5s'; select $S.capture_drop('shop', rel) from $S.capture_list('shop') where table_name <> 'public.bulk'" > /dev/null
refused 'the triggers wait for the writer' 'timeout' "set lock_timeout = '100ms'; select $S.capture_drop('shop', 'bulk'::regclass)"
is "$(q "select $S.set_forget('shop')")" 'capture is still installed on "public.bulk"' 'and the queue for the triggers'
say slow "update bulk set v = -3 where id = 5; commit"
is "$SAID" '' 'the writer has seen nothing'
close_session slow
q "select $S.capture_drop('shop', rel) from $S.capture_list('shop')" > /dev/null
is "$(q "select coalesce($S.set_forget('shop'), 'done')")" 'done' 'then the set is forgotten'
is "$(q "select coalesce($S.set_forget('shop'), 'done')")" 'done' 'twice'
is "$(app "select (select count(*) from pgq.queue where queue_name like 'pgshovel:$CLUSTER:%') + (select count(*) from pg_trigger where tgname like ' pgshovel%') + (select count(*) from $S.relation) + (select count(*) from $S.set) + (select count(*) from $S.hint) + (select count(*) from pg_class where relnamespace = '$S'::regnamespace and relkind = 'S' and relname like 'lost%')")" 0 'queue, triggers and rows are gone'
is "$(app "update bulk set v = 1 where id = 5; insert into u values (9, 9)")" '' 'and the application goes on'
new_set shop
unset "seen[$db.shop]" # the new queue counts anew
ok 'the set can be created again' capture shop bulk null null
events shop
app "delete from bulk where id = 5" > /dev/null
events shop "ev_type, ev_extra2"
is "$EVENTS" 'D|(5,1,"",0)' 'and captures'
tap_done
