# shellcheck shell=bash
# tests/integration/capture-lib.sh: what the capture tests share: two databases with the files of sql/ installed by psql, calls of
# its functions as the admin program makes them, sessions that stay open. Sourced after tap.sh and line.sh; asserts nothing.

drop_roles() {
	[ -z "${SUFFIX:-}" ] || for role in shovel writer; do
		sql "$POSTGRES" -c "drop role if exists ${role}_$SUFFIX" > /dev/null 2>&1
	done
}
at_exit drop_roles
line_begin pg
show_log "$T/err"
export PGOPTIONS='-c client_min_messages=warning -c lock_timeout=10s -c statement_timeout=60s'
shovel=shovel_$SUFFIX
writer=writer_$SUFFIX
S=pgshovel_$CLUSTER
line_database PLAIN # an ordinary role, no event trigger
line_database DDL   # installed by a superuser, with the event trigger
sql "$POSTGRES" -c "create role $shovel in role pgq_admin" -c "create role $writer"

install_files() { # as admin does: all files in one transaction
	local file
	echo 'begin;'
	for file in sql/[0-9]*.sql; do
		sed "s/@SCHEMA@/\"$S\"/g; s/@CLUSTER@/$CLUSTER/g" "$file"
		echo
	done
	echo 'commit;'
}

as() { # ROLE CONNINFO [PSQL ARGS…]
	local role=$1
	shift
	PGOPTIONS="$PGOPTIONS -c role=$role" sql "$@"
}

db=$PLAIN
role=$shovel
q() { # as the owner of the schema
	as "$role" "$db" ${1+-c "$1"} 2>&1
}
app() { # as the application: superuser, or writer with "role" given
	sql "$db" ${1+-c "$1"} 2>&1
}

rollout() { # SET ID STATEMENTS: as a whole
	q "begin; select $S.rollout_open('$2', 'upgrade', '$1'); $3; prepare transaction 'pgshovel:$CLUSTER:$2:0'" > "$T/out" || return 1
	grep -v '^$' "$T/out" | tail -n 1
	q "commit prepared 'pgshovel:$CLUSTER:$2:0'"
}

add() { # SET TABLE COLUMNS KEY [MODE [ON_ERROR]]: the calls that put a table into a set, after its stubs
	echo "select $S.capture_replace('$1', $S.relation_add('$1', 'v', '$2', $3, $4, '${5:-row}', '${6:-fail}')) is null"
}

stub() { # SET TABLE COLUMNS [MODE]
	q "select bool_or($S.capture_stub('$1', t, $3, '${4:-row}')) from (select '$2'::regclass t union all select l from $S.capture_leaves('$2') l where l <> '$2'::regclass) x"
}

capture() { # SET TABLE COLUMNS KEY [MODE [ON_ERROR]]
	local out
	out=$(stub "$1" "$2" "$3" "${5:-row}") || { echo "$out"; return 1; }
	rollout "$1" "c$RANDOM$RANDOM$RANDOM" "$(add "$@")" > "$T/capture" || { cat "$T/out"; return 1; }
}

new_set() { # SET
	rollout "$1" "n$RANDOM$RANDOM$RANDOM" "select $S.set_create('$1', 'v', 'doc', 'n', 4)" > /dev/null || { cat "$T/out"; return 1; }
}

events() { # SET [COLUMNS [WHERE]]: since the last call
	local pfx last=${seen[$db.$1]:-0} out
	pfx=$(app "select queue_data_pfx from pgq.queue where queue_name = 'pgshovel:$CLUSTER:$1'")
	out=$(app "select ${2:-ev_type, ev_data, ev_extra2} from $pfx where ev_id > $last and ${3:-true} order by ev_id")
	seen[$db.$1]=$(app "select coalesce(max(ev_id), $last) from $pfx")
	EVENTS=$out
}
declare -A seen=()

problems() { # SET
	q "select coalesce(table_name, 'set') || ': ' || problem from $S.capture_check('$1')"
}

refused() { # NAME REGEX SQL: the statement fails with one line
	local out
	out=$(q "$3") && { fail "$1"; diag "no error: $out"; return; }
	like "$(grep -m 1 ERROR <<< "$out")" "$2" "$1"
}

# a session that stays open: open VAR ROLE; say VAR SQL waits for the answer, which is then in SAID
declare -A session_in=() session_out=()
open_session() { # VAR
	local fifo=$T/$1
	mkfifo "$fifo.in"
	psql -X -q -A -t -d "$db" < "$fifo.in" > "$fifo.out" 2>&1 &
	exec {fd}> "$fifo.in"
	session_in[$1]=$fd
	session_out[$1]=$fifo.out
}
said() {
	grep -q "^end of $2\$" "${session_out[$1]}"
}
say() { # VAR SQL
	local mark=$RANDOM$RANDOM
	: > "${session_out[$1]}"
	printf '%s\n;\n\\echo end of %s\n' "$2" "$mark" >&"${session_in[$1]}"
	wait_for 20 said "$1" "$mark" || diag "no answer to $2"
	SAID=$(tr -d '\0' < "${session_out[$1]}" | grep -v '^end of')
}
close_session() { # VAR
	local fd=${session_in[$1]}
	exec {fd}>&-
}

sql "$PLAIN" -c "grant create on database $(sql "$PLAIN" -c 'select current_database()') to $shovel" -c "grant usage, create on schema public to public"
sql "$DDL" -c "grant usage, create on schema public to public"
install_files > "$T/install.sql"
