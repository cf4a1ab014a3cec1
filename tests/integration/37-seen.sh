#!/bin/bash
# test: limit=240
# tests/integration/37-seen.sh: what operators see: /metrics and /healthz while rows flow, with a stopped relay and a parked set, under
# clients that misbehave; set status, status and host list, also of a set that is run by hand; the diagnosis.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
line_begin pg zk kafka
line_database DB
line_prefix P

# ---- a client for HTTP: bash alone

# ask REQUEST: sends it as it is; CODE and BODY are what came
ask() {
	local client answer
	CODE='' BODY=''
	exec {client}<> "/dev/tcp/127.0.0.1/$PORT" || return 1
	printf '%b' "$1" >&"$client"
	answer=$(timeout 20 cat <&"$client" | tr -d '\0')
	exec {client}>&-
	CODE=$(head -n 1 <<< "$answer" | cut -d' ' -f2)
	BODY=$(sed '1,/^\r*$/d' <<< "$answer")
}

get() { # PATH
	ask "GET $1 HTTP/1.1\r\nHost: x\r\n\r\n"
}

metric() { # SAMPLE: its value, up to a second old
	get /metrics
	awk -v sample="$1" 'index($0, sample " ") == 1 { print $NF }' <<< "$BODY"
}

at_least() { # NUMBER SAMPLE
	metric "$2" | awk -v n="$1" '$1 >= n { found = 1 } END { exit !found }'
}

equals() { # NUMBER SAMPLE
	[ "$(metric "$2")" = "$1" ]
}

health() { # CODE [REGEX]
	get /healthz
	[ "$CODE" = "$1" ] && [[ $BODY =~ ${2:-.} ]]
}

port_of() { # LOG
	PORT=$(sed -n 's|.*metrics are on http://127.0.0.1:\([0-9]*\)/metrics.*|\1|p' "$1" | tail -n 1)
	[ -n "$PORT" ]
}

# ---- a supervisor with a set that works

sql "$DB" -c 'create table a (id int primary key, b text)'
set_file shop "$P" "$DB" public.a > "$T/shop.pgshovel"
ok 'a cluster' pgshovel cluster initialize
pgshovel status > "$T/empty" 2>&1
like "$(cat "$T/empty")" '0 of 0 sets work' 'status of an empty cluster'
run pgshovel set create shop "$T/shop.pgshovel"
is "$RC" 0 'a set' || diag "$ERR"
run pgshovel set status
like "$OUT" 'shop +- +unowned .*no supervisor speaks of it' 'without a supervisor set status says that nobody runs it'
run pgshovel set status absent
like "$RC $ERR" '^78 .*"absent" does not exist' 'set status of an unknown set'
export PGSHOVEL_SILENT_SECONDS=4 # instead of 15
pgshoveld_start SUP --host h1 --metrics-listen 0
ok 'the supervisor says where its metrics are' wait_for 60 port_of "$T/SUP.log"
port_of "$T/SUP.log" || tap_done
ok 'healthz is ok when the set is up' wait_for 90 health 200 '^ok'
sql "$DB" -c "insert into a select i, 'x' from generate_series(1, 500) i"
ok 'events are counted' wait_for 60 at_least 500 'pgshovel_source_events_total{set="shop",database="main"}'
ok 'the queue is empty' wait_for 60 equals 0 'pgshovel_source_queue_events{set="shop",database="main"}'
sql "$DB" -c "insert into a select i, 'x' from generate_series(501, 510) i"
ok 'and go on being counted' wait_for 60 at_least 510 'pgshovel_source_events_total{set="shop",database="main"}'

# ---- the page is what Prometheus reads

get /metrics
printf '%s\n' "$BODY" > "$T/page"
like "$BODY" 'pgshovel_set_state\{set="shop",state="up"\} 1' 'the state of the set'
like "$BODY" 'pgshovel_supervisor_info\{cluster="'"$CLUSTER"'",host="h1",version="' 'the supervisor itself'
for clock in asked read acknowledged end_to_end; do
	like "$BODY" 'pgshovel_source_lag_seconds\{set="shop",database="main",clock="'$clock'"\} [0-9]+\.[0-9]{6}' "lag by the clock \"$clock\""
done
is "$(awk '
	/^# HELP / { name = $3; if (seen[name]++) print "twice: " name; next }
	/^# TYPE / { if ($3 != name || $4 !~ /^(gauge|counter)$/) print "type: " $0; next }
	!/^[a-z_]+({([a-z_]+="([^"\\]|\\.)*",?)+})? [0-9]+(\.[0-9]+)?$/ { print "line: " $0 }
	{ sub(/[{ ].*/, "", $1); if ($1 != name) print "order: " $0 }
	' "$T/page")" '' 'every line is a sample behind HELP and TYPE of its family'
is "$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$T/page")" "$(pgshoveld --list-metrics | cut -d' ' -f1)" 'all families, in the order of the table'
if command -v promtool > /dev/null; then
	ok 'promtool finds nothing' promtool check metrics < "$T/page"
else
	skip 'promtool finds nothing' 'no promtool; Debian package prometheus'
fi

# ---- status

shop_status() { # REGEX
	run pgshovel set status shop
	[[ $OUT =~ $1 ]]
}
ok 'set status NAME: owner, version, process' wait_for 30 shop_status 'set "shop": up on host "h1", seen .*version: [0-9a-f]{12}; pid [0-9]+, token [0-9.]+, started'
ok 'rates, what waits, four clocks, position' wait_for 30 shop_status 'delivered: 5[0-9]{2} events in .*; waiting: 0,.*lag: asked [0-9].*, read [0-9].*, acknowledged [0-9].*, end to end [0-9].*position: [0-9]+:[0-9]+, LSN [0-9A-F]+/[0-9A-F]+, tick [0-9]+; newest change'
run pgshovel set status
like "$OUT" 'SET +HOST +STATE +VERSION +LAG +WAITING +AGE +RATE .*shop +h1 +up +[0-9a-f]{12} +[0-9]' 'set status: the table'
run pgshovel set status shop --json
like "$OUT" '^\[\{"v":1,"host":"h1",.*"lag_us":\[[0-9]+,[0-9]+,[0-9]+,[0-9]+\].*"position":\{"snapshot":"[0-9]+:[0-9]+","lsn":"' 'set status --json'
run pgshovel host list
like "$OUT" 'h1 +active +1 +1 +[0-9]+ +[0-9]+ s ago' 'host list'
run pgshovel status
like "$OUT" 'cluster "'"$CLUSTER"'".*1 of 1 sets work;.*HOST +STATE.*h1 +active.*SET +HOST.*shop +h1 +up' 'status: the whole cluster'
run pgshovel status --json
like "$OUT" '"hosts":\[\{"host":"h1","present":true.*"sets":\[\{.*"works":true' 'status --json'

pgshovel status --watch > "$T/blocks" 2>&1 &
WATCH=$!
blocks() { # NUMBER
	[ "$(grep -c '^cluster ' "$T/blocks")" -ge "$1" ]
}
ok 'status --watch without a terminal prints block after block' wait_for 30 blocks 2
kill -INT "$WATCH"
wait "$WATCH"
is "$?" 0 'SIGINT ends it with 0'
nok 'and without escape sequences' grep -q $'\033' "$T/blocks"
if command -v script > /dev/null; then
	# util-linux's script gives it a terminal
	mkfifo "$T/keys"
	exec {keys}<> "$T/keys"
	TERM=xterm script -qefc "stty rows 12 cols 40; exec pgshovel status --watch" "$T/screen" < "$T/keys" > /dev/null 2>&1 &
	SCRIPT=$!
	drawn() { # NUMBER
		[ "$(grep -ac 'events/s' "$T/screen")" -ge "$1" ]
	}
	ok 'on a terminal it is drawn in place' wait_for 30 drawn 2
	printf '\003' >&"$keys"
	wait_for 20 line_gone "$SCRIPT"
	exec {keys}>&-
	wait "$SCRIPT"
	is "$?" 0 'Ctrl-C ends it with 0'
	is "$(tail -c 400 "$T/screen" | grep -aoF $'\033[?25h\033[?1049l' | wc -l)" 1 'the terminal is put back'
	nok 'nothing is cleared before it is drawn' grep -aqF $'\033[2J' "$T/screen"
	is "$(sed 's/\x1b\[[?0-9]*[A-Za-z]//g; s/\r//g' "$T/screen" | grep -av '^Script' | awk 'length > 40' | wc -l)" 0 'no line is wider than the screen'
else
	skip 'on a terminal it is drawn in place' 'no script(1)'
fi

# ---- clients that misbehave

lag() {
	metric pgshovel_supervisor_loop_lag_seconds
}
LAG=$(lag)
exec {slow}<> "/dev/tcp/127.0.0.1/$PORT"
printf 'GET /met' >&"$slow" # and never the rest
ask 'NONSENSE\r\n\r\n'
isnt "$CODE" 200 "a request that is none (${CODE:-closed})"
ask 'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello'
is "$CODE" 405 'POST'
ask 'DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
is "$CODE" 405 'DELETE'
get /
is "$CODE" 404 'another path'
get '/../../etc/passwd'
is "$CODE" 404 'a path that leads away'
ask 'HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n'
is "$CODE $BODY" '200 ' 'HEAD'
ask "GET /metrics HTTP/1.1\r\nHost: x\r\nX: $(head -c 30000 /dev/zero | tr '\0' x)\r\n\r\n"
isnt "$CODE" 200 "headers that are too large (${CODE:-closed})"
ask "GET /$(head -c 30000 /dev/zero | tr '\0' x) HTTP/1.1\r\nHost: x\r\n\r\n"
isnt "$CODE" 200 "a path that is too long (${CODE:-closed})"
ask '\x00\x01\x02\xff\xfe\r\n\r\n'
isnt "$CODE" 200 "bytes of all kinds (${CODE:-closed})"
crowd=()
for _ in $(seq 22); do # as many as wait to be accepted at all
	exec {one}<> "/dev/tcp/127.0.0.1/$PORT" || break
	printf 'GET /metrics HTTP/1.1\r\n' >&"$one"
	crowd+=("$one")
done
sql "$DB" -c "insert into a select i, 'x' from generate_series(511, 700) i"
ok 'a crowd that never ends its requests is cut off, and who comes later is served' wait_for 90 at_least 700 'pgshovel_source_events_total{set="shop",database="main"}'
for one in "${crowd[@]}" "$slow"; do
	exec {one}>&-
done
for _ in $(seq 20); do
	get /metrics
	[ "$CODE" = 200 ] || break
done
is "$CODE" 200 'twenty scrapes one after another'
ok "the loop hardly noticed (worst lag before ${LAG:-?} s, now $(lag) s)" awk -v l="$(lag)" 'BEGIN { exit !(l != "" && l < 5) }'

# ---- a relay that stands still, and one that is parked

relay_pid() {
	pgrep -P "$SUP" -f pgshovel-kafka-relay | head -n 1
}
RELAY=$(relay_pid)
kill -STOP "$RELAY"
ok 'a stopped relay turns healthz red, with the reason' wait_for 90 health 503 '^unhealthy.*set "shop": its worker \(pid '"$RELAY"'\) has said nothing for'
ok 'the metric too' wait_for 20 equals 0 'pgshovel_set_healthy{set="shop"}'
kill -CONT "$RELAY"
ok 'it goes on: green again' wait_for 90 health 200
NODE=$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/sets/shop"; echo .) # keeps the newline at its end
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/shop" 'no document at all' > /dev/null
ok 'a parked set turns it red' wait_for 60 health 503 'set "shop": its document cannot be used'
ok 'its state is parked' wait_for 20 equals 1 'pgshovel_set_state{set="shop",state="parked"}'
is "$(metric 'pgshovel_source_events_total{set="shop",database="main"}')" '' 'and it has no sources'
shop_error() {
	run pgshovel status
	[[ $OUT =~ shop\ +h1\ +parked\ .*damaged ]]
}
ok 'status says why' wait_for 30 shop_error || diag "$OUT"
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER/sets/shop" "${NODE%.}" > /dev/null
ok 'cured: it works again' wait_for 90 equals 1 'pgshovel_source_state{set="shop",database="main",state="working"}'
ok 'knows where it is' wait_for 30 at_least 1 'pgshovel_source_position_lsn{set="shop",database="main"}'
ok 'and all is green' wait_for 30 health 200

# ---- SIGUSR1

kill -USR1 "$SUP"
diagnosed() { # REGEX
	grep -Eq "$1" "$T/SUP.log"
}
ok 'SIGUSR1: the diagnosis of the supervisor' wait_for 20 diagnosed 'diagnosis: cluster '
ok 'of the set' wait_for 20 diagnosed 'set=shop diagnosis: state up, pid [0-9]+'
ok 'of its source' wait_for 20 diagnosed 'set=shop diagnosis: source "main": working, phase .* position [0-9]+:[0-9]+'
ok 'and of the worker by itself' wait_for 20 diagnosed 'set=shop database=main diagnosis: working, phase .* CPU .* MB of memory'
is "$(grep -Ec 'ERROR: (AddressSanitizer|LeakSanitizer)|runtime error' "$T/SUP.log")" 0 'nothing that a sanitizer complains of'
pgshoveld_stop "$SUP"
is "$?" 0 'the supervisor stops'

# ---- a set by hand; metrics on a socket

mkdir "$T/run"
pgshoveld_start HAND --host h1 --set shop --metrics-listen "$T/run/metrics"
by_hand() {
	run pgshovel set status
	[[ $OUT =~ shop\ +h1\ \(--set\)\ +up\ .*main\ working ]]
}
ok 'a set run by hand is seen' wait_for 90 by_hand || diag "$OUT"
run pgshovel host list
unlike "$OUT" 'shop' 'its supervisor is no host of the cluster'
if command -v curl > /dev/null; then
	like "$(curl -s --unix-socket "$T/run/metrics" http://x/healthz)" '^ok' 'healthz over a socket'
else
	skip 'healthz over a socket' 'no curl'
fi
kill -KILL "$HAND"
wait "$HAND" 2> /dev/null
pgshoveld_start AGAIN --host h1 --set shop --metrics-listen "$T/run/metrics"
ok 'the socket of one that was killed is in nobody'\''s way' wait_for 60 grep -q "metrics are on the socket" "$T/AGAIN.log"
pgshoveld_stop "$AGAIN"
nok 'the socket goes with its supervisor' test -e "$T/run/metrics"
run pgshoveld --metrics-listen nowhere:1
like "$RC $ERR" '^64 .*metrics-listen.*"nowhere:1" is no address' 'an address that is none'
tap_done
