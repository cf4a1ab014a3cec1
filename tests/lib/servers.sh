#!/bin/bash
# tests/lib/servers.sh: real servers for tests and demo, on 127.0.0.1, everything below one folder.
# It knows nothing of pgshovel. Sourced it gives functions (server_start …), run it is a command:
#
#   servers.sh start   NAME DIR [OPTION…]   start and wait until it serves; prints its address. A server that exists goes on with
#                                           its ports, data and options; one that runs is left alone
#   servers.sh stop    NAME DIR [NODE]      orderly, then SIGKILL when it takes longer than 20 s (PostgreSQL: --mode=immediate)
#   servers.sh kill    NAME DIR [NODE]      SIGKILL, as in a crash
#   servers.sh pause   NAME DIR [NODE]      SIGSTOP (all processes of the server); resume: SIGCONT
#   servers.sh restart NAME DIR [NODE]      stop and start
#   servers.sh status  NAME DIR             one line a process; exit 0 when all run
#   servers.sh address NAME DIR             conninfo, host:port list or bootstrap list
#   servers.sh pid     NAME DIR [NODE]
#   servers.sh wipe    DIR                  SIGKILL everything below DIR, remove DIR
#   servers.sh guard   DIR PID              in the background: wipe DIR when process PID is gone, however it ended, unless DIR/keep exists
#
# NAME is pg, zk, kafka or machine, or begins so (pg2, pg-standby): DIR/NAME is the server's folder. Options are in server-KIND.sh.
# Ports come from 20000-32000, below the kernel's ephemeral range; a reservation file per port keeps parallel runs apart, and
# a bind that fails all the same is tried again with other ports.

servers_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers_ports=/tmp/pgshovel-ports.$(id -u) # not TMPDIR: all runs share it
# shellcheck source=tests/lib/wait.sh
. "$servers_lib/wait.sh"
# shellcheck source=tests/lib/server-pg.sh
. "$servers_lib/server-pg.sh"
# shellcheck source=tests/lib/server-zk.sh
. "$servers_lib/server-zk.sh"
# shellcheck source=tests/lib/server-kafka.sh
. "$servers_lib/server-kafka.sh"
# shellcheck source=tests/lib/server-systemd.sh
. "$servers_lib/server-systemd.sh"

server_say() {
	echo "servers: $*" >&2
}

# ---- processes: a pid file holds "PID STARTTIME", so that a reused pid is never taken for ours

# server_launch PIDFILE LOG COMMAND…: in a session of its own (a Ctrl-C goes to the test, which then stops us in order)
server_launch() {
	local pidfile=$1 log=$2
	shift 2
	[ ! -s "$log" ] || cat "$log" >> "$log.old"
	rm -f "$pidfile"
	# shellcheck disable=SC2016 # the inner shell expands
	setsid bash -c 'read -r stat < /proc/$$/stat; set -- "$1" "${stat##*) }" "${@:2}"; pidfile=$1
		fields=($2); shift 2; echo "$$ ${fields[19]}" > "$pidfile.new" && mv "$pidfile.new" "$pidfile" && exec "$@"' \
		launch "$pidfile" "$@" > "$log" 2>&1 < /dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
	disown # its end is seen in /proc; the shell need not announce it
	wait_for 30 test -s "$pidfile"
}

# server_pid_in PIDFILE: prints the pid when the process lives
server_pid_in() {
	local pid start stat fields
	[ -s "$1" ] && read -r pid start < "$1" || return 1
	{ read -r stat < "/proc/$pid/stat"; } 2>/dev/null || return 1
	read -r -a fields <<< "${stat##*) }"
	[ "${fields[0]}" != Z ] && [ "${fields[19]}" = "$start" ] || return 1
	echo "$pid"
}

server_lives() {
	server_pid_in "$1" > /dev/null
}

server_gone() {
	! server_lives "$1"
}

# server_end PIDFILE SIGNAL GRACE: signal, then SIGKILL; returns when the process is gone (its sockets too)
server_end() {
	local pid
	pid=$(server_pid_in "$1") || return 0
	kill "-$2" "$pid" 2>/dev/null
	kill -CONT "$pid" 2>/dev/null # a stopped process would never see it
	wait_for "$3" server_gone "$1" && return 0
	kill -KILL "$pid" 2>/dev/null
	wait_for 10 server_gone "$1"
}

# For other processes of ours, by number: ended, or a zombie. A trap asks so instead of by wait, which bash can
# wait in for ever when the trap has interrupted another wait.
server_process_gone() { # PID
	local stat
	{ read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 0
	[[ ${stat##*) } = Z* ]]
}

# By SIGSTOP. Who notes that it is about to stop itself may not have done so yet, and a SIGCONT before that is lost.
server_process_stopped() { # PID
	local stat
	{ read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
	[[ ${stat##*) } = T* ]]
}

# server_start in the background, for several at once: server_starting VAR LOG NAME DIR [OPTION…]; VAR becomes a pid to wait for.
# A signal does not end it half-way; what it started is then known by its pid file.
server_starting() {
	local var=$1 log=$2
	shift 2
	(
		trap : INT TERM HUP
		server_start "$@"
	) > "$log" 2>&1 &
	printf -v "$var" %s $!
}

server_kids() { # PID: all descendants
	local kid
	# shellcheck disable=SC2013 # words are wanted
	for kid in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
		echo "$kid"
		server_kids "$kid"
	done
}

server_listens() { # PORT
	(: < "/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# ---- ports

# server_port FOLDER: reserves a port for as long as FOLDER exists and prints it
server_port() {
	local book=$servers_ports port owner try
	mkdir -p "$book" || return 1
	for ((try = 0; try < 2000; try++)); do
		port=$((20000 + (RANDOM * 32768 + RANDOM + BASHPID) % 12000))
		if ! (set -C; echo "$1" > "$book/$port") 2>/dev/null; then
			# an owner that has written nothing yet is not stale; one whose folder went is: take it over by rename
			owner=$(cat "$book/$port" 2>/dev/null)
			[ -n "$owner" ] && [ ! -d "$owner" ] && rm -f "$book/$port"
			continue
		fi
		server_listens "$port" && continue # somebody else's; the entry only keeps others from asking again
		echo "$port"
		return 0
	done
	server_say "no free port"
	return 1
}

server_ports_back() { # FOLDER
	local file
	for file in "$servers_ports"/*; do
		[ "$(cat "$file" 2>/dev/null)" != "$1" ] || rm -f "$file"
	done
}

# ---- the commands

server_kind() {
	case $1 in
	pg*) echo pg ;;
	zk*) echo zk ;;
	kafka*) echo kafka ;;
	machine*) echo systemd ;;
	*) server_say "\"$1\" is no server: pg…, zk…, kafka… or machine…" && return 64 ;;
	esac
}

# server_start NAME DIR [OPTION…]
server_start() {
	local name=$1 dir kind try rc
	kind=$(server_kind "$name") || return
	mkdir -p "$2" || return 1
	dir=$(cd "$2" && pwd)
	shift 2
	chmod a+x "$dir" # user postgres must get through
	[ -e "$dir/$name/options" ] && "${kind}_up" "$dir/$name" && { server_address "$name" "$dir"; return; }
	for try in 1 2 3 4 5; do
		if [ ! -e "$dir/$name/options" ]; then
			mkdir -p "$dir/$name"
			"${kind}_setup" "$dir/$name" "$@" || return
			touch "$dir/$name/fresh"
		fi
		"${kind}_launch" "$dir/$name"
		rc=$?
		[ $rc = 0 ] && { rm -f "$dir/$name/fresh"; server_address "$name" "$dir"; return; }
		[ -e "$dir/$name/fresh" ] || break
		grep -qsE 'Address already in use|BindException' "$dir/$name"/log "$dir/$name"/*/log || break
		server_say "a port of \"$name\" was taken meanwhile, trying others ($try)"
		server_kill "$name" "$dir"
		server_ports_back "$dir/$name"
		rm -rf "${dir:?}/$name"
	done
	server_say "\"$name\" in \"$dir\" did not start; the end of its logs:"
	tail -n 25 "$dir/$name"/log "$dir/$name"/*/log >&2 2>/dev/null
	server_kill "$name" "$dir"
	return 1
}

server_each() { # NAME DIR NODE: the pid files of one server
	local file
	for file in "$2/$1"/pid "$2/$1"/*/pid; do
		[ -e "$file" ] || continue
		[ -z "$3" ] || [ "$(basename "$(dirname "$file")")" = "$3" ] || continue
		echo "$file"
	done
}

server_stop() { # NAME DIR [NODE | --mode=immediate]
	local kind signal=TERM node=${3:-} file
	kind=$(server_kind "$1") || return
	[ "$kind" != pg ] || signal=INT
	[ "$node" != --mode=immediate ] || { signal=QUIT; node=; }
	while read -r -u 7 file; do
		# a ticker ends before its database
		server_end "$file" "$([[ $file = */pgqd/pid ]] && echo INT || echo $signal)" 20
	done 7< <(server_each "$1" "$2" "$node" | sort -r)
}

server_kill() { # NAME DIR [NODE]
	local file pid kids
	while read -r -u 7 file; do
		pid=$(server_pid_in "$file") || continue
		kids=$(server_kids "$pid")
		# shellcheck disable=SC2086 # a list
		kill -KILL "$pid" $kids 2>/dev/null
		wait_for 10 server_gone "$file"
	done 7< <(server_each "$1" "$2" "${3:-}")
}

server_signal() { # SIGNAL NAME DIR [NODE]
	local file pid
	while read -r -u 7 file; do
		pid=$(server_pid_in "$file") || continue
		# shellcheck disable=SC2046 # a list
		kill "-$1" "$pid" $(server_kids "$pid") 2>/dev/null
	done 7< <(server_each "$2" "$3" "${4:-}")
}

server_pause() { # NAME DIR [NODE]
	server_signal STOP "$@"
}

server_resume() { # NAME DIR [NODE]
	server_signal CONT "$@"
}

server_restart() { # NAME DIR [NODE]
	server_stop "$@"
	server_start "$1" "$2"
}

server_status() { # NAME DIR
	local file pid rc=0 any=
	while read -r -u 7 file; do
		any=1
		if pid=$(server_pid_in "$file"); then
			echo "$(dirname "$file") pid $pid rss $(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MiB"
		else
			echo "$(dirname "$file") down"
			rc=3
		fi
	done 7< <(server_each "$1" "$2" "")
	[ -n "$any" ] || { echo "$2/$1 down"; rc=3; }
	return $rc
}

server_address() { # NAME DIR
	cat "$2/$1/address"
}

server_pid() { # NAME DIR [NODE]
	server_pid_in "$2/$1/${3:+$3/}pid"
}

server_wipe() { # DIR
	local options server
	[ -d "$1" ] || return 0
	while read -r -u 6 options; do
		server=$(dirname "$options")
		server_kill "$(basename "$server")" "$(dirname "$server")"
		server_ports_back "$server"
	done 6< <(find "$(cd "$1" && pwd)" -maxdepth 4 -name options -type f)
	rm -rf "${1:?}"
}

# server_guard DIR PID: the answer to a test that is killed with -9
server_guard() {
	# shellcheck disable=SC2016 # the inner shell expands
	setsid bash -c 'tail --pid="$2" -f /dev/null; [ ! -d "$1" ] || [ -e "$1/keep" ] || exec bash "$3" wipe "$1"' \
		guard "$(cd "$1" && pwd)" "$2" "$servers_lib/servers.sh" > /dev/null 2>&1 < /dev/null &
	disown
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -u
	case ${1:-} in
	start | stop | kill | pause | resume | restart | status | address | pid)
		[ $# -ge 3 ] || { server_say "$1 needs NAME and DIR"; exit 64; }
		"server_$1" "${@:2}"
		;;
	wipe | guard)
		[ $# -ge 2 ] || { server_say "$1 needs DIR"; exit 64; }
		"server_$1" "${@:2}"
		;;
	*)
		sed -n '2,22s/^# \{0,1\}//p' "$0" >&2
		exit 64
		;;
	esac
fi
