#!/bin/bash
# test: limit=600
# tests/integration/41-admin-crash.sh: pgshovel interrupted, overtaken by another admin; prepared transactions that come back; ZooKeeper that was restored;
# rollouts that nobody ends, and the supervisor that does. Deaths at every step are walked in 42-rollout-crash.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_begin pg zk
[ -n "$(pgshovel --list-steps)" ] || skip_all 'no steps'
pgshovel --cluster "$CLUSTER" cluster initialize > "$T/null"
stop_at locked pgshovel set drop nothing --skip-kafka && kill -KILL "$ADMIN" || skip_all 'built without test hooks'
zktool --hosts "$ZOOKEEPER" expire "/$CLUSTER/admin"
export PGSHOVEL_SESSION_TIMEOUT=30s # who is stopped for a moment keeps its lock; whose session is to end has it ended
line_database A
line_database B
admin_tables "$A"
admin_tables "$B"

quiet() {
	local said
	said=$(pgshovel "$@" 2>&1) || { echo "$*: $said" >&2; return 1; }
}

lock_gone() {
	! zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/admin" > /dev/null 2>&1
}

expired() { # the session of an admin that is stopped or dead, and its lock with it
	zktool --hosts "$ZOOKEEPER" expire "/$CLUSTER/admin"
}

# ---- signals

document example "$A" "$B" > "$T/0"
interrupt() { # LABEL SIGNAL: RC, $STOP.out, $STOP.err
	stop_at "$1" pgshovel --skip-kafka set create example "$T/0" || return
	kill "-$2" "$ADMIN"
	kill -CONT "$ADMIN"
	wait "$ADMIN"
	RC=$?
}
for signal in INT TERM; do
	interrupt prepared:1 $signal
	is "$RC $(wc -l < "$STOP.err")" '75 1' "SIG$signal before the decision: exit status 75" || diag "$(cat "$STOP.err")"
	like "$(cat "$STOP.err")" 'interrupted|asked to stop' 'it says so'
	is "$(state "$A" "$B") $(triggers "$A")$(triggers "$B")" 'zookeeper: database: prepared:0 database: prepared:0 open:0 00' 'everything is taken back'
done
interrupt decide INT
VERSION=$(pgshovel set list | awk '$1 == "example" { print $NF }')
is "$RC $(cat "$STOP.out")" "0 $VERSION" 'SIGINT when the decision is on its way: the work is completed'
is "$(state "$A" "$B")" "zookeeper:$VERSION database:$VERSION prepared:0 database:$VERSION prepared:0 open:0" 'one version everywhere'

# ---- an admin that is overtaken: its session expired, another one has closed its rollout

TABLES='{ name = "public.accounts"; }' document example "$A" "$B" > "$T/1"
BEFORE=$(state "$A" "$B")
overtaken() { # LABEL
	stop_at "$1" pgshovel --skip-kafka set upgrade "$T/1" || return 1
	expired
	recovered
	kill -CONT "$ADMIN"
	wait "$ADMIN"
	RC=$?
}
overtaken decide
like "$RC $(tail -n 1 "$STOP.err")" '^75 .*(rolled back|taken this rollout back|decided this rollout)' 'a decision that comes late is refused'
is "$(state "$A" "$B")" "$BEFORE" 'nothing has changed'
overtaken prepare:2
isnt "$RC" 0 'an admin that lost its lock and prepares late fails'
like "$(cat "$STOP.err")" 'database "d1": the session was ended: another admin has taken over' 'because its sessions were ended'
ID=$(sql "$B" -c "select id from pgshovel_$CLUSTER.rollout order by at desc limit 1")
like "$(sql "$B" -c "select pgshovel_$CLUSTER.rollout_open('$ID', 'upgrade', 'example')" 2>&1)" "rollout \"$ID\" was already aborted" 'and the rollout is recorded as aborted'
recovered
is "$(state "$A" "$B")" "$BEFORE" 'nothing has changed'
is "$(pgshovel cluster verify 2>&1)" '' 'and capture is as it was'

# ---- the session of an earlier admin that ends by itself just when it is to be ended

PGAPPNAME=pgshovel-admin:0.1 psql -X -q -A -t -d "$A" > "$T/earlier.out" 2>&1 <<SQL &
select pg_advisory_lock_shared(1885827961, ('x' || encode(substr(sha256('$CLUSTER'), 1, 4), 'hex'))::bit(32)::int & 2147483647);
select pg_sleep(600);
SQL
EARLIER=$!
earlier() { # NUMBER of its sessions that hold the lock
	[ "$(count "$A" "pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted and a.application_name = 'pgshovel-admin:0.1'")" = "$1" ]
}
ok 'an earlier admin has a session' wait_for 30 earlier 1
stop_at fencing pgshovel --skip-kafka --session-timeout 60s txn recover || diag "it was not found: $(cat "$STOP.err")"
sql "$A" -c "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgshovel-admin:0.1'" > "$T/null"
ok 'it ends' wait_for 30 earlier 0
wait "$EARLIER"
kill -CONT "$ADMIN"
wait "$ADMIN"
is "$?" 0 'an earlier session that is gone before it is ended: that is as good' || diag "$(cat "$STOP.err")"

# ---- a database that cannot be asked

stop_at prepared:2 pgshovel --skip-kafka set upgrade "$T/1"
kill -KILL "$ADMIN"
wait "$ADMIN" 2>/dev/null
expired
NAME_B=$(sql "$B" -c 'select current_database()')
sql "$POSTGRES" -c "alter database $NAME_B allow_connections false"
run pgshovel --skip-kafka txn recover
isnt "$RC" 0 'a rollout without a decision waits for a database that is away'
like "$ERR" 'stays open: database "d1"' 'and names it'
is "$(state "$A" | grep -o 'open:.')$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/decisions" | grep -c "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")")" 'open:20' \
	'it is listed, and nothing was decided'
run pgshovel --skip-kafka set upgrade "$T/1"
isnt "$RC" 0 'a command for the same set does not pass it by'
sql "$POSTGRES" -c "alter database $NAME_B allow_connections true"
ok 'when it is back the rollout is closed' recovered
is "$(state "$A" "$B")" "$BEFORE" 'and nothing has changed'

# ---- prepared transactions that come back after their rollout was closed (failover, restore)

ID=$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/sets/example" | awk 'NR == 1 { print $4 }')
sql "$A" -c 'begin; create table came_back (); prepare transaction '"'pgshovel:$CLUSTER:$ID:0'"
sql "$B" -c 'begin; create table went_away (); prepare transaction '"'pgshovel:$CLUSTER:0123456789abcdef0123456789abcdef:0'"
run pgshovel --skip-kafka set upgrade "$T/1"
like "$RC $ERR" '^75 .*prepared transaction "pgshovel:.*txn recover' 'a prepared transaction that is left is named'
ok 'txn recover finds them' recovered
is "$(sql "$A" -c "select to_regclass('public.came_back') is not null") $(sql "$B" -c "select to_regclass('public.went_away') is null")" 't t' \
	'one whose rollout wrote the set node is committed, one that nobody knows is rolled back'
ok 'after that the set can be changed' quiet --skip-kafka set upgrade "$T/1"

# ---- ZooKeeper restored from before a committed rollout: the databases know better

zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/sets/example" > "$T/node.new"
stop_at committed:1 pgshovel --skip-kafka set upgrade "$T/0"
kill -KILL "$ADMIN"
wait "$ADMIN" 2>/dev/null
expired
ID=$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/decisions/$ID"
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/example" "$(cat "$T/node.new")
"
ok 'a rollout that a database committed is not rolled back' recovered
is "$(sql "$A" -c "select count(*) from pgshovel_$CLUSTER.rollout where id = '$ID' and outcome = 'committed'") $(sql "$B" -c "select count(*) from pgshovel_$CLUSTER.rollout where id = '$ID' and outcome = 'committed'")" \
	'1 1' 'it is committed in both'
run pgshovel cluster verify
like "$RC $OUT" '^(1|78) .*version' 'verify names the difference'
ok 'and an upgrade ends it' quiet --skip-kafka set upgrade "$T/0"
is "$(pgshovel cluster verify 2>&1)" '' 'one version everywhere'

# ---- the catalog changes between the plan and the prepared part

stop_at intent pgshovel --skip-kafka set upgrade "$T/1"
sql "$A" -c 'alter table accounts add late int'
kill -CONT "$ADMIN"
wait "$ADMIN"
is "$?" 0 'a table that changes after the plan was made' || diag "$(cat "$STOP.err")"
like "$(cat "$STOP.err")" 'database "d0": tables have changed .*planning again' 'is planned for again'
like "$(sql "$A" -c "select columns from pgshovel_$CLUSTER.relation where current and table_name = 'accounts'")" '"late"' 'and captured as it is'
is "$(pgshovel cluster verify 2>&1)$(pgshovel txn list)" '' 'nothing is left of the first attempt'

# ---- what txn list says

stop_at prepared:2 pgshovel --skip-kafka set upgrade "$T/0"
kill -KILL "$ADMIN"
wait "$ADMIN" 2>/dev/null
expired
ID=$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")
sql "$B" -c "rollback prepared 'pgshovel:$CLUSTER:$ID:1'"
run pgshovel txn list
like "$OUT" "$ID  *upgrade  *example  *d0 \(prepared\), d1 \(nothing\)  *[0-9]+ s  *.* none  *roll back" 'a rollout that is open: databases, age, what recover would do'
run pgshovel txn list --json
like "$OUT" "\"id\":\"$ID\",.*\"databases\":\[\{\"name\":\"d0\",\"state\":\"prepared\"\},\{\"name\":\"d1\",\"state\":\"nothing\"\}\],\"at\":\"[^\"]*\",\"age_s\":[0-9]+,.*\"decision\":\"none\",\"recover\":\"roll back\"" 'the same as JSON'
sql "$POSTGRES" -c "alter database $NAME_B allow_connections false"
run pgshovel txn list
like "$OUT" 'd0 \(prepared\), d1 \(away\) .* wait for a database' 'a database that is away'
sql "$POSTGRES" -c "alter database $NAME_B allow_connections true"
sql "$B" -c 'begin; create table nobodys (); prepare transaction '"'pgshovel:$CLUSTER:fedcba9876543210fedcba9876543210:0'"
run pgshovel txn list
like "$OUT" 'fedcba9876543210fedcba9876543210  *unknown  *d1 \(prepared\)  *[0-9]+ s  *none  *roll back' 'a prepared transaction that no rollout knows'

# ---- a supervisor ends what nobody does

export PGSHOVEL_RECOVER_AFTER=1s
mkfifo "$T/hold"
zktool --hosts "$ZOOKEEPER" hold "/$CLUSTER/admin" 'host 1 an admin at work' < "$T/hold" > "$T/null" &
HOLDER=$!
exec {HOLD}> "$T/hold" # the supervisors inherit it: the holder is killed in the end
lock_taken() {
	! lock_gone
}
wait_for 30 lock_taken
for host in one two; do
	PGSHOVEL_HOST=$host pgshoveld_start "SUP_$host" --log-level debug
done
looked_on() { # at least three times each
	[ "$(grep -c 'rollouts are open (1) and an admin is at work' "$T/SUP_one.log")" -ge 3 ] && [ "$(grep -c 'rollouts are open (1) and an admin is at work' "$T/SUP_two.log")" -ge 3 ]
}
ok 'supervisors see a rollout that is open and an admin at work' wait_for 90 looked_on
is "$(cat "$T"/SUP_*.log | grep -c 'running "pgshovel txn recover"')" 0 'and let it work'
{ kill -KILL "$HOLDER"; wait "$HOLDER"; } 2>/dev/null
expired
exec {HOLD}>&-
nothing_open() {
	[ -z "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")" ]
}
ok 'when the admin is gone one of them recovers' wait_for 90 nothing_open
recovered_once() {
	grep -q 'the rollouts that were left open are closed' "$T"/SUP_*.log
}
ok 'and says so' wait_for 60 recovered_once
is "$(cat "$T"/SUP_*.log | grep -c 'running "pgshovel txn recover"')" 1 'one of the two, once'
like "$(cat "$T"/SUP_*.log)" '1 rollout was left open and no admin is at work: running "pgshovel txn recover" \(pid [0-9]+\)' 'with what it found'
is "$(count "$A" 'pg_prepared_xacts where database = current_database()') $(count "$B" 'pg_prepared_xacts where database = current_database()')" '0 0' 'nothing is prepared any more'
stop_at prepared:1 pgshovel --skip-kafka set upgrade "$T/0"
kill -KILL "$ADMIN"
wait "$ADMIN" 2>/dev/null
sql "$POSTGRES" -c "alter database $NAME_B allow_connections false" -c "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '$NAME_B'" > "$T/null"
expired
backs_off() {
	grep -q 'could not recover the rollouts that were left open: "pgshovel txn recover" ended with exit status 7[58]; trying again in [0-9]* s' "$T"/SUP_*.log
}
ok 'one that cannot be ended is tried again later' wait_for 90 backs_off
sql "$POSTGRES" -c "alter database $NAME_B allow_connections true"
kill -TERM "$SUP_one" "$SUP_two"
for pid in "$SUP_one" "$SUP_two"; do
	wait_for 60 line_gone "$pid"
done
ok 'by hand it ends at once' recovered
tap_done
