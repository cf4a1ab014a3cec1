#!/bin/bash
# test: limit=120
# tests/integration/05-pg.sh: connections with deadlines (common/pg.c) against PostgreSQL; the checks are in tests/lib/pg_probe.c.
# No program of pgshovel, no ZooKeeper, no Kafka.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/line.sh
. tests/lib/line.sh

line_begin pg
line_database database
while IFS= read -r line; do
	case $line in
	'ok '*) pass "${line#ok * - }" ;;
	'not ok '*) fail "${line#not ok * - }" ;;
	1..*) whole=1 ;;
	*) diag "$line" ;;
	esac
done < <(pg_probe "$database" 2>&1)
is "${whole:-}" 1 'the probe came to its end'
tap_done
