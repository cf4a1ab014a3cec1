-- relation_label(table) → text: schema-qualified name for messages.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_label(rel oid) returns text
language sql stable set search_path = pg_catalog as $f$
	select coalesce((select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.oid = rel), rel::text)
$f$;

-- relation_check(table, mode): raises one line that says what to do when the table cannot be captured.
-- mode: 'row', 'statement' or 'leaf' (by row, and events name the partition). Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_check(rel oid, mode text) returns void
language plpgsql stable set search_path = pg_catalog as $f$
declare
	c record;
	label text;
	bad text;
	leaf record;
begin
	select k.relkind, k.relpersistence, k.relispartition, k.relnamespace, n.nspname into c
	from pg_class k join pg_namespace n on n.oid = k.relnamespace where k.oid = rel;
	if not found then
		raise exception 'there is no table with oid %: correct its name in the set', rel;
	end if;
	if mode = 'row' and c.relkind = 'r' and c.relpersistence = 'p' and not c.relispartition and c.nspname <> 'information_schema'
		and c.nspname <> 'pgq' and c.nspname not like 'pg\_%' and c.relnamespace <> '@SCHEMA@'::regnamespace then
		return; -- the usual case; the check asks once a minute for every table
	end if;
	label := @SCHEMA@.relation_label(rel);
	if c.nspname in ('pg_catalog', 'information_schema') or c.nspname like 'pg\_toast%' then
		raise exception 'cannot capture "%": it is a system catalog; remove it from the set', label;
	elsif c.relpersistence = 't' then
		raise exception 'cannot capture "%": it is a temporary table; remove it from the set', label;
	elsif c.nspname = 'pgq' or c.relnamespace = '@SCHEMA@'::regnamespace then
		raise exception 'cannot capture "%": it belongs to the queue itself; remove it from the set', label;
	elsif c.relkind not in ('r', 'p') then
		raise exception 'cannot capture "%": it is a %, not a table; remove it from the set', label,
			case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
				when 'S' then 'sequence' when 'c' then 'composite type' else 'relation of kind ' || c.relkind::text end;
	elsif c.relispartition then
		raise exception 'cannot capture "%": it is a partition; capture its root "%" instead', label,
			@SCHEMA@.relation_label(@SCHEMA@.relation_root(rel));
	end if;
	select k.oid, k.relkind into leaf from @SCHEMA@.relation_tree(rel) t join pg_class k on k.oid = t
	where k.relpersistence = 'u' or k.relkind = 'f' limit 1;
	if found and leaf.relkind = 'f' then
		raise exception 'cannot capture "%": its partition "%" is a foreign table; detach it first', label, @SCHEMA@.relation_label(leaf.oid);
	elsif found then
		raise exception 'cannot capture "%": "%" is unlogged and a crash empties it unseen; run ALTER TABLE … SET LOGGED first', label,
			@SCHEMA@.relation_label(leaf.oid);
	end if;
	if mode not in ('row', 'statement', 'leaf') then
		raise exception 'cannot capture "%" in mode "%": choose "row", "statement" or "leaf"', label, mode;
	elsif mode = 'leaf' and c.relkind <> 'p' then
		raise exception 'cannot capture the partitions of "%": it is not partitioned; leave partitions = "leaf" out', label;
	elsif mode = 'statement' and c.relkind = 'p' then
		raise exception 'cannot capture "%" by statement: it is partitioned; set capture = "row"', label;
	elsif mode = 'statement' then
		select string_agg(format('"%s"', t.tgname), ', ') into bad
		from pg_trigger t join pg_proc p on p.oid = t.tgfoid
		where t.tgrelid = rel and t.tgtype::int & 1 = 1 and p.pronamespace <> 'pg_catalog'::regnamespace
			and t.tgname not like ' pgshovel\_%';
		if bad is not null then
			raise exception 'cannot capture "%" by statement: it has row triggers (%); set capture = "row"', label, bad;
		elsif @SCHEMA@.relation_chained(rel) then
			raise exception 'cannot capture "%" by statement: cascading foreign keys lead back to it; set capture = "row"', label;
		elsif exists (select from pg_inherits where inhparent = rel or inhrelid = rel) then
			raise exception 'cannot capture "%" by statement: it takes part in inheritance; set capture = "row"', label;
		end if;
	end if;
end
$f$;

-- relation_columns(table, names) → int2[]: attribute numbers in the table's order; names null: every column.
-- Raises when a name does not exist, is a system column or comes twice. Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_columns(rel oid, names text[]) returns int2[]
language plpgsql stable set search_path = pg_catalog as $f$
declare
	bad text;
	ret int2[];
begin
	if names is not null then
		select x.name into bad from unnest(names) x (name)
		where not exists (select from pg_attribute a where a.attrelid = rel and a.attname = x.name and a.attnum > 0 and not a.attisdropped)
		limit 1;
		if found then
			raise exception 'table "%" has no column "%": correct the column list in the set', @SCHEMA@.relation_label(rel), coalesce(bad, 'null');
		end if;
		select x.name into bad from unnest(names) x (name) group by 1 having count(*) > 1 limit 1;
		if found then
			raise exception 'column "%" of table "%" is listed twice: remove one', bad, @SCHEMA@.relation_label(rel);
		end if;
	end if;
	select array_agg(a.attnum order by a.attnum) into ret from pg_attribute a
	where a.attrelid = rel and a.attnum > 0 and not a.attisdropped and (names is null or a.attname::text = any (names)); -- as text the list is hashed
	if ret is null then
		raise exception 'table "%" has no columns to capture: list at least its key', @SCHEMA@.relation_label(rel);
	end if;
	return ret;
end
$f$;

-- key_index(table, attribute numbers) → oid: a unique, valid, not deferrable, not partial index without
-- expressions over exactly these columns in any order, or null. Privileges: none. Locks: none.
create or replace function @SCHEMA@.key_index(rel oid, keynums int2[]) returns oid
language sql stable set search_path = pg_catalog as $f$
	select i.indexrelid from pg_index i
	where i.indrelid = rel and i.indisunique and i.indisvalid and i.indisready and i.indislive and i.indimmediate
		and i.indpred is null and i.indexprs is null
		and (select array_agg(k.n order by k.n) from unnest(i.indkey::int2[]) with ordinality k (n, ord) where k.ord <= i.indnkeyatts)
			= (select array_agg(k.n order by k.n) from unnest(keynums) k (n))
	order by i.indisprimary desc, i.indexrelid limit 1
$f$;

-- relation_key(table, names) → int2[]: attribute numbers of the key in key order; names null: the primary key; empty:
-- none, and records have no key. Raises when it cannot identify a row at every moment. Privileges: none. Locks: none.
create or replace function @SCHEMA@.relation_key(rel oid, names text[]) returns int2[]
language plpgsql stable set search_path = pg_catalog as $f$
declare
	label text := @SCHEMA@.relation_label(rel);
	i record;
	ret int2[];
	bad text;
begin
	if names is null then
		select x.indexrelid, x.indkey, x.indnkeyatts, x.indimmediate into i from pg_index x where x.indrelid = rel and x.indisprimary;
		if not found then
			raise exception 'table "%" has no primary key: add one, name the columns of a unique, not null index with key = [ … ], or take records without a key with key = [ ]', label;
		elsif not i.indimmediate then
			raise exception 'the primary key of table "%" is deferrable: name another unique, not null key with key = [ … ]', label;
		end if;
		select array_agg(k.n order by k.ord) into ret from unnest(i.indkey::int2[]) with ordinality k (n, ord) where k.ord <= i.indnkeyatts;
		return ret;
	end if;
	if cardinality(names) = 0 then
		return '{}';
	end if;
	perform @SCHEMA@.relation_columns(rel, names);
	select array_agg(a.attnum order by x.ord), string_agg(quote_ident(a.attname), ', ') filter (where not a.attnotnull)
	into ret, bad from unnest(names) with ordinality x (name, ord) join pg_attribute a on a.attrelid = rel and a.attname = x.name;
	if @SCHEMA@.key_index(rel, ret) is null then
		raise exception 'key (%) of table "%" has no unique index of its own that is valid, not deferrable and not partial: create one, or choose other columns',
			(select string_agg(quote_ident(x.name), ', ') from unnest(names) x (name)), label;
	elsif bad is not null then
		raise exception 'key column % of table "%" may be null: run ALTER TABLE … ALTER COLUMN … SET NOT NULL, or choose other columns', bad, label;
	end if;
	return ret;
end
$f$;
