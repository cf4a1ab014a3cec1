-- relation_put(set, version, table, attnums, keynums, all_columns, mode, on_error, made_by) → int: the id of the current relation of
-- this shape in this version of the set (an event names it, and with it the version): the present one when it is equal, else a new row; the table's former row (also that of another
-- table that had the same name) is no longer current.
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.relation_put(set_name text, version text, rel oid, attnums int2[], keynums int2[], all_columns boolean,
	mode text, on_error text, made_by text) returns int
language plpgsql set search_path = pg_catalog as $f$
#variable_conflict use_variable
declare
	c record;
	cols jsonb := @SCHEMA@.relation_describe(rel, attnums, keynums);
	chained boolean := @SCHEMA@.relation_chained(rel);
	former record;
	ret int;
begin
	select n.nspname, k.relname into strict c from pg_class k join pg_namespace n on n.oid = k.relnamespace where k.oid = rel;
	for former in select * from @SCHEMA@.relation r
		where r.set_name = set_name and r.current and (r.reloid = rel or r.schema_name = c.nspname and r.table_name = c.relname)
	loop
		if former.reloid <> rel then
			-- the name has gone to another table: what the old one writes is not this table's
			perform @SCHEMA@.relation_retire(set_name, former.reloid);
		elsif made_by = 'ddl' then
			-- a rename of the table is not followed: the topic carries the name of the set's document
			c.nspname := former.schema_name;
			c.relname := former.table_name;
		end if;
		if former.reloid = rel and former.schema_name = c.nspname and former.table_name = c.relname and former.columns = cols
			and former.all_columns = all_columns and former.chained = chained and former.mode = mode
			and former.on_error = on_error and (former.version = version or made_by = 'ddl') then
			ret := former.id;
		end if;
	end loop;
	if ret is null then
		update @SCHEMA@.relation r set current = false where r.set_name = set_name and r.reloid = rel and r.current;
		insert into @SCHEMA@.relation (set_name, reloid, schema_name, table_name, version, made_by, mode, on_error, columns, all_columns, chained)
		values (set_name, rel, c.nspname, c.relname, version, made_by, mode, on_error, cols, all_columns, chained)
		returning id into ret;
	end if;
	return ret;
end
$f$;

-- relation_add(set, version, table, columns, key, mode, on_error) → int: the table belongs to the set in this shape.
-- columns: null for all, also later ones; key: null for the primary key, empty for none; mode: 'row', 'statement' or
-- 'leaf'; on_error: 'fail' or 'count', what becomes of a statement whose rows cannot be captured.
-- Returns the relation's id; an equal current one keeps it. Raises one line that says what to do when the table, a
-- column or the key cannot be captured.
-- Runs in the prepared transaction. Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.relation_add(set_name text, version text, rel regclass, columns text[], key text[], mode text default 'row',
	on_error text default 'fail') returns int
language plpgsql set search_path = pg_catalog as $f$
declare
	attnums int2[];
	keynums int2[];
	bad text;
begin
	perform from @SCHEMA@.set s where s.name = set_name and s.state = 'active';
	if not found then
		raise exception 'there is no active set "%" in this database: create it first', set_name;
	elsif rel is null then
		raise exception 'a table of set "%" does not exist: correct its name in the set', set_name;
	end if;
	perform @SCHEMA@.relation_check(rel, mode);
	if on_error = 'count' then
		execute format('create sequence if not exists %s', @SCHEMA@.capture_lost_name(set_name));
	end if;
	attnums := @SCHEMA@.relation_columns(rel, columns);
	keynums := @SCHEMA@.relation_key(rel, key);
	select a.attname into bad from pg_attribute a
	where a.attrelid = rel and a.attnum = any (keynums) and not a.attnum = any (attnums) limit 1;
	if found then
		raise exception 'key column "%" of table "%" is not in its column list: add it', bad, @SCHEMA@.relation_label(rel);
	end if;
	return @SCHEMA@.relation_put(set_name, version, rel, attnums, keynums, columns is null, mode, on_error, 'rollout');
end
$f$;

-- relation_retire(set, table oid): the table leaves the set: its function becomes a stub, no row of it is current.
-- Runs in the prepared transaction. Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.relation_retire(set_name text, rel oid) returns void
language plpgsql set search_path = pg_catalog as $f$
begin
	update @SCHEMA@.relation r set current = false where r.set_name = relation_retire.set_name and r.reloid = rel and r.current;
	if to_regprocedure(@SCHEMA@.capture_name(set_name, rel) || '()') is not null then
		perform @SCHEMA@.capture_define(set_name, rel, @SCHEMA@.capture_stub_body());
	end if;
end
$f$;
