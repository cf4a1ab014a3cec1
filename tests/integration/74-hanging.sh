#!/bin/bash
# test: limit=1200
# tests/integration/74-hanging.sh: transactions whose end the brokers have lost. Kafka 4.3.1 does so when a broker comes back
# (KAFKA-20734): for its coordinator they are rolled back, in the partitions they are open for ever. The relay rolls them
# back by itself, or stops where that would lose something.
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

# a broker that comes back leads what it led for as long as its old session lasts: the time in which it goes wrong
line_own pg=--ticker kafka=--version=4.3.1 kafka=--set=broker.session.timeout.ms=10000
fault_begin 'transaction.timeout.ms=5000'
shovel=''
pgshoveld_start shovel --host "a$SUFFIX" --session-timeout 4s
load_touch "$DB"
ok 'the line is up' load_delivered "$DB" "$P" || exit 1
sql "$DB" -c 'insert into ord (id, acc, amount) select i, i, i from generate_series(1, 100) i'
ok 'rows arrive' load_delivered "$DB" "$P"
pgshoveld_stop "$shovel"
node=$(sql "$DB" -c "select id from pgshovel_$CLUSTER.node")
key=$(consume_prefix "$CLUSTER.shop" --dump | jq -r .key | tail -n 1)
like "$key" "$node" 'there is a position'

hangs() { # TOPIC PARTITION: from the offset in the file hangs on
	kafka_java "$OWN/kafka" org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$KAFKA" describe-producers --topic "$1" --partition "$2" > "$T/producers" 2>&1
	awk 'NR > 1 { print $NF }' "$T/producers" | grep -E '^[0-9]+$' > "$T/hangs"
}

# Another incarnation's transaction, which expires while the broker is away. Its value is no JSON: nobody may ever read it.
leave() { # TOPIC PARTITION KEY MS…
	local try
	for try in 1 2 3; do
		kafkatool --brokers "$KAFKA" -X "transactional.id=pgshovel.$CLUSTER.shop.$node" -X transaction.timeout.ms=1000 \
			-X socket.timeout.ms=1000 open "$@" || return 1
		server_kill kafka "$OWN"
		server_start kafka "$OWN" > /dev/null || return 1
		! hangs "$1" "$2" || return 0
		diag "try $try: the broker ended it"
	done
	return 1
}

# On a machine that is slow enough the old session is over too soon: then there is nothing to see.
hang() { # NAME TOPIC PARTITION KEY MS…
	local name=$1
	shift
	if leave "$@"; then
		pass "$name"
	else
		skip "$name" 'the broker ended the transaction each time'
		return 1
	fi
}

rolled_back() {
	grep -cE 'rolled back a transaction whose end the brokers had lost: it hung in .* partitions' "$T/shovel.log"
}

rounds=0
goes_on() {
	rounds=$((rounds + 1))
	load_touch "$DB"
	pgshoveld_start shovel --host "a$SUFFIX" --session-timeout 4s
	ok 'the relay goes on' load_delivered "$DB" "$P" 150
	is "$(rolled_back)" $rounds 'and says what it did'
	ok 'nothing lost, nothing doubled' same
	pgshoveld_stop "$shovel"
}
! hang 'events without their position' "$P.public.acc" 0 '{"id":1}' 0 "$P.public.acc" 1 '{"id":2}' 0 || goes_on
nok 'nothing hangs any more' hangs "$P.public.acc" 1
! hang 'events and their position' "$CLUSTER.shop.positions" 0 "$key" 0 "$P.public.acc" 0 '{"id":1}' 0 "$P.public.ord" 2 '{"id":1}' 0 || goes_on

if hang 'events older than the position' "$P.public.acc" 0 '{"id":1}' 1000; then
	offset=$(cat "$T/hangs")
	load_touch "$DB"
	pgshoveld_start shovel --host "a$SUFFIX" --session-timeout 4s
	ok 'they may be a part of it: the set parks' wait_for 120 status_says "topic \"$P.public.acc\" \[0\] hides records from offset $offset on that the committed position counts as delivered"
	ok 'with 78' wait_for 60 grep -q 'exit.* 78' "$T/shovel.log"
	# what docs/operations.md advises
	kafka_java "$OWN/kafka" org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$KAFKA" abort --topic "$P.public.acc" --partition 0 --start-offset "$offset" > "$T/abort" 2>&1
	kill -HUP "$shovel"
	ok 'ended by hand, it goes on' load_delivered "$DB" "$P" 150 || diag "$(cat "$T/abort")"
	ok 'nothing lost, nothing doubled' same
	pgshoveld_stop "$shovel"
fi

if hang 'a position without its events' "$CLUSTER.shop.positions" 0 "$key" 0; then
	kafkatool --brokers "$KAFKA" produce "$P.public.ord" '{"id":1}' '?'
	pgshoveld_start shovel --host "a$SUFFIX" --session-timeout 4s
	ok 'what may be its events is there to see: the set parks' wait_for 120 status_says "topic \"$P.public.ord\" \[[0-9]\] shows records of a transaction whose position readers do not see"
	pgshoveld_stop "$shovel"
fi
tap_done
