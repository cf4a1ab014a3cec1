#!/bin/bash
# test: limit=900
# tests/integration/81-demo.sh: make demo's script ends with an equal copy, and Ctrl-C in its middle leaves nothing behind.
# It starts servers of its own.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh

line_begin none # its own servers only
mkdir -p "$T/tmp"
chmod 711 "$T/tmp"
demo() { # as a terminal would start it: a process group of its own, and SIGINT not ignored
	: > "$T/demo" # now: what the one before said is not this one's
	env --default-signal=INT -u PGSHOVEL_CLUSTER -u PGSHOVEL_ZOOKEEPER_HOSTS TMPDIR="$T/tmp" TIME=3 setsid tests/demo > "$T/demo" 2>&1 &
	echo $! > "$T/demo.pid"
}
left() { # what still runs out of its folder
	pgrep -f "$T/tmp/"
}
nothing_left() {
	[ -z "$(left)" ] && [ -z "$(ls "$T/tmp")" ]
}
show_log "$T/demo"

demo
wait "$(cat "$T/demo.pid")"
is $? 0 'the demo ends well'
like "$(cat "$T/demo")" 'equal: 3 of 3 tables' 'the copy in Kafka is equal'
like "$(cat "$T/demo")" '\$ pgshovel set create bench' 'it shows the commands'
like "$(cat "$T/demo")" 'events/s   p50' 'and rate and latency'
ok 'nothing runs or is left' wait_for 60 nothing_left

loaded() {
	grep -q 'pgbench -n -c' "$T/demo"
}
started() {
	grep -q 'start kafka' "$T/demo"
}
for moment in started loaded; do
	demo
	ok "the demo has $moment" wait_for 180 $moment
	kill -INT -- "-$(cat "$T/demo.pid")"
	wait "$(cat "$T/demo.pid")"
	is $? 130 'Ctrl-C ends it'
	ok 'nothing runs or is left' wait_for 60 nothing_left
done
tap_done
