# shellcheck shell=bash
# tests/integration/fault-lib.sh: what the fault tests share: a set "shop" under the load of load.sh, the relay's pid and figures. Sourced
# after load.sh and line_own. It breaks nothing itself.
#
#   fault_begin [PROPERTY…]      servers, database DB, prefix P, cluster, set "shop" with these properties of librdkafka
#   relay_of SUPERVISOR          pid of its relay           another_relay SUPERVISOR OLD: it has one that is not OLD
#   rss_of PID                   KiB                        cpu_of PID: ms of CPU
#   status_says REGEX            set status shop
#   has_steps                    the relay can be stopped at its steps
#   topic ARG…                   Kafka's own command for topics
#   same, same_acc               acc and ord, acc: rows from Kafka equal the tables, no event twice, chains hold. Nothing may be written meanwhile

fault_begin() { # [PROPERTY…]
	local more
	line_begin pg zk kafka
	line_database DB
	line_prefix P
	load_tables "$DB"
	more=$([ $# = 0 ] || printf ', "%s"' "$@")
	set_file shop "$P" "$DB" acc:id,bal,owner ord marks.mark | sed "/^kafka = /s/ \];/$more ];/" > "$T/shop.pgshovel"
	ok 'cluster initialize' pgshovel cluster initialize
	ok 'set create' pgshovel set create shop "$T/shop.pgshovel" || exit 1
}

relay_of() { # SUPERVISOR
	local kid name
	# shellcheck disable=SC2013 # words are wanted
	for kid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		name=$(tr '\0' '\n' < "/proc/$kid/cmdline" 2>/dev/null | head -n 1)
		[ "${name##*/}" = pgshovel-kafka-relay ] && echo "$kid" && return
	done
	return 1
}

another_relay() { # SUPERVISOR OLD
	local pid
	pid=$(relay_of "$1") && [ "$pid" != "$2" ]
}

rss_of() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

cpu_of() {
	awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / ticks) }' "/proc/$1/stat"
}

status_says() { # REGEX
	pgshovel set status shop 2>&1 | grep -qE "$1"
}

has_steps() {
	grep -q PGSHOVEL_STOP_AT "$(command -v pgshovel-kafka-relay)"
}

topic() {
	kafka_java "$OWN/kafka" org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA" "$@" > "$T/topic.out" 2>&1 || diag "$(cat "$T/topic.out")"
}

same_acc() {
	load_same "$DB" "$P" acc id,bal,owner && consume_prefix "$P" --check
}

same() {
	same_acc && load_same "$DB" "$P" ord
}
