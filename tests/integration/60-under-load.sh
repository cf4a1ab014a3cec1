#!/bin/bash
# test: limit=600
# tests/integration/60-under-load.sh: a set is created, upgraded (a column removed, a table added) and dropped while pgbench -c 8
# writes for 30 s: no write fails, the topics' rows equal the tables', each `before` is the last `after` of its key.
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

line_begin pg zk kafka
supervisor=
line_database DB
line_prefix P
load_tables "$DB"
set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark > "$T/first.pgshovel"
set_file shop "$P" "$DB" acc:id,bal ord marks.mark extra > "$T/second.pgshovel"
sql "$DB" -c 'create table extra (id int primary key, v text)'

ok 'cluster initialize' pgshovel cluster initialize
pgshoveld_start supervisor --host "a$SUFFIX"
load_start "$DB" 30

run pgshovel set create shop "$T/first.pgshovel"
is "$RC" 0 'set create under load'
first=$OUT
ok 'its rows arrive' load_delivered "$DB" "$P"
load_touch "$DB"
ok 'a change of every row arrives' load_delivered "$DB" "$P"

run pgshovel set upgrade "$T/second.pgshovel"
is "$RC" 0 'set upgrade under load'
isnt "$OUT" "$first" 'it has another version'
sql "$DB" -c "insert into extra select i, 'x' || i from generate_series(1, 100) i; update extra set v = null where id = 7; delete from extra where id = 8"
load_touch "$DB"
ok 'rows written after the upgrade arrive' load_delivered "$DB" "$P"

load_wait
is $? 0 'pgbench ends without an error'
like "$(cat "$T/load.log")" 'number of failed transactions: 0' 'no transaction of the application failed'
sql "$DB" -c "update ord set amount = amount + 1"
ok 'everything arrives' load_delivered "$DB" "$P"
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal
ok 'ord: rows from Kafka equal the table' load_same "$DB" "$P" ord
ok 'extra: rows from Kafka equal the table' load_same "$DB" "$P" extra
ok 'no event twice, chains hold' consume_prefix "$P" --check

last=$(consume_prefix "$P" --dump | grep '\.public\.acc"' | tail -n 1)
unlike "$last" 'owner ' 'the removed column is gone from the stream'
is "$(sql "$DB" -c "select count(*) from pgq.event_$(sql "$DB" -c "select queue_id from pgq.queue") where concat(ev_data, ev_extra2) like '%alone%'")" 0 'the unlisted column is nowhere in the queue'

load_start "$DB" 8
ok 'the relay goes on' load_delivered "$DB" "$P"
ok 'set drop under load' pgshovel set drop shop
load_wait
is $? 0 'pgbench ends without an error during the drop'
like "$(cat "$T/load.log")" 'number of failed transactions: 0' 'no transaction failed during the drop'
is "$(sql "$DB" -c "select count(*) from pg_trigger where tgname like '%pgshovel%'")" 0 'no trigger is left'
is "$(sql "$DB" -c "select count(*) from pgq.queue")" 0 'no queue is left'
is "$(sql "$DB" -c "select count(*) from pg_prepared_xacts where database = current_database()")" 0 'no prepared transaction is left'
ok 'chains hold to the end' consume_prefix "$P" --check
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
