#!/bin/bash
# tests/integration/35-systemd.sh: pgshoveld as a service of a booted systemd: start, stop, reload, watchdog, journal, credentials.
# test: limit=400
# The relay is a real one, under the unit as it is installed; its database asks for a password that only the service's credentials hold.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/systemd-lib.sh
. tests/integration/systemd-lib.sh
systemd_begin --scram=shovel:hush-hush

# ---- make install, and what it brings

ok 'make install' service_install
ok 'sysusers makes the user' m systemd-sysusers
like "$(m id pgshovel)" 'uid=[0-9]+\(pgshovel\)' 'it is there'
ok 'tmpfiles makes the folders' m systemd-tmpfiles --create
is "$(m stat -c '%U:%G %a' /etc/pgshovel/credentials)" 'root:pgshovel 750' 'the folder for credentials is closed'
ok 'systemd finds no fault in the unit' m systemd-analyze verify --man=no /usr/lib/systemd/system/pgshoveld.service
ok 'its exposure is 2.0 or less' m systemd-analyze security --offline=true --threshold=20 /usr/lib/systemd/system/pgshoveld.service
diag "$(m systemd-analyze security --offline=true /usr/lib/systemd/system/pgshoveld.service | tail -n 1)"

# ---- a set

line_prefix PREFIX
sql "$POSTGRES" -c 'create extension pgq' -c 'alter role shovel superuser' \
	-c 'create table t (id int primary key, n int)'
set_file shop "$PREFIX" "$SHOVEL" public.t > "$T/shop.pgshovel"
ok 'cluster initialize' pgshovel cluster initialize
ok 'set create' pgshovel set create shop "$T/shop.pgshovel" --credentials-dir "$T/credentials" || exit 1
write 1 100

# ---- a start while ZooKeeper is away: no kill, no restart, not active

service_configure
cp "$T/credentials/pgpass" "$M/etc/pgshovel/pgpass"
drop_in credentials 'LoadCredential=pgpass:/etc/pgshovel/pgpass'
drop_in short 'TimeoutStartSec=5s'
# whoever of the former incarnation lives when the next one starts
drop_in witness 'ExecStartPre=+/bin/sh -c "ps -u pgshovel -o pid= >> /run/witness; echo started >> /run/witness"'
server_kill zk "$OWN"
ok 'enable --now' m systemctl enable --now --no-block pgshoveld
ok 'it says what it waits for' service_said 'waiting for ZooKeeper, nothing is started before'
over_the_limit() { # longer in activation than TimeoutStartSec
	local begun
	begun=$(service_is InactiveExitTimestampMonotonic)
	[ "$begun" -gt 0 ] && [ $(($(now_us) - begun)) -gt 8000000 ]
}
ok 'it is longer at it than it may' wait_for 60 over_the_limit
is "$(service_is ActiveState) $(service_is NRestarts)" 'activating 0' 'it is still starting, for the first time'
m systemctl kill --signal=HUP --kill-whom=main pgshoveld
ok 'a SIGHUP is obeyed' service_said 'configuration and credentials were read again'
is "$(service_is ActiveState)" activating 'and makes nothing ready'
server_start zk "$OWN" > /dev/null
ok 'ZooKeeper is there: it becomes active' service_active
like "$(service_is StatusText)" 'cluster "[a-z0-9]*": 1 sets' 'with the first look complete'
is "$(m systemctl is-enabled pgshoveld)" enabled 'and is enabled'
rm "$M/etc/systemd/system/pgshoveld.service.d/short.conf"
m systemctl daemon-reload

# ---- it relays, under the whole unit

ok 'rows arrive in Kafka, read with the password of the credentials' complete 100
is "$(service_is User) $(service_is NoNewPrivileges) $(service_is ProtectSystem)" 'pgshovel yes strict' 'under the hardened unit'
is "$(tr '\0' '\n' < "$M/proc/$(relay_pid)/environ" | grep -c hush)" 0 'no password in the environment of the relay'

# ---- the journal

fields() { # FIELD=VALUE…
	m journalctl -u pgshoveld --no-pager -o cat "$@" 2> /dev/null
}
like "$(fields PGSHOVEL_SET=shop SYSLOG_IDENTIFIER=pgshoveld)" 'started worker' 'journalctl PGSHOVEL_SET=… shows what the supervisor says of a set'
like "$(fields PGSHOVEL_SET=shop SYSLOG_IDENTIFIER=pgshovel-kafka-relay)" 'relaying from' 'and what its relay says'
is "$(fields PGSHOVEL_SET=nosuch)" '' 'and nothing for another'
is "$(fields | grep -c hush)" 0 'no password in it'

# ---- reload: whole or not at all

before=$(relay_pid)
service_configure 'log_level = "nonsense";' 'stop_grace = "10s";'
ok 'reload with a wrong file' m systemctl reload pgshoveld
status_says() { # REGEX
	[[ $(service_is StatusText) =~ $1 ]]
}
ok 'STATUS says so' wait_for 60 status_says 'reload failed: .*nonsense'
is "$(service_is ActiveState) $(service_is SubState)" 'active running' 'it is active as before'
is "$(relay_pid)" "$before" 'what runs goes on'
write 101 110
ok 'and relays' complete 110
like "$(service_is StatusText)" 'reload failed' 'STATUS goes on to say so'
service_configure 'log_level = "debug";'
ok 'reload with a right one' m systemctl reload pgshoveld
status_clean() {
	! status_says 'reload failed'
}
ok 'STATUS is as usual' wait_for 60 status_clean
is "$(relay_pid)" "$before" 'and what runs goes on'

# ---- a restart keeps the session, and with it the locks

session_of() { # PID of a supervisor
	m journalctl --no-pager -o cat _PID="$1" | sed -n 's/.*connected to ZooKeeper (session \(0x[0-9a-f]*\).*/\1/p' | tail -n 1
}
lock() {
	zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER/locks/shop" | sed 's/ .*//' # the czxid, a part of the token
}
host_names() { # PID: the host's node speaks of this process
	zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/hosts/$(m hostname)" | grep -q "\"pid\":$1,\"state\":\"active\""
}
before=$(service_is MainPID)
session=$(session_of "$before")
like "$session" '^0x' 'there is a session'
locked=$(lock)
drop_in watchdog 'WatchdogSec=8s'
ok 'restart' m systemctl restart pgshoveld
write 111 120
isnt "$(service_is MainPID)" "$before" 'another process'
ok 'it has the session of the one before' service_said "session $session, taken over"
ok 'its relay is back' wait_for 60 relay_pid
is "$(lock)" "$locked" 'the lock was never given back'
ok 'the node of the host speaks of the new process' wait_for 60 host_names "$(service_is MainPID)"
ok 'what was written meanwhile arrives, once' complete 120

# ---- a loop that hangs

zktool --hosts "$ZOOKEEPER" create "/$CLUSTER/sets/gone" 'no document: it has a lock and no relay'
ok 'another set has its lock' wait_for 60 zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/locks/gone"
before=$(service_is MainPID)
relay=$(relay_pid)
: > "$M/run/witness"
pid=$(outside "$before")
stopped=$(now_us)
kill -STOP "$pid"
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/sets/gone"
write 121 130
another() { # another main process than $before, and ready
	[ "$(service_is MainPID)" != "$before" ] && service_active
}
ok 'a supervisor that does not answer is replaced' wait_for 120 another
like "$(m journalctl -u pgshoveld --no-pager -o cat)" "result 'watchdog'" 'by the watchdog'
diag "restarted $((($(service_is ExecMainStartTimestampMonotonic) - stopped) / 1000)) ms after it was stopped, with a watchdog of 8000 ms"
is "$(cat "$M/run/witness")" started 'nothing of the old incarnation lived when the new one started'
another_relay() {
	[ "$(relay_pid)" != "$relay" ] && relay_pid
}
ok 'a new relay runs' wait_for 60 another_relay
connection_said() { # the journal is written by another process
	[ -n "$(session_of "$(service_is MainPID)")" ]
}
wait_for 60 connection_said
is "$(session_of "$(service_is MainPID)") $(lock)" "$session $locked" 'session and lock are the same'
given_back() {
	! zktool --hosts "$ZOOKEEPER" get "/$CLUSTER/locks/gone" > "$T/null" 2>&1
}
ok 'the lock of a set that was dropped meanwhile is given back' wait_for 60 given_back
write 131 140
ok 'every row arrives, once' complete 140

# ---- names that nobody resolves: a new session needs them, and the loop goes on

echo '127.0.0.1 zookeeper.test' >> "$M/etc/hosts"
ZOOKEEPER_HOSTS=zookeeper.test:${ZOOKEEPER#*:} service_configure
ok 'restart with a name' m systemctl restart pgshoveld
before=$(service_is MainPID)
goes_on() {
	[ "$(session_of "$before")" = "$session" ]
}
ok 'the session goes on' wait_for 60 goes_on
ok 'the relay runs' wait_for 60 relay_pid
relay=$(relay_pid)
dns=127.$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2))
ok 'a name server that never answers' m systemd-run --quiet --unit=mute "--socket-property=ListenDatagram=$dns:53" sleep infinity
# written in place: a relay that may read a file would be started anew for another one
printf 'nameserver %s\noptions timeout:10 attempts:2\n' "$dns" > "$M/etc/resolv.conf"
echo '127.0.0.1 localhost' > "$M/etc/hosts"
ok 'the session is ended by somebody else' zktool --hosts "$ZOOKEEPER" expire "$session"
stopped=$(now_us)
ok 'and a new one wanted' service_said 'the ZooKeeper session expired'
asks_longer_than_the_watchdog() {
	[ $(($(now_us) - stopped)) -gt 12000000 ]
}
wait_for 60 asks_longer_than_the_watchdog
is "$(service_is MainPID) $(relay_pid)" "$before $relay" 'the watchdog has nothing to say, the relay goes on'
write 141 150
ok 'and relays' complete 150
echo '127.0.0.1 zookeeper.test' >> "$M/etc/hosts"
session_is_new() {
	! goes_on
}
ok 'the name is known again: so is ZooKeeper' wait_for 120 session_is_new
is "$(service_is MainPID)" "$before" 'by the same process'
rm "$M/etc/systemd/system/pgshoveld.service.d/watchdog.conf"
m systemctl daemon-reload

# ---- stop

write 151 200
before=$(now_us)
ok 'stop' m systemctl stop pgshoveld
diag "stopped in $((($(now_us) - before) / 1000)) ms"
is "$(service_is Result) $(service_is ExecMainStatus)" 'success 0' 'in order'
is "$(m ps -u pgshovel -o pid=)" '' 'nothing is left running'
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/hosts" | wc -l)" 0 'the host is gone from the cluster'
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/locks" | wc -l)" 0 'and its locks'
ok 'start again' m systemctl start pgshoveld
ok 'all rows are there, each once' complete 200
ok 'and the end' m systemctl stop pgshoveld
tap_done
