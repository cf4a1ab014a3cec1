#!/bin/bash
# test: limit=300
# tests/integration/46-poison.sh: an event that the brokers refuse for good stops the set and is named, or with on_poison = "quarantine" is put aside
# while the rest flows; event list, show, retry, discard.
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

# the brokers take less than the library sends
supervisor=
line_own kafka=--set=message.max.bytes=60000
line_begin pg zk kafka
line_database DB
line_prefix P
load_tables "$DB"
sql "$DB" -c 'create table doc (id int primary key, body text)'
describe() { # EXTRA
	SET_EXTRA=$1 set_file shop "$P" "$DB" doc acc:id,bal,owner ord marks.mark > "$T/shop.pgshovel"
}
describe ''
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel"
sql "$DB" <<-'SQL'
	-- hex digits of md5 lose half of their length by compression, not more
	create function noise(bytes int) returns text language sql as $$ select string_agg(md5(i::text || random()), '') from generate_series(1, bytes / 32) i $$;
	insert into doc select g, 'small ' || g from generate_series(1, 300) g;
	insert into doc values (1001, noise(300000));
	insert into doc select g, 'small ' || g from generate_series(301, 600) g;
	update doc set id = 1002, body = noise(300000) where id = 600;
	insert into doc select g, 'small ' || g from generate_series(601, 700) g;
SQL
ids() {
	sql "$DB" -c "select ev_id from pgq.event_template where length(ev_data) > 100000 order by 1"
}
read -r -d '' first second < <(ids; echo)
pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s

# ---- stop
parked() { # REGEX of the error
	pgshovel set status shop --json > "$T/status" && grep -q '"set":"shop","state":"parked"' "$T/status" && grep -qE "$1" "$T/status"
}
ok 'stop: the set is parked' wait_for 60 parked 'cannot be sent'
like "$(cat "$T/status")" '"code":78' 'stop: exit code 78'
like "$(cat "$T/supervisor.log")" "event $first of transaction [0-9]+, table \"public.doc\", key \{\"id\":1001\}, cannot be sent: .*too large" 'stop: the event is named, and why'
is "$(consume_prefix "$P" --dump 2> /dev/null | wc -l)" 0 'stop: nothing of its window is in Kafka'

# ---- quarantine
describe 'relay = { on_poison = "quarantine"; };'
ok 'set upgrade: on_poison = "quarantine"' pgshovel set upgrade "$T/shop.pgshovel"
load_touch "$DB"
ok 'quarantine: the rest flows' load_delivered "$DB" "$P" 60
consume_prefix "$P" --dump > "$T/dump" 2> /dev/null
rebuilt() {
	consume_prefix "$P" --rebuild "$P.public.doc" --columns id 2> /dev/null | sort
}
# the update that moved row 600 to 1002 is put aside whole: consumers keep row 600
rebuilt > "$T/rebuilt"
is "$(wc -l < "$T/rebuilt")" 700 'every other row is there, none is half of a change'
grep -F "\"topic\":\"$P.quarantine\"" "$T/dump" > "$T/skeletons"
is "$(wc -l < "$T/skeletons")" 2 'two skeletons'
like "$(sed -n 1p "$T/skeletons")" "ev_id.*$first.*1001.*too large" 'a skeleton: event, key, reason'
like "$(sed -n 2p "$T/skeletons")" "ev_id.*$second.*1002" 'the other one'
skeleton=$(sql "$DB" -v line="$(sed -n 1p "$T/skeletons")" <<< "select v->>'schema', v->>'table', v->>'op', v->'key'->>'id', v->>'ev_id', v ? 'txId', v->>'database' = current_database() from (select ((:'line'::jsonb)->>'value')::jsonb v) x")
is "$skeleton" "public|doc|c|1001|$first|t|t" 'a skeleton is JSON with its coordinates'
ok 'quarantine: no event twice, chains hold' consume_prefix "$P.public.acc" --check

run pgshovel event list shop
is "$RC $(wc -l <<< "$OUT")" '0 3' 'event list: two events' || diag "$OUT $ERR"
like "$OUT" "main +1 +kept +public.doc +I +$first " 'event list: a line'
run pgshovel event list shop --json
is "$(sql "$DB" -v text="$OUT" <<< "select string_agg(e->>'ev_id', ' ') from json_array_elements(:'text') e")" "$first $second" 'event list --json'
pgshovel event show shop 1 > "$T/event"
is "$? $(sed -nE 's/^new_row +\((1001),[0-9a-f]*\)$/\1/p' "$T/event") $(($(wc -c < "$T/event") > 300000))" '0 1001 1' 'event show: whole'
run pgshovel event show shop 99
like "$RC $ERR" '^78 .*no event 99' 'event show of what is not there'
run pgshovel event show shop 1x
is "$RC" 78 'event show of what is no number'

# ---- a restart sends nothing again, and keeps nothing twice
pgshoveld_stop "$supervisor" KILL
sql "$DB" -c "insert into doc values (2001, noise(300000)), (2002, 'small')"
pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
ok 'after a kill rows flow' load_delivered "$DB" "$P" 60
is "$(sql "$DB" -c "select count(*), count(distinct ev_id) from pgshovel_$CLUSTER.quarantine")" '3|3' 'each event is kept once'

# ---- discard and retry
run pgshovel event discard shop 1 --dry-run
is "$RC $OUT" '0 event 1 of set "shop" would be marked as never to be sent' 'discard --dry-run'
run pgshovel event retry shop 1 --dry-run
is "$RC $OUT" '0 event 1 of set "shop" would be put into the queue again' 'retry --dry-run'
run pgshovel event discard shop 1
is "$RC" 0 'discard' || diag "$ERR"
run pgshovel event discard shop 1
like "$RC $ERR" '^78 .*discarded already' 'discard again is an error'
run pgshovel event retry shop 1
like "$RC $ERR" '^78 .*discarded already' 'a discarded event is not retried'
run pgshovel event retry shop 3
is "$RC" 0 'retry' || diag "$ERR"
again() {
	[ "$(sql "$DB" -c "select count(*) from pgshovel_$CLUSTER.quarantine where state = 'kept' and new_row like '(2001,%'")" = 1 ]
}
ok 'retried as it was it comes back as another event' wait_for 40 again
# a cure: what is retried is small now
sql "$DB" -c "update pgshovel_$CLUSTER.quarantine set new_row = '(2001,cured)' where state = 'kept' and new_row like '(2001,%'"
run pgshovel event retry shop "$(sql "$DB" -c "select max(id) from pgshovel_$CLUSTER.quarantine")"
is "$RC" 0 'retry of an event that fits' || diag "$ERR"
cured() {
	consume_prefix "$P" --dump 2> /dev/null | grep -qF cured
}
ok 'retry: it is sent' wait_for 40 cured
is "$(sql "$DB" -c "select string_agg(state, ' ' order by id) from pgshovel_$CLUSTER.quarantine")" 'discarded kept retried retried' 'the states'

sql "$DB" -c "update pgshovel_$CLUSTER.quarantine set at = at - interval '31 days'"

# ---- found before it is sent: a row over the library's limit
sql "$DB" -c "insert into doc values (3001, repeat('x', 1100000)), (3002, 'small')"
ok 'a row over message.max.bytes: the rest flows' load_delivered "$DB" "$P" 60
run pgshovel event list shop
like "$OUT" 'kept +public.doc .*may have [0-9]+ bytes at most' 'it is in quarantine'
is "$(sql "$DB" -c "select string_agg(state, ' ' order by id) from pgshovel_$CLUSTER.quarantine")" 'kept kept' 'what was decided a month ago is gone'
sql "$DB" -c "update doc set id = 3003, body = repeat('x', 1100000) where id = 3002"
ok 'a change of the key whose new row is too large: the rest flows' load_delivered "$DB" "$P" 60
rebuilt > "$T/rebuilt"
is "$(grep -c 3002 "$T/rebuilt") $(grep -c 3003 "$T/rebuilt")" '1 0' 'the change is put aside whole: consumers keep the old key'
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
