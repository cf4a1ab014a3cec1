-- lock_key(set) → int: second half of the set's advisory locks (classes 0x70677376 source, 0x70677377 rollout):
-- the first four bytes of SHA-256(cluster/set), big-endian, signed.
-- Privileges: none. Locks: none.
create or replace function @SCHEMA@.lock_key(set_name text) returns int
language sql immutable set search_path = pg_catalog as $f$
	select ('x' || substr(encode(sha256(convert_to('@CLUSTER@/' || coalesce(set_name, ''), 'UTF8')), 'hex'), 1, 8))::bit(32)::int
$f$;
