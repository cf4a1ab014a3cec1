#!/bin/bash
# test: limit=600
# tests/integration/38-back-in-time.sh: ZooKeeper itself goes back: its data folder is put back from an old copy, stopped or under a running
# supervisor, or is lost. It is noticed, named and cured by "cluster recover"; nothing is lost or doubled. And an old primary that lives on
# beside the new one: of the relays of both one is left, and the old primary's later rows are not delivered.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/rows.sh
. tests/lib/rows.sh
# shellcheck source=tests/lib/load.sh
. tests/lib/load.sh
# shellcheck source=tests/integration/fault-lib.sh
. tests/integration/fault-lib.sh

line_own pg=--ticker
fault_begin
a='' b='' c='' d='' e=''

logged() { # NAME REGEX
	grep -qE "$2" "$T/$1.log"
}
start() { # VAR
	pgshoveld_start "$1" --host "$1$SUFFIX" --session-timeout 4s
}
zk_copy() { # the data folder of the stopped server
	rm -rf "$T/copy" && cp -a "$OWN/zk/1/data" "$T/copy"
}
zk_back() {
	rm -rf "$OWN/zk/1/data" && cp -a "$T/copy" "$OWN/zk/1/data"
}
zk_start() {
	server_start zk "$OWN" > /dev/null || fail 'ZooKeeper starts'
}
count_on() { # the next lock has a number above all that the copy can come to soon
	local i
	for ((i = 0; i < 20; i++)); do
		zktool --hosts "$ZOOKEEPER" touch "/$CLUSTER/sets"
	done
}
has_relay() { # SUPERVISOR
	relay_of "$1" > "$T/relay"
}

# ---- put back while the supervisor was stopped: its lock would be older than the position's
server_stop zk "$OWN"
zk_copy
zk_start
start a
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
pgshoveld_stop "$a"
count_on
start a
ok 'and again, with a later lock' load_delivered "$DB" "$P"
pgshoveld_stop "$a"
server_kill zk "$OWN"
zk_back
zk_start
start b
ok 'ZooKeeper from an old copy: the set parks and says why' wait_for 90 logged b 'holds the lock of the set in ZooKeeper, but .* ZooKeeper went back in time.*"pgshovel cluster recover" cures that; parked'
ok 'set status says so too' wait_for 30 status_says 'cluster recover'
run pgshovel cluster recover
like "$RC $OUT" '^0 generation .* is [0-9]{10} now' 'cluster recover'
load_touch "$DB"
ok 'cured: rows flow' load_delivered "$DB" "$P" 90
ok 'nothing lost, nothing doubled' same_acc

# ---- put back under a running supervisor, which has seen more than the server has then
pgshoveld_stop "$b"
server_stop zk "$OWN"
zk_copy # nobody's lock in it
zk_start
start c
ok 'a running supervisor' load_delivered "$DB" "$P"
count_on
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/locks/shop" # taken again, with a later number
ok 'has a later lock' wait_for 60 logged c 'took the lock again'
relay=$(relay_of "$c")
server_kill zk "$OWN"
zk_back
zk_start
ok 'put back under a running supervisor: it says so' wait_for 90 logged c 'set=shop .*ZooKeeper went back in time.*"pgshovel cluster recover"'
load_touch "$DB"
ok 'its relay goes on' load_delivered "$DB" "$P"
is "$(relay_of "$c")" "$relay" 'and is the same'
ok 'cluster recover' pgshovel cluster recover
ok 'its relay gets a token of the new generation' wait_for 60 logged c 'shows the new token [0-9]{10}\.'
kill -KILL "$relay"
ok 'a restart of the relay' wait_for 60 another_relay "$c" "$relay"
load_touch "$DB"
ok 'finds its position good' load_delivered "$DB" "$P" 90

# ---- lost altogether
relay=$(relay_of "$c")
server_kill zk "$OWN"
rm -rf "$OWN"/zk/1/data/version-2
zk_start
ok 'an empty ZooKeeper: named' wait_for 90 logged c "cluster \"$CLUSTER\" does not exist in ZooKeeper"
load_touch "$DB"
ok 'what runs goes on' load_delivered "$DB" "$P"
is "$(relay_of "$c")" "$relay" 'and is the same relay'
run pgshovel cluster recover
like "$RC $OUT" '^0 cluster .* created with generation [0-9]{10}' 'cluster recover makes the cluster'
run pgshovel set create shop "$T/shop.pgshovel" --force
is "$RC" 0 'set create --force takes the set over from its database' || diag "$ERR"
load_touch "$DB"
ok 'rows flow' load_delivered "$DB" "$P" 90
ok 'nothing lost, nothing doubled' same_acc
kill -KILL "$(relay_of "$c")"
load_touch "$DB"
ok 'after a restart of the relay, too' load_delivered "$DB" "$P" 90
pgshoveld_stop "$c"
is $? 0 'the supervisor ends by SIGTERM'

# ---- an old primary that lives on
server_start pg-b "$OWN" --standby-of=pg > /dev/null || { diag 'the standby did not start'; exit 1; }
old=$(sed 's/.*port=\([0-9]*\).*/\1/' <<< "$DB")
new=$(cat "$OWN/pg-b/port")
ok 'set upgrade: each host finds the database by its own port' env "PGPORT=$old" pgshovel set upgrade shop <(sed "s/port=$old//" "$T/shop.pgshovel")
PGPORT=$old start a
ok 'a relay at the primary' load_delivered "$DB" "$P" 90
level() {
	[ "$(sql "$(server_address pg-b "$OWN")" -c 'select pg_last_wal_replay_lsn() >= '"'$(sql "$DB" -c 'select pg_current_wal_flush_lsn()')'")" = t ]
}
wait_for 3 false # it has written down what it delivered
ok 'the standby has all of it' wait_for 60 level
relay=$(relay_of "$a")
kill -STOP "$a" # its host is cut off; its relay works on
ok 'the standby is promoted' pg_promote "$OWN/pg-b"
PGPORT=$new start d
NEW="host=127.0.0.1 port=$new user=postgres dbname=${DB##*dbname=}"
ok 'another host has a relay at the new primary' wait_for 60 has_relay "$d"
sql "$NEW" -c 'update acc set bal = bal + 1'
ok 'the rows of the new primary arrive' load_delivered "$NEW" "$P" 90
sql "$DB" -c "insert into acc values (999999, 1, 'of the old primary', '')"
ok 'the relay of the old one ends when it wants to deliver' wait_for 60 line_gone "$relay"
sql "$NEW" -c 'update acc set bal = bal + 1'
ok 'the other one goes on' load_delivered "$NEW" "$P" 90
kill -CONT "$a"
ok 'its supervisor sees who has the set' wait_for 60 logged a 'set=shop the lock is held by host'
nok 'the old primary, read alone later, was not delivered' grep -q 'of the old primary' <(consume_prefix "$P" --dump)
DB=$NEW
ok 'nothing lost, nothing doubled' same_acc

# ---- an owner delivers until the next one ends its session: that the position is ahead of what the next one saw before is no going back
pgshoveld_stop "$a" KILL
rm -f "$T/stopped"
PGPORT=$new PGSHOVEL_STOP_AT=identified PGSHOVEL_STOP_FILE=$T/stopped start e
relay=$(relay_of "$d")
kill -STOP "$d"
if wait_for 60 test -s "$T/stopped"; then
	load_touch "$DB"
	ok 'the owner before delivers while the next one has seen the database' load_delivered "$DB" "$P" 60
	kill -CONT "$(cut -d' ' -f2 "$T/stopped")"
	ok 'it is ended' wait_for 60 line_gone "$relay"
	load_touch "$DB"
	ok 'the next one goes on' load_delivered "$DB" "$P" 60
	nok 'and took nothing for a rewind' grep -q 'went back in time' "$T/e.log"
	ok 'nothing lost, nothing doubled' same_acc
else
	skip 'an owner that delivers until it is ended' 'no steps in this build'
fi
kill -CONT "$d"
tap_done
