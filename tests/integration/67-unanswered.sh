#!/bin/bash
# test: limit=600
# tests/integration/67-unanswered.sh: a commit that was sent and has no answer. Either the broker has it and the answer is lost, or it is on
# its way and comes after the next owner took over; the relay is killed, or stopped and goes on later. Each time every event is in Kafka once.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/integration/relay-lib.sh
. tests/integration/relay-lib.sh

# ---- the broker, and a gate in front of it through which relays come
line_own
line_begin pg zk
OWN=$T/servers
mkdir -p "$OWN"
port=$(server_port "$OWN")
mkfifo "$T/gate"
gate --to "127.0.0.1:$port" --control "$T/gate" --log "$T/gate.log" &
wait_for 30 grep -qs ^port "$T/gate.log" || { diag 'no gate'; exit 1; }
gated=$(awk '$1 == "port" { print $2 }' "$T/gate.log")
server_start kafka "$OWN" --gate="$port:$gated" > /dev/null || { diag 'Kafka did not start'; exit 1; }
KAFKA=$(server_address kafka "$OWN")
line_database DB
line_prefix P
sql "$DB" -c 'create table acc (id int primary key, bal int not null)' -c 'insert into acc select g, 0 from generate_series(1, 100) g' \
	-c 'create schema marks' -c 'create table marks.mark (id text primary key)'
SET=one
set_file one "$P" "$DB" acc marks.mark | sed "s/^kafka = .*/kafka = [ \"bootstrap.servers=127.0.0.1:$gated\", \"transaction.timeout.ms=20000\" ];/" > "$T/one.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create one "$T/one.pgshovel" || exit 1
relay_document
show_log "$T/relay.log"

commit_is() { # held|muted: the last one that the gate looked at
	[ "$(grep -c "^commit $1" "$T/gate.log")" -gt "$commits" ]
}
changed() {
	sql "$DB" -c 'update acc set bal = bal + 1'
}
same() {
	consume_prefix "$P" --rebuild "$P.public.acc" > "$T/rebuilt" && rows_of "$DB" acc id > "$T/source" && cmp "$T/rebuilt" "$T/source"
}
right() { # WHAT
	ok "$1: rows from Kafka equal the table" same
	ok "$1: no event twice, chains hold" consume_prefix "$P" --check
}

changed
for fate in muted held; do
	for end in killed stopped; do
		what="the commit's answer is lost, the relay $end"
		[ $fate = muted ] || what="the commit is late, the relay $end"
		relay_start
		ok "$what: the line is up" delivered
		commits=$(grep -c "^commit $fate" "$T/gate.log")
		[ $fate = muted ] && echo mute-commit > "$T/gate" || echo hold-commit > "$T/gate"
		changed
		ok "$what: it was sent" wait_for 60 commit_is $fate
		zombie=$relay zombie_driver=$driver
		if [ $end = killed ]; then
			relay_kill
		else
			kill -STOP "$zombie"
		fi
		relay_start
		ok "$what: the next owner delivers" delivered
		right "$what"
		echo open > "$T/gate" # what was held goes to the broker now
		if [ $end = stopped ]; then
			kill -CONT "$zombie"
			wait "$zombie_driver"
			is $? 79 "$what: when it goes on it is fenced"
		fi
		changed
		ok "$what: the owner goes on" delivered
		right "$what, afterwards"
		relay_stop
		is "$RC" 0 "$what: the owner ends when it is asked to"
	done
done
tap_done
