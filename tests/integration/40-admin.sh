#!/bin/bash
# test: limit=600
# tests/integration/40-admin.sh: pgshovel's commands and each of their error cases, on two PostgreSQL servers, without Kafka (a script
# stands for the relay's --task). Killed and interrupted admins are in 41-admin-crash.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh
# shellcheck source=tests/integration/admin-lib.sh
. tests/integration/admin-lib.sh

line_begin pg zk
REFUSALS=$T/refusals
export PGSHOVEL_SESSION_TIMEOUT=30s # nobody is killed here; one is stopped for a while
line_database A
line_database B
admin_tables "$A"
admin_tables "$B"
EX=$T/ex.pgshovel
document example "$A" "$B" > "$EX"
WIDE=1 document example "$A" "$B" > "$T/wide.pgshovel"

# ---- help, usage, files without servers

run pgshovel --help
like "$RC $OUT" '^0 Usage: pgshovel.*set create' '--help on stdout'
run pgshovel set --help
like "$RC $OUT" '^0 Usage: .*upgrade' '--help of a noun'
run pgshovel set upgrade --help
like "$RC $OUT" '^0 Usage: .*--dry-run' '--help of a verb'
run pgshovel --version
is "$RC $OUT" "0 pgshovel $(cat VERSION)" '--version'
for words in '' 'set' 'nonsense' 'set nonsense' 'set create' 'set list extra' 'set list --dry-run' 'set list --no-such' 'set list --wait x' \
	'--cluster Bad set list' '--log-level loud set list' 'txn recover xyz' 'set drop a@123'; do
	# shellcheck disable=SC2086 # words
	run pgshovel $words
	is "$RC $(wc -l <<< "$ERR") ${#OUT}" '64 1 0' "usage error, one line: \"$words\"" || diag "$ERR"
done
run env PGSHOVEL_CONNECT_TIMEOUT=soon pgshovel set list
like "$RC $ERR" '^64 .*PGSHOVEL_CONNECT_TIMEOUT' 'a wrong variable is named'
run pgshovel config check "$EX"
like "$RC $OUT" "^0 $EX: valid, version [0-9a-f]{12}$" 'config check'
VERSION=${OUT##* }
sed 's/partitions = 3/partitions = 0/' "$EX" > "$T/bad"
run pgshovel config check "$T/bad"
refused 78 "^pgshovel: $T/bad:[0-9]+: " 'config check of a bad file'
run pgshovel config check "$T/absent"
refused 78 'absent' 'config check of a missing file'

# ---- without ZooKeeper, without a cluster

run pgshovel --zookeeper-hosts 127.0.0.1:1 --connect-timeout 500ms set list
refused 75 '127.0.0.1:1' 'no ZooKeeper'
for words in 'set list' 'set inspect example' 'set status' 'txn list' 'txn recover' 'cluster verify' 'cluster upgrade' 'set drop example' \
	"set create example $EX" "set upgrade $EX"; do
	# shellcheck disable=SC2086 # words
	admin $words
	refused 78 "cluster \"$CLUSTER\" does not exist.*cluster initialize" "no cluster: \"${words%% /*}\""
done

admin cluster initialize
is "$RC $(wc -l <<< "$OUT") $ERR" '0 1 ' 'cluster initialize: one line'
BEFORE=$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER")
admin cluster initialize
refused 78 'already exists' 'cluster initialize again'
is "$(zktool --hosts "$ZOOKEEPER" stat "/$CLUSTER")" "$BEFORE" 'and nothing changed'
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER" | tr '\n' ' ')" 'decisions hosts locks rollouts sets status ' 'the nodes of a cluster'
run pgshovel --zookeeper-hosts "$ZOOKEEPER/chroot$SUFFIX" cluster initialize
is "$RC" 0 'cluster initialize below a chroot that does not exist' || diag "$ERR"
run pgshovel --zookeeper-hosts "$ZOOKEEPER/chroot$SUFFIX" set list
is "$RC" 0 'and it is there'
zktool --hosts "$ZOOKEEPER" remove "/chroot$SUFFIX"

# ---- refusals of set create; nothing may be left of any

nothing() { # NAME
	is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/sets")$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")" '' "$1: nothing in ZooKeeper"
	is "$(triggers "$A") $(triggers "$B")" '0 0' "$1: no trigger"
}

create() { # FILE
	admin set create example "$1" --skip-kafka --wait 1s
}

tables() { # TABLES…: tries a document with these
	TABLES=$* document example "$A" "$B" > "$T/try"
	create "$T/try"
}

tables '{ name = "public.absent"; }'
refused 78 "$T/try:[0-9]+: table \"public.absent\" does not exist.*\"d0\"" 'a table that does not exist'
tables '{ name = "public.accounts"; columns = [ "id", "nope" ]; }'
refused 78 ':[0-9]+: table .* no column "nope"' 'a column that does not exist'
tables '{ name = "public.nokey"; }'
refused 78 'no primary key' 'a table without a key'
tables '{ name = "public.accounts"; key = [ "owner" ]; }'
refused 78 'may have null in key column "owner"' 'a key that may be null'
sql "$A" -c 'alter table audit alter what set not null, add constraint u unique (what) deferrable' \
	-c 'create table partial (a int not null); create unique index on partial (a) where a > 0' -c 'create view seen as select 1 as id' \
	-c 'create unlogged table fleeting (id int primary key)'
tables '{ name = "public.audit"; key = [ "what" ]; }'
refused 78 'deferrable' 'a deferrable key'
sql "$A" -c 'alter table audit drop constraint u, alter what drop not null'
tables '{ name = "public.partial"; key = [ "a" ]; }'
refused 78 'partial' 'a partial key'
tables '{ name = "public.seen"; }'
refused 78 'is not a table' 'a view'
tables '{ name = "public.fleeting"; }'
refused 78 'unlogged' 'an unlogged table'
tables '{ name = "public.parts_1"; }'
refused 78 'partition' 'a partition'
nothing 'bad tables'
is "$(sql "$A" -c "select to_regnamespace('pgshovel_$CLUSTER') is null")" t 'not even the schema is there'
sed 's/name = "example"/name = "other"/' "$EX" > "$T/try"
create "$T/try"
refused 78 'cannot be renamed' 'another name in the file'
admin set create Bad "$EX" --skip-kafka
refused 78 '"Bad" is not allowed' 'a bad name'
document example "$A" "${A/dbname=/connect_timeout=7 dbname=}" > "$T/try"
create "$T/try"
refused 78 '"d0" and "d1" are the same database' 'one database twice'
document example "$A" "host=127.0.0.1 port=1 dbname=x connect_timeout=2" > "$T/try"
create "$T/try"
refused 75 'database "d1": could not connect' 'an unreachable database'
sql "$POSTGRES" -c "create database pgshovel_test_${SUFFIX}_ascii template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'" \
	-c "create database pgshovel_test_${SUFFIX}_bare template template0 encoding 'UTF8'"
line_databases+=("pgshovel_test_${SUFFIX}_ascii" "pgshovel_test_${SUFFIX}_bare" "pgshovel_test_${SUFFIX}_copy")
document example "${A/dbname=*/dbname=pgshovel_test_${SUFFIX}_ascii}" > "$T/try"
create "$T/try"
refused 78 'database "d0" is encoded in SQL_ASCII' 'a database that is not UTF8'
document example "${A/dbname=*/dbname=pgshovel_test_${SUFFIX}_bare}" > "$T/try"
create "$T/try"
refused 78 'CREATE EXTENSION pgq' 'no PgQ'
EXTRA=$'capture = "x";' document example "$A" > "$T/try"
create "$T/try"
refused 78 ':[0-9]+: ' 'an unknown key of the file'

# ---- a role without rights, one right after the other

ROLE=pgshovel_test_$SUFFIX
role_gone() {
	local db
	for db in "$A" "$B"; do sql "$db" -c "drop owned by $ROLE cascade" > "$T/null" 2>&1; done
	sql "$POSTGRES" -c "drop role if exists $ROLE" > "$T/null" 2>&1 || diag "role $ROLE is left behind"
}
sql "$POSTGRES" -c "create role $ROLE login"
at_exit role_gone
APP=$(sed -E "s/user=[^ ]+/user=$ROLE/" <<< "$A")
document example "$APP" > "$T/try"
create "$T/try"
refused 78 'GRANT pgq_admin TO' 'no membership of pgq_admin'
sql "$A" -c "grant pgq_admin to $ROLE"
create "$T/try"
refused 78 'GRANT pg_read_all_stats TO' 'no pg_read_all_stats'
sql "$A" -c "grant pg_read_all_stats to $ROLE"
create "$T/try"
refused 78 'GRANT CREATE ON DATABASE' 'no right to make the schema'
sql "$A" -c "grant create on database \"$(sql "$A" -c 'select current_database()')\" to $ROLE"
create "$T/try"
refused 78 'TRIGGER privilege' 'no right to make triggers'
nothing 'missing rights'
sql "$A" -c "grant trigger on accounts, audit to $ROLE"
create "$T/try"
is "$RC" 0 'with these rights a plain role that owns nothing can do it' || diag "$ERR"
admin set upgrade "$T/try" --skip-kafka
is "$RC $OUT" '0 unchanged' 'and look at it'
ok 'a column that is not captured can be dropped' sql "$A" -c 'alter table accounts drop secret'
nok 'one that is captured cannot, where no event trigger follows' sql "$A" -c 'alter table accounts drop balance'
sql "$A" -c 'alter table accounts add secret text'
admin set drop example --skip-kafka
is "$RC" 0 'and undo it' || diag "$ERR"
is "$(left "$A")" '' 'nothing is left in the database'
sql "$A" -c "drop owned by $ROLE cascade"

# ---- Kafka's part is done by a child

cat > "$T/relay" <<SCRIPT
#!/bin/bash
echo "\$*" >> "$T/tasks"
cat <&4 > "$T/assignment"
[ ! -e "/proc/\$\$/fd/3" ] || echo "fd 3 is open" >> "$T/tasks"
[ "\$2" != "\$(cat "$T/fails" 2>/dev/null)" ] || { echo '<4>just a warning' >&2; echo '<3>broker says no' >&2; exit \$(cat "$T/status"); }
SCRIPT
chmod +x "$T/relay"
mkdir "$T/credentials"
printf 'sasl.password=hush-all\n' > "$T/credentials/kafka"
printf 'sasl.password=hush-example\n' > "$T/credentials/kafka.example"
with_relay() {
	admin --relay "$T/relay" --credentials-dir "$T/credentials" "$@"
}
echo check > "$T/fails"; echo 78 > "$T/status"
with_relay set create example "$EX"
refused 78 'Kafka: broker says no$' 'what Kafka has against a set'
echo topics > "$T/fails"; echo 75 > "$T/status"
with_relay set create example "$EX"
refused 75 'Kafka: broker says no$' 'a broker that is away'
nothing 'refused by Kafka'
rm "$T/fails" "$T/tasks"
with_relay set create example "$EX" --dry-run
is "$RC $([ -e "$T/tasks" ] && cat "$T/tasks")" '0 ' 'a dry run asks nobody'
with_relay set create example "$EX"
is "$RC $OUT" "0 $VERSION" 'set create prints the version' || diag "$ERR"
is "$(cat "$T/tasks")" $'--task check\n--task topics' 'the tasks, with fd 4 alone'
like "$(cat "$T/assignment")" "pgshovel-assignment 1.*set=example.*partitions=3.*hush-all.*hush-example.*" 'the child gets document and credentials on fd 4'

# ---- the set is there

export PGSHOVEL_CREDENTIALS_DIR=$T/credentials
admin set list
is "$RC $(tail -n 1 <<< "$OUT" | tr -s ' ')" "0 example d0, d1 public.accounts, public.audit $VERSION" 'set list'
admin set list --json
is "$(sql "$A" -v j="$OUT" <<< "select :'j'::json->0->>'name', :'j'::json->0->'databases', :'j'::json->0->'tables', left(:'j'::json->0->>'version', 12)")" \
	"example|[\"d0\",\"d1\"]|[\"public.accounts\",\"public.audit\"]|$VERSION" 'set list --json'
admin set inspect example
is "$RC $ERR" "0 version: $VERSION" 'set inspect: version on stderr'
run pgshovel config check - <<< "$OUT"
like "$OUT" "$VERSION\$" 'and the document on stdout, of the same version'
pgshovel set inspect example 2> "$T/null" | pgshovel set upgrade example - > "$T/out" 2>&1
is "${PIPESTATUS[*]} $(cat "$T/out")" '0 0 unchanged' 'inspect | upgrade says unchanged'
is "$(state "$A" "$B")" "zookeeper:$VERSION database:$VERSION prepared:0 database:$VERSION prepared:0 open:0" 'one version everywhere'
is "$(sql "$A" -c "select count(*) from pg_trigger t join pg_class c on c.oid = tgrelid where tgname ~ '^ pgshovel.*_[rt]\$' and relname = 'accounts' and tgenabled = 'O'")" 2 'triggers'
events() { # CONNINFO: as the relay will see them
	sql "$1" -c "select ev_type || ':' || coalesce(ev_data, ev_extra2) from pgq.event_template order by ev_id"
}
sql "$A" -c "insert into accounts values (1, 'x', 2.50, 'hush-row')" -c "update accounts set secret = 'hush-other'" -c "update accounts set owner = 'y'"
is "$(events "$A")" $'I:(1,x,2.50)\nU:(1,y,2.50)' 'rows written before any relay runs are in the queue, listed columns only'
is "$(sql "$A" -c "select pg_visible_in_snapshot((select min(ev_txid)::text::xid8 from pgq.event_template), start_snapshot::pg_snapshot) from pgshovel_$CLUSTER.set")" f 'and behind the starting snapshot'
admin cluster verify
is "$RC $OUT$ERR" '0 ' 'cluster verify: all is well'
admin set create example "$EX" --skip-kafka
refused 78 'already exists' 'set create again'
admin set inspect absent
refused 78 '"absent" does not exist' 'set inspect of an unknown set'
admin set upgrade absent - --skip-kafka < <(sed '/^name/d' "$EX")
refused 78 '"absent" does not exist' 'set upgrade of an unknown set'
admin set upgrade - --skip-kafka < <(sed '/^name/d' "$EX")
refused 78 'name = ' 'set upgrade of a file without a name'
admin set drop absent --skip-kafka
refused 78 '"absent" does not exist' 'set drop of an unknown set'
admin set status
like "$RC $OUT" '^0 .*example +- +unowned .*no supervisor speaks of it' 'set status without a supervisor'
admin status
like "$RC $OUT" '^0 .*0 of 1 sets work;.*example +- +unowned' 'status without a supervisor'
admin status set
refused 64 'too many arguments: usage is pgshovel status' 'status takes no verb'

# ---- another set

document other "$A" > "$T/other.pgshovel"
admin set create other "$T/other.pgshovel" --skip-kafka
is "$RC" 0 'a second set over the same tables' || diag "$ERR"
admin set drop other --skip-kafka
is "$RC $(triggers "$A")" "0 $(triggers "$B")" 'it goes without the first'
document other "$A" | sed "s/prefix = .*{database}\"/prefix = \"t${SUFFIX}_example.{database}\"/" > "$T/other.pgshovel"
admin set create other "$T/other.pgshovel" --skip-kafka
refused 78 'topic "t.*" is also written by set "example"' 'a topic of another set, "." and "_" being equal'
document other "$A" | sed "s/prefix = .*{database}\"/prefix = \"$CLUSTER\"/; s/public.audit/example.positions/" > "$T/other.pgshovel"
sql "$A" -c 'create schema example' -c 'create table example.positions (id int primary key)'
admin set create other "$T/other.pgshovel" --skip-kafka
refused 78 'is also written by set "example"' 'the positions topic of another set'

# ---- upgrade

admin set upgrade "example@${VERSION:0:11}" "$EX" --skip-kafka
is "$RC" 64 'a version of 11 digits is too short'
admin set upgrade example@000000000000 "$T/wide.pgshovel" --skip-kafka
refused 78 "at version $VERSION, not 000000000000" 'another version'
is "$(state "$A" "$B")" "zookeeper:$VERSION database:$VERSION prepared:0 database:$VERSION prepared:0 open:0" 'nothing was changed'
sed 's/partitions = 3/partitions = 4/' "$EX" > "$T/try"
admin set upgrade "$T/try" --skip-kafka
refused 78 'topics.partitions is 4 .* created with 3' 'a changed partition count'
sed 's/name = "example"/name = "sample"/' "$EX" > "$T/try"
admin set upgrade example "$T/try" --skip-kafka
refused 78 'cannot be renamed' 'a rename'
admin set upgrade "$T/wide.pgshovel" --skip-kafka --dry-run
like "$RC $OUT" "^0 .*stop capturing public.audit .*capture public.accounts: all columns .*drop capture triggers of public.audit  \[lock: AccessExclusive" 'a dry run shows plan and locks'
admin set upgrade "$T/wide.pgshovel" --skip-kafka --dry-run --json
is "$(sql "$A" -v j="$OUT" <<< "select distinct json_array_elements(:'j'::json->'steps')->>'phase' order by 1")" $'after\nbefore\nprepared' 'also as JSON'
is "$(state "$A" "$B")" "zookeeper:$VERSION database:$VERSION prepared:0 database:$VERSION prepared:0 open:0" 'and changes nothing'
admin set upgrade "example@$VERSION" "$T/wide.pgshovel" --skip-kafka
NEW=$OUT
like "$RC $NEW" '^0 [0-9a-f]{12}$' 'set upgrade prints the new version' || diag "$ERR"
is "$(state "$A" "$B")" "zookeeper:$NEW database:$NEW prepared:0 database:$NEW prepared:0 open:0" 'one version everywhere'
is "$(count "$A" "pg_trigger where tgname like ' pgshovel%' and tgrelid = 'audit'::regclass")" 0 'the table that left has no triggers'
sql "$A" -c "delete from accounts"
is "$(events "$A" | tail -n 1)" 'D:(1,y,2.50,hush-other)' 'the new columns are captured, in the same queue'
admin set update "$EX" --skip-kafka
is "$RC $OUT" "0 $VERSION" 'set update is the same command; back to the first file'
ok 'a column that is not captured any more can be dropped' sql "$A" -c 'alter table accounts drop secret'

# databases come and go
document example "$A" > "$T/one.pgshovel"
admin set upgrade "$T/one.pgshovel" --skip-kafka
is "$RC $(left "$B")" '0 ' 'a database that leaves the set is clean' || diag "$ERR"
admin set upgrade "$EX" --skip-kafka
is "$RC $(triggers "$B")" "0 $(triggers "$A")" 'and comes back' || diag "$ERR"
document example "${A/dbname=/connect_timeout=8 dbname=}" "$B" > "$T/moved.pgshovel"
admin set upgrade "$T/moved.pgshovel" --skip-kafka --dry-run
unlike "$RC $OUT" 'create queue|drop|make capture' 'another conninfo of the same database: no trigger is touched'
admin set upgrade "$T/moved.pgshovel" --skip-kafka
is "$RC" 0 'and it is rolled out' || diag "$ERR"
is "$(sql "$A" -c 'select count(*) > 0 from pgq.event_template')" t 'the queue has kept its events'
admin set upgrade "$EX" --skip-kafka

# what verify finds, upgrade repairs
sql "$A" -c 'alter table accounts disable trigger all'
admin cluster verify
like "$RC $OUT" '^1 example: d0: table "public.accounts": .*disabled' 'cluster verify: a disabled trigger'
admin set upgrade "$EX" --skip-kafka
is "$RC $OUT" "0 $VERSION" 'set upgrade with the same file repairs it'
admin cluster verify
is "$RC $OUT" '0 ' 'all is well again'
sql "$B" -c 'create index on audit (what)' # a table of another shape is planned for, an index is not
admin set upgrade "$EX" --skip-kafka
is "$RC $OUT" '0 unchanged' 'nothing to repair: unchanged'

# a copy of a database is not obeyed
copied() { # a ticker stays connected to every database with PgQ, and then it cannot be a template: it connects again afterwards
	local template
	template=$(sql "$B" -c 'select current_database()')
	sql "$POSTGRES" -c "select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = '$template'" \
		-c "create database pgshovel_test_${SUFFIX}_copy template $template" > "$T/null" 2>&1
}
ok 'a database is copied' wait_for 30 copied
document example "$A" "${A/dbname=*/dbname=pgshovel_test_${SUFFIX}_copy}" > "$T/try"
admin set upgrade "$T/try" --skip-kafka
refused 78 '"d1" is a copy.*DROP SCHEMA' 'a copied database'

# ---- a table in use: writers do not wait for us, and we do not wait for ever

coproc BUSY { sql "$A"; }
echo "begin; lock table audit in share mode; select 'locked';" >&"${BUSY[1]}"
read -r -u "${BUSY[0]}" line
is "$line" locked 'a long reader holds a table'
BEFORE=$(state "$A" "$B")
TABLES='{ name = "public.accounts"; }, { name = "public.parts"; }' document example "$A" "$B" > "$T/try"
admin set upgrade "$T/try" --skip-kafka --wait 1s
like "$RC $ERR" '^75 .*drop the capture triggers of public.audit.*in use' 'triggers that cannot go within --wait are named'
is "$(pgshovel txn list --json | grep -o '"decision":"[a-z]*"')" '"decision":"commit"' 'the rollout is decided and open'
echo 'rollback;' >&"${BUSY[1]}"
admin set upgrade "$T/try" --skip-kafka
is "$RC $OUT" '0 unchanged' 'the next command finishes it'
is "$(pgshovel txn list | wc -l) $(count "$A" "pg_trigger where tgname like ' pgshovel%' and tgrelid = 'audit'::regclass")" '0 0' 'nothing is left of it'
is "$(count "$A" "pg_trigger t where tgname like ' pgshovel%t' and tgrelid in ('parts_1'::regclass, 'parts_2'::regclass)")" 2 'each partition has its truncate trigger'
BEFORE=$(state "$A" "$B")
echo "begin; lock table audit in share mode; select 'locked';" >&"${BUSY[1]}"
read -r -u "${BUSY[0]}" line
admin set upgrade "$EX" --skip-kafka --wait 1s
like "$RC $ERR" '^75 .*make the capture triggers of public.audit.*in use' 'triggers that cannot be made within --wait are named'
is "$(state "$A" "$B")" "$BEFORE" 'and the rollout is taken back'
# shellcheck disable=SC1083,SC2093 # a descriptor of a coproc
exec {BUSY[1]}>&-
wait "$BUSY_PID"
admin set upgrade "$EX" --skip-kafka
is "$RC $OUT" "0 $VERSION" 'then it works' || diag "$ERR"

# ---- drop: it waits for the relay and forgets everything but the data

zktool --hosts "$ZOOKEEPER" create "/$CLUSTER/locks/example" '{"v":1,"host":"far-away","boot":"x","pid":1}'
run pgshovel --relay "$T/relay" set drop example --wait 300ms
refused 75 'relay on host "far-away" has not stopped' 'set drop while a relay runs'
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/sets")" '' 'the set is gone from ZooKeeper'
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER/locks/example"
rm -f "$T/tasks"
echo forget > "$T/fails"; echo 75 > "$T/status"
run pgshovel --relay "$T/relay" txn recover
refused 75 'positions are not deleted yet.*broker says no' 'Kafka away'
rm "$T/fails"
run pgshovel --relay "$T/relay" set create other "$T/wide.pgshovel" --dry-run
is "$(pgshovel txn list | wc -l)" 2 'a dry run finishes nothing'
run pgshovel --relay "$T/relay" txn recover
is "$RC $(sort -u "$T/tasks")" '0 --task forget' 'the next command finishes the drop' || diag "$ERR"
is "$(left "$A")$(left "$B")" '' 'nothing is left in the databases'
is "$(zktool --hosts "$ZOOKEEPER" list "/$CLUSTER/rollouts")" '' 'nor in ZooKeeper'
run pgshovel txn recover
is "$RC" 0 'nothing to recover is no error'
run pgshovel txn recover 0123456789abcdef0123456789abcdef
refused 78 'no open rollout' 'an unknown rollout'

# ---- a server of our own: passwords, then its settings, then its end

unset PGSHOVEL_CREDENTIALS_DIR
OTHER=$(server_start pg-own "$T/servers" --scram=app:hush-password --set=max_prepared_transactions=5) || diag 'no second server'
OTHER="${OTHER% dbname=*} dbname=o"
sql "${OTHER/dbname=o/dbname=postgres}" -c 'create database o'
sql "$OTHER" -c 'create extension pgq; grant pgq_admin, pg_read_all_stats to app; grant create on database o to app'
admin_tables "$OTHER"
sql "$OTHER" -c 'grant trigger on all tables in schema public to app'
document example "$A" "${OTHER/user=postgres/user=app}" > "$T/far.pgshovel"
sql "$A" -c 'alter table accounts add if not exists secret text'
echo '127.0.0.1:*:*:app:hush-password' > "$T/credentials/pgpass"
chmod 600 "$T/credentials/pgpass"
create "$T/far.pgshovel"
refused 78 'database "d1": could not connect.*password' 'no password'
export PGSHOVEL_CREDENTIALS_DIR=$T/credentials
stop_at decided pgshovel --log-level debug --relay "$T/relay" set create example "$T/far.pgshovel"
for path in $(zktool --hosts "$ZOOKEEPER" tree "/$CLUSTER"); do
	zktool --hosts "$ZOOKEEPER" get "$path"
done > "$T/all-nodes"
ok 'the intent is among the nodes' grep -q '"kind":"create"' "$T/all-nodes"
nok 'no password in ZooKeeper, argv or environment' grep -aq hush "$T/all-nodes" "/proc/$ADMIN/cmdline" "/proc/$ADMIN/environ"
admin set list
is "$RC" 0 'reading needs no lock'
admin set drop example --skip-kafka
refused 75 "another admin is at work.* $ADMIN set create example" 'a second admin is told who is at work'
kill -CONT "$ADMIN"
wait "$ADMIN"
is "$? $(cat "$STOP.out")" "0 $(pgshovel set list | awk '$1 == "example" { print $NF }')" 'a set over two servers'
nok 'no password in the output' grep -q hush "$STOP.out" "$STOP.err"

server_stop pg-own "$T/servers"
admin set upgrade "$T/one.pgshovel" --skip-kafka
refused 75 'database "d1": could not connect.*--force' 'a database that cannot be reached is not left out'
admin cluster verify
like "$RC $OUT" '^75 example: d1: database "d1": could not connect' 'cluster verify: a database that is away'
document example "$A" "$B" > "$T/try"
admin set drop example --skip-kafka
refused 75 'database "d1": could not connect' 'nor by drop'
echo 'max_prepared_transactions = 0' >> "$T/servers/pg-own/data/postgresql.conf"
server_start pg-own "$T/servers" > "$T/null"
admin set drop example --skip-kafka
refused 78 'max_prepared_transactions is 0.*restart' 'max_prepared_transactions = 0'
server_stop pg-own "$T/servers"
touch "$T/servers/pg-own/data/standby.signal"
chown postgres "$T/servers/pg-own/data/standby.signal" 2> "$T/null"
server_start pg-own "$T/servers" > "$T/null"
admin set drop example --skip-kafka
refused 78 '"d1" is a standby' 'a standby'
server_kill pg-own "$T/servers"
admin set drop example --skip-kafka --force
is "$RC" 0 'with --force a database that is gone for good is left out' || diag "$ERR"
like "$ERR" 'database "d1".*left out' 'and named'
is "$(left "$A")" '' 'the other one is clean'

# ---- ZooKeeper wiped

create "$EX"
is "$RC $OUT" "0 $VERSION" 'a set again' || diag "$ERR"
zktool --hosts "$ZOOKEEPER" remove "/$CLUSTER"
run pgshovel cluster recover
like "$RC $OUT" '^0 .*generation [0-9]{10}$' 'cluster recover makes the cluster, generation above all earlier ones'
create "$EX"
refused 78 'has set "example" already.*--force' 'a set that ZooKeeper does not know'
admin set create example "$EX" --skip-kafka --force
is "$RC $OUT" "0 $VERSION" '--force takes it over' || diag "$ERR"
admin cluster verify
is "$RC $OUT" '0 ' 'all is well'
BEFORE=$(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER" | sed -n 's/^generation //p')
run pgshovel cluster recover
is "$RC $(($(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER" | sed -n 's/^generation //p') > BEFORE))" '0 1' 'cluster recover again raises it'

# ---- versions of the software

admin cluster upgrade
is "$RC $OUT" '0 unchanged' 'cluster upgrade: unchanged'
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER" $'pgshovel-cluster 1\nsoftware 0.0.1\ngeneration 7\n'
sql "$A" -c "update pgshovel_$CLUSTER.node set software = '0.0.1'"
admin set drop example --skip-kafka
refused 78 "at version 0.0.1 and this program is version $(cat VERSION); run \"pgshovel cluster upgrade\"" 'an older cluster'
admin cluster upgrade --dry-run
like "$RC $OUT" '^0 .*d0: install schema' 'cluster upgrade --dry-run'
admin cluster upgrade
is "$RC $OUT" "0 $(cat VERSION)" 'cluster upgrade' || diag "$ERR"
is "$(sql "$A" -c "select software from pgshovel_$CLUSTER.node") $(zktool --hosts "$ZOOKEEPER" get "/$CLUSTER" | tr '\n' ' ')" \
	"$(cat VERSION) pgshovel-cluster 1 software $(cat VERSION) generation 7 " 'databases and ZooKeeper are at it'
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER" $'pgshovel-cluster 1\nsoftware 99.0\ngeneration 7\n'
for words in 'cluster upgrade' 'set drop example'; do
	# shellcheck disable=SC2086 # words
	admin $words
	refused 78 'at version 99.0 .*use the newer program' "a newer cluster: $words"
done
zktool --hosts "$ZOOKEEPER" set "/$CLUSTER" $'pgshovel-cluster 2\nsoftware 99.0\n'
admin set list
refused 78 'format 2' 'an unknown format'

# ---- every refusal of this test in one file, to be read; what libpq and Kafka say is left out

golden refusals.txt "$(grep -vE 'could not connect|another admin' "$REFUSALS" | sed -E 's/oid [0-9]+/oid N/g; s/system [0-9]+/system N/g; s/node [0-9a-f-]{36}/node UUID/g' | sort -u)" 'refusals'
tap_done
