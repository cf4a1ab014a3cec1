#!/bin/bash
# test: limit=600
# tests/integration/63-open-transactions.sh: rows written before the first relay arrive; a long transaction left open and a prepared
# one delay nobody, and their own rows arrive when they commit; a silent ticker stops nothing and is reported.
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

line_own # without a ticker
line_begin pg zk kafka
supervisor=
line_database DB
line_prefix P
load_tables "$DB"
set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel"
sql "$DB" -c "insert into ord (id, acc, amount) select -i, i, i from generate_series(1, 500) i"

coproc OPEN { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$DB" 2>&1; }
open=$OPEN_PID
echo "begin; insert into acc values (100005, 0, 'long'); select 'open';" >&"${OPEN[1]}"
read -r -t 20 state <&"${OPEN[0]}"
is "$state" open 'a transaction has written and stays open'
sql "$DB" -c "begin; insert into acc values (100006, 0, 'prepared'); prepare transaction 'test-$SUFFIX'"
pgshoveld_start supervisor --host "a$SUFFIX"
ok 'the rows of others arrive' load_delivered "$DB" "$P"
is "$(consume_prefix "$P" --dump | grep -c '\.public\.ord"')" 500 'rows written between set create and the first relay arrive'

latency() { # milliseconds from commit to reader, one row
	local begin=${EPOCHREALTIME/[.,]/}
	load_delivered "$DB" "$P" 20 > /dev/null || return 1
	echo $(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
}
quick() { # what delays rows delays each of them
	latency > "$T/latency" && grep -qE '^[0-9]{1,4}$' "$T/latency"
}
load_start "$DB" 10
ok 'under load too' load_delivered "$DB" "$P"
ok 'within seconds, reader start included' wait_for 60 quick || diag "$(cat "$T/latency") ms"
load_wait
is $? 0 'pgbench ends without an error'
is "$(consume_prefix "$P" --dump | grep -cE '"owner\\+":\\+"(long|prepared)')" 0 'nothing of the open transactions is visible'

echo "commit; select 'committed';" >&"${OPEN[1]}"
read -r -t 20 state <&"${OPEN[0]}"
echo '\q' >&"${OPEN[1]}"
wait "$open" 2> /dev/null
ok 'the long transaction commits' [ "$state" = committed ]
sql "$DB" -c "commit prepared 'test-$SUFFIX'"
load_touch "$DB"
ok 'everything arrives' load_delivered "$DB" "$P"
dump=$(consume_prefix "$P" --dump | grep '\.public\.acc"')
like "$dump" 'after\\":\{\\"id\\":100005,[^}]*owner\\":\\"long' 'the row of the long transaction'
like "$dump" 'after\\":\{\\"id\\":100006,[^}]*owner\\":\\"prepared' 'the row of the prepared transaction'
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal,owner
ok 'no event twice, chains hold' consume_prefix "$P" --check

silent() {
	pgshovel set status shop 2> /dev/null | grep -qi ticker
}
load_start "$DB" 14
load_wait
is $? 0 'pgbench runs without a ticker'
ok 'set status says that the ticker is silent' wait_for 60 silent
ok 'the relay says it in its log' grep -q 'no tick for' "$T/supervisor.log"
ticks=$(sql "$DB" -c 'select count(*) from pgq.tick')
ok 'the relay ticks by itself' [ "$ticks" -gt 2 ]
ok 'rows flow all the same' load_delivered "$DB" "$P"
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
