/*
 * tests/unit/test_setdoc_refused.c
 *    What a set file must not say, with the very line that people read.
 *
 * What it may say is in test_setdoc.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/setdoc.h"
#include "tests/unit/runner.h"

#define DB "databases = ( { name = \"main\"; conninfo = \"host=db1\"; } );\n"
#define TB "tables = ( { name = \"a\"; } );\n"
#define KF "kafka = [ \"bootstrap.servers=h:9\" ];\n"

/* A literal with its length: one of the texts holds a NUL byte. */
#define TEXT(literal) (literal), sizeof(literal) - 1

struct refusal {
	const char *text;
	size_t len;
	const char *message;
};

static const struct refusal syntax_refusals[] = {
	{ TEXT(""), "t: \"databases\" is missing; add it" },
	{ TEXT(DB TB), "t: \"kafka\" is missing; add it" },
	{ TEXT(DB TB KF "bogus = 1;\n"), "t:4: unknown key \"bogus\"; known here: name, databases, "
					 "tables, topics, format, kafka, relay" },
	{ TEXT(DB TB KF "topics = { prefx = \"x\"; };\n"),
	  "t:4: unknown key \"prefx\" in \"topics\"; known here: prefix, partitions, replication, "
	  "layout" },
	{ TEXT(DB TB KF "name = \"a\";\nname = \"b\";\n"),
	  "t:5: duplicate setting name; give each key once" },
	{ TEXT(DB TB KF "name \"a\";\n"), "t:4: a string cannot stand here; write name = value;" },
	{ TEXT(DB TB KF "name = ;\n"),
	  "t:4: \";\" cannot stand here; write a value, text in double quotes" },
	{ TEXT(DB TB KF "name = a;\n"),
	  "t:4: \"a\" cannot stand here; write a value, text in double quotes" },
	{ TEXT(DB TB KF "name = \"a\";;\n"), "t:4: \";\" cannot stand here; write name = value;" },
	{ TEXT(DB TB KF "topics = { partitions = 4;\n"),
	  "t:5: the file ends too early; write name = value; and close with }" },
	{ TEXT(DB "tables = ( { name = \"a\"; }, );\n" KF),
	  "t:2: \")\" cannot stand here; remove the comma before it" },
	{ TEXT(DB "tables = ( { name = \"a\"; } { name = \"b\"; } );\n" KF),
	  "t:2: \"{\" cannot stand here; separate values with commas and close with )" },
	{ TEXT(DB TB "kafka = [ 1, \"x\" ];\n"),
	  "t:3: a string cannot stand here; values between [ and ] must be of one type" },
	{ TEXT(DB TB "kafka = [ \"x\" \"y\" ;\n"),
	  "t:3: \";\" cannot stand here; separate values with commas and close with ]" },
	{ TEXT(DB TB "kafka = [ \"x\",\n [ ] ];\n"),
	  "t:4: \"[\" cannot stand here; between [ and ] write values, separated by commas" },
	{ TEXT(DB TB KF "name = \"a\" ! ;\n"),
	  "t:4: \"!\" cannot stand outside of a string; put text in double quotes" },
	{ TEXT(DB TB KF "\"secret\";\n"), "t:4: a string cannot stand here; write name = value;" },
	{ TEXT(DB TB KF "@include \"/etc/passwd\"\n"),
	  "t:4: \"@include\" is not supported; write the set into one file" },
	{ TEXT(DB TB KF "/* never closed\n"), "t:4: a comment is not closed; add */" },
	{ TEXT(DB TB KF "name = \"a\n\";\n"),
	  "t:4: a string is not closed in its line; add the double quote" },
	{ TEXT(DB TB KF "name = \"a\\n\";\n"),
	  "t:4: a backslash in a string must stand before a double quote or another backslash; "
	  "write \\\\ for a backslash" },
	{ TEXT(DB TB KF "name = \"a\tb\";\n"),
	  "t:4: there is a control character in a string; remove it" },
	{ TEXT(DB TB KF "topics = { prefix = \"\\x00\"; };\n"),
	  "t:4: a backslash in a string must stand before a double quote or another backslash; "
	  "write \\\\ for a backslash" },
	{ TEXT(DB TB KF "topics = { partitions = ((((((((1)))))))); };\n"),
	  "t:4: brackets are nested deeper than any key permits; remove some" },
	{ TEXT(DB TB KF "topics = { partitions = 0x10; };\n"),
	  "t:4: \"0x10\" is not a plain number; write whole numbers in decimal digits" },
	{ TEXT(DB TB KF "topics = { partitions = 010; };\n"),
	  "t:4: \"010\" is not a plain number; write whole numbers in decimal digits" },
	{ TEXT(DB TB KF "topics = { partitions = 4L; };\n"),
	  "t:4: \"4L\" is not a plain number; write whole numbers in decimal digits" },
	{ TEXT(DB TB KF "topics = { partitions = 4.0; };\n"),
	  "t:4: \"4.0\" is not a plain number; write whole numbers in decimal digits" },
	{ TEXT(DB TB KF "topics = { partitions = +4; };\n"),
	  "t:4: \"+4\" is not a plain number; write whole numbers in decimal digits" },
	{ TEXT(DB TB KF "topics = { partitions = 99999999999; };\n"),
	  "t:4: the number 99999999999 is too large for any key; write a smaller one" },
	{ TEXT(DB TB KF "# \000 ;\n"), "t:4: there is a NUL byte; write plain text" },
	{ TEXT(DB TB KF "// \377\n"),
	  "t:4: there are bytes that are not UTF-8; save the file as UTF-8" },
	{ TEXT(DB TB KF "\n\ntopics = { prefix = \"\355\240\200\"; };\n"),
	  "t:6: there are bytes that are not UTF-8; save the file as UTF-8" },
};

static const struct refusal types_refusals[] = {
	{ TEXT(DB TB KF "name = 5;\n"),
	  "t:4: \"name\" must be a string; write it in double quotes" },
	{ TEXT(DB TB KF "name = \"\";\n"),
	  "t:4: \"name\" is an empty string; write something or leave the key out" },
	{ TEXT(DB TB KF "name = \"Shop\";\n"), "t:4: \"name\" cannot be \"Shop\"; use a letter "
					       "a-z, then a-z, 0-9 and \"_\", at most 24" },
	{ TEXT(DB TB KF "name = \"a__b\";\n"), "t:4: \"name\" cannot be \"a__b\"; use a letter "
					       "a-z, then a-z, 0-9 and \"_\", at most 24" },
	{ TEXT(DB TB KF "topics = ( );\n"),
	  "t:4: \"topics\" must be a group; write topics = { ... }" },
	{ TEXT("databases = { name = \"a\"; };\n" TB KF),
	  "t:1: \"databases\" must be a list of groups; write databases = ( { ... }, { ... } )" },
	{ TEXT("databases = ( );\n" TB KF),
	  "t:1: \"databases\" is empty; write at least one group" },
	{ TEXT("databases = ( \"a\" );\n" TB KF),
	  "t:1: an element of \"databases\" is not a group; write { name = \"...\"; ... }" },
	{ TEXT(DB "tables = [ \"a\" ];\n" KF),
	  "t:2: \"tables\" must be a list of groups; write tables = ( { ... }, { ... } )" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = ( \"x\" ); } );\n" KF),
	  "t:2: \"columns\" must be an array of strings; write columns = [ \"...\", \"...\" ]" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = [ ]; } );\n" KF),
	  "t:2: \"columns\" is empty; name at least one or leave the key out" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = [ 1, 2 ]; } );\n" KF),
	  "t:2: \"columns\" must be a string; write it in double quotes" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = [ \"x\",\n\"\" ]; } );\n" KF),
	  "t:3: \"columns\" is an empty string; write something or leave the key out" },
	{ TEXT(DB TB "kafka = \"bootstrap.servers=h:9\";\n"),
	  "t:3: \"kafka\" must be an array of strings; write kafka = [ \"...\", \"...\" ]" },
	{ TEXT(DB TB KF "topics = { partitions = \"4\"; };\n"),
	  "t:4: \"partitions\" must be a number; write digits without quotes" },
	{ TEXT(DB TB KF "topics = { partitions = 0; };\n"),
	  "t:4: \"partitions\" cannot be 0; give a number: 1 to 10000" },
	{ TEXT(DB TB KF "topics = { partitions = 10001; };\n"),
	  "t:4: \"partitions\" cannot be 10001; give a number: 1 to 10000" },
	{ TEXT(DB TB KF "topics = { replication = -1; };\n"),
	  "t:4: \"replication\" cannot be -1; give a number: 1 to 100" },
	{ TEXT(DB TB KF "topics = { replication = 101; };\n"),
	  "t:4: \"replication\" cannot be 101; give a number: 1 to 100" },
	{ TEXT(DB TB KF "topics = { layout = \"double\"; };\n"),
	  "t:4: \"layout\" cannot be \"double\"; give one of: per-table, single" },
	{ TEXT(DB TB KF "topics = { layout = \"single\"; partitions = 4; };\n"),
	  "t: layout \"single\" keeps the whole set in order and cannot have 4 partitions; write "
	  "partitions = 1" },
	{ TEXT(DB TB KF "format = { envelope = \"xml\"; };\n"),
	  "t:4: \"envelope\" cannot be \"xml\"; give one of: debezium-json, debezium-json-schema, "
	  "flat" },
	{ TEXT(DB TB KF "format = { envelope = true; };\n"),
	  "t:4: \"envelope\" must be a string in double quotes: debezium-json, "
	  "debezium-json-schema, flat" },
	{ TEXT(DB TB KF "format = { tombstones = 1; };\n"),
	  "t:4: \"tombstones\" must be true or false, without quotes" },
	{ TEXT(DB TB KF "format = { transactions = \"true\"; };\n"),
	  "t:4: \"transactions\" must be true or false, without quotes" },
	{ TEXT(DB TB KF "relay = { poll = 5; };\n"),
	  "t:4: \"poll\" must be a duration in double quotes: 1ms to 10s" },
	{ TEXT(DB TB KF "relay = { poll = \"5\"; };\n"),
	  "t:4: \"poll\" cannot be \"5\"; give a duration: 1ms to 10s" },
	{ TEXT(DB TB KF "relay = { poll = \"999us\"; };\n"),
	  "t:4: \"poll\" cannot be \"999us\"; give a duration: 1ms to 10s" },
	{ TEXT(DB TB KF "relay = { poll = \"11s\"; };\n"),
	  "t:4: \"poll\" cannot be \"11s\"; give a duration: 1ms to 10s" },
	{ TEXT(DB TB KF "relay = { batch_events = 0; };\n"),
	  "t:4: \"batch_events\" cannot be 0; give a number: 1 to 1000000" },
	{ TEXT(DB TB KF "relay = { batch_events = 1000001; };\n"),
	  "t:4: \"batch_events\" cannot be 1000001; give a number: 1 to 1000000" },
	{ TEXT(DB TB KF "relay = { batch_bytes = \"63kB\"; };\n"),
	  "t:4: \"batch_bytes\" cannot be \"63kB\"; give a size: 64kB to 1GB" },
	{ TEXT(DB TB KF "relay = { batch_bytes = \"2GB\"; };\n"),
	  "t:4: \"batch_bytes\" cannot be \"2GB\"; give a size: 64kB to 1GB" },
	{ TEXT(DB TB KF "relay = { window_memory = \"5GB\"; };\n"),
	  "t:4: \"window_memory\" cannot be \"5GB\"; give a size: 1MB to 4GB" },
	{ TEXT(DB TB KF "relay = { delivery = \"at-most-once\"; };\n"),
	  "t:4: \"delivery\" cannot be \"at-most-once\"; give one of: exactly-once, "
	  "at-least-once" },
};

static const struct refusal databases_refusals[] = {
	{ TEXT("databases = ( { name = \"main\"; } );\n" TB KF),
	  "t:1: \"conninfo\" is missing in a group of \"databases\"; add it" },
	{ TEXT("databases = (\n  { conninfo = \"host=a\"; } );\n" TB KF),
	  "t:2: \"name\" is missing in a group of \"databases\"; add it" },
	{ TEXT("databases = ( { name = \"ma in\"; conninfo = \"host=a\"; } );\n" TB KF),
	  "t:1: \"name\" cannot be \"ma in\"; use letters, digits, \"_\" and \"-\", at most 63" },
	{ TEXT("databases = ( { name = \"a\"; conninfo = \"host=a\"; },\n { name = \"b\"; conninfo "
	       "= \"host=b\"; } );\n" TB KF),
	  "t:2: several databases would write the same topics; put \"{database}\" into "
	  "topics.prefix" },
	{ TEXT("databases = ( { name = \"a\"; conninfo = \"host=a\"; },\n { name = \"a\"; conninfo "
	       "= \"host=b\"; } );\n" TB KF),
	  "t:2: database \"a\" stands twice (also in line 1); give each its own name" },
	{ TEXT("databases = ( { name = \"a\"; conninfo = \"host=a\"; },\n { name = \"b\"; conninfo "
	       "= \"host=a\"; } );\n" TB KF),
	  "t:2: database \"b\" has the conninfo of \"a\" (line 1); list each database once" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"host=a password=x\"; } );\n" TB KF),
	  "t:1: \"conninfo\" holds a secret (password); put the password into the passfile "
	  "\"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"host=a password = 'x y'\"; } );\n" TB
		       KF),
	  "t:1: \"conninfo\" holds a secret (password); put the password into the passfile "
	  "\"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"host=a sslpassword=x\"; } );\n" TB
		       KF),
	  "t:1: \"conninfo\" holds a secret (sslpassword); put the password into the passfile "
	  "\"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgresql://u:x@h/d\"; } );\n" TB
		       KF),
	  "t:1: \"conninfo\" holds a secret (a password before @); put the password into the "
	  "passfile \"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgres://u:x@h/d\"; } );\n" TB KF),
	  "t:1: \"conninfo\" holds a secret (a password before @); put the password into the "
	  "passfile \"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgresql://h/d?pass%77ord=x\"; } "
	       ");\n" TB KF),
	  "t:1: \"conninfo\" holds a secret (password); put the password into the passfile "
	  "\"pgpass\" of the credentials folder" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgresql://h/d?host=%zz\"; } "
	       ");\n" TB KF),
	  "t:1: \"conninfo\" is not a connection string (a broken % escape); write it as for psql, "
	  "such as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgresql://h/d?host\"; } );\n" TB
		       KF),
	  "t:1: \"conninfo\" is not a connection string (a parameter without =); write it as for "
	  "psql, such as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"postgresql://[::1/d\"; } );\n" TB KF),
	  "t:1: \"conninfo\" is not a connection string (a [ that is not closed); write "
	  "it as for "
	  "psql, such as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"shop\"; } );\n" TB KF),
	  "t:1: \"conninfo\" is not a connection string (a keyword without =); write it as for "
	  "psql, such as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \" \"; } );\n" TB KF),
	  "t:1: \"conninfo\" is not a connection string (it is empty); write it as for psql, such "
	  "as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"host='a\"; } );\n" TB KF),
	  "t:1: \"conninfo\" is not a connection string (a quote that is not closed); write it as "
	  "for psql, such as \"host=db1 dbname=shop user=pgshovel\"" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"host=a host=b\"; } );\n" TB KF),
	  "t:1: \"host\" stands twice in \"conninfo\"; remove one" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"pasword=x\"; } );\n" TB KF),
	  "t:1: \"conninfo\" has a keyword that libpq does not know; see the list in libpq's "
	  "manual" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = \"application_name=x\"; } );\n" TB KF),
	  "t:1: \"application_name\" in \"conninfo\" is set by pgshovel itself; remove it" },
	{ TEXT("databases = ( { name = \"main\"; conninfo = "
	       "\"postgresql://h/d?replication=database\"; } );\n" TB KF),
	  "t:1: \"replication\" in \"conninfo\" is set by pgshovel itself; remove it" },
};

static const struct refusal tables_refusals[] = {
	{ TEXT(DB "tables = ( { name = \"a\"; capture = \"statement\"; partitions = \"leaf\"; } "
		  ");\n" KF),
	  "t:2: table \"a\": a partitioned table cannot be captured by statement; leave capture or "
	  "partitions out" },
	{ TEXT(DB "tables = ( { columns = [ \"a\" ]; } );\n" KF),
	  "t:2: \"name\" is missing in a group of \"tables\"; add it" },
	{ TEXT(DB "tables = ( { name = \"a.b.c\"; } );\n" KF),
	  "t:2: \"a.b.c\" is not a table name; write \"schema.table\", and a part that holds a dot "
	  "or a quote as \\\"part\\\"" },
	{ TEXT(DB "tables = ( { name = \".a\"; } );\n" KF),
	  "t:2: \".a\" is not a table name; write \"schema.table\", and a part that holds a dot or "
	  "a quote as \\\"part\\\"" },
	{ TEXT(DB "tables = ( { name = \"a.\"; } );\n" KF),
	  "t:2: \"a.\" is not a table name; write \"schema.table\", and a part that holds a dot or "
	  "a quote as \\\"part\\\"" },
	{ TEXT(DB "tables = ( { name = \"\\\"a\"; } );\n" KF),
	  "t:2: \"\"a\" is not a table name; write \"schema.table\", and a part that holds a dot "
	  "or a quote as \\\"part\\\"" },
	{ TEXT(DB "tables = ( { name = \"\\\"a\\\"\\\"\"; } );\n" KF),
	  "t:2: \"\"a\"\"\" is not a table name; write \"schema.table\", and a part that holds a "
	  "dot or a quote as \\\"part\\\"" },
	{ TEXT(DB "tables = ( { name = \"a\\\"b\"; } );\n" KF),
	  "t:2: \"a\"b\" is not a table name; write \"schema.table\", and a part that holds a dot "
	  "or a quote as \\\"part\\\"" },
	{ TEXT(DB
	       "tables = ( { name = "
	       "\"abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"; } );\n" KF),
	  "t:2: a part of \"abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...\" is "
	  "longer than 63 bytes, which PostgreSQL cuts; write the name as it is in the database" },
	{ TEXT(DB "tables = ( { name = \"a\"; },\n { name = \"public.a\"; } );\n" KF),
	  "t:3: table \"public.a\" stands twice (also in line 2); remove one" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = [ \"x\", \"x\" ]; } );\n" KF),
	  "t:2: column \"x\" stands twice in \"columns\"; remove one" },
	{ TEXT(DB "tables = ( { name = \"a\"; key = [ \"x\", \"x\" ]; } );\n" KF),
	  "t:2: column \"x\" stands twice in \"key\"; remove one" },
	{ TEXT(DB "tables = ( { name = \"a\"; columns = [ \"x\" ];\n key = [ \"y\" ]; } );\n" KF),
	  "t:2: key column \"y\" of table \"a\" is not among its \"columns\"; add it there" },
	{ TEXT(DB
	       "tables = ( { name = \"a\"; columns = [ "
	       "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\" ]; } );\n" KF),
	  "t:2: column name \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...\" is "
	  "longer than 63 bytes, which PostgreSQL cuts; write the name as it is in the table" },
	{ TEXT(DB "tables = ( { name = \"a\"; capture = \"wal\"; } );\n" KF),
	  "t:2: \"capture\" cannot be \"wal\"; give one of: row, statement" },
	{ TEXT(DB "tables = ( { name = \"a\"; key = [ \"k0\", \"k1\", \"k2\", \"k3\", \"k4\", "
		  "\"k5\", \"k6\", \"k7\", \"k8\", \"k9\", \"k10\", \"k11\", \"k12\", \"k13\", "
		  "\"k14\", \"k15\", \"k16\", \"k17\", \"k18\", \"k19\", \"k20\", \"k21\", "
		  "\"k22\", \"k23\", \"k24\", \"k25\", \"k26\", \"k27\", \"k28\", \"k29\", "
		  "\"k30\", \"k31\", \"k32\" ]; } );\n" KF),
	  "t:2: \"key\" has 33 elements; write at most 32" },
};

static const struct refusal topics_refusals[] = {
	{ TEXT(DB TB KF "topics = { prefix = \"a b\"; };\n"),
	  "t:4: \"prefix\" cannot be \"a b\"; use letters, digits, \".\", \"_\", \"-\" and "
	  "\"{database}\", at most 120" },
	{ TEXT(DB TB KF "topics = { prefix = \"a{db}\"; };\n"),
	  "t:4: \"prefix\" cannot be \"a{db}\"; use letters, digits, \".\", \"_\", \"-\" and "
	  "\"{database}\", at most 120" },
	{ TEXT(DB TB KF "topics = { prefix = \"__a\"; };\n"),
	  "t:4: \"prefix\" cannot be \"__a\"; use letters, digits, \".\", \"_\", \"-\" and "
	  "\"{database}\", at most 120" },
	{ TEXT(DB "tables = ( { name = \"a_b.c\"; },\n { name = \"a.b_c\"; } );\n" KF),
	  "t:3: topic \"x.a.b_c\" collides with topic \"x.a_b.c\" (line 2), for Kafka \".\" and "
	  "\"_\" are equal; leave one table out or give it a set of its own" },
	{ TEXT(DB "tables = ( { name = \"\\\"a.b\\\"\"; },\n { name = \"a b\"; } );\n" KF),
	  "t:3: topic \"x.public.a_b\" collides with topic \"x.public.a.b\" (line 2), for Kafka "
	  "\".\" and \"_\" are equal; leave one table out or give it a set of its own" },
	{ TEXT("databases = ( { name = \"a\"; conninfo = \"host=a\"; },\n { name = \"a_b\"; "
	       "conninfo = \"host=b\"; } );\n"
	       "tables = ( { name = \"b.truncate\"; } );\n" KF
	       "topics = { prefix = \"{database}\"; };\n"),
	  "t:3: topic \"a.b.truncate\" collides with topic \"a_b.truncate\" (line 2), for Kafka "
	  "\".\" and \"_\" are equal; leave one table out or give it a set of its own" },
	{ TEXT("databases = ( { name = \"a\"; conninfo = \"host=a\"; },\n { name = \"a_b\"; "
	       "conninfo = \"host=b\"; } );\n"
	       "tables = ( { name = \"b.c\"; }, { name = \"b_b.c\"; } );\n" KF
	       "topics = { prefix = \"{database}\"; };\n"),
	  "t:3: topic \"a_b.b.c\" collides with topic \"a.b_b.c\" (line 3), for Kafka \".\" and "
	  "\"_\" are equal; leave one table out or give it a set of its own" },
	{ TEXT("databases = ( { name = "
	       "\"ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\"; conninfo = "
	       "\"host=a\"; } );\n"
	       "tables = ( { name = "
	       "\"sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss."
	       "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\"; } );\n" KF
	       "topics = { prefix = \"{database}{database}\"; };\n"),
	  "t:2: topic \"ddddddddddddddddddddddddddddddddddddddddddddddddddddddddd...\" would be "
	  "longer than 249 bytes; shorten topics.prefix" },
};

static const struct refusal kafka_refusals[] = {
	{ TEXT(DB TB "kafka = [ \"compression.type=zstd\" ];\n"),
	  "t:3: \"bootstrap.servers\" is missing in \"kafka\"; add "
	  "\"bootstrap.servers=HOST:PORT\"" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\",\n \"compression.type\" ];\n"),
	  "t:4: an element of \"kafka\" is not \"property=value\"; write it as "
	  "\"compression.type=zstd\", in lower case and without blanks around =" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\",\n\n \"compression.type = zstd\"\n ];\n"),
	  "t:5: an element of \"kafka\" is not \"property=value\"; write it as "
	  "\"compression.type=zstd\", in lower case and without blanks around =" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"a=\" ];\n"),
	  "t:3: an element of \"kafka\" is not \"property=value\"; write it as "
	  "\"compression.type=zstd\", in lower case and without blanks around =" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\",\n \"bootstrap.servers=i:9\" ];\n"),
	  "t:4: \"bootstrap.servers\" stands twice in \"kafka\"; remove one" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"sasl.password=x\" ];\n"),
	  "t:3: \"sasl.password\" is a secret; put its line into the file \"kafka\" of the "
	  "credentials folder" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"ssl.key.password=x\" ];\n"),
	  "t:3: \"ssl.key.password\" is a secret; put its line into the file \"kafka\" of the "
	  "credentials folder" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"ssl.key.pem=x\" ];\n"),
	  "t:3: \"ssl.key.pem\" is a secret; put its line into the file \"kafka\" of the "
	  "credentials folder" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"ssl.keystore.password=x\" ];\n"),
	  "t:3: \"ssl.keystore.password\" is a secret; put its line into the file \"kafka\" of the "
	  "credentials folder" },
	{ TEXT(DB TB
	       "kafka = [ \"bootstrap.servers=h:9\", \"sasl.oauthbearer.client.secret=x\" ];\n"),
	  "t:3: \"sasl.oauthbearer.client.secret\" is a secret; put its line into the file "
	  "\"kafka\" of the credentials folder" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"sasl.oauthbearer.config=x\" ];\n"),
	  "t:3: \"sasl.oauthbearer.config\" is a secret; put its line into the file \"kafka\" of "
	  "the credentials folder" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"transactional.id=x\" ];\n"),
	  "t:3: \"transactional.id\" is set by the relay; remove it" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"enable.idempotence=false\" ];\n"),
	  "t:3: \"enable.idempotence\" is set by the relay; use relay.delivery instead" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"acks=1\" ];\n"),
	  "t:3: \"acks\" is set by the relay; remove it" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"group.id=x\" ];\n"),
	  "t:3: \"group.id\" is set by the relay; remove it" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"group.instance.id=x\" ];\n"),
	  "t:3: \"group.instance.id\" is set by the relay; remove it" },
	{ TEXT(DB TB
	       "kafka = [ \"bootstrap.servers=h:9\", \"isolation.level=read_committed\" ];\n"),
	  "t:3: \"isolation.level\" is set by the relay; remove it" },
	{ TEXT(DB TB "kafka = [ \"metadata.broker.list=h:9\" ];\n"),
	  "t:3: \"metadata.broker.list\" is an alias; write bootstrap.servers=" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"plugin.library.paths=/tmp/x\" ];\n"),
	  "t:3: \"plugin.library.paths\" would load code into the relay; remove it" },
	{ TEXT(DB TB "kafka = [ \"bootstrap.servers=h:9\", \"sasl.kerberos.kinit.cmd=rm\" ];\n"),
	  "t:3: \"sasl.kerberos.kinit.cmd\" would run a command; remove it" },
};

static void check_refusals(const struct refusal *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct setdoc *doc = NULL;
		struct pgs_err err = { .cls = PGS_ERR_NONE };

		ck_assert_msg(setdoc_parse(cases[i].text, cases[i].len, "t", &doc, &err) == -1,
			      "accepted: %s", cases[i].text);
		ck_assert_str_eq(err.msg, cases[i].message);
		ck_assert_int_eq(err.cls, PGS_ERR_CONFIG);
		ck_assert_ptr_null(doc);
	}
}

#define REFUSALS(name)                                                                             \
	START_TEST(name##_refused)                                                                 \
	{                                                                                          \
		check_refusals(name##_refusals, PGS_ARRAY_LEN(name##_refusals));                   \
	}                                                                                          \
	END_TEST

REFUSALS(syntax)
REFUSALS(types)
REFUSALS(databases)
REFUSALS(tables)
REFUSALS(topics)
REFUSALS(kafka)

/* The text of a refused value never reaches the message when it could be a secret. */
START_TEST(secrets_not_repeated)
{
	static const char *const texts[] = {
		"databases = ( { name = \"m\"; conninfo = \"password=hunter2\"; } );" TB KF,
		"databases = ( { name = \"m\"; conninfo = \"passwort=hunter2\"; } );" TB KF,
		"databases = ( { name = \"m\"; conninfo = \"host=a hunter2\"; } );" TB KF,
		"databases = ( { name = \"m\"; conninfo = \"postgres://u:hunter2@h\"; } );" TB KF,
		"databases = ( { name = \"m\"; conninfo = \"postgres://h?hunter2\"; } );" TB KF,
		"databases = ( { name = \"m\"; conninfo = \"postgres://u?x@hunter2\"; } );" TB KF,
		DB TB "kafka = [ \"bootstrap.servers=h:9\", \"sasl.password=hunter2\" ];",
		DB TB "kafka = [ \"bootstrap.servers=h:9\", \"sasl.password:hunter2\" ];",
		DB TB "kafka = [ \"bootstrap.servers=h:9\" ] \"hunter2\";",
	};

	for (size_t i = 0; i < PGS_ARRAY_LEN(texts); i++) {
		struct setdoc *doc = NULL;
		struct pgs_err err = { .cls = PGS_ERR_NONE };

		ck_assert_int_eq(setdoc_parse(texts[i], strlen(texts[i]), "t", &doc, &err), -1);
		ck_assert_ptr_null(strstr(err.msg, "hunter2"));
	}
}
END_TEST

START_TEST(too_large)
{
	size_t len = SETDOC_MAX_BYTES + 1;
	PGS_CLEANUP(pgs_freep) char *text = malloc(len);
	struct setdoc *doc = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', len);
	ck_assert_int_eq(setdoc_parse(text, len, "t", &doc, &err), -1);
	ck_assert_str_eq(err.msg, "t: the file is larger than 64 kB; split the set");
}
END_TEST

/* Short spellings: the file has less than 64 kB, its canonical text more. */
START_TEST(canonical_too_large)
{
	struct pgs_buf text = PGS_BUF_INIT(SETDOC_MAX_BYTES);
	struct setdoc *doc = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	pgs_buf_puts(&text, DB KF "tables=(");
	for (int i = 0; i < 3500; i++)
		pgs_buf_printf(&text, "%s{name=\"t%d\"}", i ? "," : "", i);
	pgs_buf_puts(&text, ")");
	ck_assert(!pgs_buf_failed(&text));
	ck_assert_int_eq(setdoc_parse(text.data, text.len, "t", &doc, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "more than the 65408 of a set node; split it"));
	pgs_buf_done(&text);
}
END_TEST

START_TEST(no_file)
{
	struct setdoc *doc = NULL;
	struct pgs_err err = { .cls = PGS_ERR_NONE };

	ck_assert_int_eq(setdoc_load("/nowhere/x.pgshovel", &doc, &err), -1);
	ck_assert_str_eq(err.msg, "cannot open \"/nowhere/x.pgshovel\": No such file or directory");
	ck_assert_int_eq(setdoc_load("/", &doc, &err), -1);
	ck_assert_str_eq(err.msg, "cannot read \"/\": Is a directory");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("refused");

	tcase_add_test(tcase, syntax_refused);
	tcase_add_test(tcase, types_refused);
	tcase_add_test(tcase, databases_refused);
	tcase_add_test(tcase, tables_refused);
	tcase_add_test(tcase, topics_refused);
	tcase_add_test(tcase, kafka_refused);
	tcase_add_test(tcase, secrets_not_repeated);
	tcase_add_test(tcase, too_large);
	tcase_add_test(tcase, canonical_too_large);
	tcase_add_test(tcase, no_file);
	return runner_run("setdoc_refused", tcase);
}
