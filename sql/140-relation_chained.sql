-- relation_chained(table) → boolean: can a statement on the table write the same table again before its own
-- rows are captured? Then events must carry OLD.ctid and NEW.ctid, so that the relay can put them in order.
-- True when the table (or a partition) has a row trigger of a user, BEFORE or AFTER (a BEFORE trigger that
-- writes another row of the table is captured first as well); when cascading foreign keys lead from the table
-- back to itself; or when a table that they reach has any trigger of a user.
-- Not seen: volatile functions called in a statement, which write the statement's own table.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_chained(rel oid) returns boolean
language plpgsql stable set search_path = pg_catalog as $f$
declare
	tree oid[] := array(select @SCHEMA@.relation_tree(rel));
	reach oid[];
begin
	if @SCHEMA@.user_trigger(tree, 1) then
		return true;
	elsif not exists (select from pg_constraint k where k.contype = 'f' and k.confrelid = any (tree)) then
		return false;
	end if;
	with recursive r (oid) as (
		select unnest(tree)
		union
		select @SCHEMA@.relation_root(k.conrelid) from r join pg_constraint k on k.confrelid = r.oid
		where k.contype = 'f' and (k.confupdtype in ('c', 'n', 'd') or k.confdeltype in ('c', 'n', 'd'))
	)
	select array_agg(distinct k.conrelid) into reach from r join pg_constraint k on k.confrelid = r.oid
	where k.contype = 'f' and (k.confupdtype in ('c', 'n', 'd') or k.confdeltype in ('c', 'n', 'd'));
	return coalesce(reach && tree or @SCHEMA@.user_trigger(array(select @SCHEMA@.relation_tree(x.oid) from unnest(reach) x (oid)), 0), false);
end
$f$;

-- user_trigger(tables, bits) → boolean: has one of the tables a trigger of a user with these bits of tgtype? Triggers whose
-- functions are built in (foreign keys, deferred unique) do not write on a user's account; ours do not write tables.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.user_trigger(tables oid[], bits int) returns boolean
language sql stable set search_path = pg_catalog as $f$
	select exists (select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
		where t.tgrelid = any (tables) and t.tgtype::int & bits = bits
			and p.pronamespace <> 'pg_catalog'::regnamespace and t.tgname not like ' pgshovel\_%')
$f$;
