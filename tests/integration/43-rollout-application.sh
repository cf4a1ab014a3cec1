#!/bin/bash
# test: limit=600
# tests/integration/43-rollout-application.sh: what an application notices of a rollout: nothing. Long transactions and statements across create,
# upgrade and drop; DDL while a rollout is prepared; who waits for whom at a table that is in use; stubs of a rollout that died.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_begin pg zk
line_database A
admin_tables "$A"
sql "$A" -c "insert into accounts select i, 'owner', 0 from generate_series(1, 100) i"
pgshovel cluster initialize > "$T/null"
stop_at locked pgshovel set drop nothing --skip-kafka && kill -KILL "$ADMIN" || skip_all 'built without test hooks'
zktool --hosts "$ZOOKEEPER" expire "/$CLUSTER/admin"
S=pgshovel_$CLUSTER
document example "$A" > "$T/both"
TABLES='{ name = "public.accounts"; columns = [ "id", "owner" ]; key = [ "id" ]; }' document example "$A" > "$T/narrow"
EXTRA='format = { tombstones = false; };' document example "$A" > "$T/format"

set_command() {
	pgshovel --skip-kafka --wait 60s "$@"
}

# ---- sessions of an application, kept open: what psql says goes to $T/NAME.said; errors too

declare -A FD
open_app() { # NAME
	local fd
	mkfifo "$T/$1.in"
	psql -X -q -A -t -d "$A" < "$T/$1.in" > "$T/$1.said" 2>&1 &
	exec {fd}> "$T/$1.in"
	FD[$1]=$fd
}

tell() { # NAME SQL: does not wait
	echo "$2;" >&"${FD[$1]}"
}

told() { # NAME SQL: waits until it is done
	tell "$1" "$2"
	mark=$((mark + 1))
	echo "\\echo mark-$mark" >&"${FD[$1]}"
	wait_for 90 grep -q "^mark-$mark\$" "$T/$1.said" || diag "\"$2\" does not end"
}
mark=0

close_app() { # NAME
	local fd=${FD[$1]}
	exec {fd}>&-
}

said() { # NAME: without marks
	grep -v '^mark-' "$T/$1.said"
}

events() {
	sql "$A" -c "select count(*) from pgq.event_template where ev_type in ('I', 'U', 'D', 'T')"
}

# ---- repeatable-read transactions that are older than the set, and statements that outlast a rollout

for name in create upgrade drop; do
	open_app "old_$name"
	told "old_$name" 'begin isolation level repeatable read; select count(*) from nokey'
done
open_app slow
tell slow 'select pg_advisory_lock(4711)' # who holds up the statements below
told slow 'select 1'
busy() { # NAME KEY: a statement on accounts that has begun and cannot end; it holds no lock that a rollout needs on audit
	open_app "$1"
	tell "$1" "insert into accounts select i, 'slow', 0 from generate_series($2, $2 + 2) i where i = $2 or pg_advisory_lock_shared(4711) is not null"
}
held_up() { # N
	[ "$(sql "$A" -c "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted")" = "$1" ]
}

ok 'set create while transactions are open that cannot see it' set_command set create example "$T/narrow"
told old_create "insert into accounts values (1001, 'old', 0); update accounts set owner = 'older' where id = 1001; delete from accounts where id = 1001; commit"
is "$(said old_create)" '0' 'a transaction that is older than the set writes'
busy slow_upgrade 2000
ok 'a statement is under way' wait_for 60 held_up 1
ok 'set upgrade meanwhile' set_command set upgrade "$T/format"
told old_upgrade "insert into accounts values (1002, 'old', 0); truncate audit; insert into audit (what) values ('x'); commit"
is "$(said old_upgrade)" '0' 'a transaction that is older than the version writes'
busy slow_drop 3000
ok 'another statement is under way' wait_for 60 held_up 2
set_command set drop example > "$T/drop.out" 2>&1 &
DROP=$!
retired() {
	[ "$(sql "$A" -c "select state from $S.set" 2>&1)" = dropped ]
}
ok 'set drop is decided' wait_for 60 retired
ok 'it has to wait for the statements' kill -0 "$DROP"
told old_drop "insert into accounts values (1003, 'old', 0); update accounts set owner = 'older' where id = 1; commit"
is "$(said old_drop)" '0' 'a transaction that is older than the drop writes, while the drop waits'
told slow 'select pg_advisory_unlock(4711)'
for name in slow_upgrade slow_drop; do
	told "$name" 'select 2'
	is "$(said $name)" '2' "$name: the statement that outlasted a rollout has not failed"
done
wait "$DROP"
is "$?" 0 'the drop ends when they have' || diag "$(cat "$T/drop.out")"
is "$(sql "$A" -c 'select count(*) from accounts where id > 1000')" 8 'every write is there'
is "$(left "$A")" '' 'and nothing of the set'
for name in old_create old_upgrade old_drop slow slow_upgrade slow_drop; do
	close_app "$name"
done

# ---- a table that is in use: the rollout waits, the writers do not

document example "$A" > "$T/two"
set_command set create example "$T/narrow" > "$T/null"
open_app holder
told holder "begin; insert into audit (what) values ('held')"
set_command --lock-timeout 200ms set upgrade "$T/two" > "$T/wait.out" 2> "$T/wait.err" &
UPGRADE=$!
waits() {
	grep -q 'waiting to make the capture triggers of' "$T/wait.err"
}
ok 'an upgrade that adds a table in use says that it waits' wait_for 60 waits
like "$(cat "$T/wait.err")" 'database "d0": waiting to make the capture triggers of "?public"?."?audit"?: the table is in use; trying again for [0-9]+ s' 'which table, and for how long'
writes=0
for i in {1..20}; do # each of them would wait behind the rollout if it queued for longer than its timeout
	sql "$A" -c "set lock_timeout = '20s'; insert into audit (what) values ('w$i')" > "$T/null" 2>&1 && writes=$((writes + 1))
done
is "$writes" 20 'writers of the table pass all the while'
ok 'and the upgrade still waits' kill -0 "$UPGRADE"
told holder commit
wait "$UPGRADE"
is "$?" 0 'until the table is free' || diag "$(cat "$T/wait.err")"
is "$(pgshovel cluster verify 2>&1)" '' 'then everything is as it should be'

# ---- columns and formats alone: no lock of a table at all, shown by one that conflicts with every other

TABLES='{ name = "public.accounts"; columns = [ "id", "owner", "balance", "secret" ]; key = [ "id" ]; }, { name = "public.audit"; }' document example "$A" > "$T/wider"
TABLES='{ name = "public.accounts"; columns = [ "id" ]; key = [ "id" ]; }, { name = "public.audit"; }' document example "$A" > "$T/narrower"
TABLES='{ name = "public.accounts"; columns = [ "id" ]; key = [ "id" ]; }, { name = "public.audit"; }' EXTRA='format = { tombstones = false; };' document example "$A" > "$T/other_format"
told holder 'begin; lock table accounts, audit in access exclusive mode'
for file in wider narrower other_format; do
	ok "an upgrade to ${file/_/ } while a session has both tables for itself" set_command --lock-timeout 200ms set upgrade "$T/$file"
done
told holder rollback

# ---- DDL while a rollout is prepared

prepared_at() { # COMMAND…: stopped when it is prepared
	stop_at prepared pgshovel --skip-kafka "$@"
	ID=$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")
}
dead() {
	kill -KILL "$ADMIN"
	wait "$ADMIN" 2>/dev/null
	zktool --hosts "$ZOOKEEPER" expire "/$CLUSTER/admin"
}
ddl() { # SQL
	sql "$A" -c "set lock_timeout = '20s'" -c "$1" 2>&1
}
set_command set upgrade "$T/narrow" > "$T/null"
prepared_at set upgrade "$T/two"
dead
for change in 'accounts rename owner to possessor' 'accounts drop owner' 'accounts alter owner type varchar(50)' 'accounts drop balance' 'audit drop what' 'audit rename what to which'; do
	like "$(ddl "alter table $change")" "rollout \"$ID\" of set \"example\" is open and table \"public\.[a-z]+\" belongs to it: try again in a moment, or run pgshovel txn recover" \
		"alter table $change: fails at once and names the rollout"
done
is "$(ddl "insert into accounts values (5001, 'during', 1); update accounts set balance = 2 where id = 5001; insert into audit (what) values ('during')")" '' 'writes pass'
is "$(ddl "alter table accounts add later int; alter table accounts alter secret set default 'x'; create index on accounts (owner)")" '' 'so does DDL that changes nothing that is captured'
is "$(ddl "do \$\$ begin for i in 1..100 loop
	execute 'create temp table scratch (id int primary key, x text)'; execute 'alter table scratch add y int'; execute 'alter table scratch drop x'; execute 'drop table scratch';
	end loop; end \$\$; create table elsewhere (id int primary key); alter table elsewhere add x int; alter table elsewhere drop x; drop table elsewhere")" '' \
	'temporary and other tables: hundreds of changes, no lock waited for'
recovered
is "$(ddl 'alter table accounts rename owner to possessor; alter table accounts rename possessor to owner')" '' 'after txn recover it passes'
is "$(pgshovel cluster verify 2>&1)" '' 'and is followed'
set_command set drop example > "$T/null"
prepared_at set create example "$T/two"
dead
like "$(ddl 'alter table audit drop what')" "rollout \"$ID\" of set \"example\" is open" 'a table whose first set is on its way, too'
recovered
is "$(ddl 'alter table audit add a int; alter table audit drop a')$(left "$A")" '' 'until it is taken back'

# ---- stubs that a dead rollout left

stop_at stubbed pgshovel --skip-kafka set create example "$T/two"
dead
is "$(($(triggers "$A") > 0))" 1 'an admin that died after the triggers were made leaves them'
is "$(ddl "insert into accounts values (6001, 'stub', 1); update accounts set owner = 'stubs' where id = 6001; truncate audit; insert into audit (what) values ('stub')")" '' 'writers do not notice'
is "$(sql "$A" -c "select count(*) from pgq.queue where queue_name like 'pgshovel:$CLUSTER:%'")" 0 'nothing is recorded for anybody'
document other "$A" > "$T/other"
ok 'the next command, for another set' set_command set create other "$T/other"
is "$(sql "$A" -c "select count(*) from pg_trigger where tgname like ' pgshovel\_%\_\_example\_%'")" 0 'removes them'
ok 'and drops as it made' set_command set drop other
is "$(left "$A")" '' 'nothing is left'
tap_done
