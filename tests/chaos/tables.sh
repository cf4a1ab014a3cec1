# shellcheck shell=bash
# tests/chaos/tables.sh: the tables of a chaos run, its set in two versions, and the proof that Kafka holds what they hold. Sourced after
# line.sh, rows.sh and load.sh. What is written into the tables is deeds.c's business.
#
#   chaos_tables CONNINFO        acc (listed columns), ord and part (all columns; DDL happens to them; part is partitioned, two levels deep),
#                                nested (a user's trigger writes it again), marks.mark: all empty
#   chaos_fill CONNINFO          the first rows, after the set was created: the stream is complete
#   chaos_set NAME PREFIX CONNINFO CONNINFO COLUMNS [LINE…]   prints the set file: databases d1 and d2, columns of acc, more lines
#   chaos_touch CONNINFO         an event for each row whose table may have been altered since its last one
#   chaos_same CONNINFO FOLDER PREFIX TABLE KEY [COLUMNS]     rows that the consumer rebuilt equal the table

chaos_tables() { # CONNINFO
	sql "$1" <<-'SQL'
		create table acc (id int primary key, bal int not null, owner text, secret text);
		create sequence ord_id;
		create table ord (id bigint primary key, acc int not null, amount numeric(12,2), at timestamp not null default clock_timestamp());
		create table part (id int, region text, v text, primary key (id, region)) partition by list (region);
		create table part_north partition of part for values in ('north');
		create table part_rest partition of part default partition by hash (id);
		create table part_rest_0 partition of part_rest for values with (modulus 2, remainder 0);
		create table part_rest_1 partition of part_rest for values with (modulus 2, remainder 1);
		create table nested (id int primary key, v text, n int not null default 0);
		create function again() returns trigger language plpgsql as $$ begin
			if new.n < 3 then update nested set n = n + 1, v = v || '+' where id = new.id % 5 + 1; end if; return null; end $$;
		create trigger again after insert or update on nested for each row when (new.n < 3) execute function again();
		create schema marks;
		create table marks.mark (id text primary key);
	SQL
}

chaos_fill() { # CONNINFO
	sql "$1" <<-'SQL'
		insert into acc select i, 0, 'owner ' || i, md5(i::text) from generate_series(1, 300) i;
		insert into nested select i, 'first', 0 from generate_series(1, 5) i;
		insert into part select i, (array['north', 'south', 'east', 'west'])[i % 4 + 1], 'first' from generate_series(1, 60) i;
	SQL
}

chaos_set() { # NAME PREFIX CONNINFO CONNINFO COLUMNS [LINE…]
	local name=$1 prefix=$2 first=$3 second=$4 columns=$5
	shift 5
	# small windows and batches: a backlog is many transactions, and windows are cut; a paused relay's transaction expires
	cat <<-SET
		name = "$name";
		databases = ( { name = "d1"; conninfo = "$first"; }, { name = "d2"; conninfo = "$second"; } );
		tables = (
		  { name = "acc"; columns = [ $(quoted_list "$columns") ]; },
		  { name = "ord"; }, { name = "part"; }, { name = "nested"; }, { name = "marks.mark"; }
		);
		topics = { prefix = "$prefix.{database}"; partitions = 3; replication = 1; };
		kafka = [ "bootstrap.servers=$KAFKA", "transaction.timeout.ms=10000" ];
		relay = { batch_events = 500; window_memory = "1MB"; };
	SET
	printf '%s\n' "$@"
}

chaos_touch() { # CONNINFO
	sql "$1" -c "update acc set bal = bal + 1" -c "update ord set amount = coalesce(amount, 0) + 1" -c "update part set v = coalesce(v, '') || '!'"
}

chaos_same() { # CONNINFO FOLDER PREFIX TABLE KEY [COLUMNS]
	local rebuilt=$2/$3.public.$4 source=$2/source.$3.$4
	rows_of "$1" "$4" "$5" ${6:+"$6"} > "$source" || return 1
	[ -s "$source" ] || { echo "table $4 is empty: nothing is proven"; return 1; }
	cmp "$rebuilt" "$source" || { diff "$rebuilt" "$source" | head -n 20; return 1; }
}
