#!/bin/bash
# test: limit=900
# tests/integration/44-manage.sh: everything that can change in a set, on three databases of one server, without Kafka: set diff, the plan,
# set upgrade, and the events that follow. Names and sizes at their limits. Plans against tests/golden, shell completion.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_begin pg zk
export PGSHOVEL_SESSION_TIMEOUT=30s
line_database A
line_database B
line_database C
for db in "$A" "$B" "$C"; do
	admin_tables "$db"
	sql "$db" -c 'alter table accounts add code text not null default md5(random()::text) unique'
done
ACCOUNTS='{ name = "public.accounts"; columns = [ "id", "owner" ]; key = [ "id" ]; }'
AUDIT='{ name = "public.audit"; }'

# set_of TABLES CONNINFO…: the document that comes next, in $T/next
set_of() {
	local tables=$1
	shift
	TABLES=$tables document example "$@" > "$T/next"
}

last() { # [CONNINFO]: the newest event
	sql "${1:-$A}" -c "select ev_type || ':' || coalesce(ev_data, ev_extra2) from pgq.event_template order by ev_id desc limit 1"
}

versions() { # CONNINFO…: how many versions ZooKeeper and the databases hold
	{ pgshovel set list | awk '$1 == "example" { print $NF }'
		for conninfo; do sql "$conninfo" -c "select left(version, 12) from pgshovel_$CLUSTER.set where state = 'active'"; done
	} | sort -u | wc -l
}

# change NAME DIFF CONNINFO…: from what there is to $T/next: set diff says DIFF (a regex, whole), upgrade does it, and everything agrees
change() {
	local name=$1 wanted=$2
	shift 2
	run pgshovel set diff example "$T/next"
	is "$RC" 1 "$name: set diff sees it" || diag "$ERR"
	like "$OUT" "^$wanted\$" "$name: and says what"
	admin set upgrade example "$T/next" --skip-kafka
	is "$RC $(versions "$@")" '0 1' "$name: one version everywhere" || diag "$ERR"
	run pgshovel set diff example "$T/next"
	is "$RC $OUT" '0 ' "$name: no difference any more"
	ticked "$@"
	admin cluster verify
	is "$RC $OUT" '0 ' "$name: all is well"
}

run pgshovel cluster initialize
set_of "$ACCOUNTS" "$A"
admin set create example "$T/next" --skip-kafka --dry-run
golden plan-create.txt "$OUT" 'the plan of set create'
admin set create example "$T/next" --skip-kafka --dry-run --json
golden plan-create.json "$OUT" 'also as JSON'
run pgshovel set diff example "$T/next"
refused 78 '"example" does not exist' 'set diff of an unknown set'
admin set create example "$T/next" --skip-kafka
is "$RC" 0 'a set over one table of one database' || diag "$ERR"
sed 's/partitions = 3/partitions = 4/' "$T/next" > "$T/try"
run pgshovel set diff example "$T/try"
refused 78 'topics.partitions is 4' 'set diff refuses what upgrade refuses'
run pgshovel set diff example@000000000000 "$T/next"
refused 78 'not 000000000000' 'set diff of another version'

# ---- databases

set_of "$ACCOUNTS" "$A" "$B" "$C"
change 'databases added' $'\+ database d1: .*\n\+ database d2: .*' "$A" "$B" "$C"
sql "$C" -c "insert into accounts values (1, 'c', 1, 'hush')"
is "$(last "$C")" 'I:(1,c)' 'the new one is captured'
set_of "$ACCOUNTS" "$A" "${B/dbname=/connect_timeout=9 dbname=}" "$C"
admin set upgrade example "$T/next" --skip-kafka --dry-run
golden plan-moved.txt "$OUT" 'the plan of another conninfo touches nothing'
before=$(sql "$B" -c "select id from pgshovel_$CLUSTER.node")$(sql "$B" -c "select array_agg(oid order by oid) from pg_trigger where tgname like ' pgshovel%'")
change 'another conninfo of the same database' '~ database d1: .* -> .*connect_timeout=9.*' "$A" "$B" "$C"
is "$(sql "$B" -c "select id from pgshovel_$CLUSTER.node")$(sql "$B" -c "select array_agg(oid order by oid) from pg_trigger where tgname like ' pgshovel%'")" \
	"$before" 'it is the same node with the same triggers'
set_of "$ACCOUNTS" "$A" "$B" "$C" # the entry of B has another name and another conninfo at once
sed -i 's/"d1"/"renamed"/' "$T/next"
change 'another name and another conninfo of the same database' $'- database d1: .*\n\+ database renamed: .*' "$A" "$B" "$C"
is "$(sql "$B" -c "select array_agg(oid order by oid) from pg_trigger where tgname like ' pgshovel%'")" "${before#????????-????-????-????-????????????}" 'it is the same database for the plan'
set_of "$ACCOUNTS" "$A" "$B" "${B/dbname=/connect_timeout=8 dbname=}"
admin set upgrade example "$T/next" --skip-kafka
refused 78 '"d1" and "d2" are the same database' 'one database behind two conninfos is found by its node'
set_of "$ACCOUNTS" "$A" "$B"
change 'a database removed' $'- database renamed: .*\n- database d2: .*\n\+ database d1: .*' "$A" "$B"
is "$(left "$C")" '' 'it is clean'

# ---- columns, keys, tables

set_of "${ACCOUNTS/\"owner\"/\"owner\", \"balance\", \"code\"}, $AUDIT" "$A" "$B"
admin set upgrade example "$T/next" --skip-kafka --dry-run
golden plan-upgrade.txt "$OUT" 'the plan of more columns and a table'
change 'columns and a table added' $'\+ columns public.accounts: "balance", "code"\n\+ table public.audit: all columns; key: the primary key; capture: row' "$A" "$B"
sql "$A" -c "insert into accounts values (2, 'b', 2.50, 'hush', 'k2')"
is "$(last)" 'I:(2,b,2.50,k2)' 'the columns are captured, in the order of the table'
set_of "${ACCOUNTS/\"owner\"/\"code\"}, $AUDIT" "$A" "$B"
change 'columns removed' '- columns public.accounts: "owner", "balance"' "$A" "$B"
sql "$A" -c "update accounts set owner = 'c', balance = 3"
is "$(last)" 'I:(2,b,2.50,k2)' 'a change of columns that are not captured any more is no event'
ok 'and they can be dropped' sql "$A" -c 'begin; alter table accounts drop owner; alter table accounts drop balance; rollback'
set_of "${ACCOUNTS/\"owner\"/\"code\"}, $AUDIT" "$A" "$B"
sed -i 's/key = \[ "id" \]/key = [ "code" ]/' "$T/next"
change 'another key' '~ key public.accounts: "id" -> "code"' "$A" "$B"
is "$(sql "$A" -c "select c->>'name' from pgshovel_$CLUSTER.relation r, jsonb_array_elements(columns) c where r.current and table_name = 'accounts' and c->>'key' is not null")" code 'the relation has it'
set_of "{ name = \"public.accounts\"; key = [ \"code\" ]; }, $AUDIT" "$A" "$B"
change 'all columns' '~ columns public.accounts: "id", "code" -> all columns' "$A" "$B"
sql "$A" -c "update accounts set secret = 'seen' where id = 2"
like "$(last)" '^U:\(2,.*,seen,k2\)$' 'all are captured'
set_of "{ name = \"public.accounts\"; key = [ \"code\" ]; capture = \"statement\"; }, { name = \"public.parts\"; }" "$A" "$B"
admin set upgrade example "$T/next" --skip-kafka --dry-run --json
golden plan-statement.json "$OUT" 'the plan of another kind of trigger, as JSON'
change 'another kind of trigger, a table for another' $'~ capture public.accounts: row -> statement\n- table public.audit: .*\n\+ table public.parts: .*' "$A" "$B"
sql "$A" -c 'insert into parts select i, i::text from generate_series(50, 150) i'
is "$(last)" 'I:(150,150)' 'partitions are captured'
is "$(count "$A" "pg_trigger where tgrelid = 'audit'::regclass and tgname like ' pgshovel%'")" 0 'the table that left has no triggers'

# ---- options: no table is touched

set_of "{ name = \"public.accounts\"; key = [ \"code\" ]; capture = \"statement\"; }, { name = \"public.parts\"; }" "$A" "$B"
sed -i 's/"bootstrap.servers=127.0.0.1:9"/"bootstrap.servers=127.0.0.1:9", "linger.ms=7"/' "$T/next"
echo 'format = { decimal = "double"; tombstones = false; }; relay = { batch_events = 5; };' >> "$T/next"
admin set upgrade example "$T/next" --skip-kafka --dry-run
unlike "$OUT" 'lock: (Share|Access)' 'format and Kafka options take no lock on a table'
change 'format and Kafka options' $'~ option format.decimal: "string" -> "double"\n~ option format.tombstones: true -> false\n~ option relay.batch_events: 20000 -> 5\n\+ kafka linger.ms: 7' "$A" "$B"
sed -i 's/name = "example"/name = "sample"/' "$T/next"
run pgshovel set diff example "$T/next"
refused 78 'cannot be renamed: correct the name, or create the new one and drop the old' 'a rename is refused with advice'
set_of "$ACCOUNTS" "$A"
admin set upgrade example "$T/next" --skip-kafka
admin set drop example --skip-kafka --dry-run
golden plan-drop.txt "$OUT" 'the plan of set drop'
admin set drop example --skip-kafka
is "$(left "$A")$(left "$B")$(left "$C")" '' 'the set goes without a trace' || diag "$ERR"

# ---- names

long=$(printf 'x%.0s' {1..63})
uni=$(printf 'ü%.0s' {1..31}) # 62 bytes
sql "$C" <<-SQL
	create schema "My Schema";
	create table $long (id int primary key, ${long%x}y text);
	create table "$uni" ("$uni" int primary key, "naïve ""quote"" 'single' \\back.slash, [x]" text, "SELECT" text);
	create table "My Schema"."Table.With ""All"" of 'it'" ("Id" int primary key, "select" text, id text, "col.umn" text);
	create table "case" (a int primary key, "A" text);
	create table "Case" (a int primary key, "A" text);
SQL
NAME=l23456789_123456789_1234 # 24 bytes
TABLES="{ name = \"$long\"; columns = [ \"id\", \"${long%x}y\" ]; key = [ \"id\" ]; },
	{ name = \"public.$uni\"; }, { name = \"My Schema.\\\"Table.With \\\"\\\"All\\\"\\\" of 'it'\\\"\"; columns = [ \"Id\", \"select\", \"col.umn\" ]; },
	{ name = \"case\"; key = [ \"a\" ]; }, { name = \"Case\"; columns = [ \"a\", \"A\" ]; }" document "$NAME" "$C" > "$T/names"
admin set create "$NAME" "$T/names" --skip-kafka
is "$RC" 0 'names at their limits' || diag "$ERR"
ticked "$C"
admin cluster verify
is "$RC $OUT" '0 ' 'and all is well'
pgshovel set inspect "$NAME" 2> "$T/null" | pgshovel set diff "$NAME" - > "$T/out" 2>&1
is "$? $(cat "$T/out")" '0 ' 'inspect | diff: no difference'
sql "$C" <<-SQL
	insert into $long values (1, 'long');
	insert into "$uni" values (1, 'unicode', 's');
	insert into "My Schema"."Table.With ""All"" of 'it'" values (1, 'quoted', 'hush', 'dotted');
	insert into "case" values (1, 'lower');
	insert into "Case" values (1, 'upper');
SQL
lines() { [ "$(wc -l < "$T/lines" 2> "$T/null")" -ge "$1" ]; }
pgshovel-kafka-relay --file "$T/lines" "$NAME" > "$T/relay.log" 2>&1 &
relay=$!
show_log "$T/relay.log"
ok 'their records come' wait_for 120 lines 5
kill -TERM $relay
wait $relay
for part in "\\\\\"${long%x}y\\\\\":\\\\\"long\\\\\"" "\\\\\"$uni\\\\\":1" "naïve" 'col.umn\\":\\"dotted' 'A\\":\\"lower' 'A\\":\\"upper'; do
	ok "a record has $part" grep -qF -- "$(sed 's/\\\\/\\/g' <<< "$part")" "$T/lines"
done
nok 'the column that is not listed is not there' grep -q hush "$T/lines"
sed -i 's/, "select"//' "$T/names"
admin set upgrade "$NAME" "$T/names" --skip-kafka
is "$RC" 0 'they can be upgraded' || diag "$ERR"
admin set drop "$NAME" --skip-kafka
is "$RC $(left "$C")" '0 ' 'and dropped' || diag "$ERR"

# ---- sizes

sql "$C" -c "do \$\$ begin execute (select 'create table wide (id int primary key, ' || string_agg(format('c%s int', i), ', ') || ')' from generate_series(2, 1600) i); end \$\$" \
	-c "do \$\$ begin for i in 1 .. 1000 loop execute format('create table many_%s (id int primary key)', i); commit; end loop; end \$\$"
TABLES='{ name = "wide"; }' document wide "$C" > "$T/wide"
admin set create wide "$T/wide" --skip-kafka
is "$RC" 0 'a table of 1,600 columns' || diag "$ERR"
sql "$C" -c 'insert into wide (id, c1600) values (1, 1600)'
like "$(last "$C")" '^I:\(1,,+1600\)$' 'is captured'
TABLES="{ name = \"wide\"; columns = [ \"id\"$(printf ', "c%d"' {2..1600}) ]; }" document wide "$C" > "$T/wide"
admin set upgrade wide "$T/wide" --skip-kafka
is "$RC" 0 'with all of them listed, too' || diag "$ERR"
admin set drop wide --skip-kafka
is "$RC" 0 'and dropped' || diag "$ERR"

captured() { # tables that have capture triggers
	sql "$C" -c "select count(distinct tgrelid) from pg_trigger where tgname like ' pgshovel%'"
}
TABLES="{ name = \"many_1\"; }$(seq 2 1000 | sed 's/.*/, { name = "many_&"; }/' | tr -d '\n')" document many "$C" > "$T/many"
begin=$EPOCHREALTIME
admin set create many "$T/many" --skip-kafka --wait 10min
diag "set create of 1,000 tables: $(awk "BEGIN { print $EPOCHREALTIME - $begin }") s"
is "$RC $(captured)" '0 1000' '1,000 tables' || diag "$ERR"
begin=$EPOCHREALTIME
admin set drop many --skip-kafka --wait 10min
diag "set drop of 1,000 tables: $(awk "BEGIN { print $EPOCHREALTIME - $begin }") s"
is "$RC $(captured)" '0 0' 'none' || diag "$ERR"

# ---- completion

export PGSHOVEL_CONNECT_TIMEOUT=60s # at the prompt it is a second

completed() { # WORD…: what completes the last one
	bash -c '
		. "$1"; shift
		COMP_WORDS=(pgshovel "$@") COMP_CWORD=$#
		_pgshovel
		printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' bash "$BUILD/completion/pgshovel.bash" "$@" | tr '\n' ' '
}
is "$(completed '')" 'cluster set status host node event config txn ' 'bash: nouns'
is "$(completed se)" 'set ' 'bash: a noun begun'
is "$(completed status --w)" '--watch ' 'bash: options of a noun that is a command'
is "$(completed cluster '')" 'initialize upgrade verify recover ' 'bash: verbs'
is "$(completed --json set up)" 'upgrade update ' 'bash: verbs behind an option, the alias too'
is "$(completed --cluster x set di)" 'diff ' 'bash: the value of an option is no noun'
is "$(completed --cluster = x set di)" 'diff ' 'bash: nor is it behind "="'
is "$(completed cluster verify --re)" '--repair --relay ' 'bash: options of the command, and general ones'
unlike "$(completed set list --)" 'repair' 'bash: no options of other commands'
is "$(completed --log-level no)" 'notice ' 'bash: values'
document alpha "$A" | sed 's/alpha/beta/g' > "$T/beta"
document alpha "$A" > "$T/alpha"
admin set create alpha "$T/alpha" --skip-kafka
admin set create beta "$T/beta" --skip-kafka
is "$(completed set drop '')" 'alpha beta ' 'bash: names of sets'
is "$(completed set drop b)" 'beta ' 'bash: a name begun'
is "$(completed --cluster nonsense set drop b)" ' ' 'bash: of the cluster that was given'
is "$(completed set create x "$T/al")" "$T/alpha " 'bash: files'
is "$(completed config check "$T/al")" "$T/alpha " 'bash: a file where no set is named'
if command -v zsh > "$T/null"; then # deps.sh brings it
	ok 'zsh takes its script' zsh -n "$BUILD/completion/pgshovel.zsh"
else
	skip 'zsh takes its script' 'no zsh here'
fi
tap_done
