/*
 * tests/lib/consume.c
 *    The checking consumer: reads all topics of a prefix once, read_committed, and says what is wrong with them.
 *
 * Without --follow it reads to the ends that the topics had at its start and ends. Exit status: 0 fine,
 * 1 the stream breaks a rule (tests/lib/checker.h), 2 it could not read or was told nonsense.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/checker.h"
#include "tests/lib/latency.h"
#include "tests/lib/reader.h"
#include "tests/lib/show.h"

enum { PROPERTIES_MAX = 32, TOPICS_MAX = 64 };

struct consume {
	struct reader_options reader;
	const char *properties[PROPERTIES_MAX];
	struct checker_options rules;
	struct checker *checker;
	bool check;
	bool dump;
	bool follow;
	bool from_end;
	bool watch;
	int samples; /* shown per second by --watch */
	int timeout_s;
	uint64_t until_count; /* change events; 0: no such limit */
	const char *initial;
	const char *rebuild;
	const char *rebuild_to;
	const char *columns;
	const char *topics[TOPICS_MAX]; /* seen, for --rebuild-to; owned */
	size_t n_topics;
	uint64_t n_events;
	uint64_t n_second; /* events of this second */
	int shown;
	time_t second;
	struct latency all;
	struct latency of_second;
};

static volatile sig_atomic_t stop_asked;

static const char help[] =
	"Usage: consume --brokers LIST --prefix PREFIX [OPTION…]\n"
	"  --check               every rule of tests/lib/checker.h; problems on stderr\n"
	"  --complete            the tables were empty when the set was created\n"
	"  --initial FILE        rows that were there: lines TOPIC<tab>KEY<tab>ROW\n"
	"  --no-tombstones       the set writes none\n"
	"  --repeats             at-least-once: events may come again\n"
	"  --dump                JSON lines: topic, partition, offset, key, headers, value\n"
	"  --rebuild TOPIC       at the end the rows that are left: lines KEY<tab>ROW in the order "
	"of bytes\n"
	"  --rebuild-to FOLDER   the same for every topic, into files of its name\n"
	"  --columns A,B         only these columns of the rows\n"
	"  --latency             at the end: time from the start of the transaction to here (live: "
	"with --follow)\n"
	"  --follow              go on until SIGINT or SIGTERM; topics may appear\n"
	"  --from-end            with --follow: only what comes from now on\n"
	"  --watch               one line a second: events, latency; and some of the events\n"
	"  --samples N           how many of them (3)\n"
	"  --until-count N       end after so many change events\n"
	"  --timeout SECONDS     give up (150: longer than an abandoned transaction lives)\n"
	"  -X NAME=VALUE         a property of librdkafka\n";

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

static void on_problem(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "problem: %s\n", text);
}

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- --watch ---- */

static void watch_second(struct consume *consume, bool last)
{
	time_t now = time(NULL);
	char clock[16];
	struct tm local;

	if (now == consume->second && !last)
		return;
	if (consume->n_second) {
		(void)strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
		printf("%s  %6" PRIu64 " events/s   ", clock, consume->n_second);
		latency_print(&consume->of_second, stdout);
		printf("   %" PRIu64 " events so far\n", consume->n_events);
	}
	latency_reset(&consume->of_second);
	consume->n_second = 0;
	consume->shown = 0;
	consume->second = now;
	(void)fflush(stdout);
}

/* ---- records ---- */

static void remember_topic(struct consume *consume, const char *topic)
{
	for (size_t i = 0; i < consume->n_topics; i++) {
		if (strcmp(consume->topics[i], topic) == 0)
			return;
	}
	if (consume->n_topics < TOPICS_MAX)
		consume->topics[consume->n_topics++] = strdup(topic);
}

static bool on_record(void *ctx, const struct record *record, rd_kafka_message_t *message)
{
	struct consume *consume = ctx;
	struct change change;
	const char *why = NULL;

	if (consume->dump)
		show_dump(record, message);
	checker_record(consume->checker, record);
	if (!record->value.ptr || !record_change(record, &change, &why) || !change.op)
		return !stop_asked;
	consume->n_events++;
	consume->n_second++;
	if (change.op != 't')
		remember_topic(consume, record->topic);
	if (change.ts_us) {
		latency_add(&consume->all, now_us() - change.ts_us);
		latency_add(&consume->of_second, now_us() - change.ts_us);
	}
	if (consume->watch && consume->shown++ < consume->samples)
		show_event(record, &change);
	if (consume->until_count && consume->n_events >= consume->until_count)
		return false;
	return !stop_asked;
}

static bool on_tick(void *ctx)
{
	struct consume *consume = ctx;

	if (consume->watch)
		watch_second(consume, false);
	return !stop_asked;
}

/* ---- begin and end ---- */

static int read_initial(struct consume *consume)
{
	FILE *file = fopen(consume->initial, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc = 0;

	if (!file) {
		fprintf(stderr, "consume: could not open \"%s\": %m\n", consume->initial);
		return -1;
	}
	while (rc == 0 && (len = getline(&line, &size, file)) > 0) {
		char *key = strchr(line, '\t');
		char *row = key ? strchr(key + 1, '\t') : NULL;

		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (!row) {
			fprintf(stderr, "consume: \"%s\" is not TOPIC<tab>KEY<tab>ROW\n", line);
			rc = -1;
			break;
		}
		*key++ = '\0';
		*row++ = '\0';
		checker_initial(consume->checker, line, (struct piece){ key, strlen(key) },
				(struct piece){ row, strlen(row) });
		remember_topic(consume, line);
	}
	free(line);
	(void)fclose(file); /* read only */
	return rc;
}

static int rebuild_one(struct consume *consume, const char *topic, FILE *out)
{
	if (checker_rows(consume->checker, topic, consume->columns, out) >= 0)
		return 0;
	fprintf(stderr, "consume: a row of %s lacks a column of \"%s\"\n", topic, consume->columns);
	return -1;
}

static int rebuild(struct consume *consume)
{
	int rc = 0;

	if (consume->rebuild && rebuild_one(consume, consume->rebuild, stdout) < 0)
		rc = -1;
	for (size_t i = 0; consume->rebuild_to && i < consume->n_topics; i++) {
		char path[4096];
		FILE *out;

		(void)snprintf(path, sizeof(path), "%s/%s", consume->rebuild_to,
			       consume->topics[i]);
		out = fopen(path, "w");
		if (!out || rebuild_one(consume, consume->topics[i], out) < 0 || fclose(out) != 0) {
			fprintf(stderr, "consume: could not write \"%s\": %m\n", path);
			rc = -1;
		}
	}
	return rc;
}

static int run(struct consume *consume)
{
	struct reader *reader = reader_new(&consume->reader);
	int rc;

	if (!reader)
		return -1;
	if (consume->follow) {
		rc = reader_follow(reader, consume->from_end, on_record, on_tick, consume);
		if (consume->watch)
			watch_second(consume, true);
	} else {
		/* The checker wants to know of truncates before it meets what follows them. */
		rc = reader_read(reader, READER_TRUNCATES, consume->timeout_s, on_record, consume);
		if (rc == 0)
			rc = reader_read(reader, READER_OTHERS, consume->timeout_s, on_record,
					 consume);
	}
	reader_free(reader);
	return rc;
}

static int report(struct consume *consume, bool latency)
{
	struct checker_counts counts;

	if (!consume->follow)
		checker_end(consume->checker);
	checker_count(consume->checker, &counts);
	if (latency) {
		fputs("latency: ", stderr);
		latency_print(&consume->all, stderr);
		fputc('\n', stderr);
	}
	if (!consume->check)
		return 0;
	fprintf(stderr,
		"checked: %" PRIu64 " records, %" PRIu64 " events, %" PRIu64 " tombstones, %" PRIu64
		" truncates, %" PRIu64 " keys, %" PRIu64 " repeats, %" PRIu64 " problems\n",
		counts.records, counts.events, counts.tombstones, counts.truncates, counts.keys,
		counts.repeats, counts.problems);
	return counts.problems ? 1 : 0;
}

int main(int argc, char **argv)
{
	enum {
		LATENCY = 256,
		COMPLETE,
		NO_TOMBSTONES,
		REPEATS,
		FROM_END,
		REBUILD_TO,
		UNTIL,
		SAMPLES,
		TIMEOUT
	};
	static const struct option options[] = {
		{ "brokers", required_argument, NULL, 'b' },
		{ "prefix", required_argument, NULL, 'p' },
		{ "check", no_argument, NULL, 'c' },
		{ "complete", no_argument, NULL, COMPLETE },
		{ "initial", required_argument, NULL, 'i' },
		{ "no-tombstones", no_argument, NULL, NO_TOMBSTONES },
		{ "repeats", no_argument, NULL, REPEATS },
		{ "dump", no_argument, NULL, 'd' },
		{ "rebuild", required_argument, NULL, 'r' },
		{ "rebuild-to", required_argument, NULL, REBUILD_TO },
		{ "columns", required_argument, NULL, 'o' },
		{ "latency", no_argument, NULL, LATENCY },
		{ "follow", no_argument, NULL, 'f' },
		{ "from-end", no_argument, NULL, FROM_END },
		{ "watch", no_argument, NULL, 'w' },
		{ "samples", required_argument, NULL, SAMPLES },
		{ "until-count", required_argument, NULL, UNTIL },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct consume consume = { .timeout_s = 150, .samples = 3 };
	struct sigaction action = { .sa_handler = on_signal };
	bool latency = false;
	int option;
	int rc = 0;

	while ((option = getopt_long(argc, argv, "X:h", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			consume.reader.brokers = optarg;
			break;
		case 'p':
			consume.reader.prefix = optarg;
			break;
		case 'X':
			if (consume.reader.n_properties == PROPERTIES_MAX)
				return 2;
			consume.properties[consume.reader.n_properties++] = optarg;
			break;
		case 'c':
			consume.check = true;
			break;
		case COMPLETE:
			consume.rules.complete = true;
			break;
		case 'i':
			consume.initial = optarg;
			consume.rules.complete = true;
			break;
		case NO_TOMBSTONES:
			consume.rules.no_tombstones = true;
			break;
		case REPEATS:
			consume.rules.repeats = true;
			break;
		case 'd':
			consume.dump = true;
			break;
		case 'r':
			consume.rebuild = optarg;
			break;
		case REBUILD_TO:
			consume.rebuild_to = optarg;
			break;
		case 'o':
			consume.columns = optarg;
			break;
		case LATENCY:
			latency = true;
			break;
		case 'f':
			consume.follow = true;
			break;
		case FROM_END:
			consume.from_end = true;
			break;
		case 'w':
			consume.watch = true;
			break;
		case SAMPLES:
			consume.samples = (int)strtol(optarg, NULL, 10);
			break;
		case UNTIL:
			consume.until_count = strtoull(optarg, NULL, 10);
			break;
		case TIMEOUT:
			consume.timeout_s = (int)strtol(optarg, NULL, 10);
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (!consume.reader.brokers || !consume.reader.prefix || optind != argc) {
		fputs(help, stderr);
		return 2;
	}
	consume.reader.properties = consume.properties;
	consume.rules.problem = consume.check ? on_problem : NULL;
	consume.checker = checker_new(&consume.rules);
	if (!consume.checker)
		return 2;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if ((consume.initial && read_initial(&consume) < 0) || run(&consume) < 0 ||
	    rebuild(&consume) < 0)
		rc = 2;
	else
		rc = report(&consume, latency);
	checker_free(consume.checker);
	for (size_t i = 0; i < consume.n_topics; i++)
		free((char *)consume.topics[i]);
	return rc;
}
