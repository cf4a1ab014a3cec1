#!/bin/bash
# test: limit=1200
# tests/integration/79-three-brokers.sh: three brokers under load: each is killed and comes back, leaders move, the coordinator of a transaction
# dies before its commit; and rights that are taken away and given back. Every event is in Kafka once for a read_committed reader.
# The relay comes by SASL_SSL with a user of its own; brokers and tools are superusers.
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

LOAD_RATE=200
export SET_REPLICATION=3
secret=s3cr3t$RANDOM$RANDOM
line_own pg=--ticker kafka=--nodes=3 kafka=--heap=160m kafka=--version=4.2.0 "kafka=--tls=shovel:$secret" \
	kafka=--set=authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
	kafka=--set=allow.everyone.if.no.acl.found=true kafka=--set=super.users=User:ANONYMOUS
line_begin pg zk kafka
line_database DB
line_prefix P
load_tables "$DB"
mkdir -m 700 "$T/credentials"
echo "sasl.password=$secret" > "$T/credentials/kafka"
chmod 600 "$T/credentials/kafka"
export PGSHOVEL_CREDENTIALS_DIR=$T/credentials
secured() { # the set's way to the brokers
	local property line
	line="kafka = [ \"bootstrap.servers=$(cat "$OWN/kafka/address-tls")\""
	for property in security.protocol=SASL_SSL sasl.mechanism=PLAIN sasl.username=shovel "ssl.ca.location=$OWN/kafka/tls/ca.pem" transaction.timeout.ms=20000; do
		line+=", \"$property\""
	done
	sed "s|^kafka = .*|$line ];|"
}
set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark | secured > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel" || exit 1
first='' second=''

tool() { # CLASS ARG…: its output is in $T/tool
	kafka_java "$OWN/kafka" "org.apache.kafka.tools.$1" --bootstrap-server "$KAFKA" "${@:2}" > "$T/tool" 2>&1
}
coordinator() { # the broker that coordinates the transactions of the set
	tool TransactionsCommand list
	awk '/^pgshovel/ { print $2; exit }' "$T/tool"
}

# ---- the coordinator dies while a transaction waits for its commit
PGSHOVEL_STOP_AT=position_produced:3 PGSHOVEL_STOP_FILE=$T/stopped pgshoveld_start first --host "a$SUFFIX" --session-timeout 4s
stopped() {
	load_touch "$DB"
	test -s "$T/stopped"
}
if has_steps && wait_for 120 stopped; then
	relay=$(relay_of "$first")
	node=$(coordinator)
	like "$node" '^[123]$' 'the transaction has a coordinator' || diag "$(cat "$T/tool")"
	server_kill kafka "$OWN" "$node"
	kill -CONT "$relay"
	ok 'it is killed before the commit: the rows arrive' load_delivered "$DB" "$P" 120
	isnt "$(coordinator)" "$node" 'another one coordinates'
	ok 'it comes back' server_start kafka "$OWN"
	ok 'nothing lost, nothing doubled' same_acc
else
	skip 'coordinator' 'no steps in this build'
fi
pgshoveld_stop "$first"
is $? 0 'the supervisor ends by SIGTERM'

# ---- each broker is killed under load and comes back; leaders go back to where they belong
pgshoveld_start second --host "a$SUFFIX" --session-timeout 4s
ok 'the line is up' load_delivered "$DB" "$P" 120 || exit 1
load_start "$DB" 12
for node in 1 2 3; do
	server_kill kafka "$OWN" $node
	ok "without broker $node rows arrive" load_delivered "$DB" "$P" 120
	ok "broker $node comes back" server_start kafka "$OWN"
done
in_sync() { # every replica, of the internal topics too
	tool TopicCommand --describe --under-replicated-partitions && [ ! -s "$T/tool" ]
}
ok 'every replica follows its leader again' wait_for 180 in_sync || diag "$(cat "$T/tool")"
ok 'preferred leaders are elected' tool LeaderElectionCommand --election-type preferred --all-topic-partitions || diag "$(cat "$T/tool")"
load_wait
is $? 0 'no write of the application failed'
ok 'after leaders have moved rows arrive' load_delivered "$DB" "$P" 120
ok 'nothing lost, nothing doubled' same

# ---- rights: a refusal beats what is allowed
acl() { # ARG…
	kafka_java "$OWN/kafka" org.apache.kafka.tools.AclCommand --bootstrap-server "$KAFKA" --force "$@" > "$T/acl" 2>&1
}
taken() { # NAME REGEX WHAT…: status says REGEX
	local name=$1 regex=$2
	shift 2
	# nothing is allowed any more by itself where a rule exists
	ok "$name: taken away" acl --add --allow-principal User:shovel --operation All "$@" &&
		ok 'by a rule' acl --add --deny-principal User:shovel --operation Write "$@" || diag "$(cat "$T/acl")"
	load_touch "$DB"
	ok "$name: the set parks and says why" wait_for 120 status_says "$regex"
	ok "$name: given back" acl --remove --deny-principal User:shovel --operation Write "$@" || diag "$(cat "$T/acl")"
	kill -HUP "$second"
	ok "$name: the set goes on" load_delivered "$DB" "$P" 120
}
taken 'the right to write a topic' 'opic authorization failed' --topic "$P.public.acc"
taken 'the right to the transactional id' 'ransactional.*authorization failed' --transactional-id '*'
ok 'nothing lost, nothing doubled' same

# ---- the password that it all ran with
relay=$(relay_of "$second")
zktool --hosts "$ZOOKEEPER" dump "/$CLUSTER" > "$T/dump"
ok 'ZooKeeper was looked at' grep -q 'pgshovel 1 ' "$T/dump"
nok 'the password is in no argument, variable, log or node of ZooKeeper' \
	grep -aqF "$secret" "/proc/$relay/cmdline" "/proc/$relay/environ" "/proc/$second/cmdline" "/proc/$second/environ" "$T"/*.log "$T/dump"
like "$(grep '^Max core file size' "/proc/$relay/limits")" ' 0 +0 ' 'nor will it be in a core file'
pgshoveld_stop "$second"
is $? 0 'the supervisor ends by SIGTERM'

# ---- brokers behind other ports than the bootstrap server's: a relay reaches them only where it may
sed "s/\"bootstrap.servers=\([^,\"]*\),[^\"]*/\"bootstrap.servers=\1/" "$T/shop.pgshovel" > "$T/one.pgshovel"
nok 'one bootstrap server is named' cmp -s "$T/shop.pgshovel" "$T/one.pgshovel"
ok 'set upgrade' pgshovel set upgrade shop "$T/one.pgshovel"
pgshoveld_start third --host "a$SUFFIX" --session-timeout 4s
ok 'the set parks and says what permits it' wait_for 120 status_says 'kafka names broker .*worker_ports'
pgshoveld_stop "$third"
is $? 0 'the supervisor ends by SIGTERM'
PGSHOVEL_WORKER_PORTS=$(sed 's/[^,]*://g' "$OWN/kafka/address-tls") pgshoveld_start fourth --host "a$SUFFIX" --session-timeout 4s
ok 'permitted, rows arrive' load_delivered "$DB" "$P" 120
pgshoveld_stop "$fourth"
is $? 0 'the supervisor ends by SIGTERM'
tap_done
