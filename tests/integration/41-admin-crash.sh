#!/bin/bash
# test: limit=600
# tests/integration/41-admin-crash.sh: pgshovel killed at each of its steps, interrupted, overtaken by another admin; prepared transactions
# that come back. Whatever happens, `txn recover` ends with one version everywhere and nothing open. Labels come from the program.
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
export PGSHOVEL_SESSION_TIMEOUT=1s # a dead admin's lock goes with its session
for kind in c u d r; do
	line_database "A_$kind"
	line_database "B_$kind"
	a=A_$kind b=B_$kind
	admin_tables "${!a}"
	admin_tables "${!b}"
done

steps() { # KIND: labels that commands of this kind pass
	pgshovel --list-steps | awk -v kind="$1" 'index($2, kind) { print $1 }'
}

quiet() {
	local said
	said=$(pgshovel "$@" 2>&1) || { echo "$*: $said" >&2; return 1; }
}

# Kill at a label, recover, print one line: what happened.
killed_at() { # LABEL A B COMMAND…
	local label=$1 a=$2 b=$3 how=finished before
	shift 3
	before=$(state "$a" "$b")
	stop_at "$label" pgshovel --skip-kafka "$@" && how=killed
	kill -KILL "$ADMIN" 2>/dev/null
	wait "$ADMIN" 2>/dev/null
	recovered || how+=' recover-failed'
	printf '%s|%s|%s|%s|%s|%s\n' "$label" "$how" "$before" "$(state "$a" "$b")" "$(left "$a" | grep -c '^trigger') $(left "$b" | grep -c '^trigger')" \
		"$(pgshovel cluster verify 2>&1)"
}

other_file() { # KIND: 0 or 1, the file that the set is not at
	[ "$(pgshovel config check "$T/$1.0" | grep -o '[0-9a-f]*$')" = "$(pgshovel set list | awk '$1 == "example" { print $NF }')" ]
	echo $((1 - $?))
}

# One kind of command at each of its steps, in a cluster of its own; runs beside the others.
crash_kind() { # KIND A B
	local kind=$1 a=$2 b=$3 label file
	export PGSHOVEL_CLUSTER=$CLUSTER$kind
	CLUSTER=$PGSHOVEL_CLUSTER
	document example "$a" "$b" > "$T/$kind.0"
	TABLES='{ name = "public.accounts"; }, { name = "public.parts"; }' document example "$a" "$b" > "$T/$kind.1"
	quiet cluster initialize
	case $kind in
	u | d | r) quiet --skip-kafka set create example "$T/$kind.0" ;;
	esac
	file=1
	for label in $(steps "$kind"); do
		case $kind in
		c)
			killed_at "$label" "$a" "$b" set create example "$T/c.0"
			! quiet set inspect example 2>/dev/null || quiet --skip-kafka set drop example
			# the first create installs the schema: each must find none, and a node that is new
			[ "$label" != locked ] || for db in "$a" "$b"; do sql "$db" -c "drop schema if exists pgshovel_$CLUSTER cascade" 2>/dev/null; done
			;;
		u)
			killed_at "$label" "$a" "$b" set upgrade "$T/u.$file"
			file=$(other_file u)
			;;
		d)
			killed_at "$label" "$a" "$b" set drop example
			quiet set inspect example 2>/dev/null || quiet --skip-kafka set create example "$T/d.0"
			;;
		r) # a recover that is killed itself: of a rollout that was decided, and of one that was not
			for first in decided prepared:2; do
				stop_at $first pgshovel --skip-kafka set upgrade "$T/r.$(other_file r)"
				kill -KILL "$ADMIN"
				wait "$ADMIN" 2>/dev/null
				wait_for 10 lock_gone
				killed_at "$label" "$a" "$b" txn recover | sed "s/^/$first /"
			done
			;;
		esac
	done
}

lock_gone() {
	! zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/admin" > /dev/null 2>&1
}

declare -A crasher
for kind in c u d r; do
	a=A_$kind b=B_$kind
	crash_kind $kind "${!a}" "${!b}" > "$T/crash.$kind" 2> "$T/crash.$kind.err" &
	crasher[$kind]=$!
done
for kind in c u d r; do
	wait "${crasher[$kind]}"
	[ ! -s "$T/crash.$kind.err" ] || diag "$(head -n 20 "$T/crash.$kind.err")"
	zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER$kind"
done

# ---- what must hold after each

declare -A name_of=([c]='set create' [u]='set upgrade' [d]='set drop' [r]='txn recover')
for kind in c u d r; do
	is "$(wc -l < "$T/crash.$kind")" "$(($(steps $kind | wc -l) * $([ $kind = r ] && echo 2 || echo 1)))" "${name_of[$kind]}: every step was tried"
	while IFS='|' read -r label how before after triggers verify; do
		what="${name_of[$kind]} killed at \"$label\""
		if [[ "$kind $label" = 'u trigger-dropped' && $how = finished ]]; then
			pass "$what: nothing to drop this time" # every second upgrade only adds
		elif [[ $kind = r && $how = finished ]]; then
			pass "$what: not on this path"
		else
			is "$how" killed "$what"
		fi
		read -r zookeeper a prepared_a b prepared_b open <<< "$after"
		is "${a#*:} ${b#*:} $prepared_a $prepared_b $open" "${zookeeper#*:} ${zookeeper#*:} prepared:0 prepared:0 open:0" "$what: one version everywhere, nothing open" ||
			diag "before: $before"
		if [ "$zookeeper" = zookeeper: ]; then
			is "$triggers" '0 0' "$what: no triggers are left"
		else
			is "$verify" '' "$what: capture is as it should be"
		fi
	done < "$T/crash.$kind"
done
for kind in c d; do
	is "$(awk -F'|' '{ split($4, w, " "); print w[1] == "zookeeper:" ? "without" : "with" }' "$T/crash.$kind" | sort -u | wc -l)" 2 \
		"${name_of[$kind]}: early kills and late kills end differently"
done
is "$(sed -n 's/^\(\S*\) \(\S*\)|killed|.*/\2/p' "$T/crash.r" | sort -u)" "$(steps r | sort -u)" 'txn recover: each of its steps was killed on one path at least'

# ---- signals

A=$A_c B=$B_c
document example "$A" "$B" > "$T/0"
sql "$A" -c "drop schema if exists pgshovel_$CLUSTER cascade"
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
	wait_for 20 lock_gone
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
like "$(cat "$STOP.err")" 'already aborted' 'because the rollout is recorded as aborted'
recovered
is "$(state "$A" "$B")" "$BEFORE" 'nothing has changed'
is "$(pgshovel cluster verify 2>&1)" '' 'and capture is as it was'

# ---- a database that cannot be asked

stop_at prepared:2 pgshovel --skip-kafka set upgrade "$T/1"
kill -KILL "$ADMIN"
wait "$ADMIN" 2>/dev/null
wait_for 20 lock_gone
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
wait_for 20 lock_gone
ID=$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/decisions/$ID"
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/example" "$(cat "$T/node.new")
"
ok 'a rollout that a database committed is not rolled back' recovered
is "$(sql "$A" -c "select count(*) from pgshovel_$CLUSTER.rollout where id = '$ID' and outcome = 'committed'") $(sql "$B" -c "select count(*) from pgshovel_$CLUSTER.rollout where id = '$ID' and outcome = 'committed'")" \
	'1 1' 'it is committed in both'
run pgshovel cluster verify
like "$RC $OUT" '^78 .*version' 'verify names the difference'
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
tap_done
