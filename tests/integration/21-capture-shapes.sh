#!/bin/bash
# test: limit=240
# tests/integration/21-capture-shapes.sh: which tables and keys can be captured, how they are described, types, wide tables, partitions.
# Uses psql only: no program of pgshovel, no ZooKeeper, no Kafka.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/capture-lib.sh
. tests/integration/capture-lib.sh

as "$shovel" "$PLAIN" -f "$T/install.sql" || exit 1
new_set shop
app "create table acc (id int primary key)" > /dev/null

# ---- keys and tables that cannot be captured

app "create table k (id int, a int not null, b int not null, n int, d int not null, e int not null, p int not null, unique (a, b), unique (n), unique (d) deferrable, f int not null);
	create unique index on k (e) where e > 0; create unique index on k ((f + 1)); alter table k owner to $shovel;
	create table kd (id int, primary key (id) deferrable); create view vw as select 1 one; create unlogged table ul (id int primary key); create table parted (id int, d date, primary key (id, d)) partition by range (d);
	create table parted_1 partition of parted for values from ('2026-01-01') to ('2027-01-01'); create sequence sq; alter table kd owner to $shovel; alter table parted owner to $shovel; alter table parted_1 owner to $shovel" > /dev/null
r() { echo "select $S.relation_add('shop', 'v', $1, $2, $3)"; }
refused 'key: none' 'table "public.k" has no primary key: add one' "$(r "'k'" null null)"
refused 'key: deferrable primary key' 'primary key of table "public.kd" is deferrable' "$(r "'kd'" null null)"
refused 'key: nullable' 'key column n of table "public.k" may be null' "$(r "'k'" null "array['n']")"
refused 'key: deferrable' 'key \(d\) of table "public.k" has no unique index' "$(r "'k'" null "array['d']")"
refused 'key: partial' 'key \(e\) of table "public.k" has no unique index' "$(r "'k'" null "array['e']")"
refused 'key: expression' 'key \(f\) of table "public.k" has no unique index' "$(r "'k'" null "array['f']")"
refused 'key: not unique' 'key \(p\) of table "public.k" has no unique index' "$(r "'k'" null "array['p']")"
refused 'key: part of an index' 'key \(a\) of table "public.k" has no unique index' "$(r "'k'" null "array['a']")"
refused 'key: unknown column' 'table "public.k" has no column "zz"' "$(r "'k'" null "array['zz']")"
refused 'key: not among the columns' 'key column "b" of table "public.k" is not in its column list' "$(r "'k'" "array['a']" "array['b', 'a']")"
is "$(q "begin; $(r "'k'" null "'{}'::text[]") > 0; select count(*), count(c ->> 'key') from $S.relation, jsonb_array_elements(columns) c where current and table_name = 'k'; rollback" | xargs)" 't 8|0' 'key: empty, no column is of the key'
is "$(q "begin; select $S.relation_add('shop', 'v', 'k', null, array['b', 'a']) > 0; select columns @> '[{\"name\": \"b\", \"key\": 1}, {\"name\": \"a\", \"key\": 2}]' from $S.relation where current and table_name = 'k'" | xargs)" 't t' 'key: any order of a unique index, kept as given'
refused 'column: unknown' 'table "public.acc" has no column "nope"' "$(r "'acc'" "array['id', 'nope']" null)"
refused 'column: twice' 'column "id" of table "public.acc" is listed twice' "$(r "'acc'" "array['id', 'id']" null)"
refused 'column: system' 'has no column "ctid"' "$(r "'acc'" "array['id', 'ctid']" null)"
refused 'table: null' 'does not exist' "$(r null null null)"
refused 'table: gone' 'no table with oid 4' "$(r 4 null null)"
refused 'table: view' '"public.vw": it is a view' "$(r "'vw'" null null)"
refused 'table: sequence' '"public.sq": it is a sequence' "$(r "'sq'" null null)"
refused 'table: catalog' 'it is a system catalog' "$(r "'pg_class'" null null)"
refused 'table: partition' 'it is a partition; capture its root "public.parted"' "$(r "'parted_1'" null null)"
refused 'table: unlogged' '"public.ul" is unlogged' "$(r "'ul'" null null)"
refused 'table: temporary' 'it is a temporary table' "create temp table tmp (id int primary key); $(r "'tmp'" null null)"
refused 'table: of the queue' 'belongs to the queue' "$(r "'pgq.queue'" null null)"
refused 'set: unknown' 'no active set "nope"' "select $S.relation_add('nope', 'v', 'acc', null, null)"
refused 'mode: unknown' 'choose "row", "statement" or "leaf"' "select $S.relation_add('shop', 'v', 'acc', null, null, 'magic')"
refused 'mode: statement on a partitioned table' 'by statement: it is partitioned' "select $S.relation_add('shop', 'v', 'parted', null, null, 'statement')"
refused 'mode: leaf of a table without partitions' 'it is not partitioned' "select $S.relation_add('shop', 'v', 'acc', null, null, 'leaf')"
app "create table ch (id int primary key); create function nothing() returns trigger language plpgsql as 'begin return null; end'; create trigger zz after update on ch for each row execute function nothing()" > /dev/null
refused 'mode: statement beside user row triggers' 'it has row triggers \("zz"\)' "select $S.relation_add('shop', 'v', 'ch', null, null, 'statement')"

# ---- description

app "create domain d1 as numeric(10,2) not null; create domain d2 as d1; create domain da as d2[]; create type mood as enum ('a', 'b');
	create table ty (id bigint primary key, m mood default 'a', d d2, l da, t text[] not null default '{x}', g int generated always as (id * 2) stored, c varchar(7), i int generated always as identity, s serial);
	alter table ty owner to $shovel" > /dev/null
q "begin; select $S.relation_add('shop', 'v', 'ty', null, null); select (c ->> 'name') || ' ' || (c - 'name')::text from $S.relation, jsonb_array_elements(columns) c where current and table_name = 'ty'" | sed 1d > "$T/got"
oid() { app "select '$1'::regtype::oid"; }
cat > "$T/wanted" <<-JSON
	id {"key": 1, "base": "bigint", "type": "bigint", "typid": 20, "attnum": 1, "baseid": 20, "elemid": null, "typmod": -1, "basemod": -1, "default": null, "notnull": true, "typtype": "b", "generated": false}
	m {"key": null, "base": "public.mood", "type": "public.mood", "typid": $(oid mood), "attnum": 2, "baseid": $(oid mood), "elemid": null, "labels": ["a", "b"], "typmod": -1, "basemod": -1, "default": "'a'::public.mood", "notnull": false, "typtype": "e", "generated": false}
	d {"key": null, "base": "numeric(10,2)", "type": "public.d2", "typid": $(oid d2), "attnum": 3, "baseid": 1700, "elemid": null, "typmod": -1, "basemod": 655366, "default": null, "notnull": false, "typtype": "d", "generated": false}
	l {"key": null, "base": "public.d2[]", "type": "public.da", "typid": $(oid da), "attnum": 4, "baseid": $(oid 'd2[]'), "elemid": 1700, "typmod": -1, "basemod": -1, "default": null, "notnull": false, "typtype": "d", "generated": false}
	t {"key": null, "base": "text[]", "type": "text[]", "typid": 1009, "attnum": 5, "baseid": 1009, "elemid": 25, "typmod": -1, "basemod": -1, "default": "'{x}'::text[]", "notnull": true, "typtype": "b", "generated": false}
	g {"key": null, "base": "integer", "type": "integer", "typid": 23, "attnum": 6, "baseid": 23, "elemid": null, "typmod": -1, "basemod": -1, "default": null, "notnull": false, "typtype": "b", "generated": true}
	c {"key": null, "base": "character varying(7)", "type": "character varying(7)", "typid": 1043, "attnum": 7, "baseid": 1043, "elemid": null, "typmod": 11, "basemod": 11, "default": null, "notnull": false, "typtype": "b", "generated": false}
	i {"key": null, "base": "integer", "type": "integer", "typid": 23, "attnum": 8, "baseid": 23, "elemid": null, "typmod": -1, "basemod": -1, "default": null, "notnull": true, "typtype": "b", "generated": false}
	s {"key": null, "base": "integer", "type": "integer", "typid": 23, "attnum": 9, "baseid": 23, "elemid": null, "typmod": -1, "basemod": -1, "default": "nextval('public.ty_s_seq'::regclass)", "notnull": true, "typtype": "b", "generated": false}
JSON
ok 'relation.columns is as documented' diff "$T/wanted" "$T/got"


# ---- settings of the writer

app "create extension hstore; create type comp as (x int, y text, at timestamptz); create domain dts as timestamptz; create domain dcomp as comp; create type frange as range (subtype = float8)" > /dev/null
app "create table st (id int primary key, rest jsonb)" > /dev/null
cat > "$T/values" <<-'V'
	1::int2
	(-2147483648)::int4
	(-9223372036854775808)::int8
	'NaN'::numeric
	'-Infinity'::numeric
	123456789012345678901234567890.000::numeric
	1.10::numeric(20,4)
	0.1::float4
	'-0'::float8
	0.1::float8 + 0.2::float8
	1e-310::float8
	'NaN'::float8
	'Infinity'::float4
	'-12.34'::money
	true
	'a'::"char"
	'ab '::char(5)
	E'q"\\\n\t,()''{}é'::text
	''::text
	null::text
	'x'::varchar(10)
	'n'::name
	'\x00ff5c22'::bytea
	''::bytea
	'infinity'::timestamp
	'0044-03-15 12:00:00.000001 BC'::timestamp
	'2026-03-04 01:02:03'::timestamp
	'4713-01-01 BC'::date
	'2026-03-04'::date
	'24:00:00'::time
	'01:02:03.4+15:59:59'::timetz
	'1 year -2 mons 3 days -04:05:06.789'::interval
	'-00:00:00.000001'::interval
	'{"b":1, "a":1.00}'::json
	'{"b":1,"a":1.00,"n":1e40}'::jsonb
	'$.a[*] ? (@ > 1)'::jsonpath
	'{{1,2},{3,NULL}}'::int[]
	'[-1:1]={1,2,3}'::int[]
	array['a"b', null, 'NULL', '', '\']
	array['2026-01-02'::date]
	array['1 day -01:00'::interval]
	array['\x5c00'::bytea]
	array[0.1::float8, 'NaN']
	int4range(1, 5, '[]')
	'empty'::numrange
	daterange('2026-01-01', null)
	tsrange('2026-01-01 BC', '2026-01-01')
	'{[1,2),[5,9)}'::int4multirange
	datemultirange(daterange('2026-01-01', '2026-01-03'))
	frange(0.1, 0.3)
	row(1, 'a"b,(', '2026-01-01 12:00Z')::comp
	row(1, 'a', '2026-01-01 12:00Z')::comp::dcomp
	array[row(1, 'x', null)::comp]
	'a=>1, b=>NULL, "c d"=>"q\"x"'::hstore
	'10.0.0.1/8'::inet
	'10.0.0.0/8'::cidr
	'08:00:2b:01:02:03'::macaddr
	'08:00:2b:01:02:03:04:05'::macaddr8
	B'101'::bit(3)
	B''::varbit
	'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
	'<a b="c">é</a>'::xml
	'a:1A fat:2B'::tsvector
	'a & !b'::tsquery
	point(0.1, -0.0)
	line(point(0, 0), point(1, 0.1))
	lseg(point(0, 0), point(0.1, 1))
	box(point(0, 0), point(0.1, 1))
	'((0,0),(0.1,1),(1,0))'::path
	'((0,0),(0.1,1))'::polygon
	circle(point(0, 0), 0.1)
	'16/B374D848'::pg_lsn
	'10:20:10,14,15'::pg_snapshot
	'(1,2)'::tid
	'42'::xid8
	26::oid
	'public.comp'::regtype
	'pg_catalog.pg_class'::regclass
	array['public.comp'::regtype]
	'pg_catalog.upper(text)'::regprocedure
V
# one table per value: what one type does not need must not be hidden by what another one does
awk -v q="'" '{ printf "create table public.v%d as select %d id, %s v; alter table public.v%d add primary key (id);\n", NR, NR, $0, NR
	printf "create table public.w%d (like public.v%d including all);\n", NR, NR }' "$T/values" > "$T/values.sql"
{ echo 'create table public.one as select 1 id'; awk '{ printf ", %s v%d", $0, NR }' "$T/values"; echo "; alter table public.one add primary key (id); create table public.all_types (like public.one including all);
	create table public.tz (id int primary key, a timestamptz, b tstzrange, c dts, d timestamptz[]);"; } >> "$T/values.sql"
ok 'a table for each type' sql "$db" -f "$T/values.sql"
n=$(wc -l < "$T/values")
hostile="set datestyle = 'SQL, DMY'; set intervalstyle = sql_standard; set bytea_output = escape; set extra_float_digits = -5; set timezone = 'America/St_Johns'; set lc_monetary = 'C';
	set quote_all_identifiers = on; set xmlbinary = hex; set xmloption = document; set standard_conforming_strings = off; set client_encoding = 'LATIN1'; set search_path = pg_temp;"
sql "$db" -c "do \$\$ begin for i in 1 .. $n loop execute format('alter table w%s owner to $shovel', i); end loop; end \$\$; alter table all_types owner to $shovel; alter table tz owner to $shovel"
{
	echo "begin; select $S.rollout_open('types', 'upgrade', 'shop');"
	for i in $(seq "$n"); do
		echo "select $S.capture_stub('shop', 'w$i', null); $(add shop "w$i" null null);"
	done
	echo "select $S.capture_stub('shop', 'all_types', null); $(add shop all_types null null); select $S.capture_stub('shop', 'tz', null); $(add shop tz null null); commit;"
} > "$T/capture.sql"
ok 'all of them are captured' as "$shovel" "$db" -f "$T/capture.sql"
seen[$db.shop]=$(app 'select coalesce(max(ev_id), 0) from pgq.event_1')
{
	for session in "set timezone = 'UTC';" "$hostile"; do
		echo "$session"
		for i in $(seq "$n"); do
			echo "begin; insert into public.w$i select * from public.v$i; delete from public.w$i; commit;"
		done
		echo 'insert into public.all_types select * from public.one; update public.all_types set v20 = '"'changed'"'; delete from public.all_types;'
	done
	echo "insert into public.tz values (1, '2026-10-25 02:30:00.123456Z', tstzrange('2026-01-01Z', 'infinity'), '1900-01-01Z', array['0044-03-15 00:00:00Z BC'::timestamptz]); delete from public.tz;"
	echo 'reset all;'
} > "$T/write.sql"
ok 'rows are written twice, by an ordinary session and a hostile one' sql "$db" -f "$T/write.sql"
is "$(app "with e as (select ev_type, ev_data, ev_extra2, row_number() over (partition by ev_extra1, ev_type order by ev_id) k, ev_extra1 from pgq.event_1 where ev_id > ${seen[$db.shop]})
	select string_agg(r.table_name || ' ' || coalesce(a.ev_data, a.ev_extra2) || ' <> ' || coalesce(b.ev_data, b.ev_extra2), '; ') from e a join e b using (ev_extra1, ev_type) join $S.relation r on r.id = ev_extra1::int
	where a.k = 1 and b.k = 2 and (a.ev_data is distinct from b.ev_data or a.ev_extra2 is distinct from b.ev_extra2)")" '' 'their record texts are equal, byte for byte'
is "$(app "select count(*) from pgq.event_1 where ev_id > ${seen[$db.shop]}")" $((n * 4 + 6 + 2)) 'no event is missing'
is "$(app "select count(*) from (select distinct ev_extra1, ev_data from pgq.event_1 where ev_id > ${seen[$db.shop]} and ev_type = 'I') x")" $((n + 2)) 'all of them have events'
is "$(app "select ev_data from pgq.event_1 where ev_extra1 = (select id::text from $S.relation where table_name = 'tz') and ev_type = 'I'")" \
	'(1,"2026-10-25 02:30:00.123456+00","[""2026-01-01 00:00:00+00"",infinity)","1900-01-01 00:00:00+00","{""0044-03-15 00:00:00+00 BC""}")' 'timestamps with time zone are in UTC when the style is another'
events shop
is "$(sql "$db" -c "$hostile insert into public.tz values (2, '2026-10-25 02:30:00Z'); show datestyle; show bytea_output" | xargs)" 'SQL, DMY escape' "the writer's settings stay"
# the text that was captured is the value: read back, it is the same image
is "$(app "set timezone = 'UTC'; select record_image_eq(ev_data::all_types, o) from pgq.event_1, one o where ev_type = 'I' and ev_extra1 = (select id::text from $S.relation where table_name = 'all_types') order by ev_id limit 1")" t 'record text reads back to the same bytes'
is "$(app "select string_agg(distinct $S.type_settings(x::regtype), ',') from unnest(array['int', 'text', 'jsonb', 'numeric', 'uuid', 'int4range', 'text[]']) x")" '' 'plain types need no guard'

# ---- wide tables, odd names

app "do \$\$ begin execute (select 'create table wide (id int primary key, ' || string_agg('c' || i || ' int', ', ') || ')' from generate_series(1, 1599) i); end \$\$; alter table wide owner to $shovel" > /dev/null
ok 'a table with 1,600 columns is captured' capture shop wide null null
events shop
app "insert into wide (id, c1599) values (1, 7); update wide set c800 = 5" > /dev/null
events shop "ev_type, length(regexp_replace(ev_data, '[^,]', '', 'g')), left(ev_data, 4), right(ev_data, 3), position(',5,' in ev_data)"
is "$EVENTS" "$(printf '%s\n' 'I|1599|(1,,|,7)|0' 'U|1599|(1,,|,7)|802')" 'and its record text is whole'
out=$(app 'alter table wide drop column c1599')
like "$out" 'cannot drop column c1599' 'every column of it is kept'
app "create schema \"Ö %s.\"\"x'\"; grant all on schema \"Ö %s.\"\"x'\" to $shovel; create table \"Ö %s.\"\"x'\".\"T a%b\" (\"select\" int, \"%I\" text, \"x'y\\z\" text, \"NEW\" int, \"new.n\" int, \"Ünï\" text, n text, o text, g date, cur int, primary key (\"%I\", \"select\")); alter table \"Ö %s.\"\"x'\".\"T a%b\" owner to $shovel" > /dev/null
ok 'names with quotes, %, dots and reserved words' capture shop "\"Ö %s.\"\"x''\".\"T a%b\"" null null
ok 'and each of them listed' capture shop "\"Ö %s.\"\"x''\".\"T a%b\"" "array['select', '%I', 'x''y\\z', 'NEW', 'new.n', 'Ünï', 'n', 'o', 'g', 'cur']" "array['select', '%I']"
app "insert into \"Ö %s.\"\"x'\".\"T a%b\" values (1, 'a', 'b', 2, 3, 'ü', 'n', 'o', '2026-01-02', 9); truncate \"Ö %s.\"\"x'\".\"T a%b\"" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,a,b,2,3,ü,n,o,2026-01-02,9)|' 'T||')" 'write and truncate it'
is "$(problems shop)" '' 'and nothing is wrong with it'
app "create table gen (id int primary key, a int, g int generated always as (a * 2) stored); alter table gen owner to $shovel" > /dev/null
capture shop gen null null
app 'insert into gen values (1, 2); update gen set a = 5' > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,2,4)|' 'U|(1,5,10)|(1,2,4)')" 'generated columns carry their value'

# ---- partitions

app "create table pt (id int, d date, v text, primary key (id, d)) partition by range (d);
	create table pt_a partition of pt for values from ('2026-01-01') to ('2026-07-01') partition by list (id); create table pt_a1 partition of pt_a for values in (1, 2); create table pt_a2 partition of pt_a default;
	create table pt_b (gone int, v text, d date not null, id int not null); alter table pt_b drop gone; alter table pt attach partition pt_b for values from ('2026-07-01') to ('2027-01-01');
	alter table pt owner to $shovel; alter table pt_a owner to $shovel; alter table pt_a1 owner to $shovel; alter table pt_a2 owner to $shovel; alter table pt_b owner to $shovel" > /dev/null
is "$(q "select string_agg(l::text, ' ') from $S.capture_leaves('pt') l")" 'pt_a1 pt_a2 pt_b' 'leaves at every depth'
stub shop pt null > /dev/null
q "begin; select $S.rollout_open('part', 'upgrade', 'shop'); $(add shop pt null null); prepare transaction 'pgshovel:$CLUSTER:part:0'" > "$T/out"
is "$(app "select count(*) from pg_locks l join pg_class c on c.oid = l.relation where l.pid is null and c.relname like 'pt%' and l.database = (select oid from pg_database where datname = current_database())")" 0 'a prepared rollout locks no partition'
q "commit prepared 'pgshovel:$CLUSTER:part:0'"
app "insert into pt values (1, '2026-02-01', 'x'), (9, '2026-08-01', 'y'); update pt_b set v = 'z'; update pt set d = '2026-09-01' where id = 1; update pt set v = 'w' where id = 1; delete from pt_b where id = 1; truncate pt_a2; truncate pt" > /dev/null
events shop "ev_type, ev_data, ev_extra2, ev_extra1 = (select id::text from $S.relation where table_name = 'pt')"
is "$(head -n 8 <<< "$EVENTS")" "$(printf '%s\n' 'I|(1,2026-02-01,x)||t' 'I|(9,2026-08-01,y)||t' 'U|(9,2026-08-01,z)|(9,2026-08-01,y)|t' 'D||(1,2026-02-01,x)|t' 'I|(1,2026-09-01,x)||t' 'U|(1,2026-09-01,w)|(1,2026-09-01,x)|t' 'D||(1,2026-09-01,w)|t' 'T|public.pt_a2||t')" 'events of all leaves carry the relation of the root, in its order of columns'
is "$(tail -n +9 <<< "$EVENTS" | sort)" "$(printf '%s\n' 'T|public.pt_a1||t' 'T|public.pt_a2||t' 'T|public.pt_b||t')" 'TRUNCATE of the root comes from every leaf'
app "create table pt_c partition of pt for values from ('2027-01-01') to ('2028-01-01'); insert into pt_c values (3, '2027-02-01', 'n')" > /dev/null
events shop
is "$EVENTS" 'I|(3,2027-02-01,n)|' 'rows of a new leaf are captured'
like "$(problems shop)" "^pt: capture is missing .trigger \" pgshovel_${CLUSTER}__shop_t\" on \"public.pt_c\"" 'the check misses its truncate trigger'
app "alter table pt_c owner to $shovel; alter table pt rename v to vv; update pt_b set vv = 'r'; insert into pt_b (id, d, vv) values (5, '2026-10-01', 'r')" > /dev/null
events shop
is "$EVENTS" 'I|(5,2026-10-01,r)|' 'a rename on the root does not stop writes to a leaf whose columns lie otherwise'
stub shop pt null > /dev/null
capture shop pt null null
is "$(problems shop)" '' 'an upgrade cures both'
app 'alter table pt detach partition pt_c; truncate pt_c; alter table pt_a1 disable trigger all' > /dev/null
events shop
is "$EVENTS" '' 'TRUNCATE of a detached leaf is no event'
like "$(problems shop)" '^pt: capture is disabled .trigger ".*" on "public.pt_a1"' 'a trigger disabled on one leaf is found'
ok 'and cured' stub shop pt null
is "$(problems shop)" '' 'for good'
app "insert into pt values (1, '2026-02-01', 'x')" > /dev/null
events shop
is "$EVENTS" 'I|(1,2026-02-01,x)|' 'the leaf is captured again'

# ---- partitions by their own names

capture shop pt null null leaf || diag "$(cat "$T/out")"
app "create schema \"S.2\"; grant all on schema \"S.2\" to $shovel; create table \"S.2\".\"L 9\" partition of pt for values from ('2030-01-01') to ('2031-01-01'); alter table \"S.2\".\"L 9\" owner to $shovel" > /dev/null
stub shop pt null leaf > /dev/null
app "insert into pt values (2, '2026-02-02', 'l'), (3, '2030-02-02', 'l'); update pt set d = '2030-03-03' where id = 2; truncate \"S.2\".\"L 9\"" > /dev/null
events shop "ev_type, ev_data, ev_extra2, replace(ev_extra1, (select id::text from $S.relation where current and table_name = 'pt'), 'pt')"
is "$EVENTS" "$(printf '%s\n' 'I|(2,2026-02-02,l)||pt:public.pt_a1' 'I|(3,2030-02-02,l)||pt:"S.2"."L 9"' 'D||(2,2026-02-02,l)|pt:public.pt_a1' 'I|(2,2030-03-03,l)||pt:"S.2"."L 9"' 'T|"S.2"."L 9"||pt:"S.2"."L 9"')" 'events name the leaf of the row'
is "$(problems shop)" '' 'and nothing is wrong'

# ---- tables without a key

app "create table nk (a int, b text); alter table nk owner to $shovel" > /dev/null
refused 'without a key only when asked for' 'has no primary key: add one, .* or take records without a key with key = \[ \]' "$(r "'nk'" null null)"
capture shop nk null "'{}'::text[]" || diag "$(cat "$T/out")"
app "insert into nk values (1, 'x'), (1, 'x'); update nk set b = 'y'; delete from nk" > /dev/null
events shop
is "$EVENTS" "$(printf '%s\n' 'I|(1,x)|' 'I|(1,x)|' 'U|(1,y)|(1,x)' 'U|(1,y)|(1,x)' 'D||(1,y)' 'D||(1,y)')" 'equal rows are events of their own'
is "$(problems shop)" '' 'and nothing is wrong'
tap_done
