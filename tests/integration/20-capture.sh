#!/bin/bash
# test: limit=240
# tests/integration/20-capture.sh: installation, sets and rollouts, rows, DDL without the event trigger.
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
ok 'the files install as an ordinary role' as "$shovel" "$PLAIN" -f "$T/install.sql"
node=$(q "select * from $S.node")
ok 'they install a second time' as "$shovel" "$PLAIN" -f "$T/install.sql"
is "$(q "select * from $S.node")" "$node" 'the identity of the node stays'
ok 'they install as a superuser' sql "$DDL" -f "$T/install.sql"
ok 'and a second time, with the event trigger in force' sql "$DDL" -f "$T/install.sql"
is "$(sql "$DDL" -c "select $S.ddl_followed()")$(q "select $S.ddl_followed()")" tf 'only the superuser made event triggers'
is "$(q "select $S.lock_key('shop')")" "$(($(printf '%d' "0x$(printf %s "$CLUSTER/shop" | sha256sum | cut -c1-8)") << 32 >> 32))" 'the lock key is the first four bytes of the SHA-256, signed'
awk -f sql/embed.awk sql/[0-9]*.sql > "$T/sql.c"
cat > "$T/print.c" <<-'C'
	#include <stdio.h>
	#include "admin/sql.h"
	int main(void) { for (size_t i = 0; i < sql_n_files; i++) fputs(sql_files[i].text, stdout); return 0; }
C
"${CC:-cc}" -I. -o "$T/print" "$T/print.c" "$T/sql.c" && "$T/print" > "$T/printed"
ok 'embedded text equals the files' cmp "$T/printed" <(cat sql/[0-9]*.sql)

# ---- a set, in a prepared transaction

app "create table acc (id int primary key, \"ow%'n\"\"er\" text, \"Größe\" numeric, secret text, note text); alter table acc owner to $shovel" > /dev/null
cols="array['Größe', 'id', 'ow%''n\"er']"
app "insert into acc values (1, 'a', 1, 'top')" > /dev/null
ok 'triggers come first, with a stub' stub shop acc "$cols"
is "$(stub shop acc "$cols")" f 'a second time there is nothing to do'
is "$(q "begin; select $S.capture_stub('shop', 'acc', $cols); select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'acc'::regclass" | tail -n 1)" 0 'and no lock is taken for that'
app "insert into acc values (2, 'b', 2, 'top')" > /dev/null
open_session old
say old "begin isolation level repeatable read; select count(*) > 0 from pg_class"
is "$SAID" t 'a repeatable-read transaction is older than the set'
q "begin; set local lock_timeout = '1s'; select $S.rollout_open('r1', 'create', 'shop'); select $S.set_create('shop', 'v1', 'doc', 'r1', 4); $(add shop acc "$cols" null); prepare transaction 'pgshovel:$CLUSTER:r1:0'" > "$T/out" ||
	diag "$(cat "$T/out")"
is "$(app "select count(*) > 0 from pg_locks l join pg_class c on c.oid = l.relation where l.pid is null and l.database = (select oid from pg_database where datname = current_database()) and c.relname = 'event_template'")" t 'the prepared rollout is seen in pg_locks'
is "$(app "select string_agg(distinct c.relname || ' ' || l.mode, ', ') from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
	where l.pid is null and l.database = (select oid from pg_database where datname = current_database()) and n.nspname = 'public'")" '' 'the prepared rollout holds no lock on a user table'
ok 'while it is prepared, DDL on the table passes' sql "$db" -c "set lock_timeout = '1s'; alter table acc add x int; alter table acc drop x"
ok 'and writes do' sql "$db" -c "set lock_timeout = '1s'; insert into acc values (3, 'c', 3, 'top')"
refused 'a second rollout of the set is fenced off' 'lock timeout' "set lock_timeout = '100ms'; select $S.rollout_open('r2', 'upgrade', 'shop')"
ok 'one of another set is not' q "begin; set local lock_timeout = '1s'; select $S.rollout_open('r3', 'upgrade', 'other'); rollback"
q "commit prepared 'pgshovel:$CLUSTER:r1:0'"
say old "insert into acc values (4, 'old', 4, 'top'); commit"
is "$SAID" '' 'the old repeatable-read transaction writes without error'
close_session old
events shop
is "$EVENTS" 'I|(4,old,4)|' 'its event is in the queue'
refused 'a rollout id serves once' 'was already committed' "select $S.rollout_open('r1', 'create', 'shop')"
is "$(q "select $S.rollout_abort('r9', 'drop', 'shop')")" aborted 'a rollout that never was can be recorded as aborted'
refused 'and cannot be opened then' 'was already aborted' "select $S.rollout_open('r9', 'drop', 'shop')"
is "$(q "select $S.rollout_abort('r1', 'create', 'shop')")" committed 'a committed one stays committed'
is "$(app "select count(*) from pgq.get_consumer_info('pgshovel:$CLUSTER:shop', 'relay')")" 1 'the consumer "relay" is registered'
is "$(q "select state, version, document, rollout, last_rollout, partitions, start_lsn < pg_current_wal_insert_lsn() from $S.set where name = 'shop'")" 'active|v1|doc|r1|r1|4|t' 'the row of the set is complete'
is "$(q "select pg_visible_in_snapshot((select max(ev_txid) from pgq.event_1)::text::xid8, start_snapshot::pg_snapshot) from $S.set")" f 'its start snapshot does not see its first event'
is "$(q "select count(*) from $S.hint where set_name = 'shop' and nonce is null")" 1 'it has a hint without nonce'
refused 'a set is created once' 'already exists' "select $S.set_create('shop', 'v1', 'doc', 'r8', 4)"

# ---- rows

app "update acc set secret = 'hidden' where id = 1" > /dev/null
events shop
is "$EVENTS" '' 'an update of an unlisted column writes no event'
app "update acc set \"ow%'n\"\"er\" = 'b,\"' where id = 2; delete from acc where id = 3; update acc set id = id where id = 1; update acc set \"Größe\" = 1.00 where id = 1" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'U|(2,"b,""",2)|(2,b,2)' 'D||(3,c,3)' 'U|(1,a,1.00)|(1,a,1)')" 'update, delete, and a change of scale are events'
is "$(app "select count(*) from pgq.event_1 e where e::text ~ 'top|hidden'")" 0 'an unlisted value is nowhere in the queue'
app "begin; insert into acc values (5, 'x', 5); savepoint s; insert into acc values (6, 'y', 6); rollback to s; insert into acc values (7, 'z', 7); commit; begin; insert into acc values (8); rollback" > /dev/null
events shop 'ev_data, ev_txid - min(ev_txid) over ()'
is "$EVENTS" "$(printf '%s\n' '(5,x,5)|0' '(7,z,7)|0')" 'what is rolled back writes no event; one transaction has one ev_txid'
app "set session_replication_role = replica; insert into acc values (9, 'r', 9)" > /dev/null
events shop
is "$EVENTS" '' 'rows written as a replica are not captured'
app "insert into acc values (9, 'u', 0) on conflict (id) do update set \"Größe\" = 10; copy acc (id, \"Größe\") from stdin" <<< '10	10' > /dev/null 2>&1
echo '10	10' | sql "$db" -c 'copy acc (id, "Größe") from stdin' 2> "$T/err"
events shop
is "$EVENTS" "$(printf '%s\n' 'U|(9,r,10)|(9,r,9)' 'I|(10,,10)|')" 'upsert and copy are captured'
app "create function bump() returns trigger language plpgsql as 'begin new.\"Größe\" := old.\"Größe\" + 1; return new; end'; create trigger bump before update on acc for each row execute function bump(); update acc set secret = 'z' where id = 10" > /dev/null
events shop
is "$EVENTS" 'U|(10,,11)|(10,,10)' "a BEFORE trigger's change of a listed column is an event"
like "$(problems shop)" '^acc: triggers or cascades can write it again' 'that trigger can write the table: the check asks for an upgrade'
app 'drop trigger bump on acc' > /dev/null
is "$(problems shop)" '' 'without it all is well'
sql "$db" -c "grant select, insert, update, delete, truncate on acc to $writer" > /dev/null
is "$(as "$writer" "$db" -c "insert into acc values (20, 'w', 1); update acc set \"Größe\" = 2 where id = 20; delete from acc where id = 20" 2>&1)" '' 'a role without any right on schema and queue writes'
nok 'and cannot call the schema' as "$writer" "$db" -c "select $S.lock_key('shop')"
sql "$db" -c "create schema trap" -c "create domain trap.text as pg_catalog.text" -c "create function trap.eq(pg_catalog.text, pg_catalog.text) returns bool language sql as 'select true'" \
	-c "create operator trap.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = trap.eq)" -c "grant usage on schema trap to public" \
	-c "create function trap.left(pg_catalog.text, int) returns pg_catalog.text language sql as \$\$ select 'X' \$\$"
as "$writer" "$db" -c "set search_path = trap, pg_catalog, public; update public.acc set \"Größe\" = 77 where id = 1" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(20,w,1)|' 'U|(20,w,2)|(20,w,1)' 'D||(20,w,2)' 'U|(1,a,77)|(1,a,1.00)')" "operators of the writer's search_path are not used"
for table in 1 2 0; do
	app "update pgq.queue set queue_cur_table = $table where queue_name = 'pgshovel:$CLUSTER:shop'; update acc set \"Größe\" = $table where id = 1" > /dev/null
done
events shop "right(tableoid::regclass::text, 2), ev_data"
is "$EVENTS" "$(printf '%s\n' '_1|(1,a,1)' '_2|(1,a,2)' '_0|(1,a,0)')" 'events follow the rotation of the queue'
app "begin; insert into acc values (30); prepare transaction 'app$SUFFIX'" > /dev/null
app "commit prepared 'app$SUFFIX'" > /dev/null
events shop
is "$EVENTS" 'I|(30,,)|' "the application's own prepared transactions are captured"

# ---- DDL without the event trigger

out=$(app 'alter table acc drop column "Größe"')
like "$out" 'cannot drop column.*depend' 'without the event trigger DROP COLUMN of a captured column is refused'
out=$(app 'alter table acc alter column "Größe" type float8')
like "$out" 'cannot alter type of a column used' 'and so is ALTER TYPE'
ok 'unlisted columns can go' sql "$db" -c 'alter table acc drop column note'
app 'alter table acc rename column "Größe" to size; update acc set size = 5 where id = 1' > /dev/null
events shop "ev_type, ev_data, ev_extra2, ev_extra1 = (select id::text from $S.relation where current and table_name = 'acc')"
is "$EVENTS" 'U|(1,a,5)|(1,a,0)|t' 'after a rename writes go on in the recorded shape'
is "$(problems shop)" 'acc: column "Größe" is called "size" now: run pgshovel set upgrade' 'and the check names it'
before=$(q "select id from $S.relation where current and table_name = 'acc'")
cols="array['id', 'ow%''n\"er', 'size']"
capture shop acc "$cols" null || diag "$(cat "$T/out")"
is "$(problems shop)" '' 'an upgrade settles it'
is "$(q "select count(*) from $S.relation where table_name = 'acc' and (id > $before) = current")" 2 'the relation has a new id, the former one is kept'
capture shop acc "$cols" null
is "$(q "select count(*) from $S.relation where table_name = 'acc'")" 2 'an equal relation keeps its id'
stub shop acc "array['id', 'ow%''n\"er']" > /dev/null
rollout shop u1 "$(add shop acc "array['id', 'ow%''n\"er']" null)" > /dev/null
ok 'a column that left the set can be dropped' sql "$db" -c 'alter table acc drop column size'

# ---- statements that wait, and chains

app "create table ch (id int primary key, v text); alter table ch owner to $shovel; create function nest() returns trigger language plpgsql as
	\$\$ begin if new.v not like '%+' and new.id = 1 then update ch set v = v || '+' where id in (1, 2); end if; return null; end \$\$;
	create trigger zz after update on ch for each row execute function nest(); insert into ch values (1, 'a'), (2, 'b')" > /dev/null
capture shop ch null null
is "$(q "select chained from $S.relation where current and table_name = 'ch'")" t 'a table with a user row trigger is chained'
app "update ch set v = v || '!'" > /dev/null
events shop ev_type,ev_data,ev_extra2,ev_extra3,ev_extra4
chain=$(awk -F'|' '{ if ($2 ~ /^\(2/) n[$4] = $2 "<" $3 " " $5 } END { for (i = 0; i < 9; i++) for (c in n) if (!(c in done)) { split(n[c], x, " "); next_of[c] = x[2] }
	for (c in n) { first = 1; for (d in n) if (next_of[d] == c) first = 0; if (first) { while (c in n) { split(n[c], x, " "); printf "%s ", x[1]; c = x[2] } } } }' <<< "$EVENTS")
is "$chain" '(2,b!)<(2,b) (2,b!+)<(2,b!) ' 'ctids put nested writes in order'
is "$(awk -F'|' '$2 ~ /^\(2/ { printf "%s ", $2 }' <<< "$EVENTS")" '(2,b!+) (2,b!) ' 'which the event ids alone do not'
app "create table tree (id int primary key, up int references tree on delete cascade); create table c1 (id int primary key); create table c2 (id int primary key, r int references c1 on delete set null);
	alter table c1 add r int; alter table c1 add foreign key (r) references c2 on update cascade; create table leafy (id int primary key, r int references c1)" > /dev/null
is "$(q "select string_agg(t || ' ' || $S.relation_chained(t::regclass), ', ' order by t) from unnest(array['tree', 'c1', 'c2', 'leafy', 'acc']) t")" 'acc false, c1 true, c2 true, leafy false, tree true' 'so are tables to which cascades lead back, and no others'

tap_done
