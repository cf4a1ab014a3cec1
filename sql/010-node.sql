-- Identity of this database instance. One row, made once, never changed: a copy of the database carries the
-- same id with another system identifier or database oid, and is noticed by that.
-- Columns: id, system_identifier and database (oid) of the instance that made the row; format of this schema;
--          software that installed it last (written by the admin program).
-- Privileges: owner only. Locks: none on user tables.
create table if not exists @SCHEMA@.node (
	id uuid not null,
	system_identifier bigint not null,
	database oid not null,
	format int not null,
	software text not null default '',
	installed_at timestamptz not null default pg_catalog.now()
);
create unique index if not exists node_one_row on @SCHEMA@.node ((true));
insert into @SCHEMA@.node (id, system_identifier, database, format)
select pg_catalog.gen_random_uuid(), c.system_identifier, d.oid, 1
from pg_catalog.pg_control_system() c, pg_catalog.pg_database d
where d.datname = pg_catalog.current_database()
on conflict do nothing;
