#!/bin/bash
# test: limit=600
# tests/integration/77-property.sh: random interleavings of transactions, savepoints, prepared transactions, ticks (backwards too) and
# rotations against a model of windows: tests/lib/interleave.c with the worker's reader in its own process, and beside it a real
# relay that writes a file and is killed again and again. PGSHOVEL_TEST_SEED repeats a schedule, PGSHOVEL_TEST_STEPS makes it longer.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh

line_begin pg zk kafka
steps=${PGSHOVEL_TEST_STEPS:-3000}
seed=${PGSHOVEL_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
diag "seed $seed (and the next two); again: PGSHOVEL_TEST_SEED=$seed"
ok 'cluster initialize' pgshovel cluster initialize

property_begin() { # a database and two sets of its own: one for the model, one for the relay
	line_database DB
	sql "$DB" -c 'create table prop (id int primary key, v int)'
	line_prefix P
	property_set "model$round" "$P" || return 1
	line_prefix P
	SET_EXTRA='relay = { batch_events = 7; };' property_set "copy$round" "$P"
}

property_set() { # NAME PREFIX
	set_file "$1" "$2" "$DB" prop:id,v > "$T/$1.pgshovel"
	pgshovel set create "$1" "$T/$1.pgshovel" && pgshovel set inspect "$1" > "$T/$1"
}

spawn=0 driver=0 relay=0
: > "$T/relay.log"
show_log "$T/relay.log"
copy_start() {
	spawn=$((spawn + 1))
	: > "$T/drive"
	drive --cluster "$CLUSTER" --set "copy$round" --document "$T/copy$round" --partitions 3 --token "1.1.$spawn" --file "$T/lines" --commit "$T/position" > "$T/drive" 2>> "$T/relay.log" &
	driver=$!
	wait_for 60 grep -q '^pid' "$T/drive"
	relay=$(awk '/^pid/ { print $2; exit }' "$T/drive")
}
copy_kill() {
	kill -KILL "$relay" 2> /dev/null
	wait "$driver" 2> /dev/null
}
# A file's lines come before the position: a kill in between repeats the last part, with the same event ids.
copied() { # "ROW OLD NEW TRANSACTION", each event once
	jq -r 'select(.value != null) | .value | fromjson | [.source.sequence, (.after // .before).id, .before.v // -1, .after.v // -1, .source.txId] | @tsv' "$T/lines" 2> "$T/unread" |
		awk -F '\t' '!seen[$1]++ { print $2, $3, $4, $5 }'
}
complete() {
	[ "$(copied | wc -l)" -ge "$(wc -l < "$T/changes")" ]
}
moved() {
	[ -s "$T/position" ] && ! cmp -s "$T/position" "$T/position.before"
}

for ((round = 0; round < 3; round++)); do
	property_begin > "$T/begin" 2>&1
	ok "round $round: a database and its sets" test $? = 0 || { diag "$(cat "$T/begin")"; break; }
	rm -f "$T/lines" "$T/position" "$T/position.before"
	interleave --conninfo "$DB" --cluster "$CLUSTER" --set "model$round" --document "$T/model$round" --partitions 3 --token 1.1.1 \
		--seed $((seed + round)) --steps "$steps" --changes "$T/changes" > "$T/model.out" 2>&1 &
	model=$!
	kills=0
	while ! server_process_gone "$model"; do # the copying relay works for a moment and dies
		copy_start
		cp "$T/position" "$T/position.before" 2> /dev/null
		wait_for 3 moved
		copy_kill
		kills=$((kills + 1))
	done
	wait "$model"
	rc=$?
	diag "$(cut -c1-500 "$T/model.out")"
	is "$rc" 0 "seed $((seed + round)): every window holds what the model says, in its order" || break
	copy_start
	ok "the relay that was killed $kills times has written all of it" wait_for 120 complete || diag "$(copied | wc -l) of $(wc -l < "$T/changes") changes; $(cat "$T/unread")"
	copy_kill
	copied | LC_ALL=C sort -s -n -k1,1 > "$T/copied"
	LC_ALL=C sort -s -n -k1,1 "$T/changes" > "$T/wanted"
	ok 'every change once, those of a row in their order' cmp "$T/copied" "$T/wanted"
done
tap_done
