#!/bin/bash
# test: limit=1500
# tests/integration/42-rollout-crash.sh: the admin dies at every step of every command that rolls out, with one and with three databases, and beside that
# a database is away, restarted, or has lost its prepared transaction; ZooKeeper's answer to the decision is lost, late or never comes; another admin takes
# over while the first still lives. After `txn recover` everything is at one version, the decided one, and nothing is left open.
# Nothing is picked by hand: each command is run once with a trace of its steps, and every pass of every step becomes cases.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_own
line_begin pg zk
[ -n "$(pgshovel --list-steps)" ] || skip_all 'no steps'
pgshovel cluster initialize > "$T/null"
stop_at locked pgshovel set drop nothing --skip-kafka && kill -KILL "$ADMIN" || skip_all 'built without test hooks'
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # hundreds of runs; 40 and 41 look for leaks
export PGSHOVEL_SESSION_TIMEOUT=30s PGSHOVEL_CONNECT_TIMEOUT=30s # whose session is to end has it ended
NOW=$(cat VERSION)

# ---- lanes: each a cluster of its own, run beside one another

line_database TEMPLATE
admin_tables "$TEMPLATE"
sql "$TEMPLATE" -c 'create table more (id int primary key, x text)'
declare -A KINDS=([a]='c d' [u]=u [x]=x [r]=r)
LANES=(a1 u1 x1 r1 a3 u3 x3 r3)
[ -z "${PGSHOVEL_TEST_LANES:-}" ] || read -r -a LANES <<< "$PGSHOVEL_TEST_LANES" # when one is looked into
for lane in "${LANES[@]}"; do
	for ((i = 0; i < ${lane#?}; i++)); do
		sql "$POSTGRES" -c "create database l_${lane}_$i template pgshovel_test_${SUFFIX}_0"
	done
done

lane_begin() { # LANE: CLUSTER, D[], S, the files
	local i
	LANE=$1 SIZE=${1#?}
	CLUSTER=t$SUFFIX$1 S=pgshovel_t$SUFFIX$1
	export PGSHOVEL_CLUSTER=$CLUSTER
	D=()
	for ((i = 0; i < SIZE; i++)); do
		D+=("$(sed -E "s/dbname=[^ ]*/dbname=l_${1}_$i/" <<< "$TEMPLATE")")
	done
	TABLES='{ name = "public.accounts"; columns = [ "id", "owner" ]; }, { name = "public.more"; }' document example "${D[@]}" > "$T/$1.0"
	document example "${D[@]}" > "$T/$1.1"
	FILE0=$(version_of "$T/$1.0") FILE1=$(version_of "$T/$1.1") AT='?'
}

version_of() { # FILE
	pgshovel config check "$1" | grep -o '[0-9a-f]*$'
}

zk() {
	zktool --hosts "$ZOOKEEPER" "$@"
}

adm() { # COMMAND…: without Kafka where a command could need it
	if [ "$1" = cluster ]; then
		exec pgshovel "$@"
	fi
	exec pgshovel --skip-kafka "$@"
}

quiet() {
	local said
	said=$(adm "$@" 2>&1) || { echo "$LANE: $*: $said" >&2; return 1; }
}

# One line: version in ZooKeeper, open rollouts and locks there; in each database version, prepared transactions, capture functions that no table of the
# set has, things that capture_check finds, rollout locks. AT is the version in ZooKeeper.
facts() {
	local conninfo what="select left(version, 12) || case state when 'active' then '' else state end from $S.set"
	DUMP=$(zk dump "/$CLUSTER")
	case $LANE in
	x*) AT=$(awk '/ software / { print $5 }' <<< "$DUMP") what="select software from $S.node" ;;
	*) AT=$(awk '$1 ~ "/sets/example$" { print substr($4, 1, 12) }' <<< "$DUMP") ;;
	esac
	FACTS="zookeeper $AT open $(grep -c '/rollouts/' <<< "$DUMP") locked $(grep -c '/admin ' <<< "$DUMP")"
	FACTS+=$(for conninfo in "${D[@]}"; do
		cat <<-SQL
			\connect '$conninfo'
			\echo ';'
			select to_regclass('$S.node') is not null as there \gset
			\if :there
			select ($what), (select count(*) from pg_prepared_xacts where database = current_database()),
				(select count(*) from $S.capture_list('example') l
					where not exists (select from $S.relation r where r.set_name = 'example' and r.reloid = l.rel and r.current)),
				(select count(*) from $S.set s, $S.capture_check(s.name)),
				(select count(*) from pg_locks l join pg_database d on d.oid = l.database
					where d.datname = current_database() and l.locktype = 'advisory' and l.classid = 1885827959);
			\else
			select '', (select count(*) from pg_prepared_xacts where database = current_database()), 0, 0, 0;
			\endif
		SQL
	done | psql -X -q -A -t -F , -d "${D[0]}" 2>&1 | tr -d '\n')
}

wanted() { # VERSION: what facts must say
	local conninfo
	printf 'zookeeper %s open 0 locked 0' "$1"
	for conninfo in "${D[@]}"; do
		printf ';%s,0,0,0,0' "$1"
	done
	echo
}

# Where a kind of command begins, and what it makes of that: OLD, NEW (versions), COMMAND
begin_kind() { # KIND
	local present conninfo
	case $1 in
	x)
		zk set "/$CLUSTER" $'pgshovel-cluster 1\nsoftware 0.0.1\ngeneration 7\n'
		for conninfo in "${D[@]}"; do
			sql "$conninfo" -c "update $S.node set software = '0.0.1'"
		done
		OLD=0.0.1 NEW=$NOW COMMAND=(cluster upgrade)
		return
		;;
	esac
	[ "$AT" != '?' ] || facts
	present=$AT
	case $1 in
	c)
		[ -z "$present" ] || quiet set drop example
		OLD='' NEW=$FILE0 COMMAND=(set create example "$T/$LANE.0")
		;;
	d)
		[ -n "$present" ] || quiet set create example "$T/$LANE.0"
		OLD=${present:-$FILE0} NEW='' COMMAND=(set drop example)
		;;
	u | r)
		[ -n "$present" ] || quiet set create example "$T/$LANE.0"
		[ "$present" != "$FILE1" ] || quiet set upgrade "$T/$LANE.0" # always the same direction: the same steps
		OLD=$FILE0 NEW=$FILE1 COMMAND=(set upgrade "$T/$LANE.1")
		;;
	esac
}

fresh_schema() { # for the step that installs
	local conninfo
	for conninfo in "${D[@]}"; do
		sql "$conninfo" -c "set client_min_messages = error; drop schema if exists $S cascade"
	done
}

dead() { # the admin that is stopped, killed, and its session ended
	kill -KILL "$ADMIN" 2>/dev/null
	wait "$ADMIN" 2>/dev/null
	zk expire "/$CLUSTER/admin"
}

# trace COMMAND…: passes of its steps in order, as LABEL:N
trace() {
	rm -f "$T/trace.$LANE"
	PGSHOVEL_STEP_TRACE=$T/trace.$LANE quiet "$@"
	awk '{ n[$1]++; print $1 ":" n[$1] }' "$T/trace.$LANE"
}

report() { # NAME WANTED: one case, for the assertions at the end
	local decisions
	facts
	printf '%s|%s|%s\n' "$1" "$2" "$FACTS" >> "$T/cases.$LANE"
	# decisions stay for a day, and every command looks at each
	decisions=$(awk '$1 ~ "/decisions/." { print "delete " $1 }' <<< "$DUMP")
	[ "$(wc -l <<< "$decisions")" -lt 8 ] || zk multi <<< "$decisions"
}

stopped_at() { # KIND LABEL: at the beginning of a command of this kind, stopped there
	begin_kind "$1"
	[[ $2 != install* ]] || fresh_schema
	stop_at "$2" adm "${COMMAND[@]}" && return
	echo "$LANE: ${COMMAND[*]} did not come to $2: $(cat "$STOP.err")" >&2
	return 1
}

recover() { # NAME
	quiet txn recover || echo "$LANE: $1: recover failed" >&2
}

kind_name() {
	case $1 in
	c) echo 'set create' ;;
	d) echo 'set drop' ;;
	u) echo 'set upgrade' ;;
	x) echo 'cluster upgrade' ;;
	r) echo 'txn recover' ;;
	esac
}

turns=0
# The cases of one pass of one step: AFTER is what must stand afterwards, PREPARED whether there are prepared transactions.
cases_of() { # KIND LABEL AFTER(old|new) PREPARED
	local kind=$1 label=$2 after=$3 prepared=$4 name faults=(away overtaken) fault
	name="$(kind_name "$kind"), $SIZE databases, killed at $label"
	turns=$((turns + 1))

	stopped_at "$kind" "$label" || return
	dead
	recover "$name"
	report "$name" "$(after)"

	# With one database every fault at every pass; with three one of them in turn, where there is something to lose.
	[ "$prepared" = 0 ] || faults=(away gone overtaken)
	[ "$SIZE" = 1 ] || { [ "$prepared" = 1 ] && faults=("${faults[turns % 3]}") || faults=(); }
	for fault in ${faults[@]+"${faults[@]}"}; do
		"case_$fault" "$kind" "$label" "$after" "$name" "$((turns / 3 % SIZE))" || return
	done
}

case_away() { # KIND LABEL AFTER NAME DATABASE
	local after=$3 out
	stopped_at "$1" "$2" || return
	dead
	sql "$POSTGRES" -c "alter database l_${LANE}_$5 allow_connections false" -c "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = 'l_${LANE}_$5'" > "$T/null.$LANE"
	out=$(pgshovel --skip-kafka txn recover 2>&1)
	[[ $? = 0 || $out = *"\"d$5\""* ]] || echo "$LANE: $4, database $5 away: $out" >&2
	sql "$POSTGRES" -c "alter database l_${LANE}_$5 allow_connections true"
	recover "$4, database $5 away"
	report "$4, database $5 away meanwhile" "$(after)"
}

case_gone() { # the same: the prepared transaction of one database rolled back by hand
	local after=$3 gid
	stopped_at "$1" "$2" || return
	dead
	gid=$(sql "${D[$5]}" -c "select gid from pg_prepared_xacts where database = current_database()")
	if [ -n "$gid" ]; then
		sql "${D[$5]}" -c "rollback prepared '$gid'"
		recover "$4, prepared transaction $5 gone"
		report "$4, prepared transaction $5 rolled back by hand" "$(after)"
	else # nothing of it there: as without a fault
		recover "$4"
		AT='?'
	fi
}

case_overtaken() { # the same: another admin does the same command whole while the first is stopped; then the first goes on
	local out
	stopped_at "$1" "$2" || return
	zk expire "/$CLUSTER/admin"
	out=$(adm "${COMMAND[@]}" 2>&1)
	[[ $? = 0 || $out = *'already exists'* || $out = *'does not exist'* ]] || echo "$LANE: $4, another admin: $out" >&2
	kill -CONT "$ADMIN"
	wait_for 120 line_gone "$ADMIN" || echo "$LANE: $4: the admin that was overtaken hangs" >&2
	wait "$ADMIN"
	recover "$4, overtaken"
	report "${4/killed/overtaken}" "$(wanted "$NEW")"
}

after() {
	[ "$after" = new ] && wanted "$NEW" || wanted "$OLD"
}

# What each pass of a traced command means: LABEL AFTER PREPARED
meanings() {
	awk 'BEGIN { after = "old"; prepared = 0 }
		/^prepared:/ { prepared = 1 }
		/^decided:/ { after = "new" }
		/^all-committed:/ { prepared = 0 }
		{ print $1, after, prepared }'
}

lane_kind() { # KIND
	local kind=$1 label after prepared first conninfo
	case $kind in
	r) # a recover that dies itself, over a rollout that was decided and one that was not
		for first in decided:1 "prepared:$SIZE"; do
			stopped_at u "$first" || return
			dead
			trace txn recover > "$T/steps.r.$LANE.$first"
			AT='?'
			while read -r label; do
				stopped_at u "$first" || return
				dead
				stop_at "$label" adm txn recover || echo "$LANE: txn recover did not come to $label" >&2
				dead
				recover "txn recover at $label"
				report "txn recover after $first, $SIZE databases, killed at $label" "$([ "$first" = decided:1 ] && wanted "$NEW" || wanted "$OLD")"

				# two recoverers: the second ends what the first has begun, then the first goes on
				stopped_at u "$first" || return
				dead
				stop_at "$label" adm txn recover || echo "$LANE: txn recover did not come to $label" >&2
				zk expire "/$CLUSTER/admin"
				quiet txn recover
				kill -CONT "$ADMIN"
				wait_for 120 line_gone "$ADMIN" || echo "$LANE: txn recover: the one that was overtaken at $label hangs" >&2
				wait "$ADMIN"
				recover "txn recover overtaken at $label"
				report "txn recover after $first, $SIZE databases, overtaken at $label" "$([ "$first" = decided:1 ] && wanted "$NEW" || wanted "$OLD")"
			done < "$T/steps.r.$LANE.$first"
		done
		;;
	*)
		begin_kind "$kind"
		[ "$kind" != c ] || fresh_schema
		trace "${COMMAND[@]}" > "$T/steps.$kind.$LANE"
		AT='?'
		while read -r label after prepared; do
			cases_of "$kind" "$label" "$after" "$prepared"
		done < <(meanings < "$T/steps.$kind.$LANE")
		;;
	esac
}

lane() { # LANE
	local kind
	lane_begin "$1"
	pgshovel cluster initialize > "$T/null.$1" || return
	[[ $1 != x* ]] || quiet set create example "$T/$1.0"
	for kind in ${KINDS[${1%?}]}; do
		lane_kind "$kind"
		[ "$kind" = r ] || lost_answers "$kind"
	done
}

# ---- ZooKeeper's answer to the deciding request

gate_says() { # REGEX
	grep -qsE "$1" "$T/gate.$LANE.log"
}

gate_do() { # COMMAND
	local before
	before=$(grep -c "^done $1" "$T/gate.$LANE.log")
	echo "$1" > "$T/gate.$LANE"
	wait_for 30 gate_did "$1" "$before"
}

gate_did() {
	[ "$(grep -c "^done $1" "$T/gate.$LANE.log")" -gt "$2" ]
}

decision_there() {
	[ -n "$(zk get "/$CLUSTER/decisions/$1" 2>/dev/null)" ]
}

gate_held() { # more than a ping
	awk '$1 == "held" && $2 > 150 { found = 1 } END { exit !found }' "$T/gate.$LANE.log"
}

ended() { # NAME REGEX: exit status and last line of the admin
	local rc
	wait_for 120 line_gone "$ADMIN" || echo "$LANE: $1: hangs" >&2
	wait "$ADMIN"
	rc=$?
	[[ "$rc $(tail -n 1 "$STOP.err")" =~ $2 ]] || echo "$LANE: $1: ended with $rc: $(cat "$STOP.err")" >&2
}

lost_answers() { # KIND
	local kind=$1 name gate id way session
	for way in lost killed late never expired; do
		name="$(kind_name "$kind"), $SIZE databases, answer to the decision: $way"
		rm -f "$T/gate.$LANE" "$T/gate.$LANE.log"
		mkfifo "$T/gate.$LANE"
		gate --to "$ZOOKEEPER" --control "$T/gate.$LANE" --log "$T/gate.$LANE.log" &
		gate=$!
		wait_for 30 gate_says '^port' || { echo "$LANE: no gate" >&2; return; }
		begin_kind "$kind"
		PGSHOVEL_ZOOKEEPER_HOSTS=127.0.0.1:$(awk '$1 == "port" { print $2 }' "$T/gate.$LANE.log") \
			stop_at decide adm "${COMMAND[@]}" || echo "$LANE: $name: did not come to decide" >&2
		id=$(zk list "/$CLUSTER/rollouts")
		session=$(zk stat "/$CLUSTER/admin" | grep -o 'owner=[^ ]*')
		case $way in
		lost | killed) # the request arrives, the answer does not
			gate_do mute
			kill -CONT "$ADMIN"
			wait_for 60 decision_there "$id" || echo "$LANE: $name: nothing was decided" >&2
			[ $way = lost ] || dead
			gate_do cut
			zk expire "${session#*=}" 2> "$T/null.$LANE" # as it would after its time
			[ $way = killed ] || ended "$name" '^0 .*asking again'
			recover "$name"
			report "$name" "$(wanted "$NEW")"
			;;
		late) # it is on its way while another admin, who thinks that the lock is free, recovers
			gate_do hold
			kill -CONT "$ADMIN"
			wait_for 60 gate_held || echo "$LANE: $name: nothing was sent" >&2
			zk remove "/$CLUSTER/admin"
			quiet txn recover
			[ "$(zk get "/$CLUSTER/decisions/$id")" = abort ] || echo "$LANE: $name: not aborted" >&2
			gate_do open
			ended "$name" '^75 .*meanwhile; nothing of rollout'
			recover "$name"
			report "$name" "$(wanted "$OLD")"
			;;
		never) # it is sent and does not arrive
			gate_do hold
			kill -CONT "$ADMIN"
			wait_for 60 gate_held || echo "$LANE: $name: nothing was sent" >&2
			gate_do cut
			zk expire "${session#*=}" 2> "$T/null.$LANE"
			ended "$name" '^75 .*rolled back'
			recover "$name"
			report "$name" "$(wanted "$OLD")"
			;;
		expired) # the session ends before it is sent
			zk expire "/$CLUSTER/admin"
			kill -CONT "$ADMIN"
			ended "$name" '^75 '
			recover "$name"
			report "$name" "$(wanted "$OLD")"
			;;
		esac
		kill "$gate"
		wait "$gate" 2>/dev/null
	done
}

declare -A runs
for lane in "${LANES[@]}"; do
	(lane "$lane") 2> "$T/lane.$lane.err" &
	runs[$lane]=$!
done
for lane in "${LANES[@]}"; do
	wait "${runs[$lane]}"
done

# ---- the server restarted while prepared transactions are open: all lanes wait at their next such step, one restart for all

restart_labels() { # KIND LANE: steps at which something is prepared, each at its first pass so far
	meanings < "$T/steps.$1.$2" | awk '$3 == 1 && !seen[substr($1, 1, index($1, ":"))]++ { print $1 ":" $2 }'
}

at_step() { # LANE KIND LABEL AFTER
	lane_begin "$1"
	stopped_at "$2" "$3" || return
	dead
	[ "$4" = new ] && wanted "$NEW" > "$T/restart.$1" || wanted "$OLD" > "$T/restart.$1"
}

after_restart() { # LANE KIND LABEL
	local name
	lane_begin "$1"
	name="$(kind_name "$2"), $SIZE databases, killed at $3"
	recover "$name, server restarted"
	report "$name, server restarted" "$(cat "$T/restart.$1")"
}

declare -A todo
rounds=0
for lane in "${LANES[@]}"; do
	for kind in ${KINDS[${lane%?}]}; do
		[ "$kind" != r ] || continue
		for label in $(restart_labels "$kind" "$lane"); do
			todo[$lane]="${todo[$lane]:-} $kind,$label"
		done
	done
	n=$(wc -w <<< "${todo[$lane]:-}")
	[ "$n" -le "$rounds" ] || rounds=$n
done
for ((round = 1; round <= rounds; round++)); do
	for part in stop go; do
		pids=()
		for lane in "${LANES[@]}"; do
			IFS=,: read -r kind label pass after <<< "$(awk -v n="$round" '{ print $n }' <<< "${todo[$lane]:-}")"
			[ -n "$kind" ] || continue
			if [ $part = stop ]; then
				(at_step "$lane" "$kind" "$label:$pass" "$after") 2>> "$T/lane.$lane.err" &
			else
				(after_restart "$lane" "$kind" "$label:$pass") 2>> "$T/lane.$lane.err" &
			fi
			pids+=($!)
		done
		wait "${pids[@]}"
		if [ $part = stop ]; then
			server_stop pg "$OWN" --mode=immediate
			server_start pg "$OWN" > "$T/null" || { diag 'PostgreSQL did not come back'; exit 1; }
		fi
	done
done

# ---- what must hold

for lane in "${LANES[@]}"; do
	is "$(cat "$T/lane.$lane.err")" '' "lane $lane: every case came to its end"
	while IFS='|' read -r name must got; do
		is "$got" "$must" "$name"
	done < "$T/cases.$lane"
done
for kind in c d u x; do
	is "$(cat "$T/steps.$kind".* | sed 's/:.*//' | sort -u | tr '\n' ' ')" "$(pgshovel --list-steps | awk -v kind=$kind 'index($2, kind) { print $1 }' | sort -u | tr '\n' ' ')" \
		"$(kind_name $kind): its steps are those of the table"
done
is "$(cat "$T"/steps.r.* | sed 's/:.*//' | sort -u | tr '\n' ' ')" "$(pgshovel --list-steps | awk 'index($2, "r") { print $1 }' | sort -u | tr '\n' ' ')" "txn recover: its steps are those of the table"
tap_done
