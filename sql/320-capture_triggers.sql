-- ddl_followed() → boolean: is the event trigger of this cluster in force?
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.ddl_followed() returns boolean
language sql stable set search_path = pg_catalog as $f$
	select exists (select from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
		where p.pronamespace = '@SCHEMA@'::regnamespace and e.evtname = 'pgshovel_@CLUSTER@_ddl' and e.evtenabled in ('O', 'A'))
$f$;

-- trigger_name(set, suffix) → text: name of a trigger; the leading space makes it sort, and so fire, first.
-- Suffixes: r rows, i u d transition tables (statement mode), t truncate, k keeps the columns.
create or replace function @SCHEMA@.trigger_name(set_name text, suffix text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select ' pgshovel_@CLUSTER@__' || set_name || '_' || suffix
$f$;

-- triggers_wanted(set, table, mode) → (name, tgtype, ddl): the triggers that this one table or leaf needs, but for k.
-- tgtype as in pg_trigger. Privileges: none. Locks: none.
create or replace function @SCHEMA@.triggers_wanted(set_name text, rel oid, mode text, out name text, out tgtype int, out ddl text)
returns setof record
language sql stable set search_path = pg_catalog as $f$
	select @SCHEMA@.trigger_name(set_name, w.suffix), w.tgtype,
		format('create or replace trigger %I after %s on %s %s execute function %s()', @SCHEMA@.trigger_name(set_name, w.suffix), w.event,
			@SCHEMA@.relation_label(rel), w.level, @SCHEMA@.capture_name(set_name, @SCHEMA@.relation_root(rel)))
	from pg_class c, (values
		('r', 'row', 29, 'insert or update or delete', 'for each row'),
		('i', 'statement', 4, 'insert', 'referencing new table as pgs_new for each statement'),
		('u', 'statement', 16, 'update', 'referencing old table as pgs_old new table as pgs_new for each statement'),
		('d', 'statement', 8, 'delete', 'referencing old table as pgs_old for each statement'),
		('t', null, 32, 'truncate', 'for each statement')) w (suffix, mode, tgtype, event, level)
	where c.oid = rel and case when w.suffix = 't' then c.relkind <> 'p' else w.mode = replace(triggers_wanted.mode, 'leaf', 'row') and not c.relispartition end
$f$;

-- capture_stub(set, table or leaf, columns, mode) → boolean: makes the capture function (as a stub, when there is none)
-- and the triggers of this one table or leaf, where they are missing, disabled or different. True: something changed.
-- columns: as in relation_add(); in an upgrade, before the rollout the old and the new ones together, after it the new ones.
-- Where no event trigger follows DDL, a trigger that never fires (BEFORE UPDATE OF the columns, WHEN (false))
-- makes PostgreSQL refuse DROP COLUMN and ALTER TYPE of a captured column. It costs nothing per row; naming the
-- columns in the WHEN of the capture trigger cost 0.5 µs a column and statement.
-- Call it once for the table and once for each of capture_leaves(), each in a plain transaction of its own with a
-- short statement_timeout, before the rollout.
-- Privileges: TRIGGER on the table; ownership where triggers of another mode are to go.
-- Locks: ShareRowExclusive on the table (a partitioned one: and on all partitions), only when something changes.
create or replace function @SCHEMA@.capture_stub(set_name text, rel regclass, columns text[], mode text default 'row') returns boolean
language plpgsql set search_path = pg_catalog set client_min_messages = warning as $f$
declare
	root oid := @SCHEMA@.relation_root(rel);
	fn text := @SCHEMA@.capture_name(set_name, root);
	leaf boolean := root <> rel;
	w record;
	keep text := @SCHEMA@.trigger_name(set_name, 'k');
	attnums int2[];
	present int2[];
	changed boolean := false;
begin
	perform @SCHEMA@.relation_check(root, mode);
	if to_regprocedure(fn || '()') is null then
		perform @SCHEMA@.capture_define(set_name, root, @SCHEMA@.capture_stub_body());
		changed := true;
	end if;
	for w in select * from @SCHEMA@.triggers_wanted(set_name, rel, mode) loop
		if @SCHEMA@.trigger_problem(rel, w.name, w.tgtype, to_regprocedure(fn || '()')) is not null then
			execute w.ddl;
			changed := true;
		end if;
	end loop;
	if leaf then
		return changed;
	end if;
	for w in select t.tgname from pg_trigger t where t.tgrelid = rel and t.tgfoid = to_regprocedure(fn || '()')
		and t.tgname <> keep and t.tgname not in (select x.name from @SCHEMA@.triggers_wanted(set_name, rel, mode) x)
		and t.tgname <> @SCHEMA@.trigger_name(set_name, 't')
	loop
		execute format('drop trigger %I on %s', w.tgname, @SCHEMA@.relation_label(rel));
		changed := true;
	end loop;
	select t.tgattr::int2[] into present from pg_trigger t where t.tgrelid = rel and t.tgname = keep;
	if @SCHEMA@.ddl_followed() then
		if cardinality(present) > 0 then
			-- replaced, not dropped: that would need AccessExclusive
			execute format('create or replace trigger %I before update on %s for each statement when (false) execute function %s()',
				keep, @SCHEMA@.relation_label(rel), fn);
			changed := true;
		end if;
		return changed;
	end if;
	attnums := @SCHEMA@.relation_columns(rel, columns);
	if present is null or not (present @> attnums and attnums @> present) then
		execute format('create or replace trigger %I before update of %s on %s for each statement when (false) execute function %s()', keep,
			(select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a where a.attrelid = rel and a.attnum = any (attnums)),
			@SCHEMA@.relation_label(rel), fn);
		changed := true;
	end if;
	return changed;
end
$f$;

-- trigger_problem(table, trigger, tgtype, function) → text: what is wrong with a trigger of ours, on the table and,
-- for row triggers, on every partition; null: nothing. Privileges: none. Locks: none.
create or replace function @SCHEMA@.trigger_problem(rel oid, name text, tgtype int, fn oid) returns text
language sql stable set search_path = pg_catalog as $f$
	select case
		when t.oid is null then 'is missing'
		when t.tgfoid <> fn or t.tgtype <> trigger_problem.tgtype or t.tgqual is not null or t.tgattr <> '' then 'was changed by hand'
		when t.tgenabled not in ('O', 'A') then 'is disabled' end
		|| format(' (trigger "%s" on "%s")', name, @SCHEMA@.relation_label(x.oid))
	from (select oid from @SCHEMA@.relation_tree(rel) oid where oid = rel or trigger_problem.tgtype & 1 = 1) x
	left join pg_trigger t on t.tgrelid = x.oid and t.tgname = name
	where t.oid is null or t.tgfoid <> fn or t.tgtype <> trigger_problem.tgtype or t.tgqual is not null or t.tgattr <> ''
		or t.tgenabled not in ('O', 'A')
	limit 1
$f$;

-- capture_drop(set, table oid): removes function and triggers, also from all partitions and when the table is gone.
-- DROP FUNCTION … CASCADE: its triggers go with it, and no ownership of the table is asked for.
-- Runs in a short plain transaction with a statement_timeout, after the rollout.
-- Privileges: owner of @SCHEMA@. Locks: AccessExclusive on the table and its partitions, until the end of the transaction.
create or replace function @SCHEMA@.capture_drop(set_name text, rel oid) returns void
language plpgsql set search_path = pg_catalog set client_min_messages = warning as $f$
begin
	if exists (select from @SCHEMA@.relation r join @SCHEMA@.set s on s.name = r.set_name
		where r.set_name = capture_drop.set_name and r.reloid = rel and r.current and s.state = 'active') then
		raise exception 'table "%" is still captured by set "%": take it out of the set first', @SCHEMA@.relation_label(rel), set_name;
	end if;
	execute format('drop function if exists %s() cascade', @SCHEMA@.capture_name(set_name, rel));
end
$f$;
