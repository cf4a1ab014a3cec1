# tests/lint/includes.awk
#    Who may include whom: a program itself and common/, common/ itself and only what stands before in `order`; tests everything.
#    Usage: awk -f tests/lint/includes.awk FILE ...

BEGIN {
	n = split("base exitcode err log journal buf arena parse utf8 clock usage backoff step options confine credentials setdoc zpath zk zkdoc pg ctlproto assignment", order)
	for (i = 1; i <= n; i++)
		rank[order[i]] = i
}

# Module of a file in common/: the longest name in `order` that is its whole name or ends at "_".
function module(path,    name) {
	name = path
	sub(/^common\//, "", name)
	sub(/\.[ch]$/, "", name)
	while (!(name in rank) && sub(/_[^_]*$/, "", name))
		continue
	return name
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	included = $0
	sub(/^[^"]*"/, "", included)
	sub(/".*/, "", included)
	if (included !~ /\//) {
		print FILENAME ":" FNR ": \"" included "\" is not written from the root"
		next
	}
	from = FILENAME
	sub(/\/.*/, "", from)
	to = included
	sub(/\/.*/, "", to)
	if (from == "tests")
		next
	if (to != from && to != "common")
		print FILENAME ":" FNR ": " from "/ must not include \"" included "\""
	if (from != "common")
		next
	a = module(FILENAME)
	b = module(included)
	if (!(a in rank) || !(b in rank))
		print FILENAME ":" FNR ": module of \"" (a in rank ? included : FILENAME) "\" is not in the order of tests/lint/includes.awk"
	else if (rank[b] > rank[a])
		print FILENAME ":" FNR ": \"" included "\" comes after " a " in the order of common/"
}
