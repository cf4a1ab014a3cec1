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

-- rec_live(table, attribute numbers, row) → text: the same for a table whose columns were renamed after the
-- capture function was made: names come from the catalog of the moment. A column that is gone is null.
-- Slow (a catalog look-up and a new plan a row); keeps writers alive until the set is upgraded.
create or replace function @SCHEMA@.rec_live(root oid, attnums int2[], r record) returns text
language plpgsql stable
set search_path = pg_catalog
set datestyle = 'ISO, MDY' set intervalstyle = postgres set bytea_output = hex set extra_float_digits = 1
set timezone = 'UTC' set quote_all_identifiers = off set lc_monetary = 'C'
as $f$
declare
	fields text;
	ret text;
begin
	select string_agg(coalesce('($1).' || quote_ident(a.attname), 'null::text'), ', ' order by x.ord) into fields
	from unnest(attnums) with ordinality x (attnum, ord)
	left join pg_attribute a on a.attrelid = root and a.attnum = x.attnum and not a.attisdropped;
	execute 'select ROW(' || fields || ')::text' into ret using r;
	return ret;
end
$f$;
