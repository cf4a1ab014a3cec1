#!/bin/bash
# test: limit=900
# tests/integration/80-given.sh: the tests run against servers that are already up: nothing of theirs is started, stopped or left
# changed, and tests that would stop them are skipped with a reason.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh

line_own pg=--ticker
line_begin pg zk kafka

state() { # what the servers hold, and since when they run
	sql "$POSTGRES" -c "select datname from pg_database order by 1" -c "select rolname from pg_roles order by 1" \
		-c "select gid from pg_prepared_xacts" -c 'select pg_postmaster_start_time()' -c 'show synchronous_standby_names'
	zktool --hosts "$ZOOKEEPER" tree /
	kafkatool --brokers "$KAFKA" list '' | grep -v '^__' # brokers make their own topics when they are used first
	server_pid zk "$OWN"
	server_pid kafka "$OWN" 1
}
sql "$POSTGRES" -c 'create database theirs' # tests/lib/line.sh drops only what it made
zktool --hosts "$ZOOKEEPER" create /theirs 'of somebody'
kafkatool --brokers "$KAFKA" create theirs 1
state > "$T/before"
ok 'the servers hold something of their owner' grep -q theirs "$T/before"
given() { # PATTERN
	env -u PGSHOVEL_CLUSTER -u PGSHOVEL_ZOOKEEPER_HOSTS PGSHOVEL_TEST_POSTGRES="$POSTGRES" PGSHOVEL_TEST_ZOOKEEPER="$ZOOKEEPER" \
		PGSHOVEL_TEST_KAFKA="$KAFKA" PGSHOVEL_TEST_ONLY="$1" tests/run integration > "$T/given" 2>&1
}
ok 'tests pass against the given servers' given 'integration/(10-line|62-nested|64-apart)'
like "$(tail -n 1 "$T/given")" '^[1-9][0-9]+ passed, 0 failed, [1-9][0-9]* skipped$' 'a closing line, with the skipped one counted'
like "$(cat "$T/given")" 'SKIP stops or kills servers; the ones given are left alone' 'and its reason'
unchanged() { # a broker forgets a deleted topic a moment after it has said so
	state > "$T/after"
	cmp -s "$T/before" "$T/after"
}
wait_for 30 unchanged
is "$(diff "$T/before" "$T/after")" '' 'nothing of theirs is left changed'
tap_done
