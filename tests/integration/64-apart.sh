#!/bin/bash
# test: limit=600
# tests/integration/64-apart.sh: a broken document of one set, a crashing worker of another: the third set never notices.
# And: no password in argv, environment, ZooKeeper, logs.
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

secret=s3cr3t-$RANDOM$RANDOM
line_own "pg=--scram=shovel:$secret" pg=--ticker
line_begin pg zk kafka
supervisor=
line_database DB
for set in good bad crash; do
	line_prefix "prefix_$set"
done
load_tables "$DB"
sql "$DB" <<-SQL
	create table t_bad (id int primary key);
	create table t_crash (id int primary key);
	grant pgq_admin, pg_read_all_stats to shovel;
	do \$\$ begin execute format('grant create on database %I to shovel', current_database()); end \$\$;
	alter table acc owner to shovel; alter table ord owner to shovel; alter schema marks owner to shovel; alter table marks.mark owner to shovel;
	alter table t_bad owner to shovel; alter table t_crash owner to shovel;
SQL
conninfo=${DB/user=postgres/user=shovel}
mkdir -m 700 "$T/credentials"
echo "127.0.0.1:*:*:shovel:$secret" > "$T/credentials/pgpass"
chmod 600 "$T/credentials/pgpass"
export PGSHOVEL_CREDENTIALS_DIR=$T/credentials

# shellcheck disable=SC2154 # line_prefix sets them
set_file good "$prefix_good" "$conninfo" acc:id,bal,owner ord marks.mark > "$T/good.pgshovel"
# shellcheck disable=SC2154
set_file bad "$prefix_bad" "$conninfo" t_bad > "$T/bad.pgshovel"
# shellcheck disable=SC2154
set_file crash "$prefix_crash" "$conninfo" t_crash > "$T/crash.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
nok 'without the password set create is refused' env -u PGSHOVEL_CREDENTIALS_DIR pgshovel set create good "$T/good.pgshovel"
for set in good bad crash; do
	run pgshovel set create $set "$T/$set.pgshovel"
	is "$RC" 0 "set create $set, as an ordinary role with a password"
	diag "$ERR"
done
pgshoveld_start supervisor --host "a$SUFFIX"
load_touch "$DB"
ok 'the good set delivers' load_delivered "$DB" "$prefix_good"

relay_of() { # SET: pid of its relay
	local kid
	for kid in $(cat "/proc/$supervisor/task/$supervisor/children" 2>/dev/null); do
		tr '\0' ' ' < "/proc/$kid/cmdline" | grep -q "$1" && echo "$kid" && return
	done
	return 1
}
good=$(relay_of good)
ok 'the good set has a relay' [ -n "$good" ]
begun=$(awk '{ print $22 }' "/proc/$good/stat")
load_start "$DB" 20

# the documents of "bad" become nonsense in ZooKeeper, three ways
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/bad" 'pgshovel 1 what'
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/bad" "$(head -c 30000 /dev/urandom | base64 -w0)"
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/bad" ''
for ((i = 0; i < 8; i++)); do
	crash=$(relay_of crash) && kill -ABRT "$crash"
	load_delivered "$DB" "$prefix_good" || break
done
is "$i" 8 'the good set delivers while the others break and crash'
status_bad() {
	pgshovel set status bad 2>&1 | grep -qiE 'parked|invalid|format|header'
}
ok 'set status says what is wrong with the broken one' wait_for 60 status_bad
is "$(awk '{ print $22 }' "/proc/$good/stat" 2> /dev/null)" "$begun" 'the relay of the good set was never restarted'
load_wait
is $? 0 'pgbench ends without an error'
load_touch "$DB"
ok 'everything arrives' load_delivered "$DB" "$prefix_good"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$prefix_good" acc id,bal,owner
ok 'no event twice, chains hold' consume_prefix "$prefix_good" --check

# ---- secrets
found=
for pid in "$supervisor" $(cat "/proc/$supervisor/task/$supervisor/children"); do
	for part in cmdline environ; do
		! grep -qaF "$secret" "/proc/$pid/$part" || found+=" $pid/$part"
	done
done
is "$found" '' 'no password in argv or environment of supervisor and relays'
nok 'none in the logs' grep -qF "$secret" "$T/supervisor.log" "$T/run.err"
zktool --hosts "$ZOOKEEPER" tree "/$CLUSTER" | while read -r path; do
	zktool --hosts "$ZOOKEEPER" get "$path"
done > "$T/zookeeper"
ok 'ZooKeeper was read' grep -q acc "$T/zookeeper"
nok 'none in ZooKeeper' grep -qF "$secret" "$T/zookeeper"
sed "s/user=shovel/user=shovel password=$secret/" "$T/good.pgshovel" > "$T/secret.pgshovel"
run pgshovel config check "$T/secret.pgshovel"
is "$RC" 78 'a set file with a password is refused'
unlike "$OUT$ERR" "$secret" 'and the message does not repeat it'
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
