-- relation_changes(set) → (schema_name, table_name, change): what DDL has changed about the captured tables since the last rollout
-- of the set and capture has followed: one row a column. What capture cannot follow is in capture_check().
-- Privileges: reads @SCHEMA@. Locks: none.
create or replace function @SCHEMA@.relation_changes(set_name text, out schema_name text, out table_name text, out change text) returns setof record
language sql stable set search_path = pg_catalog as $f$
	select x.schema_name, x.table_name, case
		when x.was is null then format('column "%s" was added', x.present ->> 'name')
		when x.present is null then format('column "%s" was dropped', x.was ->> 'name')
		else case when x.was ->> 'name' <> x.present ->> 'name' then format('column "%s" is called "%s" now', x.was ->> 'name', x.present ->> 'name')
					|| coalesce(', ' || nullif(x.other, ''), '')
				else format('column "%s" %s', x.present ->> 'name', x.other) end
		end
	from (
		select r.schema_name, r.table_name, d.was, d.present, coalesce(d.present, d.was) ->> 'attnum' as attnum, concat_ws(', ',
			case when d.was ->> 'type' <> d.present ->> 'type' then format('was %s and is %s now', d.was ->> 'type', d.present ->> 'type') end,
			case when d.was ->> 'notnull' <> d.present ->> 'notnull' then case when d.was ->> 'notnull' = 'true' then 'may be null now' else 'is not null now' end end,
			case when d.was ->> 'default' is distinct from d.present ->> 'default' then 'has another default' end,
			case when d.was -> 'labels' is distinct from d.present -> 'labels' then 'has other labels' end,
			case when d.was ->> 'key' is distinct from d.present ->> 'key' then 'has another place in the key' end) as other
		from @SCHEMA@.relation r join @SCHEMA@.set s on s.name = r.set_name
		cross join lateral (select b.columns from @SCHEMA@.relation b where b.set_name = r.set_name and b.reloid = r.reloid and b.created_at <= s.changed_at
			order by b.id desc limit 1) b
		cross join lateral (select w.c as was, n.c as present
			from jsonb_array_elements(b.columns) w (c) full join jsonb_array_elements(r.columns) n (c) on w.c ->> 'attnum' = n.c ->> 'attnum') d
		where r.set_name = relation_changes.set_name and r.current and r.created_at > s.changed_at
	) x
	where x.was is distinct from x.present
	order by x.schema_name, x.table_name, x.attnum::int
$f$;
