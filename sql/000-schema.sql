-- Schema of the cluster, and what the database must offer before anything is made in it.
-- Parameters: @SCHEMA@ (quoted identifier), @CLUSTER@ (plain name); both are replaced before a file is run.
-- Privileges: a role that may create schemas here and is a member of pgq_admin. No superuser.
-- Locks: none on user tables.
-- All files are run in numeric order in one transaction, any number of times: each leaves what is already right.
do $do$
begin
	if pg_catalog.to_regprocedure('pgq.create_queue(text)') is null then
		raise exception 'extension "pgq" is not installed in database "%": run CREATE EXTENSION pgq as superuser', pg_catalog.current_database();
	end if;
	if not pg_catalog.pg_has_role(current_user, 'pgq_admin', 'usage') then
		raise exception 'role "%" is not a member of "pgq_admin": run GRANT pgq_admin TO it', current_user;
	end if;
	if pg_catalog.current_setting('server_encoding') <> 'UTF8' then
		raise exception 'database "%" is encoded in %: only UTF8 can be relayed', pg_catalog.current_database(), pg_catalog.current_setting('server_encoding');
	end if;
end
$do$;
create schema if not exists @SCHEMA@;
revoke all on schema @SCHEMA@ from public;
