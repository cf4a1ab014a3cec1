-- rec_text(record) → text: record text under pinned settings, whatever the session has set.
-- The slow path of the capture functions: each SET costs about 4 µs a call, so it is entered only when a
-- setting in force would change the text, and always for types whose text depends on search_path.
-- Privileges: called with those of the capture function's owner. Locks: none.
create or replace function @SCHEMA@.rec_text(r record) returns text
language plpgsql stable
set search_path = pg_catalog
set datestyle = 'ISO, MDY' set intervalstyle = postgres set bytea_output = hex set extra_float_digits = 1
set timezone = 'UTC' set quote_all_identifiers = off set lc_monetary = 'C'
as $f$
begin
	return r::text;
end
$f$;

-- live_fields(table, attribute numbers, row) → text: the fields of a row under the column names of the moment, for a
-- ROW(…); a column that is gone is null. row: SQL for the row. The names come from the system's caches, not from a
-- scan of pg_attribute: a repeatable-read transaction that is older than the table must see them, too.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.live_fields(root oid, attnums int2[], row_sql text) returns text
language sql stable set search_path = pg_catalog as $f$
	select string_agg(coalesce(row_sql || '.' || quote_ident(i.object_names[3]), 'null::pg_catalog.text'), ', ' order by x.ord)
	from unnest(attnums) with ordinality x (attnum, ord), pg_identify_object_as_address('pg_class'::regclass, root, x.attnum) i
$f$;

-- rec_live(table, attribute numbers, row) → text: record text of a row of a table whose columns were renamed after the capture
-- function was made. Slow (look-ups and a new plan a row); keeps writers alive until the set is upgraded.
-- Privileges: called with those of the capture function's owner. Locks: none.
create or replace function @SCHEMA@.rec_live(root oid, attnums int2[], r record) returns text
language plpgsql stable
set search_path = pg_catalog
set datestyle = 'ISO, MDY' set intervalstyle = postgres set bytea_output = hex set extra_float_digits = 1
set timezone = 'UTC' set quote_all_identifiers = off set lc_monetary = 'C'
as $f$
declare
	ret text;
begin
	execute 'select ROW(' || @SCHEMA@.live_fields(root, attnums, '($1)') || ')::text' into ret using r;
	return ret;
end
$f$;
