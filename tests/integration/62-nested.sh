#!/bin/bash
# test: limit=240
# tests/integration/62-nested.sh: user triggers that write the captured table again, keys deleted and inserted again in one
# transaction, repeatable-read transactions older than the set: no write fails, chains hold, rows are equal.
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
sql "$DB" <<-'SQL'
	create table nested (id int primary key, v text, n int not null default 0);
	-- the counter-example of row triggers: a statement touches rows 1 and 2, the trigger of row 1 writes row 2
	create function again() returns trigger language plpgsql as $$ begin
		if new.n < 3 then update nested set n = n + 1, v = v || '+' where id = new.id % 5 + 1; end if; return null; end $$;
	create trigger again after insert or update on nested for each row when (new.n < 3) execute function again();
	create table tree (id int primary key, parent int references tree on delete cascade on update cascade);
SQL
set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark nested tree > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize

# a repeatable-read transaction that is older than the set and writes after it
coproc OLD { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$DB" 2>&1; }
old=$OLD_PID
echo "begin isolation level repeatable read; select count(*) from acc;" >&"${OLD[1]}"
read -r -t 20 count <&"${OLD[0]}"
is "$count" 1000 'a repeatable-read transaction has its snapshot'
ok 'set create while it is open' pgshovel set create shop "$T/shop.pgshovel"
echo "update acc set bal = 4711 where id = 1; insert into ord (id, acc, amount) values (1, 1, 1); select 'wrote'; commit; select 'committed';" >&"${OLD[1]}"
read -r -t 20 wrote <&"${OLD[0]}"
read -r -t 20 committed <&"${OLD[0]}"
is "$wrote $committed" 'wrote committed' 'its writes do not fail'
echo '\q' >&"${OLD[1]}"
wait "$old" 2> /dev/null

sql "$DB" <<-'SQL'
	insert into nested select i, 'v' from generate_series(1, 5) i;
	update nested set v = v || '!', n = 0;
	update nested set n = 0 where id in (1, 2);
	begin; update nested set v = 'x' where id = 3; delete from nested where id = 3; insert into nested values (3, 'new', 9); update nested set v = 'newer' where id = 3; commit;
	begin; delete from nested where id = 4; insert into nested values (4, 'four', 9); delete from nested where id = 4; commit;
	begin; insert into ord (id, acc, amount) values (2, 1, 1); delete from ord where id = 2; insert into ord (id, acc, amount) values (2, 2, 2); commit;
	begin; update ord set id = 3 where id = 2; update ord set id = 2 where id = 3; commit;
	insert into tree values (1, null), (2, 1), (3, 2), (4, 3), (5, null);
	update tree set id = 10 where id = 1;
	delete from tree where id = 2;
SQL
is $? 0 'user triggers, keys deleted and inserted again, cascades: no write fails'
pgshoveld_start supervisor --host "a$SUFFIX"
ok 'everything arrives' load_delivered "$DB" "$P"
for i in 1 2 3 4 5; do
	sql "$DB" -c "begin; update nested set v = 'round $i', n = 0; update nested set n = 0 where id > 2; delete from nested where id = 5; insert into nested values (5, 'r$i', 9); commit"
done
ok 'everything arrives live' load_delivered "$DB" "$P"
like "$(sql "$DB" -c "select n from nested where id = 1")" '^[0-9]+$' 'the user trigger ran'
load_touch "$DB"
ok 'each row has an event' load_delivered "$DB" "$P"
for table in nested tree ord; do
	ok "$table: rows from Kafka equal the table" load_same "$DB" "$P" "$table"
done
ok 'acc: rows from Kafka equal the table' load_same "$DB" "$P" acc id,bal,owner
ok 'no event twice, each before is the last after of its key' consume_prefix "$P" --check
is "$(consume_prefix "$P" --dump | grep -c '4711')" 2 'the write of the older transaction is there, as after and as the next before'
pgshoveld_stop "$supervisor"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
