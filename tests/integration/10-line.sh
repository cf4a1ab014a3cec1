#!/bin/bash
# tests/integration/10-line.sh: the commands of the README, as a user types them, from an empty cluster to a dropped set, through the three programs.
# test: limit=300
set -u
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/line.sh"
. "$(dirname "$0")/../lib/rows.sh"

line_begin
line_database DB
line_prefix PREFIX

# One line on stderr, nothing on stdout, this exit status.
refused() { # STATUS REGEX NAME
	is "$RC $(wc -l <<< "$ERR") ${#OUT}" "$1 1 0" "$3: exit status $1, one line" || diag "stderr: $ERR"
	like "$ERR" "$2" "$3: says why"
}

equal() { # TABLE KEY [COLUMNS]: the rows rebuilt from Kafka are the table's
	rows_of "$DB" "$1" "$2" "${3:-}" > "$T/source"
	consume_prefix "$PREFIX" --check --complete --rebuild "$PREFIX.$1" ${3:+--columns "$3"} > "$T/rebuilt" 2> "$T/checked" &&
		cmp -s "$T/source" "$T/rebuilt"
}

# arrives SECONDS TABLE KEY [COLUMNS] NAME: the copy becomes equal, and the stream obeys every rule
arrives() {
	local name=${*: -1}
	set -- "${@:1:$#-1}"
	if wait_for "$1" equal "${@:2}"; then
		pass "$name"
	else
		fail "$name"
		diag "$(cat "$T/checked"; diff "$T/source" "$T/rebuilt" | head -n 6)"
	fi
}

sql "$DB" <<-'SQL'
	create table accounts (id int primary key, owner text not null, balance bigint, secret text);
	create table audit (id bigint generated always as identity primary key, what text, at timestamp default now());
	create table later (a int, b text, primary key (a, b), c boolean);
SQL
set_file example "$PREFIX" "$DB" public.accounts:id,owner,balance:id public.audit > "$T/example.pgshovel"

# ---- before there is a cluster
run pgshovel set list
refused 78 "\"$CLUSTER\"|initialize" "set list without a cluster"
run pgshovel --version
like "$RC $OUT" '^0 .*[0-9]+\.[0-9]+\.[0-9]+' "--version on stdout"
run pgshovel set create --no-such-option
like "$RC" '^64$' "an unknown option is a usage error"
run pgshovel config check "$T/example.pgshovel"
is "$RC" 0 "config check: without servers" || diag "$ERR"

# ---- cluster
run pgshovel cluster initialize
is "$RC" 0 "cluster initialize" || diag "$ERR"
before=$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER")
run pgshovel cluster initialize
refused 78 'already exists' "cluster initialize again"
is "$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER")" "$before" "cluster initialize again: nothing changed"

# ---- set create
run pgshovel set create example "$T/example.pgshovel" --dry-run
like "$RC $OUT" '^0 .*accounts' "dry run: the plan on stdout" || diag "$ERR"
like "$OUT" '[Ll]ock|LOCK' "dry run: says which locks"
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/sets")" "" "dry run: no set in ZooKeeper"
is "$(sql "$DB" -c "select count(*) from pg_trigger where tgname like ' pgshovel%'")" 0 "dry run: no trigger"
sed 's/public.audit/public.nothing/' "$T/example.pgshovel" > "$T/bad.pgshovel"
run pgshovel set create example "$T/bad.pgshovel"
refused 78 'nothing' "set create with a table that does not exist"
run pgshovel set create example "$T/example.pgshovel"
is "$RC" 0 "set create" || { diag "$ERR"; exit 1; }
like "$OUT" '[0-9a-f]{12}' "set create prints the version"
version=$(grep -oE '[0-9a-f]{12,64}' <<< "$OUT" | head -n 1 | cut -c1-12)
run pgshovel set create example "$T/example.pgshovel"
refused 78 'exists' "set create again"
is "$(sql "$DB" -c 'select count(*) from pg_prepared_xacts where database = current_database()')" 0 "no prepared transaction is left"

# ---- writes before any relay runs; what is not listed stays away
sql "$DB" <<-'SQL'
	insert into accounts select g, 'owner ' || g, g * 100, 'hush-hush-' || g from generate_series(1, 50) g;
	update accounts set balance = balance + 1 where id % 5 = 0;
	delete from accounts where id = 7;
	insert into accounts values (7, 'again', null, 'hush-hush');
	update accounts set id = 1007 where id = 17;
	insert into audit (what) values ('first'), ('second');
SQL
events() {
	sql "$DB" -c 'select count(*) from pgq.event_template' # the parent of every queue's tables
}
before=$(events)
sql "$DB" -c "update accounts set secret = 'hush-hush-new'"
is "$(events)" "$before" "an update of an unlisted column alone writes no event"
isnt "$before" 0 "events are in the queue"
is "$(sql "$DB" -c "select count(*) from pgq.event_template e where e::text like '%hush-hush%'")" 0 "an unlisted column is not in the queue"

# ---- list and inspect
run pgshovel set list
like "$RC $OUT" "^0 .*example" "set list: the name" || diag "$ERR"
like "$OUT" "$version" "set list: the version"
run pgshovel set list --json
is "$(sql "$DB" -v text="$OUT" <<< "select json_typeof(:'text'::json) is not null")" t "set list --json is JSON"
run pgshovel set inspect example
like "$RC $OUT" '^0 .*public\.accounts' "set inspect: the document on stdout" || diag "$ERR"
like "$ERR" "$version" "set inspect: the version on stderr"
ok "an inspected document passes config check" pgshovel config check - <<< "$OUT"
pgshovel set inspect example 2> "$T/null" | pgshovel set upgrade example - > "$T/out" 2>&1
is "${PIPESTATUS[*]}" "0 0" "inspect | upgrade"
like "$(cat "$T/out")" 'unchanged' "inspect | upgrade says unchanged"
run pgshovel set inspect nosuch
refused 78 'nosuch' "set inspect of an unknown set"
run pgshovel-kafka-relay nosuch
is "$RC" 78 "a relay of an unknown set" || diag "$ERR"

# ---- the records without Kafka
pgshovel-kafka-relay --stdout example > "$T/stdout" 2> "$T/stdout.err" &
pid=$!
has_lines() {
	[ "$(wc -l < "$T/stdout")" -ge 64 ]
}
ok "--stdout writes the records" wait_for 60 has_lines || diag "$(tail -n 5 "$T/stdout.err")"
pgshoveld_stop $pid
is "$(sql "$DB" <<-SQL
	create temporary table lines (line json);
	\\copy lines from '$T/stdout' with (format csv, delimiter e'\x02', quote e'\x01')
	select distinct string_agg(name, ' ' order by name) from (select row_number() over () n, line from lines) l, json_object_keys(line) name group by n;
SQL
)" "headers key topic value" "--stdout writes JSON lines"

# ---- a relay by hand
pgshovel-kafka-relay example > "$T/relay.log" 2>&1 &
pid=$!
show_log "$T/relay.log"
arrives 90 public.accounts id id,owner,balance "what was written before the first relay arrives, in order"
arrives 60 public.audit id "all columns of a table, in order"
sql "$DB" -c "insert into accounts select g, 'more', 1 from generate_series(2001, 2100) g" -c 'truncate audit' -c "insert into audit (what) values ('after the truncate')"
arrives 60 public.accounts id id,owner,balance "what is written while it runs arrives"
arrives 60 public.audit id "a truncate arrives"
# the rule of one owner: a second relay for the same set waits
pgshoveld_stop $pid # not in a subshell: the status is asked by the shell that started it
is $? 0 "SIGTERM ends a relay by hand"

# ---- the supervisor, and an upgrade under load
pgshoveld_start SUPERVISOR
sql "$DB" -c "create table load (id int primary key, n int)" -c "insert into load select g, 0 from generate_series(1, 20) g"
load() {
	local i
	for ((i = 0; i < 300; i++)); do
		echo "update accounts set balance = coalesce(balance, 0) + $i where id = $((i % 50 + 1)); insert into later values ($i, 'x', true) on conflict do nothing;"
	done | sql "$DB"
}
load &
loader=$!
run pgshovel set upgrade "example@000000000000" "$T/example.pgshovel"
refused 78 "$version" "upgrade of a version that the set is not at"
set_file example "$PREFIX" "$DB" public.accounts:id,balance:id public.audit public.later > "$T/new.pgshovel"
run pgshovel set upgrade "$T/new.pgshovel"
is "$RC" 0 "set upgrade: a column goes, a table comes; the name is the file's" || diag "$ERR"
new=$(pgshovel set inspect example 2>&1 > "$T/null" | grep -oE '[0-9a-f]{12,64}' | head -n 1 | cut -c1-12)
isnt "$new" "$version" "set upgrade: another version"
wait $loader
is $? 0 "no write failed during the upgrade"
sql "$DB" -c "insert into later values (-1, 'after', false)"
arrives 90 public.accounts id id,balance "after the upgrade the copy is equal"
late_row() {
	consume_prefix "$PREFIX" --rebuild "$PREFIX.public.later" 2> "$T/null" | grep -q after
}
ok "the table that came flows" wait_for 60 late_row
ok "set update is the same command" pgshovel set update "example@$new" "$T/new.pgshovel"

# ---- drop
run pgshovel set drop example
is "$RC" 0 "set drop" || diag "$ERR"
is "$(sql "$DB" -c "select count(*) from pg_trigger where tgname like ' pgshovel%'")" 0 "drop: no trigger is left"
is "$(sql "$DB" -c "select count(*) from pgq.queue")" 0 "drop: no queue is left"
is "$(sql "$DB" -c "select count(*) from pgq.consumer c join pgq.subscription s on sub_consumer = co_id")" 0 "drop: no consumer is left"
is "$(sql "$DB" -c 'select count(*) from pg_prepared_xacts where database = current_database()')" 0 "drop: no prepared transaction is left"
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/sets")" "" "drop: no set in ZooKeeper"
no_worker() {
	[ -z "$(server_kids "$SUPERVISOR")" ]
}
ok "drop: the relay ends" wait_for 60 no_worker
like "$(consume_prefix "$CLUSTER.example" --dump 2>&1 | tail -n 1)" '"value":null' "drop: the position is forgotten"
like "$(kafkatool --brokers "$KAFKA" list "$PREFIX.")" 'public.accounts' "drop: the data topics stay"
ok "writes go on" sql "$DB" -c "insert into accounts values (9999, 'x', 1)"
pgshoveld_stop "$SUPERVISOR"
is $? 0 "SIGTERM ends the supervisor"
run pgshovel set list
is "$RC" 0 "an empty list is no error"
tap_done
