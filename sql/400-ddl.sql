-- ddl_changed(tables, everything): after DDL on these tables, brings every current relation that it may touch in line
-- with the catalog: the tables themselves, what inherits from them, the roots they are partitions of, and what their
-- foreign keys reference (a cascade may make nested writes possible). Leaves of partitioned tables get the
-- triggers that they lack, unless the owner of @SCHEMA@ has no right on them: capture_check() reports that.
-- Parameters: tables, may be null; everything: look at all relations (a type was altered).
-- Privileges: owner of @SCHEMA@. Locks: see relation_follow(); ShareRowExclusive on new leaves.
create or replace function @SCHEMA@.ddl_changed(tables oid[], everything boolean) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	r record;
	w record;
	touched oid[];
begin
	with recursive down (oid) as (
		select x from unnest(tables) x
		union
		select i.inhrelid from down d join pg_inherits i on i.inhparent = d.oid
	), up (oid) as (
		select @SCHEMA@.relation_root(d.oid) from down d
		union
		select @SCHEMA@.relation_root(k.confrelid) from up u join pg_constraint k on k.conrelid = u.oid and k.contype = 'f'
	)
	select array_agg(x.oid) into touched from (select oid from down union select oid from up) x;
	for r in select x.id, x.set_name, x.reloid, x.mode, c.relkind from @SCHEMA@.relation x join @SCHEMA@.set s on s.name = x.set_name
		join pg_class c on c.oid = x.reloid
		where x.current and s.state = 'active' and (everything or x.reloid = any (touched)) order by x.id
	loop
		perform @SCHEMA@.relation_follow(r.id);
		continue when r.relkind <> 'p';
		for w in select l as leaf, t.name, t.tgtype, t.ddl from @SCHEMA@.capture_leaves(r.reloid) l,
			@SCHEMA@.triggers_wanted(r.set_name, l, r.mode) t
			where @SCHEMA@.trigger_problem(l, t.name, t.tgtype, to_regprocedure(@SCHEMA@.capture_name(r.set_name, r.reloid) || '()')) is not null
		loop
			begin
				execute w.ddl;
			exception when insufficient_privilege then
				null; -- capture_check() says so within a minute; the application's DDL must not fail for it
			end;
		end loop;
	end loop;
end
$f$;

-- ddl_columns(tables): before columns of these tables go, are renamed or get another type: a rollout that is prepared may be about to
-- capture them, which only its own transaction can see. Every set that has triggers there is asked.
-- Privileges: owner of @SCHEMA@. Locks: see rollout_try().
create or replace function @SCHEMA@.ddl_columns(tables oid[]) returns void
language plpgsql set search_path = pg_catalog as $f$
begin
	perform @SCHEMA@.rollout_try(x.set_name, x.rel) from (select distinct substring(t.tgname from '^ pgshovel_@CLUSTER@__(.*)_[a-z]$') as set_name,
		t.tgrelid as rel from pg_trigger t where t.tgrelid = any (tables) and t.tgname like ' pgshovel\_@CLUSTER@\_\_%') x;
end
$f$;

-- ddl_end(): event trigger function at ddl_command_end. Leaves at once for temporary objects and while nothing is captured.
-- SECURITY DEFINER: DDL by any role must be followed. Locks: see ddl_changed().
create or replace function @SCHEMA@.ddl_end() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $f$
declare
	tables oid[];
begin
	perform @SCHEMA@.ddl_columns(array_agg(d.objid)) from pg_event_trigger_ddl_commands() d
	where d.schema_name is distinct from 'pg_temp' and d.classid = 'pg_class'::regclass and (d.object_type = 'table column'
		or not exists (select from @SCHEMA@.relation r where r.current and r.reloid = @SCHEMA@.relation_root(d.objid)))
	having count(*) > 0;
	select array_agg(distinct case when d.classid = 'pg_trigger'::regclass
		then (select t.tgrelid from pg_trigger t where t.oid = d.objid and t.tgname not like ' pgshovel\_%') else d.objid end)
	into tables from pg_event_trigger_ddl_commands() d
	where d.schema_name is distinct from 'pg_temp' and d.classid in ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_type'::regclass);
	tables := array_remove(tables, null);
	if cardinality(tables) > 0 and exists (select from @SCHEMA@.relation where current) then
		perform @SCHEMA@.ddl_changed(tables, tg_tag in ('ALTER TYPE', 'ALTER DOMAIN'));
	end if;
end
$f$;
revoke all on function @SCHEMA@.ddl_end() from public;

-- ddl_drop(): event trigger function at sql_drop: columns that went with a type, a schema or an extension.
-- SECURITY DEFINER as above. Locks: see ddl_changed().
create or replace function @SCHEMA@.ddl_drop() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $f$
declare
	tables oid[];
begin
	select array_agg(distinct d.objid) into tables from pg_event_trigger_dropped_objects() d
	where d.classid = 'pg_class'::regclass and d.objsubid <> 0 and not d.is_temporary;
	perform @SCHEMA@.ddl_columns(tables);
	if cardinality(tables) > 0 and exists (select from @SCHEMA@.relation where current) then
		perform @SCHEMA@.ddl_changed(tables, false);
	end if;
end
$f$;
revoke all on function @SCHEMA@.ddl_drop() from public;

-- ddl_rewrite(): event trigger function at table_rewrite: a column that no set captures yet gets another type; that a
-- rollout is about to capture it only ddl_columns() can tell.
-- SECURITY DEFINER as above. Locks: see rollout_try().
create or replace function @SCHEMA@.ddl_rewrite() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $f$
begin
	perform @SCHEMA@.ddl_columns(array[pg_event_trigger_table_rewrite_oid()]);
end
$f$;
revoke all on function @SCHEMA@.ddl_rewrite() from public;
