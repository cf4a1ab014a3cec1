#!/bin/bash
# test: limit=240
# tests/integration/23-capture-ddl.sh: DDL with the event trigger, and while a rollout is prepared.
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
db=$DDL
role=postgres
q() { # this database belongs to the superuser
	sql "$db" ${1+-c "$1"} 2>&1
}
sql "$DDL" -f "$T/install.sql" || exit 1
new_set shop
new_set second
current() { # TABLE [SET]: id, columns and origin of its current relation
	q "select (select string_agg(c ->> 'name', ',' order by ord) from jsonb_array_elements(columns) with ordinality x (c, ord)) || ' ' || made_by from $S.relation where current and table_name = '$1' and set_name = '${2:-shop}'"
}
ident() { q "select id from $S.relation where current and table_name = '$1' and set_name = '${2:-shop}'"; }
app "grant create on schema public to $writer" > /dev/null
as "$writer" "$db" -c "create table t (id int primary key, a int, b text, c date)" -c "create table all_t (id int primary key, a int)"
capture shop t "array['id', 'a', 'b']" null
capture second t "array['id', 'c']" null
capture shop all_t null null
is "$(app "select string_agg(distinct tgname, ',' order by tgname) from pg_trigger where tgrelid = 't'::regclass")" " pgshovel_${CLUSTER}__second_r, pgshovel_${CLUSTER}__second_t, pgshovel_${CLUSTER}__shop_r, pgshovel_${CLUSTER}__shop_t" 'where DDL is followed, no trigger keeps the columns'

# ---- columns

first=$(ident t)
as "$writer" "$db" -c "begin; insert into t values (1, 1, 'x', '2026-01-01'); alter table t rename a to \"A a\"; update t set \"A a\" = 2; commit"
events shop "ev_type, ev_data, ev_extra1::int - $first"
is "$EVENTS" "$(printf '%s\n' 'I|(1,1,x)|0' "U|(1,2,x)|$(($(ident t) - first))")" "a rename by the table's owner in the middle of a transaction: each event has its relation"
is "$(current t)" 'id,A a,b ddl' 'the relation has the new name'
is "$(ident t second)" "$(q "select min(id) from $S.relation where table_name = 't' and set_name = 'second'")" 'the other set, which does not list it, keeps its relation'
now=$(ident t)
app 'begin; alter table t drop "A a"; update t set b = $$y$$; rollback' > /dev/null
app "update t set b = 'z'" > /dev/null
events shop "ev_data, ev_extra1"
is "$EVENTS" "(1,2,z)|$now" 'DDL that is rolled back leaves relation and function as they were'
app 'alter table t drop "A a"; update t set b = $$w$$' > /dev/null
events shop "ev_data, ev_extra2, ev_extra1 = '$(ident t)'"
is "$EVENTS|$(current t)" '(1,w)|(1,z)|t|id,b ddl' 'a dropped column is left out from then on'
app "alter table t alter b type varchar(20), add unseen int; update t set b = 'v', unseen = 5" > /dev/null
events shop ev_data
is "$EVENTS|$(q "select columns #>> '{1,type}' from $S.relation where id = $(ident t)")" '(1,v)|character varying(20)' 'a changed type is a new relation, an unlisted column is not taken'
now=$(ident t)
app "alter table t add more int; alter table t drop more; alter table t alter unseen set default 3; alter table t add constraint c check (id > 0)" > /dev/null
is "$(ident t)" "$now" 'DDL on unlisted columns changes nothing'
app "alter table t alter b set not null" > /dev/null
is "$(q "select columns #>> '{1,notnull}' from $S.relation where id = $(ident t)")" true 'NOT NULL is followed'
out=$(app 'alter table t drop id')
like "$out" 'column "id" is the key of table "public.t" in set "(shop|second)": choose another key' 'the key cannot be dropped'
app "alter table all_t add n text default 'd', drop a; insert into all_t values (1, 'q')" > /dev/null
events shop ev_data
is "$EVENTS|$(current all_t)" '(1,q)|id,n ddl' 'all columns: new ones are taken, dropped ones left'
is "$(problems shop)$(problems second)" '' 'nothing is wrong'
app "create schema s2; create type s2.mood as enum ('x'); create domain s2.dom as int; alter table all_t add m s2.mood, add d s2.dom; insert into all_t values (2, 'q', 'x', 1)" > /dev/null
app "drop type s2.mood cascade; insert into all_t values (3, 'q', 1)" > /dev/null
events shop ev_data
is "$EVENTS" "$(printf '%s\n' '(2,q,x,1)' '(3,q,1)')" 'DROP TYPE … CASCADE'
app "alter domain s2.dom rename to dom2; insert into all_t values (4, 'q', 1)" > /dev/null
is "$(q "select columns #>> '{2,type}' from $S.relation where id = $(ident all_t)")" s2.dom2 'ALTER DOMAIN'
app "drop schema s2 cascade; insert into all_t values (5, 'q')" > /dev/null
events shop ev_data
is "$EVENTS" "$(printf '%s\n' '(4,q,1)' '(5,q)')" 'DROP SCHEMA … CASCADE'
app "create table par (a int, b int); create table kid (id int primary key) inherits (par)" > /dev/null
capture shop kid null null
app "alter table par rename b to bb; alter table par add z int; insert into kid values (1, 2, 3, 4)" > /dev/null
events shop ev_data
is "$EVENTS|$(current kid)" '(1,2,3,4)|a,bb,id,z ddl' 'changes of a parent reach what inherits from it'
is "$(problems shop)" '' 'nothing is wrong'
app 'alter table kid rename to kid2' > /dev/null
like "$(problems shop)" '^kid: the table is called "public.kid2" now' 'a rename of the table is not followed but found'
app 'alter table kid2 rename to kid; drop table all_t' > /dev/null
is "$(problems shop)" 'all_t: the table was dropped: take it out of the set' 'a captured table can be dropped'
rollout shop gone "select $S.relation_retire('shop', (select reloid from $S.relation where current and table_name = 'all_t'))" > /dev/null

# ---- triggers and partitions

app "create function nothing() returns trigger language plpgsql as 'begin return new; end'" > /dev/null
app "create trigger late before insert on t for each row execute function nothing(); insert into t (id, b) values (2, 'k')" > /dev/null
events shop "ev_data, ev_extra4 ~ '^\(0,[0-9]+\)\$'"
is "$EVENTS" '(2,k)|t' 'after CREATE TRIGGER events carry ctids'
app "drop trigger late on t; create table child (id int primary key, t int references t on delete cascade)" > /dev/null
q "select $S.relation_follow($(ident t))" > /dev/null
is "$(q "select chained from $S.relation where id = $(ident t)")" f 'a cascade to a table without triggers needs none'
app "create trigger late after delete on child for each row execute function nothing()" > /dev/null
is "$(q "select chained from $S.relation where id = $(ident t)")" t 'a trigger on the table that a cascade reaches does'
app "create table pt (id int, d date, primary key (id, d)) partition by range (d); create table pt_1 partition of pt for values from ('2026-01-01') to ('2027-01-01')" > /dev/null
capture shop pt null null
app "create table pt_2 partition of pt for values from ('2027-01-01') to ('2028-01-01'); create table pt_3 (d date not null, id int not null); alter table pt attach partition pt_3 for values from ('2028-01-01') to ('2029-01-01');
	insert into pt values (1, '2027-02-01'), (2, '2028-02-01'); truncate pt_2; truncate pt_3" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,2027-02-01)|' 'I|(2,2028-02-01)|' 'T|public.pt_2|' 'T|public.pt_3|')" 'new and attached leaves are captured, TRUNCATE too'
app "create table pt_4 partition of pt for values from ('2029-01-01') to ('2030-01-01') partition by list (id); create table pt_5 partition of pt_4 default; truncate pt_5" > /dev/null
events shop
is "$EVENTS" 'T|public.pt_5|' 'at every depth'
is "$(problems shop)" '' 'nothing is wrong'

# ---- while a rollout is prepared

q "begin; select $S.rollout_open('open1', 'upgrade', 'shop'); $(add shop t "array['id', 'b', 'unseen']" null); prepare transaction 'pgshovel:$CLUSTER:open1:0'" > "$T/out" || diag "$(cat "$T/out")"
out=$(app "set lock_timeout = '2s'; alter table t rename b to bbb")
like "$out" 'rollout "open1" of set "shop" is open and table "public.t" belongs to it' 'DDL on a captured column fails at once and names the rollout'
is "$(app "set lock_timeout = '2s'; create temp table tt (id int); alter table tt add b int; create table free (id int); alter table free add x int; alter table t add other int; drop table free")" '' 'other DDL passes, also a new column of the same table'
for ddl in 'rename c to cc' 'drop unseen' "alter unseen type text using unseen || ''"; do
	like "$(app "set lock_timeout = '2s'; alter table t $ddl")" 'rollout "open1" of set "shop" is open' "a column that the rollout may be about to capture: $ddl"
done
like "$(app "create table young0 (id int, x int); create trigger \" pgshovel_${CLUSTER}__shop_r\" after insert on young0 for each row execute function nothing(); alter table young0 drop x")" \
	'rollout "open1" of set "shop" is open' 'a table that has only the triggers of a rollout yet'
app 'drop table young0' > /dev/null
is "$(app "insert into t (id, b) values (7, 'p')")" '' 'writes pass'
q "commit prepared 'pgshovel:$CLUSTER:open1:0'"
is "$(app 'alter table t rename b to bbb')$(current t)" 'id,bbb,unseen ddl' 'afterwards it is followed again'
open_session ddl
say ddl 'begin; alter table t rename bbb to b'
refused 'a rollout waits for DDL that is open' 'lock timeout' "set lock_timeout = '100ms'; select $S.rollout_open('open2', 'upgrade', 'shop')"
say ddl 'rollback'
close_session ddl
is "$(current t)" 'id,bbb,unseen ddl' 'that is rolled back as a whole'

# ---- the event trigger comes and goes

app "alter event trigger pgshovel_${CLUSTER}_ddl disable" > /dev/null
is "$(stub shop t "array['id', 'bbb', 'unseen']")" t 'without it capture_stub adds what keeps the columns'
like "$(app 'alter table t drop bbb')" 'cannot drop column bbb' 'they are kept'
app "alter event trigger pgshovel_${CLUSTER}_ddl enable" > /dev/null
is "$(stub shop t "array['id', 'bbb', 'unseen']")" t 'with it, it lets them go'
is "$(app "alter table t drop bbb")$(current t)" 'id,unseen ddl' 'and DDL is followed'
is "$(stub shop t "array['id', 'unseen']")" f 'and that is all'
is "$(problems shop)" '' 'nothing is wrong'
open_session stale
say stale "begin isolation level repeatable read; select count(*) > 0 from pg_class"
app "create table young (id int primary key, v int)" > /dev/null
capture shop young null null
events shop
say stale 'alter table young rename v to w; insert into young values (1, 2); commit'
is "$SAID" '' 'DDL and write in a transaction that cannot see the relation'
close_session stale
events shop ev_data
is "$EVENTS" '(1,2)' 'are captured all the same'
like "$(problems shop)" '^young: column "v" is called "w" now' 'and found by the check'
app "drop schema $S cascade" > /dev/null
is "$(app "create table last (id int); alter table last add x int; select count(*) from pg_event_trigger where evtname like 'pgshovel_${CLUSTER}_%'")" 0 'without the schema nothing is left that could fail'
is "$(app "insert into t (id, unseen) values (9, 9)")" '' 'also for writers'
tap_done
