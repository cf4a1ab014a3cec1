/*
 * tests/lib/kafkatool.c
 *    Topics of a broker, for tests: list, create, delete by prefix, produce a line.
 *
 *    kafkatool --brokers LIST [-X NAME=VALUE] list PREFIX              one a line: name, partitions
 *                                             delete PREFIX            every topic whose name begins so
 *                                             create TOPIC PARTITIONS
 *                                             produce TOPIC KEY VALUE  ("-" as VALUE: null)
 *                                             open TOPIC PARTITION KEY MS …  leaves a transaction with these records
 *                                                                      (MS: timestamp, 0 for now) open; -X transactional.id=…
 *
 * Exit status 0, or 1 with a line on stderr. It deletes nothing for an empty prefix.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

enum { WAIT_MS = 20000, TOPICS_MAX = 10000 };

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "kafkatool: %s: %s\n", what, why);
	return 1;
}

static size_t topics_of(rd_kafka_t *handle, const char *prefix, char **names, bool print)
{
	const struct rd_kafka_metadata *metadata;
	size_t n = 0;

	if (rd_kafka_metadata(handle, 1, NULL, &metadata, WAIT_MS)) {
		(void)fail("could not list the topics", "no answer");
		exit(1);
	}
	for (int i = 0; i < metadata->topic_cnt && n < TOPICS_MAX; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

		if (strncmp(topic->topic, prefix, strlen(prefix)) != 0)
			continue;
		if (print)
			printf("%s %d\n", topic->topic, topic->partition_cnt);
		else
			names[n++] = strdup(topic->topic);
	}
	rd_kafka_metadata_destroy(metadata);
	return n;
}

/* Waits for the answer to an admin request and returns the first error in it, NULL when there is none. */
static const char *answer(rd_kafka_queue_t *queue, char *text, size_t size)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
	const rd_kafka_topic_result_t **results = NULL;
	const char *error = NULL;
	size_t n = 0;

	if (!event)
		return "no answer";
	if (rd_kafka_event_error(event)) {
		error = rd_kafka_event_error_string(event);
	} else if (rd_kafka_event_CreateTopics_result(event)) {
		results = rd_kafka_CreateTopics_result_topics(
			rd_kafka_event_CreateTopics_result(event), &n);
	} else if (rd_kafka_event_DeleteTopics_result(event)) {
		results = rd_kafka_DeleteTopics_result_topics(
			rd_kafka_event_DeleteTopics_result(event), &n);
	}
	for (size_t i = 0; results && i < n && !error; i++) {
		if (rd_kafka_topic_result_error(results[i]))
			error = rd_kafka_err2str(rd_kafka_topic_result_error(results[i]));
	}
	if (error) {
		(void)snprintf(text, size, "%s", error);
		error = text;
	}
	rd_kafka_event_destroy(event);
	return error;
}

static int delete_topics(rd_kafka_t *handle, const char *prefix)
{
	static char *names[TOPICS_MAX];
	static rd_kafka_DeleteTopic_t *topics[TOPICS_MAX];
	rd_kafka_queue_t *queue;
	const char *error;
	char text[256];
	size_t n;

	if (!*prefix)
		return fail("delete", "an empty prefix would mean everything");
	n = topics_of(handle, prefix, names, false);
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		topics[i] = rd_kafka_DeleteTopic_new(names[i]);
	queue = rd_kafka_queue_new(handle);
	rd_kafka_DeleteTopics(handle, topics, n, NULL, queue);
	error = answer(queue, text, sizeof(text));
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy_array(topics, n);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return error ? fail("could not delete", error) : 0;
}

static int create_topic(rd_kafka_t *handle, const char *name, int partitions)
{
	char text[256];
	rd_kafka_NewTopic_t *topic =
		rd_kafka_NewTopic_new(name, partitions, -1, text, sizeof(text));
	rd_kafka_queue_t *queue;
	const char *error;

	if (!topic)
		return fail("create", text);
	queue = rd_kafka_queue_new(handle);
	rd_kafka_CreateTopics(handle, &topic, 1, NULL, queue);
	error = answer(queue, text, sizeof(text));
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
	return error ? fail("could not create", error) : 0;
}

static int produce(rd_kafka_t *handle, const char *topic, const char *key, const char *value)
{
	bool null = strcmp(value, "-") == 0;
	rd_kafka_resp_err_t err = rd_kafka_producev(
		handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, strlen(key)),
		RD_KAFKA_V_VALUE(null ? NULL : (void *)value, null ? 0 : strlen(value)),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);

	if (!err)
		err = rd_kafka_flush(handle, WAIT_MS);
	return err ? fail("could not produce", rd_kafka_err2str(err)) : 0;
}

/* As one does who is killed: the transaction is what the brokers make of it. */
static int leave_open(rd_kafka_t *handle, int n, char **args)
{
	static char value[] = "?";
	rd_kafka_error_t *error = rd_kafka_init_transactions(handle, WAIT_MS);

	if (!error)
		error = rd_kafka_begin_transaction(handle);
	if (error)
		return fail("could not open a transaction", rd_kafka_error_string(error));
	for (int i = 0; i < n; i += 4) {
		rd_kafka_resp_err_t err = rd_kafka_producev(
			handle, RD_KAFKA_V_TOPIC(args[i]),
			RD_KAFKA_V_PARTITION((int32_t)strtol(args[i + 1], NULL, 10)),
			RD_KAFKA_V_KEY(args[i + 2], strlen(args[i + 2])),
			RD_KAFKA_V_VALUE(value, 1),
			RD_KAFKA_V_TIMESTAMP(strtoll(args[i + 3], NULL, 10)), RD_KAFKA_V_END);

		if (err)
			return fail("could not produce", rd_kafka_err2str(err));
	}
	if (rd_kafka_flush(handle, WAIT_MS))
		return fail("could not produce", "no answer");
	_exit(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "brokers", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *handle;
	char error[512];
	char *value;
	int option;
	int rc;

	while ((option = getopt_long(argc, argv, "+X:", options, NULL)) != -1) {
		value = option == 'X' ? strchr(optarg, '=') : NULL;
		if (value)
			*value++ = '\0';
		if ((option != 'b' && !value) ||
		    rd_kafka_conf_set(conf, value ? optarg : "bootstrap.servers",
				      value ? value : optarg, error, sizeof(error)))
			return fail("option", value ? error : "unknown");
	}
	(void)rd_kafka_conf_set(conf, "log_level", "3", error, sizeof(error));
	handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (!handle)
		return fail("start", error);
	argc -= optind;
	argv += optind;
	if (argc == 2 && strcmp(argv[0], "list") == 0) {
		(void)topics_of(handle, argv[1], NULL, true);
		rc = 0;
	} else if (argc == 2 && strcmp(argv[0], "delete") == 0) {
		rc = delete_topics(handle, argv[1]);
	} else if (argc == 3 && strcmp(argv[0], "create") == 0) {
		rc = create_topic(handle, argv[1], (int)strtol(argv[2], NULL, 10));
	} else if (argc == 4 && strcmp(argv[0], "produce") == 0) {
		rc = produce(handle, argv[1], argv[2], argv[3]);
	} else if (argc > 4 && argc % 4 == 1 && strcmp(argv[0], "open") == 0) {
		rc = leave_open(handle, argc - 1, argv + 1);
	} else {
		rc = fail("usage", "--brokers LIST list|delete PREFIX, create TOPIC N, produce "
				   "TOPIC KEY VALUE, open TOPIC PARTITION KEY MS ...");
	}
	rd_kafka_destroy(handle);
	return rc;
}
