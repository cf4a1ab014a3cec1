# shellcheck shell=bash
# tests/chaos/faults.sh: what the names in a schedule (schedule.h) do. Sourced after line.sh and fault-lib.sh; OWN, CLUSTER and SUFFIX are
# theirs. Which fault comes when is the schedule's business, and nothing here says what is right.
#
#   chaos_host_start a|b         a supervisor of that host in the background
#   chaos_do begin|end NAME DATABASE   carries one line of the schedule out. What takes long goes on in the background; the next line about the
#                                same thing waits for it
#   chaos_settle                 waits for all of that, wakes what was paused, starts what is down
#
# chaos_trouble names the file that a fault writes to when it could not be carried out (a server that does not start again).

declare -A chaos_hosts=() # a, b: pid of the supervisor
declare -A chaos_busy=() # thing: job in the background
chaos_victim='' # host of the fault that is under way
chaos_paused=() # pids
chaos_leaving=() # supervisors that were asked to end
chaos_documents=0

chaos_host_start() { # a|b
	local var=host_$1
	pgshoveld_start "$var" --host "$1$SUFFIX" --session-timeout 4s
	chaos_hosts[$1]=${!var}
}

chaos_owner() { # the host whose supervisor has the relay; a when nobody has
	local host
	for host in a b; do
		relay_of "${chaos_hosts[$host]}" > /dev/null && echo $host && return
	done
	echo a
}

chaos_in_background() { # THING COMMAND…
	local thing=$1
	shift
	("$@" || echo "$*: exit status $?" >> "$chaos_trouble") >> "$T/faults.log" 2>&1 &
	chaos_busy[$thing]=$!
}

chaos_wait() { # THING
	[ -z "${chaos_busy[$1]:-}" ] || wait "${chaos_busy[$1]}"
	unset "chaos_busy[$1]"
}

chaos_start() { # SERVER: on a crowded machine it may take more than one try
	local try
	for try in 1 2 3; do
		server_start "$1" "$OWN" && return
	done
	return 1
}

chaos_pause() { # PID…
	chaos_paused=("$@")
	kill -STOP "$@" 2> /dev/null
}

chaos_resume() {
	[ ${#chaos_paused[@]} = 0 ] || kill -CONT "${chaos_paused[@]}" 2> /dev/null
	chaos_paused=()
}

chaos_server() { # 1|2: name of its PostgreSQL
	[ "$1" = 1 ] && echo pg || echo pg2
}

# ---- the set's owner

chaos_relay_kill() { # begin
	local pid
	pid=$(relay_of "${chaos_hosts[$(chaos_owner)]}") && kill -KILL "$pid"
}

chaos_relay_pause() { # begin|end
	local pid
	[ "$1" = begin ] || { chaos_resume; return; }
	pid=$(relay_of "${chaos_hosts[$(chaos_owner)]}") && chaos_pause "$pid"
}

chaos_relay_pause_long() {
	chaos_relay_pause "$@"
}

chaos_owner_kill() { # begin|end
	[ "$1" = begin ] || { chaos_host_start "$chaos_victim"; return; }
	chaos_victim=$(chaos_owner)
	kill -KILL "${chaos_hosts[$chaos_victim]}"
	wait "${chaos_hosts[$chaos_victim]}" 2> /dev/null
}

chaos_owner_stop() { # begin|end
	if [ "$1" = begin ]; then
		chaos_victim=$(chaos_owner)
		kill -TERM "${chaos_hosts[$chaos_victim]}"
		return
	fi
	# it may take its time, to finish a transaction; the next one of its host must stand that
	chaos_leaving+=("${chaos_hosts[$chaos_victim]}")
	chaos_host_start "$chaos_victim"
}

chaos_owner_pause() { # begin|end: a zombie, when another host takes over meanwhile
	local supervisor pid
	[ "$1" = begin ] || { chaos_resume; return; }
	supervisor=${chaos_hosts[$(chaos_owner)]}
	pid=$(relay_of "$supervisor")
	# shellcheck disable=SC2086 # it may have none
	chaos_pause "$supervisor" $pid
}

# ---- brokers

chaos_broker_kill() { # begin|end
	case $1 in
	begin) server_kill kafka "$OWN" ;;
	end) chaos_in_background broker chaos_start kafka ;;
	esac
}

chaos_broker_stop() { # begin|end
	case $1 in
	begin) chaos_in_background broker server_stop kafka "$OWN" ;;
	end) chaos_wait broker && chaos_in_background broker chaos_start kafka ;;
	esac
}

# ---- ZooKeeper

chaos_zk_kill() { # begin|end
	case $1 in
	begin) server_kill zk "$OWN" ;;
	end) chaos_in_background zk chaos_start zk ;;
	esac
}

chaos_zk_away() {
	chaos_zk_kill "$@"
}

chaos_zk_pause() { # begin|end
	case $1 in
	begin) server_pause zk "$OWN" ;;
	end) server_resume zk "$OWN" ;;
	esac
}

chaos_expire() {
	local session
	session=$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER/locks/shop" | sed -n 's/.*owner=\(0x[0-9a-f]*\).*/\1/p')
	[ -z "$session" ] || zktool --hosts "$ZOOKEEPER" expire "$session" || true # nobody has the lock, or ended meanwhile
}

chaos_zk_expire() { # begin
	chaos_in_background zk chaos_expire
}

# ---- PostgreSQL

chaos_pg_fast() { # begin|end 1|2
	local name
	name=$(chaos_server "$2")
	case $1 in
	begin) chaos_in_background "$name" server_stop "$name" "$OWN" ;;
	end) chaos_wait "$name" && chaos_in_background "$name" chaos_start "$name" ;;
	esac
}

chaos_pg_immediate() { # begin|end 1|2
	local name
	name=$(chaos_server "$2")
	case $1 in
	begin) chaos_in_background "$name" server_stop "$name" "$OWN" --mode=immediate ;;
	end) chaos_wait "$name" && chaos_in_background "$name" chaos_start "$name" ;;
	esac
}

chaos_pg_kill() { # begin|end 1|2
	local name
	name=$(chaos_server "$2")
	case $1 in
	begin) server_kill "$name" "$OWN" ;;
	end) chaos_in_background "$name" chaos_start "$name" ;;
	esac
}

chaos_sql() { # 1|2 STATEMENT: the server may be away just now
	PGCONNECT_TIMEOUT=5 sql "$(server_address "$(chaos_server "$1")" "$OWN") dbname=chaos$1" -c "$2" || true
}

chaos_terminate() { # begin 1|2
	chaos_in_background "terminate$2" chaos_sql "$2" "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'pgshovel%'"
}

chaos_terminate_all() { # begin 1|2
	chaos_in_background "terminate$2" chaos_sql "$2" "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
}

chaos_ticker_pause() { # begin|end 1|2
	local name=pgqd$2 pid
	if [ "$1" = begin ]; then
		pid=$(server_pid "$(chaos_server "$2")" "$OWN" pgqd) && kill -STOP "$pid"
		echo "$pid" > "$T/$name"
	else
		pid=$(cat "$T/$name")
		[ -z "$pid" ] || kill -CONT "$pid" 2> /dev/null
	fi
}

# ---- PgQ: its tables are rotated as often as it lets them

chaos_rotate() { # 1|2 PERIOD TIMES
	local i
	chaos_sql "$1" "update pgq.queue set queue_rotation_period = '$2'"
	for ((i = 0; i < $3; i++)); do
		chaos_sql "$1" 'select pgq.maint_rotate_tables_step1(queue_name) from pgq.queue' > /dev/null
		chaos_sql "$1" "select pgq.maint_rotate_tables_step2()" > /dev/null
		chaos_sql "$1" "select 'table ' || queue_cur_table from pgq.queue"
		wait_for 1 false || : # the consumer's mark comes after
	done
}

chaos_rotation() { # begin|end 1|2
	case $1 in
	begin) chaos_in_background "rotation$2" chaos_rotate "$2" '0 s' 5 ;;
	end) chaos_wait "rotation$2" && chaos_in_background "rotation$2" chaos_rotate "$2" '5 s' 1 ;;
	esac
}

# ---- the set's document

chaos_change() { # FILE
	pgshovel set upgrade "$1"
	case $? in
	0 | 75) ;; # a server is away
	*) return 1 ;;
	esac
}


chaos_upgrade() { # begin
	chaos_documents=$((chaos_documents + 1))
	chaos_in_background admin chaos_change "$T/document.$((chaos_documents % 2))"
}

chaos_upgrade_kill() { # begin|end
	if [ "$1" = begin ]; then
		chaos_documents=$((chaos_documents + 1))
		pgshovel set upgrade "$T/document.$((chaos_documents % 2))" >> "$T/faults.log" 2>&1 &
		chaos_busy[admin]=$!
	else
		kill -KILL "${chaos_busy[admin]}" 2> /dev/null
		chaos_wait admin 2> /dev/null
	fi
}

# ---- in general

chaos_do() { # begin|end NAME DATABASE
	local thing
	if [ "$1" = begin ]; then
		case $2 in
		broker_*) thing=broker ;;
		zk_*) thing=zk ;;
		pg_*) thing=$(chaos_server "$3") ;;
		upgrade*) thing='admin' ;;
		rotation) thing=rotation$3 ;;
		terminate*) thing=terminate$3 ;;
		*) thing= ;;
		esac
		[ -z "$thing" ] || chaos_wait "$thing"
	fi
	"chaos_$2" "$1" "$3"
}

chaos_settle() {
	local thing host name
	chaos_resume
	for thing in "${!chaos_busy[@]}"; do
		chaos_wait "$thing"
	done
	for name in zk kafka pg pg2; do
		server_resume $name "$OWN"
		chaos_start $name > /dev/null || return 1
	done
	for thing in ${chaos_leaving[@]+"${chaos_leaving[@]}"}; do
		wait_for 60 line_gone "$thing" || { echo "supervisor $thing does not stop" >> "$chaos_trouble"; kill -KILL "$thing"; }
		wait "$thing" 2> /dev/null
	done
	for host in a b; do
		! line_gone "${chaos_hosts[$host]}" || { echo "supervisor $host has ended by itself" >> "$chaos_trouble"; chaos_host_start $host; }
	done
}
