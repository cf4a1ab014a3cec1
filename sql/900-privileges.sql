-- Nobody but the owner has anything to do in this schema: writers of captured tables need no right at all.
-- Privileges: owner of @SCHEMA@. Locks: none on user tables.
revoke all on all tables in schema @SCHEMA@ from public;
revoke all on all functions in schema @SCHEMA@ from public;
