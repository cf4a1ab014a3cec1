-- set_create(set, version, document, id, partitions): queue, consumer "relay", the row of the set with the snapshot
-- from which it starts, and its hint. Runs in the prepared transaction.
-- Ticks: pgqd makes one a second while events come, one a minute when idle; a tick holds 5,000 events, so that a
-- backlog can be cut finely. Rotation stays at PgQ's default.
-- Privileges: owner of @SCHEMA@, member of pgq_admin. Locks: ShareUpdateExclusive on pgq.event_template; no user table.
create or replace function @SCHEMA@.set_create(set_name text, version text, document text, id text, partitions int) returns void
language plpgsql set search_path = pg_catalog as $f$
declare
	queue text := 'pgshovel:@CLUSTER@:' || set_name;
	former text;
begin
	select state into former from @SCHEMA@.set s where s.name = set_name;
	if former = 'active' then
		raise exception 'set "%" already exists in this database', set_name;
	elsif found then
		raise exception 'set "%" was dropped and is not cleaned up yet: run pgshovel set drop % again', set_name, set_name;
	elsif pgq.create_queue(queue) = 0 then
		raise exception 'queue "%" already exists but no set owns it: run pgq.drop_queue(%, true) if nobody reads it', queue, quote_literal(queue);
	end if;
	perform pgq.set_queue_config(queue, 'ticker_max_lag', '1 second');
	perform pgq.set_queue_config(queue, 'ticker_max_count', '5000');
	perform pgq.set_queue_config(queue, 'ticker_idle_period', '1 minute');
	perform pgq.register_consumer(queue, 'relay');
	insert into @SCHEMA@.set (name, version, document, rollout, last_rollout, partitions, start_snapshot, start_lsn)
	values (set_name, set_create.version, set_create.document, set_create.id, set_create.id, set_create.partitions,
		pg_current_snapshot()::text, pg_current_wal_insert_lsn());
	insert into @SCHEMA@.hint (set_name) values (set_create.set_name);
end
$f$;

-- set_change(set, version, document, id): the set has this version now. Runs in the prepared transaction.
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.set_change(set_name text, version text, document text, id text) returns void
language plpgsql set search_path = pg_catalog as $f$
begin
	update @SCHEMA@.set s set version = set_change.version, document = set_change.document, last_rollout = set_change.id, changed_at = now()
	where s.name = set_name and s.state = 'active';
	if not found then
		raise exception 'there is no active set "%" in this database: create it first', set_name;
	end if;
end
$f$;

-- set_retire(set, id): the set is dropped: every capture function of it becomes a stub. Runs in the prepared
-- transaction; triggers, queue and rows go afterwards (capture_drop, set_forget).
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
create or replace function @SCHEMA@.set_retire(set_name text, id text) returns void
language plpgsql set search_path = pg_catalog as $f$
begin
	update @SCHEMA@.set s set state = 'dropped', last_rollout = set_retire.id, changed_at = now() where s.name = set_name and s.state = 'active';
	if not found then
		raise exception 'there is no active set "%" in this database: nothing to drop', set_name;
	end if;
	perform @SCHEMA@.relation_retire(set_name, l.rel) from @SCHEMA@.capture_list(set_name) l;
	update @SCHEMA@.relation r set current = false where r.set_name = set_retire.set_name and r.current;
end
$f$;

-- set_forget(set) → text: after capture_drop() of every table: consumer, queue and rows of a dropped set. Null: done
-- (or nothing there); else what is in the way, and the caller comes again.
-- capture_drop() has locked each table, so no statement that still runs the old function is left when it has
-- succeeded for all of them: that is why the queue may go then.
-- Privileges: owner of @SCHEMA@, member of pgq_admin. Locks: AccessExclusive on the queue's tables.
create or replace function @SCHEMA@.set_forget(set_name text) returns text
language plpgsql set search_path = pg_catalog as $f$
declare
	queue text := 'pgshovel:@CLUSTER@:' || set_name;
	present text;
	left_over text;
begin
	select state into present from @SCHEMA@.set s where s.name = set_name for update;
	if not found then
		return null;
	elsif present <> 'dropped' then
		raise exception 'set "%" is active: drop it first', set_name;
	end if;
	select string_agg(format('"%s"', l.table_name), ', ') into left_over from @SCHEMA@.capture_list(set_name) l;
	if left_over is not null then
		return format('capture is still installed on %s', left_over);
	end if;
	begin
		perform pgq.drop_queue(q.queue_name, true) from pgq.queue q where q.queue_name = queue;
	exception when lock_not_available then
		return format('the tables of queue "%s" are in use', queue);
	end;
	execute format('drop sequence if exists %s', @SCHEMA@.capture_lost_name(set_name));
	delete from @SCHEMA@.relation r where r.set_name = set_forget.set_name;
	delete from @SCHEMA@.hint h where h.set_name = set_forget.set_name;
	delete from @SCHEMA@.quarantine q where q.set_name = set_forget.set_name;
	delete from @SCHEMA@.set s where s.name = set_forget.set_name;
	return null;
end
$f$;
