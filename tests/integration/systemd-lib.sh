# shellcheck shell=bash
# tests/integration/systemd-lib.sh: pgshoveld as a service in a machine of its own (tests/lib/server-systemd.sh). Sourced after line.sh.
# ZooKeeper, PostgreSQL and the machine are the test's own, the broker is the run's. Skips the test where no machine can be booted.
#
#   systemd_begin [OPTION…]      starts them (options: PostgreSQL's); M is the machine's root, SHOVEL the conninfo of the role "shovel"
#   m COMMAND…                   runs inside
#   service_install              make install into the machine, from what is built
#   service_configure [LINE…]    /etc/pgshovel/pgshoveld.conf: the sample with our ZooKeeper and cluster, and LINEs
#   drop_in NAME LINE…           a drop-in of the service, section [Service]
#   service_is PROPERTY          of systemctl show            service_active: waits for it      service_said REGEX: in the journal
#   outside PID                  a process of the machine as seen from here                     relay_pid: the relay's, inside
#   write FROM TO                rows into table t            complete N: waits until Kafka has rows 1 to N, each once, in order

systemd_begin() { # [OPTION of PostgreSQL…]
	local reason options=() reports
	reason=$(machine_missing) && skip_all "$reason"
	line_begin kafka
	OWN=$T/servers
	server_start zk "$OWN" --tick=200 > /dev/null && server_start pg "$OWN" "$@" > /dev/null || { diag 'a server did not start'; exit 1; }
	ZOOKEEPER=$(server_address zk "$OWN")
	POSTGRES=$(server_address pg "$OWN")
	SHOVEL="${POSTGRES/user=postgres/user=shovel}"
	export PGSHOVEL_ZOOKEEPER_HOSTS=$ZOOKEEPER
	mkdir -m 700 "$T/credentials"
	echo '127.0.0.1:*:*:shovel:hush-hush' > "$T/credentials/pgpass"
	chmod 600 "$T/credentials/pgpass"
	# reports of sanitizers are written by the service's user
	reports=$(sed -n 's/^log_path=\(.*\)\/asan:.*/\1/p' <<< "${ASAN_OPTIONS:-}")
	[ -z "$reports" ] || { mkdir -p "$reports" && chmod 1777 "$reports" && options=("--bind=$reports:/srv/reports"); }
	if ! server_start machine "$OWN" ${options[@]+"${options[@]}"} > /dev/null; then
		# what systemd-nspawn may not do here is no fault of ours
		reason=$(grep -hE 'Failed to|not permitted|not supported' "$OWN/machine/log" | tail -n 1)
		[ -z "$reason" ] || skip_all "no machine can be booted: $reason"
		diag 'the machine did not boot'
		exit 1
	fi
	M=$(machine_root "$OWN")
	at_exit systemd_journal
	rm -f "$M/etc/resolv.conf" # may lead into a /run that the machine does not have
	echo '# none' > "$M/etc/resolv.conf"
	echo '127.0.0.1 localhost' > "$M/etc/hosts"
	# a leak detector is a debugger: the unit's system call filter has no place for it
	[ -z "$reports" ] || drop_in sanitizers 'ReadWritePaths=/srv/reports' \
		"Environment=\"ASAN_OPTIONS=${ASAN_OPTIONS//"$reports"//srv/reports}:detect_leaks=0\" \"UBSAN_OPTIONS=${UBSAN_OPTIONS//"$reports"//srv/reports}\""
}

systemd_journal() {
	[ "$tap_failed" = 0 ] && [ -n "$tap_finished" ] && return
	diag '---- the journal'
	diag "$(m journalctl --no-pager -n 80 -o short-monotonic 2>&1 | cut -c1-300)"
}

m() {
	machine_run "$OWN" "$@"
}

service_install() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -o all install BUILD="$BUILD" DESTDIR="$M" PREFIX=/usr
}

service_configure() { # [LINE…]
	{
		sed -e "s/^#zookeeper_hosts = .*/zookeeper_hosts = \"${ZOOKEEPER_HOSTS:-$ZOOKEEPER}\";/" -e "s/^#cluster = .*/cluster = \"$CLUSTER\";/" \
			systemd/pgshoveld.conf
		printf '%s\n' "$@"
	} > "$M/etc/pgshovel/pgshoveld.conf"
}

drop_in() { # NAME LINE…
	local folder=$M/etc/systemd/system/pgshoveld.service.d name=$1
	shift
	mkdir -p "$folder"
	{ echo '[Service]'; printf '%s\n' "$@"; } > "$folder/$name.conf"
	m systemctl daemon-reload
}

service_is() { # PROPERTY
	m systemctl show --value --property="$1" pgshoveld
}

service_is_active() {
	[ "$(service_is ActiveState)" = active ]
}

service_active() {
	wait_for 120 service_is_active
}

service_has_said() { # REGEX
	m journalctl -u pgshoveld --no-pager -o cat | grep -qE -e "$1"
}

service_said() { # REGEX
	wait_for 60 service_has_said "$1"
}

outside() { # PID
	local process
	for process in /proc/[0-9]*; do
		[[ $(sed -n 's/^NSpid:.*\t//p' "$process/status" 2> /dev/null) = "$1" ]] && [ "$process/root" -ef "$M" ] && echo "${process#/proc/}" && return
	done
	return 1
}

relay_pid() {
	m pgrep -u pgshovel -f 'pgshovel-kafka-relay --supervised'
}

now_us() { # of the monotonic clock, as systemd shows it
	awk '{ printf "%.0f\n", $1 * 1000000 }' /proc/uptime
}

write() { # FROM TO
	sql "$POSTGRES" -c "insert into t select g, g from generate_series($1, $2) g"
}

has_rows() { # N
	consume_prefix "$PREFIX" --check --complete --rebuild "$PREFIX.public.t" > "$T/rebuilt" 2> "$T/checked" &&
		[ "$(wc -l < "$T/rebuilt")" = "$1" ]
}

complete() { # N
	wait_for 120 has_rows "$1" || { cat "$T/checked"; wc -l "$T/rebuilt"; return 1; }
}
