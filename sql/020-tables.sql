-- The tables that docs/protocol.md part 2 describes.
-- Privileges: owner only; readers are given SELECT by an administrator who wants it.
-- Locks: none on user tables.
create table if not exists @SCHEMA@.set (
	name text primary key check (name ~ '^[a-z][a-z0-9_]{0,23}$'),
	version text not null,
	document text not null,
	rollout text not null,
	last_rollout text not null,
	partitions int not null,
	start_snapshot text not null,
	start_lsn pg_lsn not null,
	state text not null default 'active' check (state in ('active', 'dropped')),
	created_at timestamptz not null default pg_catalog.now(),
	changed_at timestamptz not null default pg_catalog.now()
);

create table if not exists @SCHEMA@.relation (
	id int generated always as identity primary key,
	set_name text not null,
	reloid oid not null,
	schema_name text not null,
	table_name text not null,
	version text not null,
	made_by text not null check (made_by in ('rollout', 'ddl')),
	mode text not null default 'row' check (mode in ('row', 'statement', 'leaf')),
	on_error text not null default 'fail' check (on_error in ('fail', 'count')),
	columns jsonb not null,
	all_columns boolean not null,
	chained boolean not null,
	current boolean not null default true,
	created_at timestamptz not null default pg_catalog.now()
);
create unique index if not exists relation_current on @SCHEMA@.relation (set_name, reloid) where current;

create table if not exists @SCHEMA@.rollout (
	id text primary key,
	outcome text not null check (outcome in ('committed', 'aborted')),
	kind text,
	set_name text,
	at timestamptz not null default pg_catalog.now()
);

create table if not exists @SCHEMA@.hint (
	set_name text primary key,
	nonce text,
	prev_nonce text,
	tick bigint,
	lsn pg_lsn,
	at timestamptz
);

create table if not exists @SCHEMA@.quarantine (
	id bigint generated always as identity primary key,
	set_name text not null,
	relation int not null,
	ev_id bigint not null,
	ev_txid bigint not null,
	ev_time timestamptz not null,
	ev_type text not null,
	new_row text,
	old_row text,
	leaf text,
	reason text not null,
	state text not null default 'kept',
	at timestamptz not null default pg_catalog.now()
);
create index if not exists quarantine_event on @SCHEMA@.quarantine (set_name, ev_id);

-- What installations made before these columns lack. Looked at first: ALTER TABLE would lock the relays out while the rollout is prepared.
do $do$
begin
	if not exists (select from pg_catalog.pg_attribute where attrelid = '@SCHEMA@.relation'::regclass and attname = 'on_error' and not attisdropped) then
		alter table @SCHEMA@.relation add on_error text not null default 'fail' check (on_error in ('fail', 'count'));
		alter table @SCHEMA@.relation drop constraint relation_mode_check;
		alter table @SCHEMA@.relation add constraint relation_mode_check check (mode in ('row', 'statement', 'leaf'));
	end if;
	if not exists (select from pg_catalog.pg_attribute where attrelid = '@SCHEMA@.quarantine'::regclass and attname = 'leaf' and not attisdropped) then
		alter table @SCHEMA@.quarantine add leaf text;
	end if;
end
$do$;
-- Functions that have other parameters now.
drop function if exists @SCHEMA@.relation_put(text, text, oid, int2[], int2[], boolean, text, text);
drop function if exists @SCHEMA@.relation_add(text, text, regclass, text[], text[], text);
