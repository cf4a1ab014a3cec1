# shellcheck shell=bash
# tests/integration/tables-lib.sh: what 78-tables.sh works with: its tables and their writers, and records of Kafka as rows of a database, about
# which questions are asked in SQL. Sourced after load.sh; asserts nothing. Everything about records is in schema chk of DB.
#
#   tables_make, types_make CONNINFO   the tables; ty.src and ty.src2 hold the inputs of the golden files, ids of the latter + 1000
#   tables_load, moved_load CONNINFO   sessions that write until writers_end tables, moved: true when no statement failed
#   bound TABLE…; ddl TABLE SQL        the shape of a table from this event id on; DDL, and the shape from it on. Adds to $failed
#   says SET REGEX                     set status
#   load_delivered_single CONNINFO PREFIX, prefix_has PREFIX TEXT   as in load.sh
#   lines_load CONNINFO PREFIX         all records into chk.ev and chk.border; lines SQL asks about them
#   rows_same PREFIX SCHEMA.TABLE KEYS rows rebuilt from those records equal the table
#   lines_NAME                         what is wrong, a line each, or a number, see there

declare -A writers=()

tables_make() { # CONNINFO
	sql "$1" <<-'SQL'
		create sequence ids start 10000;
		create table w (id int primary key, a int, b text default 'x', c int);
		create table x (like w including all);
		create table part (id int, day date, v int, primary key (id, day)) partition by range (day);
		create table part_1 partition of part for values from ('2026-01-01') to ('2026-02-01');
		create table part_2 partition of part for values from ('2026-02-01') to ('2026-03-01');
		create table leafy (id int, day date, v int, primary key (id, day)) partition by range (day);
		create table leafy_1 partition of leafy for values from ('2026-01-01') to ('2026-02-01');
		create table leafy_2 partition of leafy for values from ('2026-02-01') to ('2026-03-01');
		create table nk (a int, b text);
		create schema s2;
		create type s2.mood as enum ('sad', 'glad');
		create domain s2.dom as int;
		create table gen (id int generated always as identity primary key, a int, g int generated always as (a * 2) stored, m s2.mood default 'sad', k s2.dom default 3);
		create table par (p int, z int);
		create table kid (id int primary key) inherits (par);
		create table ren (id int primary key, a int);
		create view ren_v as select * from ren; -- its writers do not care what the table is called
		create table gone (id int primary key, v text);
		insert into w select i, 0, 'x', 0 from generate_series(1, 200) i;
		insert into x select i, 0, 'x', 0 from generate_series(1, 200) i;
		insert into kid select 0, 0, i from generate_series(1, 200) i;
		insert into gen (a) select 0 from generate_series(1, 200) i;
		insert into ren select i, 0 from generate_series(1, 200) i;
		insert into part select c * 1000 + i, '2026-01-10', 0 from generate_series(0, 2) c, generate_series(1, 40) i;
		insert into leafy select * from part;
		create schema chk;
		create table chk.bound (tab text, ev_id bigint, shape text);
		create function chk.shape_of(tab text) returns text language sql as $$
			select string_agg(attname, ',' order by attnum) from pg_attribute
			where attrelid = tab::regclass and attnum > 0 and not attisdropped and (tab <> 'x' or attnum <= 3)
		$$;
	SQL
}

writers_start() { # NAME CONNINFO CLIENTS SCRIPT
	show_log "$T/$1.log"
	pgbench -n --verbose-errors -c "$3" -j 2 -T 3600 -f "$4" "$2" > "$T/$1.log" 2>&1 &
	writers[$1]=$!
}

writers_end() { # NAME: they work until they are told to end, so that nothing depends on the speed of the machine
	kill -TERM "${writers[$1]}" 2> "$T/null" || { echo 'they ended before'; return 1; }
	wait_for 60 server_process_gone "${writers[$1]}"
	! grep -iE 'error|abort|fatal' "$T/$1.log"
}

tables_load() { # CONNINFO
	cat > "$T/tables.sql" <<-'SQL'
		\set id random(1, 200)
		\set own :client_id * 1000 + random(1, 40)
		\set half random(1, 2)
		begin;
		update w set a = a + 1 where id = :id;
		update x set a = a + 1 where id = :id;
		select nextval('ids') as new \gset
		insert into w (id, a) values (:new, 0);
		commit;
		begin;
		update part set v = v + 1, day = case :half when 1 then date '2026-01-10' else date '2026-02-10' end where id = :own;
		update leafy set v = v + 1, day = case :half when 1 then date '2026-01-10' else date '2026-02-10' end where id = :own;
		commit;
		insert into nk values (:own, 'x');
		update nk set b = b || :half where a = :own and length(b) < 5;
		\if :half = 1
		delete from nk where a = :own;
		\endif
		insert into gen (a) values (:id);
		update gen set a = a + 1 where id = :id;
		update kid set p = p + 1 where id = :id;
	SQL
	writers_start tables "$1" 3 "$T/tables.sql"
}

moved_load() { # CONNINFO
	cat > "$T/moved.sql" <<-'SQL'
		\set id random(1, 200)
		update ren_v set a = a + 1 where id = :id;
		insert into ren_v values (nextval('ids'), 0);
	SQL
	writers_start moved "$1" 3 "$T/moved.sql"
}

# shellcheck disable=SC2154 # DB and T are the test's
tables_seq() {
	sql "$DB" -c "select queue_event_seq from pgq.queue where queue_name = 'pgshovel:$CLUSTER:many'"
}

bound() { # TABLE…
	local table
	for table; do
		sql "$DB" -c "insert into chk.bound values ('$table', 0, chk.shape_of('$table'))"
	done
	tables_touch
}

# An event of each table in the present shape, whatever the writers do.
tables_touch() {
	sql "$DB" -c "update w set a = a + 1 where id = 1; update x set a = a + 1 where id = 1; update part set v = v + 1 where id = 1; update gen set a = a + 1 where id = 1; update kid set p = p + 1 where id = 1; insert into nk values (-1, 'x')"
}

tables_past() { # ID: the writers have come so far
	[ "$(sql "$DB" -c 'select last_value from ids')" -gt "$1" ]
}

ddl() { # TABLE SQL
	wait_for 60 tables_past $(($(sql "$DB" -c 'select last_value from ids') + 10)) || failed+='the writers stand still; '
	sql "$DB" -c "begin; $2; insert into chk.bound select '$1', last_value, chk.shape_of('$1') from $(tables_seq); commit" 2> "$T/ddl.err" || failed+="$2: $(cat "$T/ddl.err"); "
	tables_touch
}

says() { # SET REGEX
	pgshovel set status "$1" 2>&1 | grep -qE "$2"
}

rows_same() { # PREFIX SCHEMA.TABLE KEYS [COLUMNS]
	local rebuilt=$T/rebuilt.d/$1.$2
	rows_of "$DB" "$2" "$3" ${4:+"$4"} > "$T/source" || return 1
	[ -s "$T/source" ] || { echo "table $2 is empty: nothing is proven"; return 1; }
	cmp "$rebuilt" "$T/source" || { diff "$rebuilt" "$T/source" | head -n 10; return 1; }
}

load_delivered_single() { # CONNINFO PREFIX
	local mark=$RANDOM-$RANDOM-$BASHPID
	sql "$1" -c "insert into marks.mark values ('$mark')" || return 1
	wait_for 120 prefix_has "$2" "$mark"
}

prefix_has() { # PREFIX TEXT
	consume_prefix "$1" --dump 2> "$T/null" | grep -qF "$2"
}

# ---- records as rows

lines_load() { # CONNINFO PREFIX
	# one pass: a reader of a debug build takes its time
	mkdir -p "$T/rebuilt.d"
	consume_prefix "$2" --dump --rebuild-to "$T/rebuilt.d" > "$T/lines" 2> "$T/null"
	sql "$1" <<-SQL
		set client_min_messages = warning;
		drop table if exists chk.line, chk.ev, chk.border, chk.shape;
		create unlogged table chk.line (line json);
		\\copy chk.line from '$T/lines' with (format csv, delimiter e'\x02', quote e'\x01')
		create unlogged table chk.ev as select line ->> 'topic' topic, (line ->> 'partition')::int part, (line ->> 'offset')::bigint off, line ->> 'key' as key,
			v ->> 'op' op, v -> 'source' ->> 'schema' sch, v -> 'source' ->> 'table' tab, ((v -> 'source' ->> 'sequence')::json ->> 1)::bigint ev_id,
			v -> 'source' ->> 'txId' tx, v -> 'transaction' ->> 'id' tx_block, (v -> 'transaction' ->> 'total_order')::int total,
			(v -> 'transaction' ->> 'data_collection_order')::int coll, case json_typeof(v -> 'before') when 'object' then v -> 'before' end as before,
			case json_typeof(v -> 'after') when 'object' then v -> 'after' end as after
		from (select line, (line ->> 'value')::json v from chk.line) x where v ->> 'op' is not null;
		create unlogged table chk.border as select line ->> 'topic' topic, (line ->> 'offset')::bigint off, v ->> 'status' status, v ->> 'id' tx,
			(v ->> 'event_count')::int n, v -> 'data_collections' colls
		from (select line, (line ->> 'value')::json v from chk.line) x where v ->> 'status' is not null;
		analyze chk.ev, chk.border;
	SQL
}

lines() { # SQL
	sql "$DB" -c "$1"
}

# Events whose columns are not those that their table had at their event id; chk.shape holds all that were seen.
lines_wrong_shape() {
	sql "$DB" <<-'SQL'
		create table chk.shape as select tab, ev_id, (select string_agg(k, ',' order by n) from json_object_keys(r) with ordinality x (k, n)) shape
		from (select tab, ev_id, after r from chk.ev union all select tab, ev_id, before from chk.ev) e where r is not null and tab in (select tab from chk.bound);
		select s.tab, s.ev_id, s.shape, b.shape from chk.shape s
		cross join lateral (select shape from chk.bound b where b.tab = s.tab and b.ev_id < s.ev_id order by b.ev_id desc limit 1) b
		where s.shape <> b.shape order by s.ev_id limit 5;
	SQL
}

# How many events do not go on from the last one of their key, or stand behind a later one of it in Kafka.
lines_chains() { # CONDITION
	sql "$DB" <<-SQL
		with e as (select *, case when tab like 'ren%' then 'ren' else tab end g from chk.ev where $1),
		c as (select before::jsonb b, lag(after) over w::jsonb l, row_number() over w n from e window w as (partition by g, key order by ev_id)),
		o as (select ev_id, lag(ev_id) over (partition by topic, part, g, key order by off) l from e)
		select (select count(*) from c where n > 1 and ((b is null) <> (l is null) or exists (select from jsonb_each(b) x join jsonb_each(l) y using (key) where x.value <> y.value)))
			+ (select count(*) from o where l > ev_id);
	SQL
}

# What does not fit between the events of a transaction, their places in it, and its BEGIN and END.
lines_boundaries() {
	sql "$DB" <<-'SQL'
		with t as (select tx, count(*) n, min(total) low, max(total) high, count(distinct total) d from chk.ev group by tx),
		c as (select tx, sch || '.' || tab coll, count(*) n, min(coll) low, max(coll) high, count(distinct coll) d from chk.ev group by tx, sch, tab),
		told as (select b.tx, x ->> 'data_collection' coll, (x ->> 'event_count')::int n from chk.border b, json_array_elements(b.colls) x where b.status = 'END'),
		places as (select *, lag(coll) over (partition by tx, sch, tab order by total) last_coll, lag(ev_id) over (partition by tx order by total) last_id from chk.ev),
		borders as (select tx, string_agg(status, ' ' order by off) s, max(n) n from chk.border group by tx)
		select * from (
			select 'another id in the block' what, tx from chk.ev where tx_block is distinct from tx
			union all select 'total_order', tx from t where low <> 1 or high <> n or d <> n
			union all select 'data_collection_order of ' || coll, tx from c where low <> 1 or high <> n or d <> n
			union all select 'data_collection_order against total_order', tx from places where last_coll >= coll
			union all select 'total_order against the order of writing', tx from places where last_id > ev_id
			union all select 'BEGIN and END', coalesce(t.tx, b.tx) from t full join borders b using (tx) where b.s is distinct from 'BEGIN END' or t.tx is null
			union all select 'event_count', tx from t join borders b using (tx) where b.n <> t.n
			union all select 'data_collections ' || coalesce(c.coll, d.coll), coalesce(c.tx, d.tx) from c full join told d on d.tx = c.tx and d.coll = c.coll where c.n is distinct from d.n
		) p limit 5;
	SQL
}

# t: a transaction wrote between two events of another one.
lines_interleaved() {
	lines 'with t as (select tx, min(ev_id) low, max(ev_id) high from chk.ev group by tx) select exists (select from t p join t q on q.tx <> p.tx and q.low > p.low and q.low < p.high)'
}

# One topic: what is not BEGIN, the events of one transaction by total_order, END, and then the next.
lines_contiguous() {
	sql "$DB" <<-'SQL'
		with r as (select off, tx, total, 'event' as what from chk.ev union all select off, tx, null, status from chk.border),
		n as (select *, lag(tx) over w last_tx, lag(what) over w last_what, coalesce(lag(total) over w, 0) last_total from r window w as (order by off))
		select off, what, tx from n where case what
			when 'BEGIN' then coalesce(last_what <> 'END', false)
			when 'event' then tx is distinct from last_tx or total <> last_total + 1
			else tx is distinct from last_tx or last_what <> 'event' end
		order by off limit 5;
	SQL
}

# "N|D": rows that are left of a table without a key, and how many of them the table has not, or not as often.
lines_keyless() { # TABLE
	sql "$DB" <<-SQL
		with k as (select (r ->> 'a')::int a, r ->> 'b' b, sum(s) n from (select after r, 1 s from chk.ev where tab = '$1' and after is not null
			union all select before, -1 from chk.ev where tab = '$1' and before is not null) x group by 1, 2 having sum(s) <> 0),
		t as (select a, b, count(*) n from $1 group by 1, 2)
		select (select sum(n) from k), (select count(*) from k full join t using (a, b) where k.n is distinct from t.n);
	SQL
}

# ---- types

types_make() { # CONNINFO
	cat > "$T/types.sql" <<-SQL
		set client_min_messages = warning;
		create extension citext; create extension hstore; create extension ltree; create extension isn;
		create schema ty;
		create type ty.mood as enum ('sad', 'ok', 'very happy');
		create type ty.pair as (a int, b text);
		create domain ty.posint as int check (value > 0); create domain ty.posint2 as ty.posint;
		create domain ty.cash as numeric(10,2); create domain ty.name3 as varchar(3);
		create table chk.golden (line json);
		\\copy chk.golden from 'tests/golden/debezium/types-default.jsonl' with (format csv, delimiter e'\x02', quote e'\x01')
		create table chk.input as select line ->> 'case' as name, line ->> 'type' as type, line ->> 'input' as input, ((line ->> 'key')::json ->> 'id')::int id,
			(line ->> 'value')::json -> 'after' -> 'v' as v from chk.golden where line ->> 'case' is not null;
		do \$\$ declare r record; begin
			execute (select 'create table ty.src (id int primary key, ' || string_agg(format('%I %s', name, type), ', ' order by name) || ')' from (select distinct name, type from chk.input) x);
			for r in select * from chk.input where input is not null loop
				execute format('insert into ty.src (id, %1\$I) values (%2\$s, %3\$L) on conflict (id) do update set %1\$I = excluded.%1\$I', r.name, r.id, r.input);
			end loop;
			insert into ty.src (id) select distinct id from chk.input on conflict do nothing;
		end \$\$;
		create table ty.src2 (like ty.src including all);
		insert into ty.src2 select * from ty.src;
		update ty.src2 set id = id + 100000;
		update ty.src2 set id = id - 99000;
		create table ty.vals (like ty.src including all);
	SQL
	sql "$1" -f "$T/types.sql"
}

types_hostile() { # settings that change how PostgreSQL writes, or reads, values
	echo "set datestyle = 'SQL, DMY'; set intervalstyle = sql_standard; set bytea_output = escape; set extra_float_digits = -5; set timezone = 'America/St_Johns'; set lc_monetary = '$(money_locale)';
		set quote_all_identifiers = on; set xmlbinary = hex; set xmloption = document; set array_nulls = off; set row_security = off; set standard_conforming_strings = off; set client_encoding = 'LATIN1'; set search_path = pg_temp;"
}

money_locale() { # one that writes money in another way, when the machine has one
	local name
	name=$(locale -a 2> "$T/null" | grep -iE '^(de_DE|en_US|fr_FR)\.utf-?8$' | head -n 1)
	echo "${name:-C}"
}

# Columns that the two sessions' records have in different bytes.
types_differ() {
	lines "select string_agg(distinct o.key, ' ') from chk.ev e join chk.ev h on (h.after ->> 'id')::int = (e.after ->> 'id')::int + 1000
		cross join lateral json_each(e.after) o join lateral json_each(h.after) x on x.key = o.key where e.tab = 'vals' and h.tab = 'vals' and o.key <> 'id' and o.value::text <> x.value::text"
}

# Cases whose bytes are not those of the golden files; and those that are meant to differ.
types_golden() {
	lines "select string_agg(distinct i.name, ' ' order by i.name) from chk.input i join chk.ev e on (e.after ->> 'id')::int = i.id + 1000 where e.tab = 'vals' and (e.after -> i.name)::text is distinct from i.v::text"
}

types_excepted() {
	awk '/ EXCEPTIONS\[\] = \{/ { on = 1 } /^};/ { on = 0 } on && match($0, /^\t\{ (NULL|"types-default"), "[a-z0-9_]+"/) { split($0, x, "\""); print $2 ~ /NULL/ ? x[2] : x[4] }' tests/unit/test_golden.c | sort -u | paste -sd ' '
}
