#!/bin/bash
# test: limit=600
# tests/integration/48-upgrades.sh: many upgrades of a set, by a role that has only the rights that docs/operations.md lists. First with the
# events of each version waiting in the queue: each is read in its own shape and says its version. Then under pgbench with a relay: nothing
# is lost or doubled, and no other set's relay restarts. PGSHOVEL_TEST_UPGRADES=200 does more of the latter (20).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/lib/load.sh
. tests/lib/load.sh

upgrades=${PGSHOVEL_TEST_UPGRADES:-20}
supervisor=''
line_begin pg zk kafka
line_database DB
line_prefix P
line_prefix Q
load_tables "$DB"
sql "$DB" -c 'update acc set bal = -1 where id = 1'
sql "$DB" -c 'create table calm (id int primary key)'

# ---- the role

ROLE=pgshovel_test_$SUFFIX
role_gone() {
	sql "$DB" -c "drop owned by $ROLE cascade" > "$T/role.log" 2>&1
	sql "$POSTGRES" -c "drop role if exists $ROLE" >> "$T/role.log" 2>&1 || diag "role $ROLE is left behind: $(cat "$T/role.log")"
}
sql "$POSTGRES" -c "create role $ROLE login"
at_exit role_gone
sql "$DB" -c "grant pgq_admin, pg_read_all_stats to $ROLE" -c "grant create on database \"${DB##*dbname=}\" to $ROLE" \
	-c "grant trigger on acc, ord, marks.mark, calm to $ROLE"
MINE=$(sed -E "s/user=[^ ]+/user=$ROLE/" <<< "$DB")
[ "$MINE" != "$DB" ] || MINE="$DB user=$ROLE"
nok 'the role cannot read a table' sql "$MINE" -c 'select from acc'

# shape I: the columns of the i-th version. Under load (above 20) secret stays out: a column that changes while it is not captured breaks the
# chain of the values before and after.
shape() {
	case $(($1 % 3 - ($1 > 20 && $1 % 3 == 2))) in
	0) echo id,bal ;;
	1) echo id,bal,owner ;;
	2) echo id,bal,owner,secret ;;
	esac
}

document() { # I: a version of its own for each I
	SET_EXTRA="relay = { batch_events = $((20000 + $1)); };" set_file shop "$P" "$MINE" "acc:$(shape "$1"):id" ord marks.mark
}

# ---- every version's events in the queue

ok 'cluster initialize' pgshovel cluster initialize
document 0 > "$T/0.pgshovel"
run pgshovel set create shop "$T/0.pgshovel"
like "$RC $ERR" '^78 .*"marks.mark" is in a schema that this role may not use; run GRANT USAGE ON SCHEMA' 'a schema that the role may not use'
sql "$DB" -c "grant usage on schema marks to $ROLE"
run pgshovel set create shop "$T/0.pgshovel"
is "$RC" 0 'set create by a role with only its grants' || diag "$ERR"
versions=("$OUT")
failed=''
sql "$DB" -c "update acc set bal = 0, owner = 'v0' where id = 1"
for ((i = 1; i <= 20; i++)); do
	document $i > "$T/$i.pgshovel"
	run pgshovel set upgrade "$T/$i.pgshovel"
	[ "$RC" = 0 ] || failed+="$i: $ERR; "
	versions+=("$OUT")
	sql "$DB" -c "update acc set bal = $i, owner = 'v$i', secret = 's$i' where id = 1" -c "insert into ord (id, acc) values (-$i, $i)"
done
is "$failed" '' '20 upgrades by it'
lines() { [ "$(wc -l < "$T/lines" 2> "$T/null")" -ge "$1" ]; }
: > "$T/lines"
pgshovel-kafka-relay --file "$T/lines" shop > "$T/file.log" 2>&1 &
relay=$!
show_log "$T/file.log"
ok 'a relay that starts now reads them all' wait_for 120 lines 41 || diag "$(wc -l < "$T/lines") lines"
kill -TERM $relay
wait $relay
for ((i = 0; i <= 20; i++)); do
	echo "$i $(cat VERSION)+${versions[i]} $(shape $i)"
done > "$T/wanted"
sql "$DB" > "$T/got" <<-SQL
	create temporary table lines (n int generated always as identity, line json);
	\\copy lines (line) from '$T/lines' with (format csv, delimiter e'\x02', quote e'\x01')
	select v -> 'after' ->> 'bal' || ' ' || (v -> 'source' ->> 'version') || ' ' || (select string_agg(k, ',') from json_object_keys(v -> 'after') k)
	from (select n, (line ->> 'value')::json as v from lines where line ->> 'topic' like '%.public.acc') x order by n;
SQL
is "$(cat "$T/got")" "$(cat "$T/wanted")" 'each event in the shape and with the version that captured it, in order'
sql "$DB" > "$T/got" <<-SQL
	create temporary table lines (n int generated always as identity, line json);
	\\copy lines (line) from '$T/lines' with (format csv, delimiter e'\x02', quote e'\x01')
	select v -> 'source' ->> 'version' from (select n, (line ->> 'value')::json as v from lines where line ->> 'topic' like '%.public.ord') x order by n;
SQL
is "$(cat "$T/got")" "$(sed 1d "$T/wanted" | cut -d ' ' -f 2)" 'also of a table that never changed'

# ---- under load, with a relay, beside another set

set_file calm "$Q" "$MINE" calm > "$T/calm.pgshovel"
ok 'another set' pgshovel set create calm "$T/calm.pgshovel"
pgshoveld_start supervisor --host "a$SUFFIX"
relay_of() { # SET: pid of its relay
	local kid
	# shellcheck disable=SC2013 # words are wanted
	for kid in $(cat "/proc/$supervisor/task/$supervisor/children" 2> "$T/null"); do
		{ tr '\0' '\n' < "/proc/$kid/cmdline"; } 2> "$T/null" | grep -qx "$1" && echo "$kid" && return
	done
	return 1
}
another() { # OLD: the relay of shop is another one
	local pid
	pid=$(relay_of shop) && [ "$pid" != "$1" ]
}
ok 'the relay delivers what was queued' load_delivered "$DB" "$P" 120
wait_for 60 relay_of calm > "$T/null" # started by itself, perhaps later than the one that delivered
calm=$(relay_of calm)
like "$calm" '^[0-9]+$' 'the other set has a relay'
load_start "$DB" "$((upgrades + upgrades / 4))"
failed=''
: > "$T/returned"
for ((i = 21; i <= 20 + upgrades; i++)); do
	old=$(relay_of shop)
	document $i > "$T/next.pgshovel"
	run pgshovel set upgrade "$T/next.pgshovel"
	echo "$OUT ${EPOCHREALTIME/[.,]/}" >> "$T/returned"
	[ "$RC" = 0 ] || failed+="$i: $ERR; "
	wait_for 120 another "$old" || failed+="$i: no new relay; "
done
is "$failed" '' "$upgrades upgrades under load, each with a new relay"
load_wait
is $? 0 'pgbench ends without an error'
like "$(cat "$T/load.log")" 'number of failed transactions: 0' 'no transaction of the application failed'
load_touch "$DB"
ok 'everything arrives' load_delivered "$DB" "$P" 120
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P" ord
ok 'no event twice, none missing in a chain' consume_prefix "$P" --check
is "$(relay_of calm)" "$calm" 'the relay of the other set was never restarted'
consume_prefix "$CLUSTER.shop" --dump 2> "$T/null" > "$T/positions"
diag "from the return of set upgrade to the first position of its version, ms: $(sql "$DB" <<-SQL
	create temporary table lines (line json);
	\\copy lines from '$T/positions' with (format csv, delimiter e'\x02', quote e'\x01')
	create temporary table returned (version text, at bigint);
	\\copy returned from '$T/returned' with (delimiter ' ')
	select format('p50 %s, p99 %s, most %s, of %s', percentile_disc(0.5) within group (order by ms), percentile_disc(0.99) within group (order by ms), max(ms), count(ms)) from
		(select ((select min((v ->> 'at')::bigint) from (select (line ->> 'value')::json as v from lines where line ->> 'value' is not null) p where left(v ->> 'version', 12) = r.version) - r.at) / 1000 as ms from returned r) x;
SQL
)"

# ---- and the end of it

pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
ok 'cluster verify by the same role' pgshovel cluster verify
ok 'set drop by it' pgshovel set drop shop
ok 'and of the other set' pgshovel set drop calm
is "$(sql "$DB" -c "select count(*) from pg_trigger where tgname like ' pgshovel%'")" 0 'nothing is left'
tap_done
