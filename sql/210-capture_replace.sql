-- capture_define(set, table oid, body): makes or replaces the capture function of a table, when its source differs.
-- Parameters: body, the PL/pgSQL source. Privileges: owner of @SCHEMA@. Locks: none on user tables.
-- SECURITY DEFINER without SET: writers need no right on the queue, and a SET would cost 4 µs a row. EXECUTE is
-- revoked so that nobody else can hang it on a table of his own; triggers that exist do not ask for it.
create or replace function @SCHEMA@.capture_define(set_name text, rel oid, body text) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	name text := @SCHEMA@.capture_name(set_name, rel);
begin
	if exists (select from pg_proc where oid = to_regprocedure(name || '()') and prosrc = body) then
		return;
	end if;
	execute format('create or replace function %s() returns trigger language plpgsql security definer as %L', name, body);
	execute format('revoke all on function %s() from public', name);
end
$f$;

-- capture_stub_body() → text: source of a capture function that does nothing.
create or replace function @SCHEMA@.capture_stub_body() returns text
language sql immutable set search_path = pg_catalog as $f$
	select E'-- pgshovel stub\nbegin\n\treturn null;\nend'
$f$;

-- capture_replace(set, relation): the table's capture function becomes that of this relation.
-- Runs in the prepared transaction. Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.capture_replace(set_name text, relation int) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	rel oid;
begin
	select r.reloid into rel from @SCHEMA@.relation r where r.id = relation and r.set_name = capture_replace.set_name and r.current;
	if not found then
		raise exception 'relation % is not a current one of set "%": plan the rollout again', relation, set_name;
	end if;
	perform @SCHEMA@.capture_define(set_name, rel, @SCHEMA@.capture_body(relation));
end
$f$;

-- capture_list(set) → (rel, table_name, live): the capture functions of a set that exist; live: not a stub.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_list(set_name text, out rel oid, out table_name text, out live boolean) returns setof record
language sql stable set search_path = pg_catalog as $f$
	select x.rel, @SCHEMA@.relation_label(x.rel), x.prosrc <> @SCHEMA@.capture_stub_body()
	from (select substr(p.proname, length('capture_' || set_name || '_') + 1)::oid as rel, p.prosrc
		from pg_proc p where p.pronamespace = '@SCHEMA@'::regnamespace and p.proname ~ ('^capture_' || set_name || '_[0-9]+$')) x
$f$;
