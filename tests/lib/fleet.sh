# shellcheck shell=bash
# tests/lib/fleet.sh: many supervisors on one machine, most of their sets with the trivial worker (tests/fakes/worker.c). Sourced after
# servers.sh, by tests and bench. It starts no servers and judges nothing but what the workers wrote down.
#
#   fleet_begin FOLDER           FLEET; W=FOLDER/worker.log is what the workers did. ZOOKEEPER and CLUSTER are the caller's
#   fleet_sets PREFIX N          N sets of the trivial worker, PREFIX0 and so on
#   fleet_host NAME [OPTION…]    a supervisor in the background, log in FOLDER/NAME.log; PID_NAME becomes its pid. FLEET_TIMEOUT: its
#                                session timeout; FLEET_ZOOKEEPER: servers of its own
#   fleet_owned HOST…            all FLEET_SETS sets are owned by one of these, and their workers are children of their owners
#   fleet_settled HOST…          and each of them has a fair part
#   fleet_kill NAME              kill -9, written down for the checks
#   fleet_note WORD NAME         "cut": from now on this supervisor may believe what is not so any more
#   fleet_again MICROSECONDS PID   after the time, how long did it take until each worker of that supervisor had a successor elsewhere?
#                                prints "SETS LONGEST" (milliseconds)
#   fleet_exclusive REGEX        of the sets with such names none had two workers at once, but those of supervisors that were cut; and
#                                each new owner's token was above all earlier ones, but those that were fenced
#   fleet_requests NAME…         how many requests (pings too) their sessions have sent, as the servers count them; Z_PORTS: ports of these
#   fleet_lists_fit HOSTS        at the servers are at most two watches of lists for each host
#   fleet_watches NAME           watches of single nodes that its session has at the servers, paths without the cluster's, one a line

fleet_begin() { # FOLDER
	FLEET=$1
	W=$FLEET/worker.log
	mkdir -p "$FLEET/fence"
	: > "$W"
	export FAKE_WORKER_LOG=$W FAKE_WORKER_FENCE=$FLEET/fence
}

fleet_zk() {
	zktool --hosts "$ZOOKEEPER" "$@"
}

fleet_sets() { # PREFIX N
	cat > "$FLEET/$1.pgshovel" <<-'SET'
		databases = ( { name = "main"; conninfo = "host=nowhere"; } );
		tables = ( { name = "a"; } );
		kafka = [ "bootstrap.servers=nowhere:9", "client.id=ok" ];
	SET
	fleet_zk fill "$CLUSTER" "$1" "$2" "$FLEET/$1.pgshovel"
}

fleet_host() { # NAME [OPTION…]
	local name=$1
	shift
	pgshoveld --cluster "$CLUSTER" --zookeeper-hosts "${FLEET_ZOOKEEPER:-$ZOOKEEPER}" --host "$name" --relay "$BUILD/tests/worker" \
		--session-timeout "${FLEET_TIMEOUT:-4s}" --stop-grace 2s "$@" >> "$FLEET/$name.log" 2>&1 &
	printf -v "PID_$name" %s $!
}

fleet_now() {
	echo "${EPOCHREALTIME/[.,]/}"
}

fleet_pid() { # NAME
	local pid=PID_$1
	echo "${!pid}"
}

fleet_note() { # WORD NAME
	echo "$1 ppid=$(fleet_pid "$2")" >> "$W"
}

fleet_kill() { # NAME
	kill -KILL "$(fleet_pid "$1")"
	fleet_note gone "$1"
	wait "$(fleet_pid "$1")" 2> /dev/null # else bash tells of it
}

fleet_owners() { # one line a set that is owned: SET HOST
	fleet_zk dump "/$CLUSTER/locks" | sed -n 's|^/[^/]*/locks/\([^ ]*\) .*"host":"\([^"]*\)".*|\1 \2|p'
}

fleet_workers() { # the worker with the highest token of each set: SET PID PPID
	awk '$1 == "start" { sub(/set=/, "", $2); sub(/pid=/, "", $3)
		match($0, / token=[0-9.]+/); split(substr($0, RSTART + 7, RLENGTH - 7), token, "."); rank = token[2] * 100000 + token[3]
		if (rank < highest[$2]) next
		highest[$2] = rank; match($0, / ppid=[0-9]+/); last[$2] = $3 " " substr($0, RSTART + 6, RLENGTH - 6) }
		END { for (set in last) print set, last[set] }' "$W"
}

fleet_owned() { # HOST…
	local n=0 host pid ppid _
	fleet_owners | LC_ALL=C sort > "$FLEET/owners"
	[ "$(wc -l < "$FLEET/owners")" = "$FLEET_SETS" ] || return 1
	fleet_workers | LC_ALL=C sort > "$FLEET/workers"
	while read -r _ host pid ppid; do
		[[ " $* " = *" $host "* ]] && [ "$ppid" = "$(fleet_pid "$host")" ] && ! server_process_gone "$pid" || return 1
		n=$((n + 1))
	done < <(LC_ALL=C join "$FLEET/owners" "$FLEET/workers")
	[ "$n" = "$FLEET_SETS" ]
}

fleet_settled() { # HOST…
	local n host
	fleet_owned "$@" || return 1
	for host; do
		n=$(grep -c " $host\$" "$FLEET/owners")
		[ "$n" -ge 1 ] && [ "$n" -le $((FLEET_SETS * 11 / 10 / $# + 2)) ] || return 1
	done
}

fleet_again() { # MICROSECONDS PID
	awk -v since="$1" -v old="$2" '
		$1 == "start" {
			match($0, / at=[0-9]+/); at = substr($0, RSTART + 4, RLENGTH - 4) + 0
			match($0, / ppid=[0-9]+/); ppid = substr($0, RSTART + 6, RLENGTH - 6)
			if (at < since) whose[$2] = ppid
			else if (whose[$2] == old && ppid != old && !($2 in again)) { again[$2] = at; n++; if (at > last) last = at }
		}
		END { printf "%d %d\n", n, n ? (last - since) / 1000 : 0 }' "$W"
}

fleet_exclusive() { # REGEX
	awk -v names="^set=$1\$" '
		function field(name) { match($0, " " name "=[^ ]+"); return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2) }
		function above(a, b,   x, y) { # tokens
			split(a, x, "."); split(b, y, ".")
			return x[1] + 0 != y[1] + 0 ? x[1] + 0 > y[1] + 0 : x[2] + 0 != y[2] + 0 ? x[2] + 0 > y[2] + 0 : x[3] + 0 > y[3] + 0
		}
		$1 == "gone" { gone[$2] = 1; next }
		$1 == "cut" { cut[$2] = 1; next }
		$2 !~ names { next }
		$1 == "start" {
			pid = field("pid"); parent = "ppid=" field("ppid"); token = field("token")
			old = worker[$2]
			if (old != "" && !(($2, old) in over) && !(of[$2, old] in gone) && !(of[$2, old] in cut) && !(parent in cut)) {
				print $2 ": worker " pid " began while " old " was at work"; bad = 1
			}
			if (highest[$2] != "" && !above(token, highest[$2]) && !(parent in cut)) {
				print $2 ": token " token " came after " highest[$2]; bad = 1
			}
			if (highest[$2] == "" || above(token, highest[$2])) highest[$2] = token
			worker[$2] = pid; of[$2, pid] = parent; seen++
		}
		$1 == "token" { if (above($NF, highest[$2])) highest[$2] = $NF }
		$1 == "stop" || $1 == "exit" || $1 == "fenced" || $1 == "eof" { over[$2, field("pid")] = 1 }
		END { if (!seen) { print "no worker was seen"; bad = 1 } exit bad }' "$W"
}

fleet_session() { # NAME
	fleet_zk stat "/$CLUSTER/hosts/$1" | sed 's/.*owner=\(0x[0-9a-f]*\).*/\1/'
}

fleet_requests() { # NAME…
	local port name sessions=' '
	for name; do
		sessions+="$(fleet_session "$name") "
	done
	for port in $Z_PORTS; do
		zk_ask "$port" cons
	done | sed -n 's/.*recved=\([0-9]*\),.*sid=\(0x[0-9a-f]*\),.*/\1 \2/p' | awk -v sessions="$sessions" 'index(sessions, " " $2 " ") { n += $1 } END { print n + 0 }'
}

fleet_watches() { # NAME
	local session port
	session=$(fleet_session "$1")
	for port in $Z_PORTS; do
		zk_ask "$port" wchc
	done | awk -v session="$session" '/^0x/ { mine = ($1 "") == (session ""); next } mine { print $1 }' | sed -n "s|^/$CLUSTER||p"
}

fleet_lists_fit() { # HOSTS: what mntr counts and wchs does not are watches of lists
	local port all=0 single=0
	for port in $Z_PORTS; do
		all=$((all + $(zk_ask "$port" mntr | awk '$1 == "zk_watch_count" { print $2 }')))
		single=$((single + $(zk_ask "$port" wchs | sed -n 's/^Total watches://p')))
	done
	echo "$all watches, $single of single nodes"
	[ "$single" -gt 0 ] && [ $((all - single)) -le $((2 * $1)) ]
}
