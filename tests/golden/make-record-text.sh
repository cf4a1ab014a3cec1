#!/bin/bash
# tests/golden/make-record-text.sh
#    Writes debezium/relations.jsonl, record-text.jsonl and events.jsonl: what PostgreSQL says for the inputs of
#    the golden files, in the form that the relay reads. Run once when cases are added; tests read the files.
#
# Needs an empty database of a superuser (PGHOST, PGPORT, PGDATABASE, PGUSER), contrib, jq. Does not start a server.
set -eu
here=$(cd "$(dirname "$0")" && pwd)/debezium
psql=(psql -qXAt -v ON_ERROR_STOP=1)
export PGOPTIONS="-c datestyle=iso -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1 -c timezone=UTC -c lc_monetary=C -c client_min_messages=warning"

"${psql[@]}" <<'SQL'
drop schema if exists ty cascade; drop schema if exists ev cascade;
create extension if not exists citext; create extension if not exists hstore;
create extension if not exists ltree; create extension if not exists isn;
create schema ty; create schema ev;
create type ty.mood as enum ('sad', 'ok', 'very happy');
create type ty.pair as (a int, b text);
create domain ty.posint as int check (value > 0); create domain ty.posint2 as ty.posint;
create domain ty.cash as numeric(10,2); create domain ty.name3 as varchar(3);

-- relation.columns as docs/protocol.md 2 has it, for any table
create function ev.columns(rel regclass, key text[]) returns jsonb language sql as $$
  with recursive base as (
    select a.attnum, a.atttypid as typid, a.atttypmod as typmod, a.atttypid as baseid, a.atttypmod as basemod
      from pg_attribute a where a.attrelid = rel and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, b.typid, b.typmod, t.typbasetype, case when b.basemod = -1 then t.typtypmod else b.basemod end
      from base b join pg_type t on t.oid = b.baseid where t.typtype = 'd'),
  leaf as (select b.* from base b join pg_type t on t.oid = b.baseid where t.typtype <> 'd')
  select jsonb_agg(jsonb_build_object('name', a.attname, 'attnum', a.attnum, 'type', format_type(l.typid, l.typmod),
      'typid', l.typid::bigint, 'typmod', l.typmod, 'typtype', t.typtype, 'base', format_type(l.baseid, l.basemod),
      'baseid', l.baseid::bigint, 'basemod', l.basemod,
      'elemid', case when bt.typcategory = 'A' and bt.typelem <> 0 then
        (with recursive e as (select bt.typelem as oid union all select y.typbasetype from e join pg_type y on y.oid = e.oid where y.typtype = 'd')
         select e.oid::bigint from e join pg_type y on y.oid = e.oid where y.typtype <> 'd') end,
      'notnull', a.attnotnull, 'generated', a.attgenerated <> '', 'key', array_position(key, a.attname::text),
      'default', pg_get_expr(d.adbin, d.adrelid),
      'labels', (select jsonb_agg(enumlabel order by enumsortorder) from pg_enum
                  where enumtypid in (bt.oid, bt.typelem))) order by a.attnum)
    from leaf l join pg_attribute a on a.attrelid = rel and a.attnum = l.attnum
    join pg_type t on t.oid = l.typid join pg_type bt on bt.oid = l.baseid
    left join pg_attrdef d on d.adrelid = rel and d.adnum = a.attnum
$$;
SQL

# Every type case: one table, the inputs as rows 101, 102, ... as in the golden files.
cases=$(mktemp)
trap 'rm -f "$cases"' EXIT
cat "$here"/types-*.jsonl | jq -rc 'select(.case) | [.case, .type] | @json' | sort -u >"$cases"
: >"$here/relations.jsonl"
: >"$here/record-text.jsonl"
while IFS= read -r line; do
	name=$(jq -r '.[0]' <<<"$line") type=$(jq -r '.[1]' <<<"$line")
	"${psql[@]}" -c "create table ty.t_$name (id int primary key, v $type)"
	cat "$here"/types-*.jsonl | jq -c --arg c "$name" \
		'select(.case == $c) | {id: (.key | fromjson | (.payload // .) | .id), input: .input}' | sort -u |
		jq -r --arg c "$name" '"insert into ty.t_\($c) (id, v) values (\(.id), \(if .input == null then "null" else "$q$" + .input + "$q$" end));"' |
		"${psql[@]}"
	"${psql[@]}" -c "select json_build_object('case', '$name', 'schema', 'ty', 'table', 't_$name', 'columns', ev.columns('ty.t_$name', array['id']))" >>"$here/relations.jsonl"
	"${psql[@]}" -c "select json_build_object('case', '$name', 'id', id, 'row', row(id, v)::text) from ty.t_$name order by id" >>"$here/record-text.jsonl"
done <"$cases"

# The scenario of the envelope files, its changes logged as the capture functions log them.
: >"$here/events.jsonl"
"${psql[@]}" <<'SQL' >>"$here/events.jsonl"
create table ev.log (n int generated always as identity, scenario text, rel text, op text, new_row text, old_row text);
create function ev.capture() returns trigger language plpgsql as $$
begin
  insert into ev.log (scenario, rel, op, new_row, old_row) values (current_setting('ev.scenario'), tg_table_name || coalesce(nullif(current_setting('ev.shape', true), ''), ''),
    left(tg_op, 1), case when tg_op in ('INSERT', 'UPDATE') then new::text end, case when tg_op in ('UPDATE', 'DELETE') then old::text end);
  return null;
end $$;
create table ev.cust (id int primary key, name text, price numeric(10,2) not null);
create table ev.cust_full (id int primary key, name text, price numeric(10,2) not null);
create table ev.nopk (a int, b text); create table ev.nopk_full (a int, b text);
create table ev.comp (b text, a int, c text, primary key (a, b));
create table ev.uniq (a int not null unique, b text);
create table ev.defaults (id int primary key, a int default 42, b text default 'dflt', c timestamptz default '2020-01-01 00:00:00+00',
  d numeric(5,2) default 1.25, e int not null default 3, f timestamp default now(), g boolean not null default true);
create table ev."Odd Name" ("Id" int primary key, "a b" int, "c.d" int);
create table ev.part1 (id int primary key, v int);
do $$ declare r record; begin
  for r in select relname from pg_class where relnamespace = 'ev'::regnamespace and relkind = 'r' and relname <> 'log' loop
    execute format('create trigger c after insert or update or delete on ev.%I for each row execute function ev.capture()', r.relname);
    execute format('create trigger t after truncate on ev.%I execute function ev.capture()', r.relname);
  end loop; end $$;
set ev.scenario = 'insert'; insert into ev.cust values (10,'Ann',1.50);
set ev.scenario = 'update'; update ev.cust set name='Anne' where id=10;
set ev.scenario = 'update_pk'; update ev.cust set id=11 where id=10;
set ev.scenario = 'delete'; delete from ev.cust where id=11;
set ev.scenario = 'full_insert'; insert into ev.cust_full values (10,'Ann',1.50);
set ev.scenario = 'full_update'; update ev.cust_full set name='Anne' where id=10;
set ev.scenario = 'full_update_pk'; update ev.cust_full set id=11 where id=10;
set ev.scenario = 'full_delete'; delete from ev.cust_full where id=11;
set ev.scenario = 'nopk_insert'; insert into ev.nopk values (1,'x');
set ev.scenario = 'nopk_full_insert'; insert into ev.nopk_full values (1,'x');
set ev.scenario = 'nopk_full_update'; update ev.nopk_full set b='y' where a=1;
set ev.scenario = 'nopk_full_delete'; delete from ev.nopk_full where a=1;
set ev.scenario = 'comp_insert'; insert into ev.comp (b,a,c) values ('k',1,'v');
set ev.scenario = 'comp_update'; update ev.comp set c='w' where a=1;
set ev.scenario = 'comp_update_part_of_key'; update ev.comp set b='z' where a=1;
set ev.scenario = 'comp_delete'; delete from ev.comp where a=1;
set ev.scenario = 'uniq_insert'; insert into ev.uniq values (1,'x');
set ev.scenario = 'defaults_insert'; insert into ev.defaults (id, f) values (1, '2020-01-01 00:00:00');
set ev.scenario = 'quoted_insert'; insert into ev."Odd Name" values (1, 2, 3);
set ev.scenario = 'part_insert'; insert into ev.part1 values (1,5);
set ev.scenario = 'multi_tx';
insert into ev.cust values (20,'a',1); insert into ev.comp (b,a,c) values ('t',2,'v'); update ev.cust set name='b' where id=20; delete from ev.cust where id=20;
set ev.scenario = 'tx_two_tables_same'; insert into ev.cust values (30,'a',1),(31,'b',2),(32,'c',3);
create temp table shapes as select relname as shape, relname as name, ev.columns(oid::regclass,
    case relname when 'comp' then array['a', 'b'] when 'uniq' then array['a'] when 'Odd Name' then array['Id']
                 when 'nopk' then '{}' when 'nopk_full' then '{}' else array['id'] end) as columns
  from pg_class where relnamespace = 'ev'::regnamespace and relkind = 'r' and relname <> 'log';
alter table ev.cust add column extra int default 7;
insert into shapes select 'cust+extra', 'cust', ev.columns('ev.cust', array['id']);
set ev.shape = '+extra';
set ev.scenario = 'after_add_column'; insert into ev.cust values (40,'n',1,8);
alter table ev.cust drop column extra;
set ev.shape = '';
set ev.scenario = 'after_drop_column'; insert into ev.cust values (41,'n',1);
set ev.scenario = 'truncate'; truncate ev.cust;
set ev.scenario = 'truncate_two'; truncate ev.cust_full, ev.comp;
select json_build_object('shape', shape, 'schema', 'ev', 'table', name, 'columns', columns) from shapes order by 1::text;
select json_build_object('case', scenario, 'shape', rel, 'op', op, 'new', new_row, 'old', old_row) from ev.log order by n;
SQL
wc -l "$here"/{relations,record-text,events}.jsonl
