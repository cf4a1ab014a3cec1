#!/bin/bash
# test: limit=600
# tests/integration/49-formats.sh: a database whose schema an earlier version installed (tests/fixtures/format-N.sql), with a set and events in
# the queue, is brought to this version by cluster upgrade; what is newer than this program is refused with one line. No Kafka.
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
SCHEMA=pgshovel_$CLUSTER
SOFTWARE=$(cat VERSION)
pgshovel cluster initialize > "$T/null"

software_of_cluster() { # VERSION
	zktool --hosts "$ZOOKEEPER" set "/$CLUSTER" "pgshovel-cluster 1"$'\n'"software $1"$'\n'"generation 1"$'\n'
}

# The set as ZooKeeper and the database hold it, then the database's part once more by the functions of the fixture, as a program of that
# time called them.
old_installation() { # FORMAT
	local file=tests/fixtures/format-$1.sql
	document example "$DB" > "$T/set"
	pgshovel set create example "$T/set" --skip-kafka > "$T/null" || return 1
	sql "$DB" -c "create table saved as select * from $SCHEMA.set" -c "select pgq.drop_queue('pgshovel:$CLUSTER:example', true)" \
		-c "set client_min_messages = warning; drop schema $SCHEMA cascade" > "$T/null" || return 1
	sed "s/@SCHEMA@/$SCHEMA/g; s/@CLUSTER@/$CLUSTER/g" "$file" | sql "$DB" > "$T/null" || return 1
	sql "$DB" <<-SQL > "$T/null"
		update $SCHEMA.node set software = '0.0.9';
		select $SCHEMA.capture_stub('example', 'accounts', array['id', 'owner', 'balance']), $SCHEMA.capture_stub('example', 'audit', null);
		begin;
		select $SCHEMA.rollout_open(rollout, 'create', 'example') from saved;
		select $SCHEMA.set_create('example', version, document, rollout, partitions) from saved;
		select $SCHEMA.capture_replace('example', $SCHEMA.relation_add('example', version, 'accounts', array['id', 'owner', 'balance'], array['id'])) from saved;
		select $SCHEMA.capture_replace('example', $SCHEMA.relation_add('example', version, 'audit', null, null)) from saved;
		commit;
		drop table saved;
	SQL
}

lines() { [ "$(wc -l < "$T/lines" 2> "$T/null")" -ge "$1" ]; }

for fixture in tests/fixtures/format-*.sql; do
	format=${fixture//[^0-9]/}
	line_database DB
	admin_tables "$DB"
	ok "format $format: an installation of then" old_installation "$format"
	software_of_cluster 0.0.9
	sql "$DB" -c "insert into accounts values (1, 'old', 1.50, 'hush')" -c "insert into audit (what) values ('old')" -c "update accounts set owner = 'older'"
	for words in 'set drop example --skip-kafka' "set upgrade $T/set --skip-kafka" 'cluster verify --repair'; do
		# shellcheck disable=SC2086 # words
		admin $words
		refused 78 "at version 0.0.9 and this program is version $SOFTWARE; run \"pgshovel cluster upgrade\"" "format $format: ${words%% /*} is refused"
	done
	admin cluster verify
	like "$RC $OUT" '^78 .*the schema is at version 0.0.9.*cluster upgrade' "format $format: cluster verify says what to do"
	admin cluster upgrade --dry-run
	like "$RC $OUT" '^0 .*install schema' "format $format: the plan"
	admin cluster upgrade
	is "$RC $OUT" "0 $SOFTWARE" "format $format: cluster upgrade" || diag "$ERR"
	admin cluster verify
	is "$RC $OUT" '0 ' "format $format: all is well"
	sql "$DB" -c "insert into accounts values (2, 'new', 2.50, 'hush')" -c "update accounts set balance = 3 where id = 1" -c "delete from audit"
	: > "$T/lines"
	pgshovel-kafka-relay --file "$T/lines" example > "$T/relay.log" 2>&1 &
	relay=$!
	show_log "$T/relay.log"
	ok "format $format: a relay reads old and new events" wait_for 120 lines 7 # a delete has a tombstone
	kill -TERM $relay
	wait $relay
	is "$(grep -oE '\\"op\\":\\"[a-z]\\"' "$T/lines" | tr -d '\\":op\n')" 'ccucud' "format $format: each once, in order"
	admin set upgrade "$T/set" --skip-kafka
	is "$RC $OUT" '0 unchanged' "format $format: the set needs no more" || diag "$ERR"
	sed 's/"owner", //' "$T/set" > "$T/next"
	admin set upgrade "$T/next" --skip-kafka
	is "$RC" 0 "format $format: and can be upgraded" || diag "$ERR"
	admin set drop example --skip-kafka
	is "$RC $(left "$DB")" '0 ' "format $format: and dropped" || diag "$ERR"
done

# ---- newer than this program

document example "$DB" > "$T/set"
admin set create example "$T/set" --skip-kafka
is "$RC" 0 'a set' || diag "$ERR"
sql "$DB" -c "update $SCHEMA.node set software = '99.0', format = 99"
admin set upgrade "$T/set" --skip-kafka
refused 78 "database \"d0\": schema $SCHEMA is at version 99.0 \(format 99\) and this program is version $SOFTWARE.*use the newer program" 'a newer database'
admin cluster upgrade
refused 78 'is at version 99.0' 'also by cluster upgrade'
pgshovel-kafka-relay --file "$T/lines" example > "$T/relay.log" 2>&1 &
relay=$!
told() { grep -q "$1" "$T/relay.log"; }
ok 'the relay says it, too' wait_for 120 told 'format 99'
kill -TERM $relay
wait $relay
sql "$DB" -c "update $SCHEMA.node set software = '$SOFTWARE', format = 1"
software_of_cluster 99.0
for words in 'set drop example' 'cluster upgrade' 'cluster verify --repair' 'node forget 0123456789ab'; do
	# shellcheck disable=SC2086 # words
	admin $words
	refused 78 'at version 99.0 and this program is version .*; use the newer program' "a newer cluster: $words"
done
software_of_cluster "$SOFTWARE"
admin set drop example --skip-kafka
is "$RC" 0 'at one version again it goes' || diag "$ERR"
tap_done
