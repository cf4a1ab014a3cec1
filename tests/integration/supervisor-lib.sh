# shellcheck shell=bash
# tests/integration/supervisor-lib.sh: pgshoveld with a scripted worker (tests/fakes/worker.c) and a ZooKeeper of its own. Sourced.
# Neither PostgreSQL nor Kafka is needed.
#
#   supervisor_begin                 ZooKeeper, an empty cluster, the logs: $W what workers did, $T/NAME.log what supervisor NAME said
#   z COMMAND…                       zktool at our ZooKeeper
#   put SET BEHAVIOUR [ROLLOUT]      create or change a set whose worker behaves so (see tests/fakes/worker.c)
#   sup NAME [OPTION…]               start a supervisor in the background; PID_NAME becomes its pid. STOP_GRACE: for its workers (1s);
#                                    SESSION_TIMEOUT: its own (1s)
#   did EVENT SET [TEXT]             how often the workers of a set wrote EVENT (with TEXT)
#   at_least N EVENT SET [TEXT]      waits up to 15 s for that
#   said NAME REGEX                  waits up to 15 s for a line in the supervisor's log
#   worker_of SET                    pid of the newest worker       alive PID, dead PID
#   up SET                           waits until SET has a living worker; its pid is then what worker_of says

supervisor_begin() {
	line_own zk=--tick=200
	line_begin zk
	W=$T/worker.log
	: > "$W"
	show_log "$W"
	export FAKE_WORKER_LOG=$W
	ok 'the nodes of a cluster are made' zktool --hosts "$ZOOKEEPER" init "$CLUSTER"
}

z() {
	zktool --hosts "$ZOOKEEPER" "$@"
}

put() { # SET BEHAVIOUR [ROLLOUT]
	cat > "$T/$1.pgshovel" <<-SET
		databases = ( { name = "main"; conninfo = "host=nowhere"; } );
		tables = ( { name = "a"; } );
		kafka = [ "bootstrap.servers=nowhere:9", "client.id=$2" ];
	SET
	z put "$CLUSTER" "$1" "$T/$1.pgshovel" "${3:-00000000000000000000000000000001}" > /dev/null
}

sup() { # NAME [OPTION…]
	local name=$1
	shift
	show_log "$T/$name.log"
	pgshoveld --host "$name" --relay "$BUILD/tests/worker" --session-timeout "${SESSION_TIMEOUT:-1s}" --stop-grace "${STOP_GRACE:-1s}" --log-level debug "$@" \
		> "$T/$name.out" 2>> "$T/$name.log" &
	printf -v "PID_$name" %s $!
}

did() { # EVENT SET [TEXT]
	grep -c "^$1 set=$2 .*${3:-}" "$W"
}

did_at_least() {
	[ "$(did "$2" "$3" "${4:-}")" -ge "$1" ]
}

at_least() { # N EVENT SET [TEXT]
	wait_for 15 did_at_least "$@"
}

said() { # NAME REGEX
	wait_for 15 grep -Eq -e "$2" "$T/$1.log"
}

worker_of() { # SET
	sed -n "s/^start set=$1 pid=\([0-9]*\) .*/\1/p" "$W" | tail -n 1
}

dead() {
	line_gone "$1"
}

alive() {
	! line_gone "$1"
}

lives() { # SET
	local pid
	pid=$(worker_of "$1")
	[ -n "$pid" ] && alive "$pid"
}

up() { # SET
	wait_for 15 lives "$1"
}

status_has() { # HOST TEXT
	z get "/$CLUSTER/status/$1" 2>/dev/null | grep -Fq -e "$2"
}

token_of() { # SET: the newest token that a worker of the set was given
	sed -n "s/^start set=$1 .* token=\([0-9.]*\) .*/\1/p; s/^token set=$1 .* \([0-9.]*\)$/\1/p" "$W" | tail -n 1
}

ends() { # PID SECONDS: RC becomes its exit status
	wait_for "$2" line_gone "$1" || return 1
	wait "$1" 2> /dev/null
	RC=$?
}
