#!/bin/bash
# test: limit=600
# tests/integration/45-position.sh: a position that does not belong to its database stops the set with exit 78 and both sides named;
# "set position" shows, accepts or resets; ordinary restarts never raise it.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh

line_begin zk kafka
# PostgreSQL of its own: its data folder is put back
server_start pg "$T/servers" > /dev/null || { diag 'PostgreSQL did not start'; exit 1; }
POSTGRES=$(server_address pg "$T/servers")
line_database DB
line_prefix P
sql "$DB" -c 'create table acc (id int primary key, n int)'
set_file shop "$P" "$DB" acc > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel"
supervisor=

start() {
	pgshoveld_start supervisor --host "a$SUFFIX" --session-timeout 4s
}

sent() { # ID: how many events of this row
	consume_prefix "$P" --dump 2> /dev/null | grep -cF "{\\\"id\\\":$1,\\\"n\\\""
}

is_there() { # ID
	[ "$(sent "$1")" -gt 0 ]
}

put() { # ID
	sql "$DB" -c "insert into acc values ($1, 0)"
}

parked() { # REGEX of the error
	pgshovel set status shop --json > "$T/status" && grep -q '"set":"shop","state":"parked"' "$T/status" && grep -qE "$1" "$T/status"
}

hint() {
	sql "$DB" -c "select $1 from pgshovel_$CLUSTER.hint"
}

moved() { # OLD: the hint is another now
	[ "$(hint nonce)" != "$1" ]
}

start
put 1
ok 'a row arrives' wait_for 90 is_there 1

# ---- ordinary restarts
for signal in TERM KILL; do
	pgshoveld_stop "$supervisor" "$signal"
	start
	put "1$signal" 2> /dev/null || put $((RANDOM + 1000))
done
server_restart pg "$T/servers" > /dev/null
wait_for 60 put 2
ok 'after restarts of relay, supervisor and database rows flow' wait_for 90 is_there 2
run pgshovel set position shop
is "$RC" 0 'set position: exit 0' || diag "$ERR"
like "$OUT" 'the position is good' 'set position: says so'
run pgshovel set position shop --accept --yes
like "$RC $OUT" '^0 .*nothing was changed' 'accepting a good position changes nothing' || diag "$ERR"
put 3
ok 'and rows go on flowing' wait_for 90 is_there 3
unlike "$(cat "$T/supervisor.log")" 'operator decides' 'no restart raised the alarm'

# ---- the data folder of an hour ago is put back
server_stop pg "$T/servers" > /dev/null
cp -a "$T/servers/pg/data" "$T/old" && rm -f "$T/old/postmaster.pid"
server_start pg "$T/servers" > /dev/null
sql "$DB" -c 'insert into acc select g, 0 from generate_series(100, 140) g' -c 'update acc set n = 1'
for id in 150 151 152; do put $id; done
ok 'rows of the time that will be lost arrive' wait_for 90 is_there 152
old=$(hint nonce)
wait_for 10 moved "$old"
server_stop pg "$T/servers" > /dev/null
rm -rf "$T/servers/pg/data" && mv "$T/old" "$T/servers/pg/data"
server_start pg "$T/servers" > /dev/null
ok 'a restored database: the set is parked' wait_for 60 parked 'back in time|older state'
like "$(cat "$T/supervisor.log")" '"main" (is only at|\(marks)|unknown to database "main"' 'the log names both sides'
like "$(cat "$T/supervisor.log")" '"pgshovel set position" shows' 'and what to do'
like "$(cat "$T/status")" '"code":78' 'exit code 78'
put 200
run pgshovel set position shop
is "$RC" 78 'set position: exit 78'
like "$OUT" 'database "main": refused: the position' 'says why'
like "$OUT" 'WAL position +[0-9A-F]+/[0-9A-F]+ +[0-9A-F]+/[0-9A-F]+' 'shows both sides'
run pgshovel set position shop --json
is "$(sql "$DB" -v text="$OUT" <<< "select :'text'::json->0->>'verdict', (:'text'::json->0->'kafka'->>'lsn')::pg_lsn > (:'text'::json->0->'source'->>'lsn')::pg_lsn")" 'refused|t' 'the same as JSON'
run pgshovel set position shop --accept --yes
like "$RC $ERR" '^78 .*still to be made' 'a position ahead of the database cannot be accepted'
run pgshovel set position shop --reset
like "$RC $ERR" '^78 .*--yes' 'a reset without --yes changes nothing'
like "$OUT" 'come twice' 'but says what it would do'
is "$(sent 200)" 0 'and nothing flows'
run pgshovel set position shop --reset --yes --dry-run
like "$RC $OUT" '^0 .*reset from queue: all [1-9][0-9]* events' 'a dry run says what it would do'
is "$(sql "$DB" -c "select prev_nonce is not null or nonce is not null from pgshovel_$CLUSTER.hint")" t 'and changes nothing'
run pgshovel set position shop --reset --yes
is "$RC" 0 'reset' || diag "$ERR"
like "$OUT" 'reset from queue: all [1-9][0-9]* events' 'reset: says what comes twice'
ok 'reset: what was written while parked arrives, at once' wait_for 90 is_there 200
put 201
ok 'and rows flow' wait_for 90 is_there 201
run pgshovel set position shop
is "$RC" 0 'the position is good again' || diag "$OUT $ERR"

# ---- the positions topic is deleted
pgshoveld_stop "$supervisor"
kafkatool --brokers "$KAFKA" delete "$CLUSTER.shop.positions"
put 300
start
ok 'a deleted positions topic: the set is parked' wait_for 60 parked 'holds no position of database'
like "$(cat "$T/status")" '"code":78' 'exit code 78'
run pgshovel set position shop --accept --yes
like "$RC $ERR" '^78 .*no position' 'there is nothing to accept'
run pgshovel set position shop --reset --from now --yes
is "$RC" 0 'reset from now' || diag "$ERR"
like "$OUT" 'skipped: of [1-9]' 'says what is skipped'
put 301
ok 'what comes later arrives' wait_for 90 is_there 301
is "$(sent 300)" 0 'what was in the queue does not'

# ---- asked while a relay moves both sides
PGSHOVEL_STOP_AT=asked_source PGSHOVEL_STOP_FILE=$T/asked pgshovel set position shop > "$T/shown" 2>&1 &
asking=$!
if wait_for 60 test -s "$T/asked"; then
	for id in 310 311 312; do
		old=$(hint nonce)
		put $id
		ok "row $id arrives and the hint moves" wait_for 60 moved "$old"
	done
	kill -CONT "$(awk '{ print $2 }' "$T/asked")"
	wait "$asking"
	is $? 0 'set position meanwhile: exit 0' || diag "$(cat "$T/shown")"
	like "$(cat "$T/shown")" 'the position is good' 'the position is good'
else
	skip 'asked while a relay moves both sides' 'no steps in this build'
fi

# ---- the hint is older than the position
put 400
ok 'rows flow' wait_for 90 is_there 400
pgshoveld_stop "$supervisor"
sql "$DB" -c "update pgshovel_$CLUSTER.hint set nonce = md5('older'), prev_nonce = md5('oldest')"
put 401
start
ok 'an older hint: the set is parked' wait_for 60 parked 'unknown to database'
is "$(sent 401)" 0 'nothing flows'
run pgshovel set position shop --accept --yes
is "$RC" 0 'accept' || diag "$ERR"
like "$OUT" 'goes on from Kafka' 'says what it does'
ok 'rows flow, at once' wait_for 90 is_there 401
is "$(sent 400) $(sent 401)" '1 1' 'nothing came twice'
run pgshovel set position shop --from nowhere --reset
is "$RC" 64 'a wrong place is a usage error'
pgshoveld_stop "$supervisor"
start
put 402
ok 'a restart afterwards goes on' wait_for 90 is_there 402

# ---- under a relay that works: it is ended, and begins where it was told to
run pgshovel set position shop --reset --from now --yes
is "$RC" 0 'reset while the relay works' || diag "$ERR"
put 403
ok 'it goes on by itself' wait_for 90 is_there 403
is "$(sent 402) $(sent 403)" '1 1' 'from where it was told to'
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
