-- After an upgrade of these files: capture functions of the current relations as capture_body() writes them now. Those that are
-- equal are left alone, so a second run changes nothing.
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
do $do$
begin
	perform @SCHEMA@.capture_replace(r.set_name, r.id) from @SCHEMA@.relation r join @SCHEMA@.set s on s.name = r.set_name
	where r.current and s.state = 'active';
end
$do$;
