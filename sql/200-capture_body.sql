-- capture_name(set, table oid) → text: qualified name of the table's capture function in this set.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.capture_name(set_name text, rel oid) returns text
language sql immutable set search_path = pg_catalog as $f$
	select format('@SCHEMA@.%I', 'capture_' || set_name || '_' || rel)
$f$;

-- capture_body(relation) → text: source of the capture function of one relation.
-- What it keeps: no unqualified operator, function or type (there is no SET search_path: 5 µs a row), hence no
-- IN, no simple CASE and no IS DISTINCT FROM, whose "=" would be looked up in the writer's search_path. The queue table
-- is chosen by three static INSERTs; a writer whose snapshot is older than the set sees no row of pgq.queue and takes
-- table 0. A renamed column leads to rec_live() instead of an error. In mode "leaf" ev_extra1 names the partition, too.
-- Privileges: reads @SCHEMA@.relation and pgq.queue. Locks: none on user tables.
create or replace function @SCHEMA@.capture_body(relation int) returns text
language plpgsql stable set search_path = pg_catalog as $f$
declare
	r record;
	q record;
	settings text;
	guard text;
	attnums int2[];
	new_row text;
	old_row text;
	x_row text;
	payload text;
	ctids text := '';
	named text;
	title text;
	ret text;
	insert_sql text;
begin
	select * into strict r from @SCHEMA@.relation x where x.id = capture_body.relation;
	select queue_id, queue_data_pfx, queue_ntables into q from pgq.queue where queue_name = 'pgshovel:@CLUSTER@:' || r.set_name;
	if not found then
		raise exception 'queue "pgshovel:@CLUSTER@:%" is missing: drop and create the set', r.set_name;
	end if;
	select 'ROW(' || string_agg('NEW.' || quote_ident(c ->> 'name'), ', ' order by ord) || ')',
		'ROW(' || string_agg('OLD.' || quote_ident(c ->> 'name'), ', ' order by ord) || ')',
		'ROW(' || string_agg('x.' || quote_ident(c ->> 'name'), ', ' order by ord) || ')',
		string_agg(@SCHEMA@.type_settings((c ->> 'typid')::oid), ''),
		array_agg((c ->> 'attnum')::int2 order by ord)
	into strict new_row, old_row, x_row, settings, attnums from jsonb_array_elements(r.columns) with ordinality x (c, ord);
	guard := case when settings like '%s%' then 'false' else concat_ws(E'\n\t\t\tand ',
		case when settings like '%d%' then $q$pg_catalog.current_setting('datestyle') operator(pg_catalog.~~) 'ISO%'$q$ end,
		case when settings like '%i%' then $q$pg_catalog.current_setting('intervalstyle') operator(pg_catalog.=) 'postgres'$q$ end,
		case when settings like '%f%' then $q$pg_catalog.current_setting('extra_float_digits') operator(pg_catalog.<>) '0'
			and pg_catalog.current_setting('extra_float_digits') operator(pg_catalog.!~~) '-%'$q$ end,
		case when settings like '%b%' then $q$pg_catalog.current_setting('bytea_output') operator(pg_catalog.=) 'hex'$q$ end) end;
	title := format(E'-- pgshovel capture %s %s\n', r.id, r.mode);
	if r.mode = 'statement' then
		-- a table may have a column named like a variable; its columns are always written x.name
		return title || E'#variable_conflict use_variable\n' || @SCHEMA@.capture_guarded(r.set_name, r.on_error,
			@SCHEMA@.capture_body_statement(r.id, r.reloid, q.queue_id, q.queue_data_pfx, q.queue_ntables, guard, attnums, x_row));
	end if;
	named := case when r.mode = 'leaf' then format('pg_catalog.format(''%s:%%I.%%I'', TG_TABLE_SCHEMA, TG_TABLE_NAME)', r.id)
		else quote_literal(r.id) end;
	payload := E'if TG_OP operator(pg_catalog.<>) ''DELETE'' then\n\t\t\tn := %1$s;\n\t\tend if;\n\t\t'
		'if TG_OP operator(pg_catalog.<>) ''INSERT'' then\n\t\t\to := %2$s;\n\t\tend if;';
	payload := case guard
		when '' then format(payload, new_row || '::pg_catalog.text', old_row || '::pg_catalog.text')
		when 'false' then format(payload, '@SCHEMA@.rec_text(' || new_row || ')', '@SCHEMA@.rec_text(' || old_row || ')')
		else 'g := ' || guard || E';\n\t\t' || format(payload,
			format('case when g then %1$s::pg_catalog.text else @SCHEMA@.rec_text(%1$s) end', new_row),
			format('case when g then %1$s::pg_catalog.text else @SCHEMA@.rec_text(%1$s) end', old_row))
		end;
	if r.chained then
		ctids := E'if TG_OP operator(pg_catalog.<>) ''DELETE'' then\n\t\t\tnc := NEW.ctid::pg_catalog.text;\n\t\tend if;\n\t\t'
			'if TG_OP operator(pg_catalog.<>) ''INSERT'' then\n\t\t\toc := OLD.ctid::pg_catalog.text;\n\t\tend if;\n\t\t';
	end if;
	ret := E'declare\n\tn pg_catalog.text;\n\to pg_catalog.text;\n\tnc pg_catalog.text;\n\toc pg_catalog.text;\n'
		'\tg pg_catalog.bool;\n\tcur pg_catalog.int4;\nbegin\n'
		'	if TG_OP operator(pg_catalog.=) ''TRUNCATE'' then
		if TG_RELID operator(pg_catalog.<>) ' || r.reloid || '::pg_catalog.oid then
			if pg_catalog.pg_partition_root(TG_RELID)::pg_catalog.oid operator(pg_catalog.=) ' || r.reloid || '::pg_catalog.oid then
				n := pg_catalog.format(''%I.%I'', TG_TABLE_SCHEMA, TG_TABLE_NAME);
			else
				return null;
			end if;
		end if;
	else
		begin
		' || payload || '
		exception when undefined_column then
		if TG_OP operator(pg_catalog.<>) ''DELETE'' then
			n := @SCHEMA@.rec_live(' || r.reloid || '::pg_catalog.oid, ' || quote_literal(attnums::text) || '::pg_catalog.int2[], NEW);
		end if;
		if TG_OP operator(pg_catalog.<>) ''INSERT'' then
			o := @SCHEMA@.rec_live(' || r.reloid || '::pg_catalog.oid, ' || quote_literal(attnums::text) || '::pg_catalog.int2[], OLD);
		end if;
		end;
		if n operator(pg_catalog.=) o then
			return null;
		end if;
		' || ctids || '
	end if;
	select queue_cur_table into cur from pgq.queue where queue_id operator(pg_catalog.=) ' || q.queue_id || ';
';
	insert_sql := 'insert into %1$s_%2$s (ev_time, ev_type, ev_data, ev_extra1, ev_extra2'
		|| case when r.chained then ', ev_extra3, ev_extra4' else '' end
		|| ') values (pg_catalog.now(), pg_catalog."left"(TG_OP, 1), n, %3$s, o'
		|| case when r.chained then ', oc, nc' else '' end || ');';
	for i in 1 .. q.queue_ntables - 1 loop
		ret := ret || E'\t' || case i when 1 then 'if' else 'elsif' end || ' cur operator(pg_catalog.=) ' || i || E' then\n\t\t'
			|| format(insert_sql, q.queue_data_pfx, i, named) || E'\n';
	end loop;
	return title || @SCHEMA@.capture_guarded(r.set_name, r.on_error,
		ret || E'\telse\n\t\t' || format(insert_sql, q.queue_data_pfx, 0, named) || E'\n\tend if;\n\treturn null;\nend');
end
$f$;
