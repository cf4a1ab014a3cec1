#!/bin/bash
# test: limit=900
# tests/integration/33-fleet.sh: three hosts, three ZooKeeper servers, a few sets that relay from PostgreSQL to Kafka, many with the trivial
# worker. A host is killed, stopped, cut from ZooKeeper, PostgreSQL or Kafka alone, attached to a follower that is cut from its leader;
# ZooKeeper loses its leader and its quorum; all hosts are restarted one by one. Always: every set is owned again, no set is published by
# two, what relays goes on without ZooKeeper, a new owner that cannot reach Kafka takes nothing from one that can.
#
#   PGSHOVEL_FLEET_SETS=60       sets with the trivial worker
#   PGSHOVEL_FLEET_ABSENCE=5     seconds without a quorum (300: as long as an operator's lunch)
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/lib/fleet.sh
. tests/lib/fleet.sh

FAKES=${PGSHOVEL_FLEET_SETS:-60}
ABSENCE=${PGSHOVEL_FLEET_ABSENCE:-5}
REALS='r1 r2 r3 r4 r5'
FLEET_TIMEOUT=3s FLEET_SETS=$((FAKES + 5))
export PGSHOVEL_HOLD_SECONDS=1

# ---- servers, and gates in front of them: host b comes to all of them through its own

GATE_kafka='' GATE_pg='' GATE_zk1='' GATE_zk2='' GATE_zk3=''
gate_start() { # NAME TO: GATE_NAME becomes its port
	mkfifo "$T/gate.$1"
	gate --to "$2" --control "$T/gate.$1" --log "$T/gate.$1.log" &
	wait_for 30 grep -qs '^port' "$T/gate.$1.log" || { diag "no gate \"$1\""; exit 1; }
	printf -v "GATE_$1" %s "$(awk '$1 == "port" { print $2 }' "$T/gate.$1.log")"
}
gates() { # COMMAND NAME…
	local command=$1 name before
	shift
	for name; do
		before=$(grep -c "^done $command" "$T/gate.$name.log")
		echo "$command" > "$T/gate.$name"
		wait_for 30 gate_did "$command" "$name" "$before" || fail "gate $name: $command"
	done
}
gate_did() { # COMMAND NAME BEFORE
	[ "$(grep -c "^done $1" "$T/gate.$2.log")" -gt "$3" ]
}

# a follower may be behind for longer than a session lasts
line_own zk=--nodes=3 zk=--set=syncLimit=30
line_begin pg zk
port=$(server_port "$T") || exit 1
gate_start kafka "127.0.0.1:$port"
server_start kafka "$OWN" --gate="$port:$GATE_kafka" > /dev/null || { diag 'Kafka did not start'; exit 1; }
KAFKA=$(server_address kafka "$OWN")
line_database DB
PG_PORT=$(sed 's/.*port=\([0-9]*\).*/\1/' <<< "$DB")
gate_start pg "127.0.0.1:$PG_PORT"
Z_PORTS=$(cat "$OWN"/zk/[123]/port)
for node in 1 2 3; do
	gate_start "zk$node" "127.0.0.1:$(cat "$OWN/zk/$node/port")"
done
# node 1 joins the others through gates: it becomes a follower, one that can be cut from its leader
for node in 2 3; do
	port=$(sed -n "s/^server.$node=127.0.0.1:\([0-9]*\):.*/\1/p" "$OWN/zk/1/conf/zoo.cfg")
	gate_start "peer$node" "127.0.0.1:$port"
	peer=GATE_peer$node
	sed -i "/^server.$node=/s/:$port:/:${!peer}:/" "$OWN/zk/1/conf/zoo.cfg"
done
server_stop zk "$OWN" 1
server_start zk "$OWN" > /dev/null || exit 1

mode() { # NODE
	zk_ask "$(cat "$OWN/zk/$1/port")" srvr | sed -n 's/^Mode: //p'
}
z_serves() {
	zk_up "$OWN/zk"
}
ok 'three ZooKeeper servers' wait_for 30 z_serves
is "$(mode 1)" follower 'the first one is a follower'

# ---- the cluster and its sets

fleet_begin "$T/fleet"
export FAKE_WORKER_REAL=$BUILD/pgshovel-kafka-relay
for host in a b c; do
	show_log "$FLEET/$host.log"
done
printf 'bootstrap.servers=127.0.0.1:%s\n' "$GATE_kafka" > "$T/kafka"
mkdir "$T/credentials" && mv "$T/kafka" "$T/credentials"
host() { # NAME: all come to the same database by the port of their own environment
	case $1 in
	a) PGPORT=$PG_PORT fleet_host a ;;
	b) PGPORT=$GATE_pg FLEET_ZOOKEEPER=127.0.0.1:$GATE_zk1,127.0.0.1:$GATE_zk2,127.0.0.1:$GATE_zk3 \
		fleet_host b --credentials-dir "$T/credentials" ;;
	c) PGPORT=$PG_PORT FLEET_ZOOKEEPER=127.0.0.1:$(cat "$OWN/zk/1/port") fleet_host c ;;
	esac
}
ok 'cluster initialize' pgshovel cluster initialize
line_prefix P
for set in $REALS; do
	sql "$DB" -c "create table t_$set (id bigint primary key, v int not null)" -c "insert into t_$set select i, 0 from generate_series(1, 500) i"
	set_file "$set" "$P.$set" "${DB/port=$PG_PORT/}" "t_$set" | sed 's/^kafka = \[/&"client.id=real", /' > "$T/$set.pgshovel"
	PGPORT=$PG_PORT pgshovel set create "$set" "$T/$set.pgshovel" > "$T/created" 2>&1 || { fail "set create $set"; diag "$(cat "$T/created")"; exit 1; }
done
fleet_sets f "$FAKES" > "$T/filled"
is "$(wc -l < "$T/filled")" "$FAKES" 'sets for the trivial worker'

{
	echo '\set id random(1, 500)'
	for set in $REALS; do
		echo "update t_$set set v = v + 1 where id = :id;"
	done
} > "$T/load.sql"
pgbench -n -c 1 -R 10 -T 3600 -f "$T/load.sql" "$DB" > "$T/load.log" 2>&1 &
load=$!
flows() { # SECONDS SET…: rows that are written now come to their readers
	local seconds=$1 mark=$((1000000 + RANDOM * 32768 + RANDOM)) set
	shift
	for set; do
		sql "$DB" -c "insert into t_$set values ($mark, 0)" || return 1
	done
	wait_for "$seconds" seen "$mark" $#
}
seen() { # MARK TIMES; one consumer for all prefixes
	[ "$(consume_prefix "$P" --dump 2> /dev/null | grep -cF "\"key\":\"{\\\"id\\\":$1}\"")" -ge "$2" ]
}
relayed_by() { # SET: the host that wrote the newest position
	consume_prefix "$CLUSTER.$1" --dump 2> /dev/null | grep -o '\\"host\\":\\"[a-z]' | tail -n 1 | tail -c 2
}
real_of() { # HOST: its first set that relays
	fleet_owners | sed -n "s/^\(r[0-9]\) $1\$/\1/p" | head -n 1
}
relay_of() { # SET
	fleet_workers | sed -n "s/^$1 \([0-9]*\) .*/\1/p"
}
settled() { # NAME HOST…
	local name=$1
	shift
	diag "$SECONDS s"
	ok "$name" wait_for 90 fleet_settled "$@" || diag "$(cat "$FLEET/owners")"
}
again() { # NAME SINCE PID
	diag "$1: sets owned again, the last one after ms: $(fleet_again "$2" "$3") (session timeout $FLEET_TIMEOUT)"
}

for name in a b c; do
	host $name
done
settled 'three hosts share the sets' a b c
# shellcheck disable=SC2086 # a list
ok 'rows arrive' flows 60 $REALS

# ---- watches at the servers: a host has two lists; of single nodes the cluster's, at most its own, and for each of its sets two
watches_fit() { # HOST
	fleet_watches "$1" > "$T/watches"
	fleet_owners | sed -n "s/ $1\$//p" | sort > "$T/own"
	sed -n 's,^/\(sets\|locks\)/,,p' "$T/watches" | sort -u | comm -23 - "$T/own" > "$T/others"
	[ -s "$T/watches" ] && [ ! -s "$T/others" ] && [ "$(grep -cvE '^/(sets|locks)/' "$T/watches")" -le 2 ] &&
		[ "$(grep -cE '^/(sets|locks)/' "$T/watches")" -le $((2 * $(wc -l < "$T/own"))) ]
}
for name in a b c; do
	ok "watches of host $name: only of its own sets" wait_for 30 watches_fit $name || diag "$(cat "$T/watches" "$T/others")"
done
ok 'and of two lists' wait_for 30 fleet_lists_fit 3
# ---- a host dies and comes back
before=$(fleet_requests a b)
old=$PID_c since=$(fleet_now)
fleet_kill c
settled 'kill -9 of a host: the others have its sets' a b
again 'kill -9' "$since" "$old"
read -r n _ <<< "$(fleet_again "$since" "$old")"
few() { # a list, and for each set its lock, its document and the watches; a status a second and pings
	local sent
	sent=$(($(fleet_requests a b) - before))
	echo "$sent requests for $n sets"
	[ "$n" -gt 0 ] && [ "$sent" -gt 0 ] && [ "$sent" -le $((10 * n + 200)) ]
}
ok 'the requests of both, counted at the servers, are few' few
diag "$(few)"
host c
settled 'it comes back and has its share' a b c
ok 'watches of sets that went elsewhere are gone' wait_for 30 watches_fit a || diag "$(cat "$T/others")"
ok 'no set had two workers' fleet_exclusive 'f[0-9]+'

# ---- a host is stopped for longer than its session
old=$PID_c since=$(fleet_now)
fleet_note cut c
kill -STOP "$PID_c"
settled 'SIGSTOP of a host: the others have its sets' a b
again 'SIGSTOP' "$since" "$old"
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS
kill -CONT "$PID_c"
settled 'it goes on and gets its share again' a b c

# ---- a host is cut from ZooKeeper; the one that could take its set is cut from Kafka
kept=$(real_of b) relay=''
[ -n "$kept" ] || fail 'host b has a set that relays'
gates dark kafka # for b
mapfile -t others < <(fleet_owners | sed -n 's/^\(r[0-9]\) [ac]$/\1/p')
ok 'cut from Kafka alone: the others deliver' flows 60 "${others[@]}"
fleet_settled a b c
is $? 0 'and the host keeps its sets'
gates open kafka
ok 'Kafka is back: its own rows arrive' flows 90 "$kept"

diag "$SECONDS s"
gates refuse pg
retries() {
	fleet_zk get "/$CLUSTER/status/b" | tr '{' '\n' | grep -q '"database":"main","state":"retrying"'
}
ok 'cut from PostgreSQL alone: its relays try again' wait_for 60 retries
ok 'the others deliver' flows 60 "${others[@]}"
gates open pg
ok 'PostgreSQL is back: its rows arrive' flows 90 "$kept"
is "$(real_of b)" "$kept" 'and the host has kept its sets'

old=$PID_b since=$(fleet_now)
fleet_note cut b
gates dark zk1 zk2 zk3
settled 'cut from ZooKeeper alone: the others have its sets' a c
again 'cut from ZooKeeper' "$since" "$old"
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS
by_another() { # the old owner's relay delivers until the new one's ends it
	flows 30 "$kept" && [ "$(relayed_by "$kept")" != b ]
}
ok 'by the new owner' wait_for 90 by_another
gates open zk1 zk2 zk3
settled 'it comes back' a b c

# ---- c is attached to a follower that its leader has lost
old=$PID_c since=$(fleet_now)
fleet_note cut c
before=$(grep -c 'lost the connection to ZooKeeper' "$FLEET/c.log")
gates dark peer2 peer3
settled 'attached to a stale follower: the others have its sets' a b
again 'a stale follower' "$since" "$old"
[ "$(grep -c 'lost the connection to ZooKeeper' "$FLEET/c.log")" != "$before" ] || diag 'c believed in its session to that moment'
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS
gates open peer2 peer3
ok 'the follower is back' wait_for 60 z_serves
settled 'and its host' a b c
ok 'no set had two workers but those of the host that was cut' fleet_exclusive 'f[0-9]+'

# ---- ZooKeeper loses its leader, then its quorum
leader=2
[ "$(mode 3)" != leader ] || leader=3
server_kill zk "$OWN" $leader
two_serve() {
	[ "$(mode 1)$(mode $((5 - leader)))" = followerleader ] || [ "$(mode 1)$(mode $((5 - leader)))" = leaderfollower ]
}
ok 'the leader is killed: another one leads' wait_for 60 two_serve
settled 'the sets stay where they are' a b c
workers=$(fleet_workers | sort)
server_kill zk "$OWN" $((5 - leader))
crashed=$(awk '{ print $2 }' <<< "$(grep '^f0 ' <<< "$workers")")
echo "exit set=f0 pid=$crashed" >> "$W" # before its successor can write
kill -KILL "$crashed"
another() {
	[ "$(relay_of f0)" != "$crashed" ]
}
ok 'no quorum: a crashed worker is started again' wait_for 60 another
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS
others_changed() {
	[ "$(fleet_workers | grep -v '^f0 ' | sort)" != "$(grep -v '^f0 ' <<< "$workers")" ]
}
nok "in $ABSENCE s no other worker ends" wait_for "$ABSENCE" others_changed
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS
server_start zk "$OWN" > /dev/null
settled 'the quorum is back' a b c
nok 'and nothing else has moved' others_changed

# ---- rolling restart
for name in a b c; do
	pid=$(fleet_pid $name)
	kill -TERM "$pid"
	wait_for 30 line_gone "$pid" || fail "host $name ends"
	wait "$pid" 2> /dev/null
	is $? 0 "rolling restart: host $name ends in order"
	host $name
	settled 'every set is owned again' a b c
done
ok 'no set had two workers but those of hosts that were cut' fleet_exclusive 'f[0-9]+'
# shellcheck disable=SC2086
ok 'rows arrive' flows 60 $REALS

# ---- a host is cut from ZooKeeper, and the one that is left is cut from Kafka: who can deliver goes on
kept=$(real_of a)
[ -n "$kept" ] || fail 'host a has a set that relays'
pid=$(fleet_pid c)
kill -TERM "$pid"
wait_for 30 line_gone "$pid"
settled 'two hosts are left' a b
kept=$(real_of a)
relay=$(relay_of "$kept")
gates dark kafka
fleet_note cut a
kill -STOP "$PID_a" # its relays run; its session does not
taken() {
	fleet_owners | grep -qx "$kept b"
}
ok 'the lock goes to a host that cannot reach Kafka' wait_for 60 taken
tries() {
	fleet_workers | grep -q "^$kept [0-9]* $PID_b\$"
}
ok 'which starts a relay' wait_for 30 tries
ok 'rows arrive all the same' flows 60 "$kept"
is "$(relayed_by "$kept")" a 'from the old owner'
nok 'whose relay has not ended' line_gone "$relay"
gates open kafka
by_b() {
	flows 30 "$kept" && [ "$(relayed_by "$kept")" = b ]
}
ok 'Kafka is back: the new owner takes over' wait_for 90 by_b
kill -CONT "$PID_a"
ok 'the old relay has ended' wait_for 60 line_gone "$relay"
settled 'both have their share' a b

# ---- and all that time
kill -TERM $load
wait $load
# shellcheck disable=SC2086
ok 'everything arrives' flows 60 $REALS
for set in $REALS; do
	sql "$DB" -c "update t_$set set v = v + 1"
done
# shellcheck disable=SC2086
ok 'everything arrives' flows 60 $REALS
for set in $REALS; do
	same() {
		consume_prefix "$P.$set" --rebuild "$P.$set.public.t_$set" > "$T/rebuilt" && rows_of "$DB" "t_$set" id > "$T/source" && cmp "$T/rebuilt" "$T/source"
	}
	ok "$set: rows from Kafka equal the table" same
	ok "$set: no event twice, chains hold" consume_prefix "$P.$set" --check
done
for name in a b; do
	kill -TERM "$(fleet_pid $name)"
done
for name in a b; do
	ok "host $name ends" wait_for 60 line_gone "$(fleet_pid $name)"
done
tap_done
