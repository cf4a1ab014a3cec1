-- capture_check(set) → (schema_name, table_name, problem): what no longer agrees between the relations of a set and
-- the live catalog: each row means that changes are or will be lost, or have another shape than recorded.
-- No rows: all is well. The relay asks once a minute and stops the set when there is an answer; relation_follow() cures
-- what "run pgshovel set upgrade" is said for.
-- Privileges: reads @SCHEMA@ and catalogs. Locks: none on user tables.
create or replace function @SCHEMA@.capture_check(set_name text, out schema_name text, out table_name text, out problem text)
returns setof record
language plpgsql stable set search_path = pg_catalog as $f$
#variable_conflict use_column
declare
	r record;
	named oid;
	fn oid;
	leaf oid;
	kind "char";
	body text;
	keynums int2[];
begin
	if not exists (select from @SCHEMA@.set s where s.name = capture_check.set_name and s.state = 'active') then
		problem := format('there is no active set "%s" in this database', capture_check.set_name);
		return next;
		return;
	end if;
	if not exists (select from pgq.queue q join pgq.subscription s on s.sub_queue = q.queue_id join pgq.consumer c on c.co_id = s.sub_consumer
		where q.queue_name = 'pgshovel:@CLUSTER@:' || capture_check.set_name and c.co_name = 'relay') then
		problem := format('queue "pgshovel:@CLUSTER@:%s" or its consumer "relay" is missing', capture_check.set_name);
		return next;
		if not exists (select from pgq.queue q where q.queue_name = 'pgshovel:@CLUSTER@:' || capture_check.set_name) then
			return; -- capture_body() cannot be asked without it
		end if;
	end if;
	for r in select * from @SCHEMA@.relation x where x.set_name = capture_check.set_name and x.current order by x.schema_name, x.table_name loop
		schema_name := r.schema_name;
		table_name := r.table_name;
		named := to_regclass(format('%I.%I', r.schema_name, r.table_name));
		select c.relkind into kind from pg_class c where c.oid = r.reloid;
		if not found then
			problem := case when named is null then 'the table was dropped: take it out of the set'
				else 'the table was dropped and created again: run pgshovel set upgrade' end;
			return next;
			continue;
		elsif named is distinct from r.reloid then
			problem := format('the table is called "%s" now%s: correct the set', @SCHEMA@.relation_label(r.reloid),
				case when named is not null then ', and another one has its name' else '' end);
			return next;
			continue;
		end if;
		begin
			perform @SCHEMA@.relation_check(r.reloid, r.mode);
		exception when raise_exception then
			get stacked diagnostics problem = message_text;
			return next;
			continue;
		end;

		fn := to_regprocedure(@SCHEMA@.capture_name(capture_check.set_name, r.reloid) || '()');
		if fn is null then
			problem := 'its capture function is missing: run pgshovel set upgrade';
			return next;
			continue;
		end if;
		select p.prosrc into body from pg_proc p where p.oid = fn;
		if body is distinct from @SCHEMA@.capture_body(r.id) then
			problem := 'its capture function was changed by hand: run pgshovel set upgrade';
			return next;
		end if;
		for leaf in select r.reloid union all select l from @SCHEMA@.capture_leaves(r.reloid) l where kind = 'p' loop
			for problem in select @SCHEMA@.trigger_problem(leaf, w.name, w.tgtype, fn) from @SCHEMA@.triggers_wanted(capture_check.set_name, leaf, r.mode) w loop
				if problem is not null then
					problem := 'capture ' || problem || ': run pgshovel set upgrade';
					return next;
				end if;
			end loop;
		end loop;

		for problem in
			select case
				when a.attname is null or a.attisdropped then format('column "%s" was dropped', c ->> 'name')
				when a.attname <> c ->> 'name' then format('column "%s" is called "%s" now', c ->> 'name', a.attname)
				when a.atttypid <> (c ->> 'typid')::oid or a.atttypmod <> (c ->> 'typmod')::int
					then format('column "%s" is %s now and was %s', c ->> 'name', format_type(a.atttypid, a.atttypmod), c ->> 'type')
				when c ->> 'key' is not null and not a.attnotnull then format('key column "%s" may be null now', c ->> 'name') end
				|| ': run pgshovel set upgrade'
			from jsonb_array_elements(r.columns) c
			left join pg_attribute a on a.attrelid = r.reloid and a.attnum = (c ->> 'attnum')::int
		loop
			if problem is not null then
				return next;
			end if;
		end loop;
		if r.all_columns then
			select string_agg(format('"%s"', a.attname), ', ' order by a.attnum) into problem from pg_attribute a
			where a.attrelid = r.reloid and a.attnum > 0 and not a.attisdropped
				and not exists (select from jsonb_array_elements(r.columns) c where (c ->> 'attnum')::int = a.attnum);
			if problem is not null then
				problem := format('column %s is new and not captured yet: run pgshovel set upgrade', problem);
				return next;
			end if;
		end if;
		select array_agg((c ->> 'attnum')::int2) into keynums from jsonb_array_elements(r.columns) c where c ->> 'key' is not null;
		if keynums is not null and @SCHEMA@.key_index(r.reloid, keynums) is null then
			problem := 'its key has no unique index any more: create one or choose another key';
			return next;
		end if;
		if not r.chained and @SCHEMA@.relation_chained(r.reloid) then
			problem := 'triggers or cascades can write it again within a statement now: run pgshovel set upgrade';
			return next;
		end if;
	end loop;
end
$f$;
