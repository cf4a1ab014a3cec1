-- The event triggers that call ddl_end(), ddl_drop() and ddl_rewrite(). PostgreSQL 15 lets only superusers make them; for another
-- role this file does nothing, and captured columns are kept by the triggers of capture_stub() instead. Run by a
-- superuser later (pgshovel cluster upgrade), it makes them; tables captured before keep their columns guarded until
-- capture_stub() comes by again.
-- Privileges: superuser, else nothing happens. Locks: none on user tables.
do $do$
begin
	if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
		return;
	end if;
	if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgshovel_@CLUSTER@_ddl') then
		create event trigger pgshovel_@CLUSTER@_ddl on ddl_command_end
			when tag in ('ALTER TABLE', 'ALTER TYPE', 'ALTER DOMAIN', 'CREATE TABLE', 'CREATE TRIGGER', 'ALTER TRIGGER')
			execute function @SCHEMA@.ddl_end();
	end if;
	if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgshovel_@CLUSTER@_drop') then
		create event trigger pgshovel_@CLUSTER@_drop on sql_drop execute function @SCHEMA@.ddl_drop();
	end if;
	if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgshovel_@CLUSTER@_rewrite') then
		create event trigger pgshovel_@CLUSTER@_rewrite on table_rewrite execute function @SCHEMA@.ddl_rewrite();
	end if;
end
$do$;
