#!/bin/bash
# tests/lint/cov.sh
#    After the tests of a MODE=cov build: how much of each file ran, and annotated sources in $BUILD/gcov/. Judges nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/cov}

mkdir -p "$BUILD/gcov"
for data in "$BUILD"/obj/{common,admin,supervisor,worker}/*.gcda; do
	[ -e "$data" ] || continue
	source=${data#"$BUILD"/obj/}
	source=${source%.gcda}.c
	gcov -o "$data" -r -s "$PWD" "$source" 2> /dev/null | awk -v source="$source" '
		/^File/ { wanted = index($0, "\x27" source "\x27") }
		wanted && /^Lines executed/ { sub(/^Lines executed:/, ""); print source, $0; wanted = 0 }'
	mv -f ./*.gcov "$BUILD/gcov/" 2> /dev/null
done | sed 's/% of / /' | sort -k2n | awk '{ printf "%-44s %6.1f %%  of %4d lines\n", $1, $2, $3; ran += $2 * $3 / 100; all += $3 }
	END { if (all) printf "%-44s %6.1f %%  of %d lines\n", "together", ran * 100 / all, all }'
