# shellcheck shell=bash
# tests/lib/load.sh: tables under a mixed load, and the proof that topics hold what the tables hold. Sourced after line.sh.
# It knows the tables acc, ord and marks.mark only; which set captures them is the test's business.
#
#   load_tables CONNINFO         acc (1,000 rows), ord (empty), marks.mark (empty)
#   load_start CONNINFO SECONDS  pgbench -c 8 in the background: updates of all columns and of unlisted ones alone, inserts,
#                                deletes, key changes, savepoints rolled back; load_wait: its exit status, log in $T/load.log.
#                                LOAD_RATE: transactions per second at most, where brokers need the machine to come back
#   load_delivered CONNINFO PREFIX [SECONDS]   writes a row into marks.mark and waits until readers of the topic see it: everything
#                                that was committed before is in Kafka then
#   load_touch CONNINFO          changes every row once, so that each has an event
#   load_same CONNINFO PREFIX TABLE [COLUMNS]  rows rebuilt from the topic equal the table's

load_pid=

load_tables() { # CONNINFO
	sql "$1" <<-'SQL'
		create table acc (id int primary key, bal int not null, owner text, secret text);
		create sequence ord_id;
		create table ord (id bigint primary key, acc int not null, amount int, at timestamp not null default clock_timestamp());
		create schema marks;
		create table marks.mark (id text primary key);
		insert into acc select i, 0, 'owner ' || i, md5(i::text) from generate_series(1, 1000) i;
	SQL
}

load_start() { # CONNINFO SECONDS
	cat > "$T/load.sql" <<-'SQL'
		\set id random(1, 1000)
		\set d random(-100, 100)
		\set kind random(1, 10)
		begin;
		update acc set bal = bal + :d, secret = md5(random()::text) where id = :id;
		select nextval('ord_id') as ord \gset
		insert into ord (id, acc, amount) values (:ord, :id, :d);
		\if :kind = 1
		savepoint s;
		update ord set amount = null where id = :ord;
		rollback to savepoint s;
		\endif
		\if :kind = 2
		update ord set id = id + 1000000000 where id = :ord;
		\endif
		\if :kind = 3
		delete from ord where id = :ord;
		insert into ord (id, acc, amount) values (:ord, :id, :d + 1);
		\endif
		delete from ord where id = :ord - 200;
		commit;
		update acc set secret = 'alone' where id = :id;
	SQL
	pgbench -n -c 8 -j 2 -T "$2" ${LOAD_RATE:+-R "$LOAD_RATE"} -f "$T/load.sql" "$1" > "$T/load.log" 2>&1 &
	load_pid=$!
	show_log "$T/load.log"
}

load_wait() {
	wait "$load_pid"
}

load_seen() { # PREFIX MARK
	# a schema of its own: the consumer reads this one topic only
	consume_prefix "$1.marks" --dump 2> /dev/null | grep -qF "$2"
}

load_delivered() { # CONNINFO PREFIX [SECONDS]
	local mark=$RANDOM-$RANDOM-$BASHPID
	sql "$1" -c "insert into marks.mark values ('$mark')" || return 1
	wait_for "${3:-120}" load_seen "$2" "$mark"
}

load_touch() { # CONNINFO
	sql "$1" -c "update acc set bal = bal + 1"
}

load_same() { # CONNINFO PREFIX TABLE [COLUMNS]
	consume_prefix "$2" --rebuild "$2.public.$3" ${4:+--columns "$4"} > "$T/rebuilt.$3" || return 1
	rows_of "$1" "$3" id ${4:+"$4"} > "$T/source.$3" || return 1
	[ -s "$T/source.$3" ] || { echo "table $3 is empty: nothing is proven"; return 1; }
	cmp "$T/rebuilt.$3" "$T/source.$3" || { diff "$T/rebuilt.$3" "$T/source.$3" | head -n 10; return 1; }
}
