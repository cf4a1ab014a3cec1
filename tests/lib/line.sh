# shellcheck shell=bash
# tests/lib/line.sh: what an integration test of pgshovel begins with: addresses, names of its own, set files, programs. Sourced
# after tap.sh. It asserts nothing.
#
# From tests/run, or by hand: BUILD=build/debug bash tests/integration/10-line.sh. Servers that are given
# (PGSHOVEL_TEST_POSTGRES, _ZOOKEEPER, _KAFKA) are used, missing ones are started for this test alone.
# Everything a test makes carries its random suffix and is removed at the end: databases, the cluster's nodes, topics.
#
#   line_begin [pg|zk|kafka …]   the servers that the test needs (all); sets:
#       T        a folder for files of this test              SUFFIX    6 hex digits
#       CLUSTER  name of a cluster of its own (PGSHOVEL_CLUSTER is exported too)
#       ZOOKEEPER, KAFKA, POSTGRES   addresses (PGSHOVEL_ZOOKEEPER_HOSTS is exported too)
#   line_own OPTION…             before line_begin: servers of one's own, for tests that stop or kill them; skips the test when
#                                servers are given. Options: pg=--fsync kafka=--nodes=3 … OWN is then the folder for servers.sh
#   line_database VAR            a new database with the extension pgq; VAR becomes its conninfo
#   sql CONNINFO [PSQL ARGS…]    psql -X -q -A -t, stops at errors; statements on stdin or by -c
#   line_prefix VAR              a topic prefix of its own
#   set_file NAME PREFIX CONNINFO TABLE…      prints a set file: one database, TABLE = name[:col,col…[:key,key]]; SET_EXTRA is added
#   pgshoveld_start VAR [OPTION…]   in the background, logs to $T/VAR.log; VAR becomes its pid; pgshoveld_stop PID [SIGNAL]: its exit status (not inside ok, which is a subshell)
#   run COMMAND…                 runs it; RC, OUT, ERR hold what came
#   consume_prefix PREFIX [OPTION…]   the checking consumer, to the end of the topics

line_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
line_root=$(cd "$line_lib/../.." && pwd)
# shellcheck source=tests/lib/servers.sh
. "$line_lib/servers.sh"

BUILD=${BUILD:-$line_root/build/asan}
PATH=$BUILD:$BUILD/tests:$pg_bin:$PATH # psql itself: Debian's wrapper starts a perl each time
line_options=()
line_is_own=
line_databases=()
line_prefixes=()
OWN=

line_own() {
	[ -z "${PGSHOVEL_TEST_GIVEN:-}" ] || skip_all "stops or kills servers; the ones given are left alone"
	line_is_own=1
	line_options=("$@")
}

line_server() { # KIND VARIABLE
	local options=() option
	if [ -n "$line_is_own" ] || [ -z "${!2:-}" ]; then
		for option in ${line_options[@]+"${line_options[@]}"}; do
			[[ $option != "$1="* ]] || options+=("${option#*=}")
		done
		OWN=$T/servers
		server_start "$1" "$OWN" ${options[@]+"${options[@]}"} > /dev/null || { diag "\"$1\" did not start"; exit 1; }
		printf -v "$2" %s "$(server_address "$1" "$OWN")"
	fi
}

line_begin() {
	local needs=${*:-pg zk kafka}
	T=$(mktemp -d "${TMPDIR:-/tmp}/pgshovel-test.XXXXXX") || exit 1
	chmod 711 "$T" # user postgres must get through
	server_guard "$T" $$
	at_exit line_end
	SUFFIX=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
	CLUSTER=t$SUFFIX
	[[ $needs != *pg* ]] || line_server pg PGSHOVEL_TEST_POSTGRES
	[[ $needs != *zk* ]] || line_server zk PGSHOVEL_TEST_ZOOKEEPER
	[[ $needs != *kafka* ]] || line_server kafka PGSHOVEL_TEST_KAFKA
	POSTGRES=${PGSHOVEL_TEST_POSTGRES:-}
	ZOOKEEPER=${PGSHOVEL_TEST_ZOOKEEPER:-}
	KAFKA=${PGSHOVEL_TEST_KAFKA:-}
	[[ $POSTGRES != postgres*://* ]] || { diag "PGSHOVEL_TEST_POSTGRES must be of the form name=value"; exit 1; }
	export PGSHOVEL_CLUSTER=$CLUSTER PGSHOVEL_ZOOKEEPER_HOSTS=$ZOOKEEPER
}

line_end() {
	local pid prefix database
	# Relays and supervisors that the test left behind. Only what runs: bash lists the last job for ever, and its number
	# may be somebody else's by now.
	for pid in $(jobs -pr); do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $(jobs -pr); do
		wait_for 20 server_process_gone "$pid" || kill -KILL "$pid" 2>/dev/null
	done
	if [ -z "$line_is_own" ]; then
		for database in ${line_databases[@]+"${line_databases[@]}"}; do
			line_prepared_gone "$database"
			sql "$POSTGRES" -c "drop database if exists $database with (force)" > /dev/null 2>&1 || diag "database $database is left behind"
		done
		if [ -n "$KAFKA" ]; then
			for prefix in "$CLUSTER." ${line_prefixes[@]+"${line_prefixes[@]}"}; do
				kafkatool --brokers "$KAFKA" delete "$prefix" > /dev/null || diag "topics $prefix* are left behind"
			done
		fi
		[ -z "$ZOOKEEPER" ] || zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER" > /dev/null || diag "/$CLUSTER is left behind in ZooKeeper"
	fi
	[ -z "${KEEP:-}" ] || { diag "kept: $T"; return; }
	server_wipe "$T/servers"
	rm -rf "$T"
}

line_gone() { # PID: ended, or a zombie
	server_process_gone "$1"
}

line_prepared_gone() { # DATABASE: a prepared transaction would keep it from being dropped
	local gid
	sql "$POSTGRES" -c "select gid from pg_prepared_xacts where database = '$1'" | while read -r gid; do
		sql "$POSTGRES dbname=$1" -c "rollback prepared '$gid'" > /dev/null
	done
}

sql() { # CONNINFO [PSQL ARGS…]
	local conninfo=$1
	shift
	psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$conninfo" "$@"
}

line_database() { # VAR
	local name="pgshovel_test_${SUFFIX}_${#line_databases[@]}"
	sql "$POSTGRES" -c "create database $name template template0 encoding 'UTF8'" || exit 1
	line_databases+=("$name")
	# the extension makes roles of the whole server: two tests that do so at once disturb one another
	wait_for 60 line_extension "$name" || { cat "$T/extension"; exit 1; }
	# a set file may name a parameter only once
	printf -v "$1" %s "$(sed -E "s/(^| )dbname *= *[^ ]*//" <<< "$POSTGRES") dbname=$name"
}

line_extension() { # DATABASE
	sql "$POSTGRES dbname=$1" -c 'create extension if not exists pgq' > "$T/extension" 2>&1
}

line_prefix() { # VAR
	local prefix=t$SUFFIX-${#line_prefixes[@]}
	line_prefixes+=("$prefix.")
	printf -v "$1" %s "$prefix"
}

quoted_list() { # a,b → "a", "b"
	sed 's/[^,]*/"&"/g; s/,/, /g' <<< "$1"
}

set_file() { # NAME PREFIX CONNINFO TABLE…
	local name=$1 prefix=$2 conninfo=$3 table columns key
	shift 3
	echo "name = \"$name\";"
	echo "databases = ( { name = \"main\"; conninfo = \"$conninfo\"; } );"
	echo 'tables = ('
	while [ $# -gt 0 ]; do
		IFS=: read -r table columns key <<< "$1"
		printf '  { name = "%s";' "$table"
		[ -z "$columns" ] || printf ' columns = [ %s ];' "$(quoted_list "$columns")"
		[ -z "$key" ] || printf ' key = [ %s ];' "$(quoted_list "$key")"
		shift
		echo " }$([ $# = 0 ] || echo ,)"
	done
	echo ');'
	echo "topics = { prefix = \"$prefix\"; partitions = ${SET_PARTITIONS:-3}; replication = ${SET_REPLICATION:-1}; };"
	echo "kafka = [ \"bootstrap.servers=$KAFKA\" ];"
	[ -z "${SET_EXTRA:-}" ] || echo "$SET_EXTRA"
}

pgshoveld_start() { # VAR [OPTION…]
	local var=$1
	shift
	show_log "$T/$var.log"
	pgshoveld "$@" >> "$T/$var.log" 2>&1 &
	printf -v "$var" %s $!
}

pgshoveld_stop() { # PID [SIGNAL]
	kill "-${2:-TERM}" "$1" 2>/dev/null
	wait_for 60 server_process_gone "$1" || { kill -KILL "$1"; return 1; }
	wait "$1" 2>/dev/null
}

run() { # COMMAND…
	"$@" > "$T/run.out" 2> "$T/run.err"
	RC=$?
	OUT=$(cat "$T/run.out")
	ERR=$(cat "$T/run.err")
	export RC OUT ERR # for the test that sources this
	return 0
}

consume_prefix() { # PREFIX [OPTION…]
	local prefix=$1
	shift
	consume --brokers "$KAFKA" --prefix "$prefix" "$@"
}
