-- relation_chained(table) → boolean: can a statement on the table write the same table again before its own
-- rows are captured? Then events must carry OLD.ctid and NEW.ctid, so that the relay can put them in order.
-- True when the table (or a partition) has a row trigger of a user, BEFORE or AFTER (a BEFORE trigger that
-- writes another row of the table is captured first as well); when cascading foreign keys lead from the table
-- back to itself; or when a table that they reach has any trigger of a user.
-- Not seen: volatile functions called in a statement, which write the statement's own table.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_chained(rel oid) returns boolean
language sql stable set search_path = pg_catalog as $f$
	with recursive reach (oid) as (
		select @SCHEMA@.relation_root(k.conrelid) from pg_constraint k
		where k.contype = 'f' and (k.confupdtype in ('c', 'n', 'd') or k.confdeltype in ('c', 'n', 'd'))
			and k.confrelid in (select @SCHEMA@.relation_tree(rel))
		union
		select @SCHEMA@.relation_root(k.conrelid) from reach r join pg_constraint k on k.confrelid = r.oid
		where k.contype = 'f' and (k.confupdtype in ('c', 'n', 'd') or k.confdeltype in ('c', 'n', 'd'))
	), user_trigger as (
		select t.tgrelid, t.tgtype from pg_trigger t join pg_proc p on p.oid = t.tgfoid
		where p.pronamespace <> 'pg_catalog'::regnamespace and t.tgname not like ' pgshovel\_%'
	)
	select exists (select from user_trigger u where u.tgrelid in (select @SCHEMA@.relation_tree(rel)) and u.tgtype::int & 1 = 1)
		or exists (select from reach r where r.oid = rel)
		or exists (select from reach r join user_trigger u on u.tgrelid in (select @SCHEMA@.relation_tree(r.oid)))
$f$;
