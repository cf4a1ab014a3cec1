-- capture_lost_name(set) → text: qualified name of the sequence that counts captures that failed; it is there when a table of
-- the set has on_error "count". A sequence: it never blocks, and keeps its number when the statement is rolled back.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_lost_name(set_name text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select format('@SCHEMA@.%I', 'lost_' || set_name)
$f$;

-- capture_lost(set) → bigint: how many calls of capture functions have failed since the set was created.
-- Privileges: owner of @SCHEMA@. Locks: none.
create or replace function @SCHEMA@.capture_lost(set_name text) returns bigint
language plpgsql volatile set search_path = pg_catalog as $f$
declare
	ret bigint := 0;
begin
	if to_regclass(@SCHEMA@.capture_lost_name(set_name)) is not null then
		execute format('select case when is_called then last_value else 0 end from %s', @SCHEMA@.capture_lost_name(set_name)) into ret;
	end if;
	return ret;
end
$f$;

-- capture_failed(set, table, sqlstate, message): a capture function gave up: counted, and told to the server's log. Raises nothing.
-- Privileges: called with those of the capture function's owner. Locks: none.
create or replace function @SCHEMA@.capture_failed(set_name text, rel oid, state text, message text) returns void
language plpgsql set search_path = pg_catalog as $f$
begin
	raise log 'pgshovel cannot capture a change of table "%" for set "%", it is lost: % (%)', @SCHEMA@.relation_label(rel), set_name, message, state;
	perform nextval(@SCHEMA@.capture_lost_name(set_name)::regclass);
exception when others then
	return;
end
$f$;

-- capture_guarded(set, on_error, block) → text: the PL/pgSQL block of a capture function, its errors left to the statement (fail) or
-- counted (count). The latter costs a subtransaction a row. A cancelled statement is cancelled in both.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_guarded(set_name text, on_error text, block text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select case when on_error = 'fail' then block else E'begin\n' || block || format(E';\nexception when others then\n\tperform '
		'@SCHEMA@.capture_failed(%L, TG_RELID, SQLSTATE, SQLERRM);\n\treturn null;\nend', set_name) end
$f$;
