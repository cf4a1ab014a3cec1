# shellcheck shell=bash
# tests/integration/admin-lib.sh: what the tests of pgshovel share. Sourced after tap.sh and line.sh. Kafka is left out (--skip-kafka).
#
#   admin_tables CONNINFO       tables public.accounts and public.audit, public.nokey, public.parts (two partitions)
#   document NAME CONNINFO…     prints a set file over accounts (id, owner, balance) and audit; databases d0, d1 …
#                               WIDE=1: accounts with all columns and without audit; EXTRA is added; TABLES replaces the tables
#   refused STATUS REGEX NAME   the last run printed one line and nothing on stdout, and ended so; the line is added to the file REFUSALS
#   admin COMMAND…              pgshovel without Kafka
#   count CONNINFO SQL          one number
#   triggers CONNINFO           how many capture triggers there are
#   left CONNINFO               what is left of pgshovel in a database: triggers, functions of sets, queues, sets, prepared transactions
#   stop_at LABEL[:N] COMMAND…  in the background until it stops itself there; ADMIN is its pid; 1 when it ended before
#   recovered                   txn recover, again while the lock of a dead admin stands
#   ticked CONNINFO…            a tick in each database, where one is due: a server of one test alone has no ticker
#   golden FILE TEXT NAME       the text is that of tests/golden/FILE, what differs from run to run put aside; "make golden" writes the
#                               files anew (PGSHOVEL_TEST_UPDATE=1)
#   state CONNINFO…             one line: version in ZooKeeper and in each database, open rollouts, prepared transactions

admin_tables() { # CONNINFO
	sql "$1" <<-'SQL'
		create table accounts (id int primary key, owner text, balance numeric(12,2), secret text);
		create table audit (id bigint generated always as identity primary key, what text);
		create table nokey (x int);
		create table parts (id int primary key, x text) partition by range (id);
		create table parts_1 partition of parts for values from (0) to (100);
		create table parts_2 partition of parts for values from (100) to (200);
	SQL
}

document() { # NAME CONNINFO…
	local name=$1 i=0 conninfo tables
	shift
	echo "name = \"$name\";"
	echo 'databases = ('
	for conninfo; do
		echo "  { name = \"d$i\"; conninfo = \"$conninfo\"; }$([ $((i + 1)) = $# ] || echo ,)"
		i=$((i + 1))
	done
	echo ');'
	tables='{ name = "public.accounts"; columns = [ "id", "owner", "balance" ]; key = [ "id" ]; }, { name = "public.audit"; }'
	[ -z "${WIDE:-}" ] || tables='{ name = "public.accounts"; }'
	echo "tables = ( ${TABLES:-$tables} );"
	echo "topics = { prefix = \"t$SUFFIX.$name.{database}\"; partitions = 3; };"
	echo 'kafka = [ "bootstrap.servers=127.0.0.1:9" ];'
	[ -z "${EXTRA:-}" ] || echo "$EXTRA"
}

refused() { # STATUS REGEX NAME
	is "$RC $(wc -l <<< "$ERR") ${#OUT}" "$1 1 0" "$3: exit status $1, one line" || diag "stderr: $ERR"
	[ -z "${REFUSALS:-}" ] || echo "$RC $ERR" >> "$REFUSALS"
	like "$ERR" "$2" "$3: says why"
}

admin() {
	run pgshovel --connect-timeout 20s "$@"
}

count() { # CONNINFO SQL
	sql "$1" -c "select count(*) from $2"
}

triggers() { # CONNINFO
	count "$1" "pg_trigger where tgname like ' pgshovel%' and tgparentid = 0"
}

left() { # CONNINFO
	sql "$1" <<-SQL
		select 'trigger ' || tgname from pg_trigger where tgname like ' pgshovel%'
		union all select 'function ' || proname from pg_proc where proname ~ '^capture_[a-z]+_[0-9]+\$'
		union all select 'queue ' || queue_name from pgq.queue where queue_name like 'pgshovel:$CLUSTER:%'
		union all select 'prepared ' || gid from pg_prepared_xacts where database = current_database();
		select 'set ' || name from pgshovel_$CLUSTER.set union all select 'relation ' || table_name from pgshovel_$CLUSTER.relation
		union all select 'hint ' || set_name from pgshovel_$CLUSTER.hint;
	SQL
}

stopped_or_gone() {
	[ -s "$STOP" ] || line_gone "$ADMIN"
}

stop_at() { # LABEL[:N] COMMAND…
	local label=$1
	shift
	STOP=$T/stop.$BASHPID # a subshell has its own
	rm -f "$STOP"
	PGSHOVEL_STOP_AT=$label PGSHOVEL_STOP_FILE=$STOP "$@" > "$STOP.out" 2> "$STOP.err" < /dev/null &
	ADMIN=$!
	wait_for 120 stopped_or_gone
	[ -s "$STOP" ] && wait_for 10 server_process_stopped "$(awk 'NR == 1 { print $2 }' "$STOP")" # it notes the step first
}

lock_is_free() {
	RECOVERED_SAID=$(pgshovel --skip-kafka txn recover 2>&1)
	RECOVERED=$?
	[[ $RECOVERED_SAID != *'another admin'* ]]
}

recovered() {
	wait_for 120 lock_is_free
	[ "$RECOVERED" = 0 ] || { echo "$RECOVERED_SAID" >&2; return 1; }
}

state() { # CONNINFO…
	local conninfo
	printf 'zookeeper:%s' "$(pgshovel set list 2>&1 | awk '$1 == "example" { print $NF }')"
	for conninfo; do
		printf ' database:%s' "$(sql "$conninfo" -c "select left(version, 12) || case state when 'active' then '' else state end from pgshovel_$CLUSTER.set" 2>/dev/null)"
		printf ' prepared:%s' "$(count "$conninfo" 'pg_prepared_xacts where database = current_database()')"
	done
	printf ' open:%s\n' "$(pgshovel txn list | wc -l)"
}

ticked() { # CONNINFO…
	local conninfo
	for conninfo; do
		sql "$conninfo" -c 'select pgq.ticker()' > "$T/ticked" 2>&1 || diag "$(cat "$T/ticked")"
	done
}

golden() { # FILE TEXT NAME
	local text
	text=$(sed -E "s#$T#TMP#g; s/pgshovel_test_${SUFFIX}_([0-9]+)/DATABASE\1/g; s/t$SUFFIX/CLUSTER/g; s/$SUFFIX/SUFFIX/g
		s/(host|port|user)=[^ \"]+/\1=X/g; s/\b[0-9a-f]{64}\b/DIGEST/g; s/\b[0-9a-f]{32}\b/ID/g; s/\b[0-9a-f]{12}\b/VERSION/g
		s/$ZOOKEEPER/ZOOKEEPER/g; s/\b$(sed 's/\./\\./g' VERSION)\b/SOFTWARE/g" <<< "$2")
	[ -z "${PGSHOVEL_TEST_UPDATE:-}" ] || printf '%s\n' "$text" > "tests/golden/$1"
	is "$text" "$(cat "tests/golden/$1")" "$3"
}
