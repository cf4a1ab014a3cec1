-- base_type(type, typmod): the type below all domains, with its modifier.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.base_type(typid oid, typmod int, out baseid oid, out basemod int)
language plpgsql stable set search_path = pg_catalog as $f$
declare
	t record;
begin
	baseid := typid;
	basemod := typmod;
	loop
		select typtype, typbasetype, typtypmod into t from pg_type where oid = baseid;
		exit when not found or t.typtype <> 'd';
		baseid := t.typbasetype;
		basemod := t.typtypmod;
	end loop;
end
$f$;

-- type_settings(type) → text: what the text of a value depends on: any of d (DateStyle), i (IntervalStyle),
-- f (extra_float_digits), b (bytea_output), or s: more than a guard can test cheaply (search_path, lc_monetary,
-- or parts that may change later), always the slow path. Types that are not known get d, i, f and b.
create or replace function @SCHEMA@.type_settings(typid oid) returns text
language plpgsql stable set search_path = pg_catalog as $f$
declare
	t record;
	part oid;
begin
	select y.typname, y.typtype, y.typbasetype, y.typnamespace,
		case when e.typarray = y.oid then y.typelem else 0 end as elem
	into t from pg_type y left join pg_type e on e.oid = y.typelem where y.oid = typid;
	case t.typtype
	when 'd' then
		return @SCHEMA@.type_settings(t.typbasetype);
	when 'c' then
		return 's';
	when 'e' then
		return '';
	when 'r' then
		select rngsubtype into part from pg_range where rngtypid = typid;
		return @SCHEMA@.type_settings(part);
	when 'm' then
		select rngsubtype into part from pg_range where rngmultitypid = typid;
		return @SCHEMA@.type_settings(part);
	else
		null;
	end case;
	if t.elem <> 0 then
		return @SCHEMA@.type_settings(t.elem);
	end if;
	if t.typnamespace <> 'pg_catalog'::regnamespace then
		return 'difb';
	end if;
	if t.typname in ('bool', 'int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'bpchar', 'char', 'name', 'uuid', 'json',
		'jsonb', 'jsonpath', 'inet', 'cidr', 'macaddr', 'macaddr8', 'bit', 'varbit', 'oid', 'xid', 'xid8', 'cid', 'tid',
		'pg_lsn', 'pg_snapshot', 'txid_snapshot', 'tsvector', 'tsquery', 'xml', 'time', 'timetz', 'int2vector', 'oidvector') then
		return '';
	elsif t.typname in ('date', 'timestamp', 'timestamptz') then
		return 'd';
	elsif t.typname = 'interval' then
		return 'i';
	elsif t.typname in ('float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle') then
		return 'f';
	elsif t.typname = 'bytea' then
		return 'b';
	elsif t.typname = 'money' or t.typname like 'reg%' then
		return 's';
	end if;
	return 'difb';
end
$f$;
