-- relation_describe(table, attribute numbers, key attribute numbers) → jsonb: relation.columns as
-- docs/protocol.md documents it, in the order of the first array.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_describe(rel oid, attnums int2[], keynums int2[]) returns jsonb
language sql stable set search_path = pg_catalog as $f$
	select jsonb_agg(jsonb_build_object(
		'name', a.attname, 'attnum', a.attnum,
		'type', format_type(a.atttypid, a.atttypmod), 'typid', a.atttypid::bigint, 'typmod', a.atttypmod,
		'typtype', t.typtype,
		'base', format_type(b.baseid, b.basemod), 'baseid', b.baseid::bigint, 'basemod', b.basemod,
		'elemid', (
			select (@SCHEMA@.base_type(e.oid, -1)).baseid::bigint
			from pg_type y join pg_type e on e.oid = y.typelem and e.typarray = y.oid
			where y.oid = b.baseid),
		'notnull', a.attnotnull, 'generated', a.attgenerated <> '',
		'key', array_position(keynums, a.attnum),
		'default', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end)
		|| coalesce((
			select jsonb_build_object('labels', jsonb_agg(n.enumlabel order by n.enumsortorder))
			from pg_enum n
			where n.enumtypid = b.baseid or n.enumtypid = (
				select (@SCHEMA@.base_type(e.oid, -1)).baseid
				from pg_type y join pg_type e on e.oid = y.typelem and e.typarray = y.oid
				where y.oid = b.baseid)
			having count(*) > 0), '{}') order by x.ord)
	from unnest(attnums) with ordinality x (attnum, ord)
	join pg_attribute a on a.attrelid = rel and a.attnum = x.attnum and not a.attisdropped
	join pg_type t on t.oid = a.atttypid
	cross join lateral @SCHEMA@.base_type(a.atttypid, a.atttypmod) b
	left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
$f$;
