# tests/lint/banned.awk
#    Calls that are never right here, waiting outside of the places that may wait, and what common/ must not do.
#    Usage: awk -f tests/lint/strip.awk -f tests/lint/banned.awk FILE ...

BEGIN {
	n_never = split("strcpy strcat sprintf vsprintf strtok atoi atol gets strncpy strncat system popen usleep sleep " \
		"alarm signal alloca mktemp tmpnam", never)
	n_wait = split("nanosleep clock_nanosleep poll ppoll select pselect epoll_wait pause sigwait sd_event_run sd_event_loop", wait)
	# One place for each way to wait: the deadlines of libpq, the pump of ZooKeeper, the loops of the programs;
	# in the admin the pause before a retry and the child that talks to Kafka, both ended by a signal.
	may_wait["common/pg.c"] = may_wait["common/zk_wait.c"] = 1
	may_wait["worker/wait.c"] = may_wait["supervisor/loop.c"] = 1
	may_wait["admin/admin.c"] = may_wait["admin/kafka_task.c"] = 1
}

function calls(line, name) {
	return line ~ ("(^|[^A-Za-z0-9_.>])" name "[ \t]*\\(")
}

function bad(what) {
	print FILENAME ":" FNR ": " what
}

FNR == 1 { in_comment = 0 }

{
	line = strip($0)
	if (line !~ /\(/)
		next
	for (i = 1; i <= n_never; i++)
		if (calls(line, never[i]))
			bad(never[i] "() is banned")
	if (FILENAME ~ /^tests\//)
		next
	if (!(FILENAME in may_wait))
		for (i = 1; i <= n_wait; i++)
			if (calls(line, wait[i]) && line !~ /poll\(.*, 0\)/) # a look, not a wait
				bad(wait[i] "() waits, and this file must not")
	if (FILENAME ~ /^common\//) {
		if (calls(line, "exit") || calls(line, "_exit") || calls(line, "abort"))
			bad("common/ never ends the process")
		if (line ~ /pgs_log\(PGS_LOG_(ERR|WARNING|NOTICE|INFO)/)
			bad("common/ never logs above debug")
		if (calls(line, "printf") || (calls(line, "fprintf") && line ~ /std(out|err)/))
			bad("common/ does not print")
	}
}
