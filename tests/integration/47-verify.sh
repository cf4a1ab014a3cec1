#!/bin/bash
# test: limit=600
# tests/integration/47-verify.sh: cluster verify and --repair: every finding and every cure, on databases of one server, without Kafka.
# Databases that are given up with --force are written down and forgotten with "node forget".
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_begin pg zk
export PGSHOVEL_SESSION_TIMEOUT=30s
line_database A
line_database B
for db in "$A" "$B"; do
	admin_tables "$db"
done
SCHEMA=pgshovel_$CLUSTER
QUEUE=pgshovel:$CLUSTER:example
TABLES='{ name = "public.accounts"; columns = [ "id", "owner" ]; }, { name = "public.parts"; }' document example "$A" "$B" > "$T/set"

verify() { # OPTION…
	admin cluster verify "$@"
}

# well NAME: nothing differs, and rows are captured
well() {
	ticked "$A"
	verify
	is "$RC $OUT$ERR" '0 ' "$1: all is well"
}

# found STATUS REGEX NAME: cluster verify finds it, ends so, and changes nothing
found() {
	ticked "$A"
	verify
	is "$RC" "$1" "$3: exit status $1" || diag "$OUT$ERR"
	like "$OUT" "$2" "$3: found"
}

# cured REGEX NAME: cluster verify finds something that it can cure, says so in a dry run, does it, and all is well
cured() {
	found 1 "$1" "$2"
	verify --repair --dry-run
	like "$RC $OUT" "^1 would repair: .*$1" "$2: dry run"
	verify --repair
	is "$RC" 0 "$2: exit status of --repair" || diag "$OUT$ERR"
	like "$OUT" "^repaired: .*$1" "$2: repaired"
	well "$2"
}

captured() { # NAME: what is written now is in the queue
	local row=$RANDOM$RANDOM
	sql "$A" -c "insert into accounts (id, owner) values ((random() * 1e9)::int, '$row')"
	is "$(sql "$A" -c "select count(*) from pgq.event_template where ev_data like '%,$row)'")" 1 "$1: rows are captured"
}

run pgshovel cluster initialize --dry-run
like "$RC $OUT" '^0 .* would be created' 'cluster initialize --dry-run'
run pgshovel cluster recover --dry-run
like "$RC $OUT" '^0 .* would be created with generation' 'cluster recover --dry-run without a cluster'
is "$(zktool --hosts "$ZOOKEEPER" list / | grep -cx "$CLUSTER")" 0 'neither made it'
run pgshovel cluster initialize
run pgshovel cluster initialize --dry-run
refused 78 'already exists' 'cluster initialize --dry-run again'
BEFORE=$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER")
run pgshovel cluster recover --dry-run
like "$RC $OUT" '^0 generation .* is 1 and would become [0-9]{10}' 'cluster recover --dry-run'
is "$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER")" "$BEFORE" 'and nothing changed'

admin set create example "$T/set" --skip-kafka
is "$RC" 0 'a set over two databases' || diag "$ERR"
well 'at first'
verify --json
is "$RC $OUT" '0 []' 'as JSON'
verify --repair
is "$RC $OUT$ERR" '0 ' 'nothing to repair'

# ---- capture

trigger=$(sql "$A" -c "select tgname from pg_trigger where tgrelid = 'accounts'::regclass and tgname like ' pgshovel%r'")
sql "$A" -c "alter table accounts disable trigger \"$trigger\""
verify --json
is "$(sql "$A" -v j="$OUT" <<< "select :'j'::json->0->>'set', :'j'::json->0->>'database', :'j'::json->0->>'kind', :'j'::json->0->>'repair', json_array_length(:'j')")" \
	'example|d0|capture|fit|1' 'a finding as JSON'
cured 'example: d0: table "public.accounts": capture is disabled' 'a disabled trigger'
sql "$A" -c "drop trigger \"$trigger\" on accounts"
cured 'capture is missing' 'a dropped trigger'
sql "$B" -c "drop trigger \"${trigger%_r}_t\" on parts_2"
cured 'd1: table "public.parts": capture' 'a dropped trigger of a partition'
sql "$A" -c "create or replace trigger \"$trigger\" after insert on accounts for each row execute function $SCHEMA.capture_example_$(sql "$A" -c "select 'accounts'::regclass::oid")()"
cured 'was changed by hand' 'a changed trigger'
sql "$A" -c "create or replace function $SCHEMA.capture_example_$(sql "$A" -c "select 'accounts'::regclass::oid")() returns trigger language plpgsql security definer as 'begin return null; end'"
cured 'its capture function was changed by hand' 'an edited capture function'
captured 'edited function'
sql "$A" -c "drop function $SCHEMA.capture_example_$(sql "$A" -c "select 'accounts'::regclass::oid")() cascade"
cured 'its capture function is missing' 'a dropped capture function'
captured 'dropped function'

# ---- the schema's own functions

sql "$A" -c "create or replace function $SCHEMA.relation_label(rel oid) returns text language sql stable as 'select ''x''::text'"
cured "function $SCHEMA.relation_label was changed by hand" 'an edited function of the schema'
sql "$A" -c "drop function $SCHEMA.capture_check(text)"
cured "function $SCHEMA.capture_check is missing" 'a dropped function of the schema'

# ---- queue, consumer, ticker

sql "$A" -c "select pgq.unregister_consumer('$QUEUE', 'relay')" > "$T/null"
cured "consumer \"relay\" of queue \"$QUEUE\" is missing" 'a missing consumer'
is "$(sql "$A" -c "select s.sub_last_tick = (select min(tick_id) from pgq.tick where tick_queue = s.sub_queue) from pgq.subscription s join pgq.queue on queue_id = sub_queue where queue_name = '$QUEUE'")" t \
	'it is registered at the oldest tick'
sql "$A" -c "select pgq.set_queue_config('$QUEUE', 'ticker_paused', '1')" -c "insert into accounts (id) values (-1)" > "$T/null"
sql "$A" -c "update pgq.tick set tick_time = now() - interval '5 minutes' where tick_queue = (select queue_id from pgq.queue where queue_name = '$QUEUE')"
found 78 'last tick of queue .* is 3[0-9][0-9] s old' 'a silent ticker'
verify --repair
is "$RC" 78 'which --repair does not start'
sql "$A" -c "select pgq.set_queue_config('$QUEUE', 'ticker_paused', '0'), pgq.ticker('$QUEUE')" > "$T/null"
well 'the ticker is back'

# ---- rollouts and what they leave

ID=0123456789abcdef0123456789abcdef
sql "$A" -c "begin; select $SCHEMA.rollout_open('$ID', 'upgrade', 'example'); prepare transaction 'pgshovel:$CLUSTER:$ID:0'" > "$T/null"
cured "prepared transaction \"pgshovel:$CLUSTER:$ID:0\" is left" 'a prepared transaction without a rollout'
is "$(count "$A" 'pg_prepared_xacts where database = current_database()')" 0 'it is gone'
stop_at prepared pgshovel set upgrade example "$T/set" --skip-kafka > "$T/null" || diag 'nothing had to be upgraded'
sed 's/"owner"/"owner", "balance"/' "$T/set" > "$T/next"
ok 'an upgrade is killed' stop_at prepared pgshovel --session-timeout 6s set upgrade example "$T/next" --skip-kafka
kill -KILL "$ADMIN"
wait "$ADMIN" 2> "$T/null"
lock_gone() { [ -z "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER" | grep -x admin)" ]; }
wait_for 120 lock_gone
run pgshovel txn recover --dry-run
like "$RC $OUT" '^0 .*[0-9a-f]{32} +upgrade +example' 'txn recover --dry-run lists it'
cured 'rollout [0-9a-f]{32} is open' 'an open rollout'
ok 'an upgrade with another table is killed when its triggers are made' eval \
	"sed 's/{ name = \"public.parts\"; }/{ name = \"public.parts\"; }, { name = \"public.audit\"; }/' '$T/set' > '$T/next' &&
	stop_at stubbed pgshovel --session-timeout 6s set upgrade example '$T/next' --skip-kafka && kill -KILL \$ADMIN"
wait_for 120 lock_gone
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/rollouts/$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")" # and even the intent is lost
cured 'table public.audit has capture triggers of set "example", which does not capture it' 'triggers that were left behind'
is "$(count "$A" "pg_trigger where tgrelid = 'audit'::regclass and tgname like ' pgshovel%'")$(count "$B" "pg_trigger where tgrelid = 'audit'::regclass and tgname like ' pgshovel%'")" 00 'they are gone'

# ---- versions

sql "$B" -c "update $SCHEMA.set set version = repeat('ab', 32)"
cured 'd1: the set is at version abababababab here and' 'another version in a database'
sql "$B" -c "update $SCHEMA.node set software = '0.0.1'"
found 78 'd1: the schema is at version 0.0.1, this program at .*cluster upgrade' 'an older schema'
sql "$B" -c "update $SCHEMA.node set software = '$(cat VERSION)'"

# ---- what a person must do

sql "$A" -c 'alter table parts rename to pieces'
found 78 'table "public.parts": the table is called "public.pieces" now: correct the set' 'a renamed table'
verify --repair
is "$RC" 78 'which --repair does not follow' || diag "$OUT$ERR"
sql "$A" -c 'alter table pieces rename to parts'
well 'named as before'
sql "$A" -c "update $SCHEMA.node set database = (database::bigint + 1)::oid"
found 78 'database "d0" is a copy: its node .* was made in database oid' 'a copied database'
verify --json
like "$OUT" '"kind": *"server"' 'as JSON its kind is "server"'
sql "$A" -c "update $SCHEMA.node set database = (select oid from pg_database where datname = current_database())"
well 'the original'
sql "$A" -c "insert into $SCHEMA.set (name, version, document, rollout, last_rollout, partitions, start_snapshot, start_lsn) select 'stranger', version, document, rollout, last_rollout, partitions, start_snapshot, start_lsn from $SCHEMA.set"
found 78 'set "stranger" is here and ZooKeeper does not know it' 'a set that ZooKeeper does not know'
sql "$A" -c "delete from $SCHEMA.set where name = 'stranger'"
sql "$A" -c "begin; delete from $SCHEMA.relation; delete from $SCHEMA.hint; delete from $SCHEMA.set; commit"
found 78 'd0: the set is missing' 'a set that is missing in a database'
verify --repair
is "$RC" 78 'is not made again in silence'
run pgshovel set upgrade example "$T/set" --skip-kafka
is "$RC" 78 'nor does an upgrade take over the queue that is left' || diag "$ERR"
sql "$A" -c "select pgq.drop_queue('$QUEUE', true)" > "$T/null"
admin set upgrade example "$T/set" --skip-kafka
is "$RC" 0 'without it an upgrade makes the set again' || diag "$ERR"
well 'made again'
sql "$A" -c "select pgq.drop_queue('$QUEUE', true)" > "$T/null"
found 78 "queue \"$QUEUE\" is missing, and with it what had not been relayed" 'a missing queue'
verify --repair
is "$RC" 78 'is not made again in silence, either' || diag "$OUT$ERR"
admin set drop example --skip-kafka
is "$RC" 0 'the set can be dropped' || diag "$ERR"
is "$(left "$A")$(left "$B")" '' 'and nothing is left'
admin set create example "$T/set" --skip-kafka
is "$RC" 0 'and created again' || diag "$ERR"
well 'created again'

# ---- databases that are away, given up, back

away() { # CONNINFO
	local name
	name=$(sed 's/.*dbname=//' <<< "$1")
	sql "$POSTGRES" -c "alter database $name allow_connections false" \
		-c "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where datname = '$name'" > "$T/null"
}
back() {
	sql "$POSTGRES" -c "alter database $(sed 's/.*dbname=//' <<< "$1") allow_connections true"
}
away "$B"
sql "$A" -c "alter table accounts disable trigger \"$trigger\""
found 78 'd1: database "d1".*not currently accepting connections' 'a database that lets nobody in'
verify --repair
like "$RC $OUT" '^78 repaired: .*d0: .*is disabled.*d1: database' 'is no reason not to cure the others, but one for --repair to end with 0'
is "$(sql "$A" -c "select tgenabled from pg_trigger where tgname = '$trigger' and tgrelid = 'accounts'::regclass")" O 'the trigger is on again'
sed '/"d1"/d; s/},$/}/' "$T/set" > "$T/one"
admin set upgrade example "$T/one" --skip-kafka
like "$RC $ERR" '^7[58] .*--force leaves it out' 'an upgrade that takes it out wants --force'
admin set upgrade example "$T/one" --skip-kafka --force
is "$RC" 0 'and has it' || diag "$ERR"
run pgshovel node list
like "$OUT" 'example +d1 .* upgrade ' 'it is written down what was left'
LEFT=$(tail -n 1 <<< "$OUT" | cut -d ' ' -f 1)
run pgshovel node list --json
is "$(sql "$A" -v j="$OUT" <<< "select :'j'::json->0->>'id', :'j'::json->0->>'set', :'j'::json->0->>'database', :'j'::json->0->>'kind', json_array_length(:'j')")" \
	"$LEFT|example|d1|upgrade|1" 'also as JSON'
found 78 "database \"d1\" was left out when set \"example\" was upgraded .*node forget $LEFT" 'cluster verify remembers it'
run pgshovel node forget 0123456789ab
refused 78 'nothing is written down as' 'an ID that is not known'
run pgshovel node forget "$LEFT"
like "$RC $ERR" '^7[58] .*when it is gone for good, --force forgets it' 'one that does not answer is not forgotten'
back "$B"
is "$(triggers "$B" | sed 's/[1-9].*/some/')" some 'the database comes back with its triggers'
run pgshovel node forget "$LEFT" --dry-run
like "$RC $OUT" '^0 set "example" would be taken away from database "d1"' 'node forget --dry-run'
is "$(pgshovel node list | wc -l)" 2 'and it is still known'
run pgshovel node forget "$LEFT"
is "$RC" 0 'node forget takes away what is left' || diag "$ERR"
is "$(left "$B") $(pgshovel node list | wc -l)" ' 0' 'there, and forgets the database'
well 'forgotten'
admin set upgrade example "$T/set" --skip-kafka
is "$RC" 0 'the database is taken in again' || diag "$ERR"
away "$B"
admin set drop example --skip-kafka --force
is "$RC" 0 'a drop leaves it out' || diag "$ERR"
LEFT=$(pgshovel node list | awk '$2 == "example" { print $1 }')
back "$B"
admin set create example "$T/set" --skip-kafka --force
is "$RC" 0 'the set is created again over both' || diag "$ERR"
run pgshovel node forget "$LEFT"
like "$RC $OUT" '^0 database "d1" belongs to set "example" again' 'a database that belongs to the set again keeps it'
well 'in the set again'
away "$B"
admin cluster upgrade --force
is "$RC $OUT" '0 unchanged' 'a cluster upgrade with nothing to do leaves nothing behind' || diag "$ERR"
admin set drop example --skip-kafka --force
LEFT=$(pgshovel node list | awk '$2 == "example" { print $1 }')
run pgshovel node forget "$LEFT" --force
is "$RC $(pgshovel node list | wc -l)" '0 0' 'gone for good: --force forgets it' || diag "$ERR"
back "$B"
tap_done
