-- relation_follow(relation) → int: brings one current relation in line with the live catalog: names by attribute
-- number, columns that are gone, new columns when all are captured, types, and whether nested writes are possible.
-- Returns the id of the relation that is current afterwards (the same when nothing differs) and replaces the
-- capture function when it is another. Raises when a key column is gone, and when a rollout of the set is open.
-- Called by the event trigger in the DDL's own transaction, and by whoever repairs.
-- Privileges: owner of @SCHEMA@. Locks: rollout lock of the set, shared, tried and not waited for, only when something differs.
create or replace function @SCHEMA@.relation_follow(relation int) returns int
language plpgsql set search_path = pg_catalog as $f$
declare
	r record;
	s record;
	attnums int2[];
	keynums int2[];
	bad text;
	ret int;
begin
	select * into r from @SCHEMA@.relation x where x.id = relation_follow.relation and x.current;
	if not found then
		return null;
	end if;
	select array_agg((c ->> 'attnum')::int2 order by (c ->> 'key')::int) into keynums
	from jsonb_array_elements(r.columns) c where c ->> 'key' is not null;
	select array_agg(a.attnum order by a.attnum) into attnums from pg_attribute a
	where a.attrelid = r.reloid and a.attnum > 0 and not a.attisdropped
		and (r.all_columns or exists (select from jsonb_array_elements(r.columns) c where (c ->> 'attnum')::int = a.attnum));
	if r.columns = @SCHEMA@.relation_describe(r.reloid, attnums, keynums) and r.chained = @SCHEMA@.relation_chained(r.reloid) then
		return r.id;
	end if;
	select string_agg(format('"%s"', c ->> 'name'), ', ') into bad from jsonb_array_elements(r.columns) c
	where c ->> 'key' is not null and not (c ->> 'attnum')::int2 = any (attnums);
	if bad is not null then
		raise exception 'column % is the key of table "%" in set "%": choose another key in the set first', bad,
			@SCHEMA@.relation_label(r.reloid), r.set_name;
	end if;
	perform @SCHEMA@.rollout_try(r.set_name, r.reloid);
	select * into strict s from @SCHEMA@.set x where x.name = r.set_name;
	ret := @SCHEMA@.relation_put(r.set_name, s.version, r.reloid, attnums, keynums, r.all_columns, r.mode, r.on_error, 'ddl');
	if ret <> r.id then
		perform @SCHEMA@.capture_replace(r.set_name, ret);
	end if;
	return ret;
end
$f$;
