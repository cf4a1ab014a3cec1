# shellcheck shell=bash
# tests/lib/rows.sh: a table's rows as the JSON that pgshovel writes, to be compared with what `consume --rebuild` prints. Sourced.
# Types: integers, boolean, text, char, varchar, uuid, numeric (as string), timestamp (microseconds), date (days), null. Others are refused.

rows_json() { # SQL expression of a column's JSON: NAME TYPE
	case $2 in
	smallint | integer | bigint | boolean) echo "coalesce($1::text, 'null')" ;;
	text | uuid | character* | numeric*) echo "coalesce(to_json($1::text)::text, 'null')" ;;
	'timestamp without time zone') echo "coalesce((extract(epoch from $1) * 1000000)::bigint::text, 'null')" ;;
	date) echo "coalesce(($1 - date '1970-01-01')::text, 'null')" ;;
	*) echo "rows: no rule for type \"$2\"" >&2 && return 1 ;;
	esac
}

# rows_of CONNINFO TABLE KEY,KEY… [COLUMN,COLUMN…]: lines "KEY-JSON<tab>ROW-JSON" in the order of bytes
rows_of() {
	local conninfo=$1 table=$2 key=$3 only=${4:-} name type json row='' keys='' k
	declare -A of=()
	while IFS='|' read -r name type; do
		[ -z "$only" ] || [[ ,$only, = *",$name,"* ]] || continue
		if [[ $type = character\(* || $type = bpchar ]]; then
			# a cast to text would lose the padding
			json="case when \"$name\" is null then 'null' else to_json(format('%s', \"$name\"))::text end"
		else
			json=$(rows_json "\"$name\"" "$type") || return 1
		fi
		of[$name]=$json
		row+="${row:+ || ',' || }'\"$name\":' || $json"
	done < <(psql -XAtq -d "$conninfo" -c "select attname, format_type(atttypid, atttypmod) from pg_attribute
		where attrelid = '$table'::regclass and attnum > 0 and not attisdropped order by attnum")
	[ -n "$row" ] || { echo "rows: no table \"$table\"" >&2; return 1; }
	for k in ${key//,/ }; do
		keys+="${keys:+ || ',' || }'\"$k\":' || ${of[$k]}"
	done
	psql -XAtq -d "$conninfo" -c "copy (select '{' || $keys || '}', '{' || $row || '}' from $table) to stdout with (format csv, delimiter e'\t', quote e'\x01', escape e'\x01')" | LC_ALL=C sort
}
