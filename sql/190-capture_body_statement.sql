-- capture_insert(relation, queue table, operation, new, old) → text: the INSERT of one operation on transition tables (pgs_new,
-- pgs_old, both as x); new and old: expressions for the record text. operation: INSERT, UPDATE, DELETE or TRUNCATE.
-- Old and new rows are paired by their place: both tables are filled by the same call, so the places agree.
-- FULL JOIN, because it can never become a nested loop, whatever plan a one-row statement left in the cache, and
-- because a difference in the number of rows shows up as a null side.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_insert(relation int, target text, op text, n text, o text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select 'insert into ' || target || ' (ev_time, ev_type, ev_data, ev_extra1, ev_extra2) ' || case op
		when 'INSERT' then format('select pg_catalog.now(), ''I'', %s, ''%s'', null from pgs_new x', n, relation)
		when 'DELETE' then format('select pg_catalog.now(), ''D'', null, ''%s'', %s from pgs_old x', relation, o)
		when 'UPDATE' then format('select pg_catalog.now(), ''U'', z.n, ''%1$s'', z.o from (select a.n, b.o, coalesce(a.k, b.k) k from'
			' (select %2$s n, pg_catalog.row_number() over () k from pgs_new x) a full join'
			' (select %3$s o, pg_catalog.row_number() over () k from pgs_old x) b on a.k operator(pg_catalog.=) b.k) z'
			' where not (z.n operator(pg_catalog.=) z.o) or z.n is null or z.o is null order by z.k', relation, n, o)
		else format('values (pg_catalog.now(), ''T'', null, ''%s'', null)', relation) end
$f$;

-- capture_insert_live(relation, table, attribute numbers, operation, queue table) → text: the same with the column names of the
-- moment, for a table whose columns were renamed; a column that is gone is null.
-- Privileges: called with those of the capture function's owner. Locks: none.
create or replace function @SCHEMA@.capture_insert_live(relation int, rel oid, attnums int2[], op text, target text) returns text
language sql stable set search_path = pg_catalog as $f$
	select @SCHEMA@.capture_insert(relation, target, op, l.text, l.text)
	from (select '@SCHEMA@.rec_text(ROW(' || @SCHEMA@.live_fields(rel, attnums, 'x') || '))' as text) l
$f$;

-- capture_text(guard, row) → text: expression for the record text of one row, under the guard of capture_body().
create or replace function @SCHEMA@.capture_text(guard text, row_sql text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select case guard
		when '' then row_sql || '::pg_catalog.text'
		when 'false' then '@SCHEMA@.rec_text(' || row_sql || ')'
		else format('case when g then %1$s::pg_catalog.text else @SCHEMA@.rec_text(%1$s) end', row_sql) end
$f$;

-- capture_body_statement(…) → text: source of a capture function that works on transition tables: a static INSERT for each
-- rotation table and operation. Parameters as computed by capture_body(), its only caller; x_row: ROW(x.a, …). Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_body_statement(relation int, rel oid, queue_id int, pfx text, ntables int, guard text,
	attnums int2[], x_row text) returns text
language plpgsql immutable set search_path = pg_catalog as $f$
declare
	x text := @SCHEMA@.capture_text(guard, x_row);
	ret text;
	op text;
begin
	ret := E'declare\n\tg pg_catalog.bool;\n\tcur pg_catalog.int4;\nbegin\n'
		-- a statement trigger fires for no rows, too
		|| E'\tif TG_OP operator(pg_catalog.=) ''INSERT'' then\n\t\tperform from pgs_new limit 1;\n\t\tif not found then\n\t\t\treturn null;\n\t\tend if;\n'
		|| E'\telsif TG_OP operator(pg_catalog.<>) ''TRUNCATE'' then\n\t\tperform from pgs_old limit 1;\n\t\tif not found then\n\t\t\treturn null;\n\t\tend if;\n\tend if;\n'
		|| case when guard in ('', 'false') then '' else E'\tg := ' || guard || E';\n' end
		|| format(E'\tselect queue_cur_table into cur from pgq.queue where queue_id operator(pg_catalog.=) %s;\n\tbegin\n', queue_id);
	for i in reverse ntables - 1 .. 0 loop
		ret := ret || case when i = 0 then E'\telse\n'
			else format(E'\t%s cur operator(pg_catalog.=) %s then\n', case when i = ntables - 1 then 'if' else 'elsif' end, i) end;
		foreach op in array array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] loop
			ret := ret || case op when 'INSERT' then E'\t\tif TG_OP operator(pg_catalog.=) ''INSERT'' then' when 'TRUNCATE' then E'\t\telse'
					else format(E'\t\telsif TG_OP operator(pg_catalog.=) ''%s'' then', op) end
				|| E'\n\t\t\t' || @SCHEMA@.capture_insert(relation, pfx || '_' || i, op, x, x) || E';\n';
		end loop;
		ret := ret || E'\t\tend if;\n';
	end loop;
	return ret || E'\tend if;\n\texception when undefined_column then\n\t\texecute @SCHEMA@.capture_insert_live('
		|| format('%s, %s::pg_catalog.oid, %L::pg_catalog.int2[], TG_OP, pg_catalog.format(%L, coalesce(cur, 0))', relation, rel, attnums, pfx || '_%s')
		|| E');\n\tend;\n\treturn null;\nend';
end
$f$;
