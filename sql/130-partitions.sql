-- relation_root(table) → oid: the topmost partitioned table above it, or the table itself.
-- Privileges: none. Locks: none (pg_partition_root takes none).
create or replace function @SCHEMA@.relation_root(rel oid) returns oid
language sql stable set search_path = pg_catalog as $f$
	select case when c.relispartition or c.relkind = 'p' then coalesce(pg_partition_root(rel), rel) else rel end::oid
	from pg_class c where c.oid = rel
$f$;

-- relation_tree(table) → setof oid: the table and every partition below it, at any depth.
-- Not pg_partition_tree: that locks every partition until the transaction ends, and a prepared transaction
-- must hold no lock on a user table.
create or replace function @SCHEMA@.relation_tree(rel oid) returns setof oid
language plpgsql stable set search_path = pg_catalog as $f$
begin
	if exists (select from pg_class c where c.oid = rel and c.relkind <> 'p') then
		return next rel; -- the usual case, without a plan over the whole catalog
		return;
	end if;
	return query with recursive t (oid) as (
		select c.oid from pg_class c where c.oid = rel
		union
		select i.inhrelid from t join pg_inherits i on i.inhparent = t.oid
			join pg_class c on c.oid = i.inhrelid and c.relispartition
		where not i.inhdetachpending
	)
	select t.oid from t;
end
$f$;

-- capture_leaves(table) → setof regclass: the tables that need a TRUNCATE trigger of their own: the table
-- itself, or every leaf when it is partitioned (TRUNCATE of a leaf fires nothing above it).
create or replace function @SCHEMA@.capture_leaves(rel regclass) returns setof regclass
language sql stable set search_path = pg_catalog as $f$
	select c.oid::regclass from @SCHEMA@.relation_tree(rel) t join pg_class c on c.oid = t.oid
	where c.relkind <> 'p' order by c.oid
$f$;
