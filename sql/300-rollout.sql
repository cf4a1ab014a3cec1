-- rollout_open(id, kind, set): first statement of every prepared transaction: takes the rollout lock of the set
-- (it moves into the prepared transaction) and records the rollout. The caller sets lock_timeout.
-- Raises when the rollout was decided before. Privileges: owner of @SCHEMA@. Locks: advisory only.
create or replace function @SCHEMA@.rollout_open(id text, kind text, set_name text) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	former text;
begin
	perform pg_advisory_xact_lock(1885827959, @SCHEMA@.lock_key(set_name));
	insert into @SCHEMA@.rollout (id, outcome, kind, set_name) values (rollout_open.id, 'committed', rollout_open.kind, rollout_open.set_name)
	on conflict do nothing;
	if not found then
		select outcome into former from @SCHEMA@.rollout r where r.id = rollout_open.id;
		raise exception 'rollout "%" was already %: start a new one', id, coalesce(former, 'decided');
	end if;
end
$f$;

-- rollout_abort(id, kind, set) → text: records the rollout as aborted, so that it cannot be prepared later.
-- Returns the outcome that stands: 'aborted', or 'committed' when it was. Waits (lock_timeout) while it is prepared.
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.rollout_abort(id text, kind text, set_name text) returns text
language plpgsql set search_path = pg_catalog as $f$
begin
	insert into @SCHEMA@.rollout (id, outcome, kind, set_name) values (rollout_abort.id, 'aborted', rollout_abort.kind, rollout_abort.set_name)
	on conflict do nothing;
	return (select outcome from @SCHEMA@.rollout r where r.id = rollout_abort.id);
end
$f$;

-- rollout_try(set, table): raises at once when a rollout of the set is open, else keeps one from beginning until the
-- end of the transaction. For DDL of an application, which must not wait: it holds AccessExclusive.
-- Privileges: owner of @SCHEMA@. Locks: rollout lock of the set, shared, tried and not waited for.
create or replace function @SCHEMA@.rollout_try(set_name text, rel oid) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	id text;
begin
	if pg_try_advisory_xact_lock_shared(1885827959, @SCHEMA@.lock_key(set_name)) then
		return;
	end if;
	select split_part(p.gid, ':', 3) into id from pg_prepared_xacts p
	where p.database = current_database() and p.gid like 'pgshovel:@CLUSTER@:%' order by p.prepared limit 1;
	raise exception 'rollout % of set "%" is open and table "%" belongs to it: try again in a moment, or run pgshovel txn recover',
		coalesce('"' || id || '"', 'in progress'), set_name, @SCHEMA@.relation_label(rel);
end
$f$;
