# shellcheck shell=bash
# tests/integration/relay-lib.sh: one relay without a supervisor, started with any token by tests/lib/drive.c. Sourced after line.sh.
# The test has database DB with table marks.mark, prefix P, and sets SET after `set create`.
#
#   relay_document               the set's canonical text, for drive
#   relay_start [OPTION…]        a newer owner each time: sets relay (its pid) and driver
#   relay_stop                   asks it to stop; exit status in RC       relay_kill: kill -9
#   relay_works                  it says so
#   delivered [SECONDS]          everything that was committed so far is in Kafka: a mark written now is seen
#   positions                    the positions in Kafka, oldest first, one JSON object a line (only while nothing is compacted)
#   queue_do FUNCTION…           select pgq.FUNCTION('queue') for each

spawn=0 relay=0 driver=0

relay_document() {
	pgshovel set inspect "$SET" > "$T/document" 2> /dev/null
}

relay_start() { # [OPTION…]
	spawn=$((spawn + 1))
	: > "$T/drive"
	drive --cluster "$CLUSTER" --set "$SET" --document "$T/document" --partitions "${SET_PARTITIONS:-3}" --token "1.1.$spawn" "$@" > "$T/drive" 2>> "$T/relay.log" &
	driver=$!
	wait_for 60 grep -q '^pid' "$T/drive"
	relay=$(awk '/^pid/ { print $2; exit }' "$T/drive")
}

relay_works() {
	grep -q ' working ' "$T/drive"
}

relay_stop() {
	kill -TERM "$driver" 2> /dev/null
	wait "$driver"
	RC=$?
	export RC
}

relay_kill() {
	kill -KILL "$relay"
	wait "$driver" 2> /dev/null
}

relay_seen() { # MARK
	consume_prefix "$P.marks" --dump 2> /dev/null | grep -qF "$1"
}

delivered() { # [SECONDS]
	local mark=$RANDOM-$RANDOM-$BASHPID
	sql "$DB" -c "insert into marks.mark values ('$mark')" || return 1
	wait_for "${1:-120}" relay_seen "$mark"
}

positions() {
	consume_prefix "$CLUSTER.$SET" --dump 2> /dev/null | jq -c '.value | fromjson'
}

queue_do() { # FUNCTION…
	local function
	for function; do
		sql "$DB" -c "select pgq.$function('pgshovel:$CLUSTER:$SET')" > /dev/null || return 1
	done
}
