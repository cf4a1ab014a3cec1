#!/bin/bash
# test: limit=600
# tests/integration/39-many-hosts.sh: twenty hosts and many sets with the trivial worker, three ZooKeeper servers: the sets are shared, two
# hosts are killed, another two are cut off by their supervisors being stopped. Every set is owned again, none had two workers.
#
#   PGSHOVEL_FLEET_SCALE=20x100  hosts and sets (20x5000: a release build and some GB of memory)
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/lib/fleet.sh
. tests/lib/fleet.sh

SCALE=${PGSHOVEL_FLEET_SCALE:-20x100}
PATIENCE=${PGSHOVEL_FLEET_PATIENCE:-240}
FLEET_TIMEOUT=6s FLEET_SETS=${SCALE#*x}
export FAKE_WORKER_BEAT_MS=1000 PGSHOVEL_HOLD_SECONDS=1
line_own zk=--nodes=3
line_begin zk
Z_PORTS=$(cat "$OWN"/zk/[123]/port)
fleet_begin "$T/fleet"
show_log "$FLEET/h1.log"
fleet_zk init "$CLUSTER"
fleet_sets s "$FLEET_SETS" > "$T/filled"
is "$(wc -l < "$T/filled")" "$FLEET_SETS" 'sets'

again() { # NAME SINCE PID
	diag "$1: sets owned again, the last one after ms: $(fleet_again "$2" "$3") (session timeout $FLEET_TIMEOUT)"
}
settled() { # NAME HOST…
	local name=$1
	shift
	ok "$name" wait_for "$PATIENCE" fleet_settled "$@" || diag "$(sed 's/.* //' "$FLEET/owners" | sort | uniq -c)"
}

names=()
began=$SECONDS
for ((i = 1; i <= ${SCALE%x*}; i++)); do
	names+=("h$i")
	fleet_host "h$i"
done
settled "${SCALE%x*} hosts share $FLEET_SETS sets" "${names[@]}"
diag "after $((SECONDS - began)) s"
ok 'at the servers none of them has more than two watches of lists' wait_for 60 fleet_lists_fit "${#names[@]}"
diag "$(fleet_lists_fit "${#names[@]}")"

old=("$PID_h1" "$PID_h2") since=$(fleet_now)
fleet_kill h1
fleet_kill h2
settled 'two are killed: the others have their sets' "${names[@]:2}"
again 'one of the two' "$since" "${old[0]}"
again 'the other' "$since" "${old[1]}"
ok 'no set had two workers' fleet_exclusive 's[0-9]+'

since=$(fleet_now)
fleet_note cut h3
fleet_note cut h4
kill -STOP "$PID_h3" "$PID_h4"
settled 'two are stopped: the others have their sets' "${names[@]:4}"
again 'one of the two' "$since" "$PID_h3"
kill -CONT "$PID_h3" "$PID_h4"
settled 'they go on and have their share' "${names[@]:2}"
ok 'no set had two workers but those of hosts that were stopped' fleet_exclusive 's[0-9]+'
ok 'nobody has watches of more lists' wait_for 60 fleet_lists_fit $((${#names[@]} - 2))
tap_done
