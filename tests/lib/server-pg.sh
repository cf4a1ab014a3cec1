# shellcheck shell=bash
# tests/lib/server-pg.sh: PostgreSQL 15 with PgQ at hand. Sourced by servers.sh; does not create databases.
#
# Options of "start pg…": --fsync             as in production (default: off, fast; a crash of the machine loses the folder)
#                         --ticker            pgqd beside it, over every database that has PgQ
#                         --ticker-period=S   0.2
#                         --scram=ROLE:PASS   a role (LOGIN) that must give its password; everybody else is trusted
#                         --set=NAME=VALUE    a setting, any number of them
#                         --standby-of=NAME   a hot standby of that server of the same folder, which runs; other options are then its primary's
#
#   pg_follow FOLDER PRIMARY     a stopped server becomes a fresh standby of a running one; both are folders. It keeps its ports
#   pg_promote FOLDER            a standby becomes a primary; returns when it writes
# Root runs it as user postgres. Address: a conninfo of the superuser. DIR/NAME/socket holds the unix socket when the path is short enough.

pg_bin=${PG_BIN:-/usr/lib/postgresql/15/bin}

pg_as() { # COMMAND…: as the user that may run PostgreSQL
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups env -C / "$@"
	else
		"$@"
	fi
}

pg_setup() { # FOLDER [OPTION…]
	local dir=$1 port option fsync=off period='' settings='' scram='' socket='' primary=''
	shift
	for option; do
		case $option in
		--fsync) fsync=on ;;
		--ticker) period=${period:-0.2} ;;
		--ticker-period=*) period=${option#*=} ;;
		--scram=*:*) scram=${option#*=} ;;
		--standby-of=pg*) primary=$(dirname "$dir")/${option#*=} ;;
		--set=*=*) settings+="${option#--set=}"$'\n' ;;
		*) server_say "unknown option of PostgreSQL \"$option\"" && return 64 ;;
		esac
	done
	port=$(server_port "$dir") || return
	mkdir -p "$dir/socket" "$dir/pgqd"
	[ "$(id -u)" != 0 ] || chown postgres:postgres "$dir" "$dir/socket" "$dir/pgqd"
	[ "${#dir}" -gt 80 ] || socket=$dir/socket
	echo "$port" > "$dir/port"
	echo "host=127.0.0.1 port=$port user=postgres dbname=postgres" > "$dir/address"
	printf %s "$scram" > "$dir/scram"
	if [ -n "$primary" ]; then
		pg_follow "$dir" "$primary" && touch "$dir/options"
		return
	fi
	pg_as "$pg_bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync > "$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; return 1; }
	cat >> "$dir/data/postgresql.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		port = $port
		unix_socket_directories = '$socket'
		fsync = $fsync
		full_page_writes = $fsync
		max_prepared_transactions = 20
		max_connections = 200
		shared_buffers = 64MB
		max_wal_size = 512MB
		log_line_prefix = '%m [%p] %q%a '
		log_lock_waits = on
		timezone = 'UTC'
		log_timezone = 'UTC'
	CONF
	local name value
	while IFS='=' read -r name value; do
		[ -z "$name" ] || echo "$name = '${value//\'/\'\'}'" >> "$dir/data/postgresql.conf"
	done <<< "$settings"
	[ -z "$scram" ] || sed -i "1i host all \"${scram%%:*}\" 127.0.0.1/32 scram-sha-256" "$dir/data/pg_hba.conf"
	if [ -n "$period" ]; then
		cat > "$dir/pgqd/ini" <<-CONF
			[pgqd]
			base_connstr = host=127.0.0.1 port=$port user=postgres
			initial_database = template1
			check_period = 1
			ticker_period = $period
			maint_period = 5
			syslog = 0
		CONF
		[ "$(id -u)" != 0 ] || chown postgres:postgres "$dir/pgqd/ini"
	fi
	touch "$dir/options"
}

pg_follow() { # FOLDER PRIMARY
	local dir=$1 primary=$2 name socket
	name=$(basename "$dir")
	rm -rf "$dir/data"
	pg_as "$pg_bin/pg_basebackup" -D "$dir/data" -R -X stream -c fast --no-sync -d "$(cat "$primary/address")" > "$dir/basebackup.log" 2>&1 ||
		{ cat "$dir/basebackup.log" >&2; return 1; }
	[ "${#dir}" -gt 80 ] || socket=$dir/socket
	# the primary waits for it by this name, when it is told to
	printf "port = %s\nunix_socket_directories = '%s'\ncluster_name = '%s'\n" "$(cat "$dir/port")" "${socket:-}" "${name//-/_}" >> "$dir/data/postgresql.conf"
}

pg_promote() { # FOLDER
	pg_as "$pg_bin/psql" -XAtq -d "$(cat "$1/address")" -c 'select pg_promote(true, 60)' > "$1/promote.log" 2>&1
}

pg_answers() { # FOLDER: up or dead
	! server_lives "$1/pid" || pg_as "$pg_bin/pg_isready" -q -U postgres -h 127.0.0.1 -p "$(cat "$1/port")"
}

pg_up() { # FOLDER
	server_lives "$1/pid" && pg_answers "$1" && { [ ! -e "$1/pgqd/ini" ] || server_lives "$1/pgqd/pid"; }
}

pg_launch() { # FOLDER
	local as=() dir=$1 role password
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --init-groups env -C /)
	if ! server_lives "$dir/pid"; then
		# after a SIGKILL the last children may live for a moment: the start is refused until they are gone
		local try
		for try in 1 2 3; do
			server_launch "$dir/pid" "$dir/log" "${as[@]}" "$pg_bin/postgres" -D "$dir/data"
			wait_for 60 pg_answers "$dir"
			server_lives "$dir/pid" && break
			grep -qs 'pre-existing shared memory\|lock file "postmaster.pid" already exists' "$dir/log" || break
			[ "$try" = 3 ] || wait_for 2 false
		done
	fi
	server_lives "$dir/pid" && pg_answers "$dir" || return 1
	if [ -s "$dir/scram" ] && [ -e "$dir/fresh" ]; then
		IFS=: read -r role password <<< "$(cat "$dir/scram")"
		pg_as "$pg_bin/psql" -qX -d "$(cat "$dir/address")" -c "create role \"$role\" login password '${password//\'/\'\'}'" || return 1
	fi
	if [ -e "$dir/pgqd/ini" ] && ! server_lives "$dir/pgqd/pid"; then
		server_launch "$dir/pgqd/pid" "$dir/pgqd/log" "${as[@]}" pgqd "$dir/pgqd/ini"
		server_lives "$dir/pgqd/pid" || return 1
	fi
}
