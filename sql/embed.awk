# sql/embed.awk: turns the files named on the command line into one C source with `struct sql_file sql_files[]`
# (admin/sql.h), in the order of their numbers. Only files named NNN-name.sql are taken.
# Usage: awk -f sql/embed.awk sql/*.sql > gen/sql.c
# Each line becomes a literal of its own, and each file an array of lines joined by the compiler, in pieces that stay below the
# 4095 characters that ISO C promises only where lines are short; gcc has no limit.

function base(path) {
	sub(/^.*\//, "", path)
	return path
}

BEGIN {
	print "/* Made by sql/embed.awk from sql/: not to be edited. */"
	print "#include \"admin/sql.h\""
	print ""
	print "const struct sql_file sql_files[] = {"
	open = 0
}

FNR == 1 {
	if (open)
		print "\t},"
	open = 0
	name = base(FILENAME)
	if (name !~ /^[0-9][0-9][0-9]-[A-Za-z0-9_-]+\.sql$/) {
		print "sql/embed.awk: file name \"" FILENAME "\" is not NNN-name.sql" > "/dev/stderr"
		failed = 1
		exit 1
	}
	number = substr(name, 1, 3) + 0
	if (number <= last && n > 0) {
		print "sql/embed.awk: number of \"" FILENAME "\" is not above the one before" > "/dev/stderr"
		failed = 1
		exit 1
	}
	last = number
	n++
	print "\t{"
	print "\t\t.number = " number ","
	print "\t\t.name = \"" name "\","
	print "\t\t.text ="
	open = 1
}

{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	gsub(/\t/, "\\t")
	gsub(/\?/, "\\?")
	print "\t\t\"" $0 "\\n\""
}

END {
	if (failed)
		exit 1
	if (open)
		print "\t},"
	print "};"
	print ""
	print "const size_t sql_n_files = " n + 0 ";"
}
