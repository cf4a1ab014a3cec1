-- capture_body_statement(…) → text: source of a capture function that works on transition tables (pgs_new, pgs_old).
-- Old and new rows are paired by their place: both tables are filled by the same call, so the places agree.
-- FULL JOIN, because it can never become a nested loop, whatever plan a one-row statement left in the cache, and
-- because a difference in the number of rows shows up as a null side. Called by capture_body() only.
-- The statement is built once more from the catalog of the moment when a column was renamed.
-- Parameters as computed there. Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_body_statement(relation int, rel oid, queue_id int, pfx text, ntables int, guard text,
	attnums int2[], new_row text, old_row text) returns text
language plpgsql immutable set search_path = pg_catalog as $f$
declare
	n text := replace(new_row, 'NEW.', 'x.');
	o text := replace(old_row, 'OLD.', 'x.');
	live text := format('@SCHEMA@.rec_live(%s::pg_catalog.oid, %L::pg_catalog.int2[], x)', rel, attnums);
	head text;
	body text;
begin
	n := @SCHEMA@.capture_text(guard, n);
	o := @SCHEMA@.capture_text(guard, o);
	head := case when guard in ('', 'false') then '' else E'\tg := ' || guard || E';\n' end;
	body := E'\tbegin\n' || @SCHEMA@.capture_inserts(relation, pfx, ntables, n, o)
		|| E'\texception when undefined_column then\n' || @SCHEMA@.capture_inserts(relation, pfx, ntables, live, live) || E'\tend;\n';
	return E'declare\n\tg pg_catalog.bool;\n\tcur pg_catalog.int4;\nbegin\n'
		-- a statement trigger fires for no rows, too
		|| E'\tif TG_OP operator(pg_catalog.=) ''INSERT'' then\n\t\tperform from pgs_new limit 1;\n\t\tif not found then\n\t\t\treturn null;\n\t\tend if;\n'
		|| E'\telsif TG_OP operator(pg_catalog.<>) ''TRUNCATE'' then\n\t\tperform from pgs_old limit 1;\n\t\tif not found then\n\t\t\treturn null;\n\t\tend if;\n\tend if;\n'
		|| head
		|| format(E'\tselect queue_cur_table into cur from pgq.queue where queue_id operator(pg_catalog.=) %s;\n', queue_id)
		|| body || E'\treturn null;\nend';
end
$f$;

-- capture_text(guard, row) → text: expression for the record text of one row, under the guard of capture_body().
create or replace function @SCHEMA@.capture_text(guard text, row_sql text) returns text
language sql immutable set search_path = pg_catalog as $f$
	select case guard
		when '' then row_sql || '::pg_catalog.text'
		when 'false' then '@SCHEMA@.rec_text(' || row_sql || ')'
		else format('case when g then %1$s::pg_catalog.text else @SCHEMA@.rec_text(%1$s) end', row_sql) end
$f$;

-- capture_inserts(relation, prefix, tables, new, old) → text: the static INSERTs for each rotation table and operation.
create or replace function @SCHEMA@.capture_inserts(relation int, pfx text, ntables int, n text, o text) returns text
language plpgsql immutable set search_path = pg_catalog as $f$
declare
	ret text := '';
	target text;
begin
	for i in reverse ntables - 1 .. 0 loop
		target := format('insert into %s_%s (ev_time, ev_type, ev_data, ev_extra1, ev_extra2)', pfx, i);
		ret := ret || case when i = 0 then E'\telse\n' else format(E'\t%s cur operator(pg_catalog.=) %s then\n',
				case when i = ntables - 1 then 'if' else 'elsif' end, i) end
			|| E'\t\tif TG_OP operator(pg_catalog.=) ''INSERT'' then\n\t\t\t' || target
			|| format(E' select pg_catalog.now(), ''I'', %s, ''%s'', null from pgs_new x;\n', n, relation)
			|| E'\t\telsif TG_OP operator(pg_catalog.=) ''DELETE'' then\n\t\t\t' || target
			|| format(E' select pg_catalog.now(), ''D'', null, ''%s'', %s from pgs_old x;\n', relation, o)
			|| E'\t\telsif TG_OP operator(pg_catalog.=) ''UPDATE'' then\n\t\t\t' || target
			|| format(E' select pg_catalog.now(), ''U'', z.n, ''%1$s'', z.o from (select a.n, b.o, coalesce(a.k, b.k) k from'
				' (select %2$s n, pg_catalog.row_number() over () k from pgs_new x) a full join'
				' (select %3$s o, pg_catalog.row_number() over () k from pgs_old x) b on a.k operator(pg_catalog.=) b.k) z'
				' where not (z.n operator(pg_catalog.=) z.o) or z.n is null or z.o is null order by z.k;\n', relation, n, o)
			|| E'\t\telse\n\t\t\t' || target || format(E' values (pg_catalog.now(), ''T'', null, ''%s'', null);\n\t\tend if;\n', relation);
	end loop;
	return ret || E'\tend if;\n';
end
$f$;
