/*
 * worker/kafka_topics.c
 *    Topics: handles by name, creation, and the checks of design part 4 and 8.
 *
 * Existing topics are asked for all at once: a question about one missing topic would make some brokers
 * create it with their own defaults. Nothing of an existing topic is ever changed.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/kafka_internal.h"
#include "worker/wait.h"

enum {
	METADATA_TIMEOUT_MS = 5000,
	ADMIN_TIMEOUT_MS = 15000,
	SETTLE_US =
		15 * 1000 * 1000, /* until every broker knows a topic that was made a moment ago */
	SETTLE_STEP_US = 20 * 1000,
	FIRST_TOPICS = 64,
};

static size_t hash_name(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return (size_t)(h ^ (h >> 32));
}

static struct kafka_topic *slot_of(struct kafka_topic *topics, size_t cap, const char *name)
{
	size_t i = hash_name(name) & (cap - 1);
	while (topics[i].name && strcmp(topics[i].name, name) != 0)
		i = (i + 1) & (cap - 1);
	return &topics[i];
}

static int grow(struct kafka_sink *k, struct pgs_err *reterr)
{
	const size_t cap = k->topics_cap ? k->topics_cap * 2 : FIRST_TOPICS;
	struct kafka_topic *topics = calloc(cap, sizeof(*topics));
	if (!topics)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < k->topics_cap; i++)
		if (k->topics[i].name)
			*slot_of(topics, cap, k->topics[i].name) = k->topics[i];
	free(k->topics);
	k->topics = topics;
	k->topics_cap = cap;
	return 0;
}

static int open_topic(struct kafka_sink *k, struct kafka_topic *slot, const char *name,
		      struct pgs_err *reterr)
{
	const int n = k->config.assignment->partitions;
	PGS_CLEANUP(pgs_freep)
	struct kafka_last *last = calloc(1, sizeof(*last) + (size_t)n * sizeof(last->offset[0]));
	if (!last)
		return pgs_err_nomem(reterr);
	last->n = n;
	for (int i = 0; i < n; i++)
		last->offset[i] = -1;
	rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(k->rk);
	rd_kafka_topic_conf_set_opaque(conf, last);
	slot->rkt = rd_kafka_topic_new(k->rk, name, conf);
	if (!slot->rkt) {
		rd_kafka_topic_conf_destroy(conf);
		return kafka_fail(k, rd_kafka_last_error(), "cannot use the topic", NULL, reterr);
	}
	slot->last = PGS_STEAL(last);
	return 0;
}

int kafka_topic(struct kafka_sink *k, const char *name, rd_kafka_topic_t **ret,
		struct pgs_err *reterr)
{
	if (k->n_topics * 2 >= k->topics_cap && grow(k, reterr))
		return -1;
	struct kafka_topic *slot = slot_of(k->topics, k->topics_cap, name);
	if (!slot->name) {
		if (k->n_topics >= KAFKA_MAX_TOPICS)
			return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					   "a set writes more than %d topics", KAFKA_MAX_TOPICS);
		PGS_CLEANUP(pgs_freep) char *copy = strdup(name);
		if (!copy)
			return pgs_err_nomem(reterr);
		if (open_topic(k, slot, name, reterr))
			return -1;
		slot->name = PGS_STEAL(copy);
		k->n_topics++;
	}
	*ret = slot->rkt;
	return 0;
}

void kafka_topics_done(struct kafka_sink *k)
{
	for (size_t i = 0; i < k->topics_cap; i++) {
		if (!k->topics[i].name)
			continue;
		rd_kafka_topic_destroy(k->topics[i].rkt);
		free(k->topics[i].last);
		free(k->topics[i].name);
	}
	free(k->topics);
	k->topics = NULL;
	k->n_topics = k->topics_cap = 0;
	k->last_name = NULL;
	k->last_rkt = NULL;
}

static int metadata(struct kafka_sink *k, const struct rd_kafka_metadata **ret,
		    struct pgs_err *reterr)
{
	const rd_kafka_resp_err_t code =
		rd_kafka_metadata(k->rk, 1, NULL, ret, METADATA_TIMEOUT_MS);
	(void)rd_kafka_poll(k->rk, 0);
	return code ? kafka_fail(k, code, "could not list the topics", NULL, reterr) : 0;
}

static const rd_kafka_metadata_topic_t *find_topic(const struct rd_kafka_metadata *md,
						   const char *name)
{
	for (int i = 0; i < md->topic_cnt; i++)
		if (strcmp(md->topics[i].topic, name) == 0 &&
		    md->topics[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			return &md->topics[i];
	return NULL;
}

/* ---- Creation. ---- */

static const char *const positions_config[][2] = {
	{ "cleanup.policy", "compact" },
	{ "segment.bytes", "16777216" },
	{ "segment.ms", "3600000" },
	{ "min.cleanable.dirty.ratio", "0.1" },
	{ "max.compaction.lag.ms", "3600000" },
};

static rd_kafka_event_t *wait_answer(rd_kafka_queue_t *queue)
{
	return rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
}

static int created(struct kafka_sink *k, rd_kafka_event_t *event, const char *name,
		   struct pgs_err *reterr)
{
	size_t n = 0;
	if (!event)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "_TIMED_OUT",
				   "could not create topic \"%s\": kafka does not answer", name);
	if (rd_kafka_event_error(event))
		return kafka_fail(k, rd_kafka_event_error(event), "could not create a topic",
				  rd_kafka_event_error_string(event), reterr);
	const rd_kafka_topic_result_t **results =
		rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	const rd_kafka_resp_err_t code =
		n ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
	if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return 0;
	char what[320];
	(void)snprintf(what, sizeof(what), "could not create topic \"%.255s\"", name);
	return kafka_fail(k, code, what, n ? rd_kafka_topic_result_error_string(results[0]) : NULL,
			  reterr);
}

static int create_topic(struct kafka_sink *k, const char *name, int partitions, bool positions,
			struct pgs_err *reterr)
{
	char why[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
		name, partitions, k->config.doc->topics.replication, why, sizeof(why));
	if (!topic)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "cannot create topic \"%s\": %s",
				   name, why);
	for (size_t i = 0; positions && i < PGS_ARRAY_LEN(positions_config); i++)
		(void)rd_kafka_NewTopic_set_config(topic, positions_config[i][0],
						   positions_config[i][1]);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(k->rk);
	rd_kafka_AdminOptions_t *options =
		rd_kafka_AdminOptions_new(k->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	/* Fails only for values out of range. */
	(void)rd_kafka_AdminOptions_set_request_timeout(options, 10000, why, sizeof(why));
	(void)rd_kafka_AdminOptions_set_operation_timeout(options, 5000, why, sizeof(why));
	rd_kafka_CreateTopics(k->rk, &topic, 1, options, queue);
	rd_kafka_event_t *event = wait_answer(queue);
	const int rc = created(k, event, name, reterr);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
	if (!rc)
		pgs_log(PGS_LOG_NOTICE, k->config.log_prefix,
			"created topic \"%s\" with %d partitions", name, partitions);
	return rc;
}

/* ---- Checks. ---- */

static int check_topic(const rd_kafka_metadata_topic_t *topic, const char *name, int partitions,
		       struct pgs_err *reterr)
{
	if (topic->err && topic->err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
		return pgs_err_set(reterr,
				   kafka_code_is_permanent(topic->err) ? PGS_ERR_CONFIG
								       : PGS_ERR_RETRY,
				   rd_kafka_err2name(topic->err), "could not use topic \"%s\": %s",
				   name, rd_kafka_err2str(topic->err));
	/* More are harmless: the partition is computed from the recorded count. */
	if (topic->partition_cnt < partitions)
		return pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"topic \"%s\" has %d partitions, the set was created with %d: add the "
			"missing ones or choose another topics.prefix",
			name, topic->partition_cnt, partitions);
	return 0;
}

/* Check what is there, create what is missing. */
static int make_missing(struct kafka_sink *k, const struct rd_kafka_metadata *md,
			const char *const *names, size_t n, bool may_create, struct pgs_err *reterr)
{
	const int partitions = k->config.assignment->partitions;
	for (size_t i = 0; i < n; i++) {
		const rd_kafka_metadata_topic_t *topic = find_topic(md, names[i]);
		if (topic && check_topic(topic, names[i], partitions, reterr))
			return -1;
		if (topic)
			continue;
		if (!may_create)
			return pgs_err_set(
				reterr, PGS_ERR_CONFIG, "",
				"topic \"%s\" does not exist although this set has written it: it "
				"was deleted or renamed; create it again (%d partitions) to go on "
				"without what it held",
				names[i], partitions);
		if (create_topic(k, names[i], partitions, false, reterr))
			return -1;
	}
	return 0;
}

/* Its partitions as the brokers tell them now; 0: not known there yet. */
static int look_at(struct kafka_sink *k, rd_kafka_topic_t *rkt, int *ret_partitions,
		   struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	const rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, 0, rkt, &md, METADATA_TIMEOUT_MS);
	if (code)
		return kafka_fail(k, code, "could not look at a topic", NULL, reterr);
	*ret_partitions = md->topic_cnt ? md->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(md);
	return 0;
}

/*
 * A topic that the handle does not know yet would wait for the library's one-second scan. One made a moment
 * ago is not known to every broker at once.
 */
static int warm_up(struct kafka_sink *k, const char *const *names, size_t n, struct pgs_err *reterr)
{
	const uint64_t give_up = pgs_now_us() + SETTLE_US;
	for (size_t i = 0; i < n; i++) {
		rd_kafka_topic_t *rkt = NULL;
		int partitions = 0;
		if (kafka_topic(k, names[i], &rkt, reterr) || look_at(k, rkt, &partitions, reterr))
			return -1;
		while (!partitions) {
			if (pgs_now_us() >= give_up)
				return pgs_err_set(
					reterr, PGS_ERR_RETRY, "_UNKNOWN_TOPIC",
					"could not use topic \"%s\": no broker knows it yet",
					names[i]);
			if (wait_for(k->config.stop_fd, -1, false, SETTLE_STEP_US) == WAIT_STOP)
				return pgs_err_set(reterr, PGS_ERR_RETRY, "interrupt",
						   "asked to stop");
			if (look_at(k, rkt, &partitions, reterr))
				return -1;
		}
	}
	return 0;
}

int kafka_topics_ensure(struct kafka_sink *k, const char *const *names, size_t n, bool may_create,
			struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	size_t known = 0;
	while (known < n && k->topics_cap && slot_of(k->topics, k->topics_cap, names[known])->name)
		known++;
	if (known == n)
		return 0;
	if (metadata(k, &md, reterr))
		return -1;
	const int rc = make_missing(k, md, names, n, may_create, reterr);
	rd_kafka_metadata_destroy(md);
	return rc ? -1 : warm_up(k, names, n, reterr);
}

int kafka_topics_check(struct kafka_sink *k, const char *const *names, size_t n,
		       struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	int rc = 0;
	if (metadata(k, &md, reterr))
		return -1;
	for (size_t i = 0; i < n && !rc; i++) {
		const rd_kafka_metadata_topic_t *topic = find_topic(md, names[i]);
		rc = topic ? check_topic(topic, names[i], k->config.assignment->partitions, reterr)
			   : 0;
	}
	rd_kafka_metadata_destroy(md);
	return rc;
}

int kafka_topics_partitions(struct kafka_sink *k, const char *const *names, size_t n,
			    rd_kafka_topic_partition_list_t **ret, struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	if (metadata(k, &md, reterr))
		return -1;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n + 1);
	for (size_t i = 0; i <= n; i++) {
		const char *name = i < n ? names[i] : k->positions;
		const rd_kafka_metadata_topic_t *topic = find_topic(md, name);
		if (topic && !topic->err)
			rd_kafka_topic_partition_list_add_range(list, name, 0,
								topic->partition_cnt - 1);
	}
	rd_kafka_metadata_destroy(md);
	*ret = list;
	return 0;
}

static int check_policy(struct kafka_sink *k, rd_kafka_event_t *event, struct pgs_err *reterr)
{
	size_t n = 0;
	if (!event)
		return pgs_err_set(
			reterr, PGS_ERR_RETRY, "_TIMED_OUT",
			"could not read the settings of topic \"%s\": kafka does not answer",
			k->positions);
	if (rd_kafka_event_error(event))
		return kafka_fail(k, rd_kafka_event_error(event),
				  "could not read the settings of a topic",
				  rd_kafka_event_error_string(event), reterr);
	const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
		rd_kafka_event_DescribeConfigs_result(event), &n);
	if (!n || rd_kafka_ConfigResource_error(resources[0]))
		return kafka_fail(
			k,
			n ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_UNKNOWN,
			"could not read the settings of the positions topic",
			n ? rd_kafka_ConfigResource_error_string(resources[0]) : NULL, reterr);
	size_t n_entries = 0;
	const rd_kafka_ConfigEntry_t **entries =
		rd_kafka_ConfigResource_configs(resources[0], &n_entries);
	for (size_t i = 0; i < n_entries; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") != 0 ||
		    !value || strcmp(value, "compact") == 0)
			continue;
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "topic \"%s\" has cleanup.policy \"%s\": positions would be "
				   "deleted; set it "
				   "to \"compact\"",
				   k->positions, value);
	}
	return 0;
}

static int positions_policy(struct kafka_sink *k, struct pgs_err *reterr)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, k->positions);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(k->rk);
	rd_kafka_DescribeConfigs(k->rk, &resource, 1, NULL, queue);
	rd_kafka_event_t *event = wait_answer(queue);
	const int rc = check_policy(k, event, reterr);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy(resource);
	return rc;
}

int kafka_positions_ensure(struct kafka_sink *k, bool may_create, struct pgs_err *reterr)
{
	const struct rd_kafka_metadata *md = NULL;
	const char *names[] = { k->positions };
	if (metadata(k, &md, reterr))
		return -1;
	const rd_kafka_metadata_topic_t *topic = find_topic(md, k->positions);
	int rc = 0;
	if (topic && topic->partition_cnt != 1 && !topic->err)
		rc = pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				 "topic \"%s\" has %d partitions instead of one: it is not a "
				 "positions topic",
				 k->positions, topic->partition_cnt);
	const bool exists = topic != NULL;
	rd_kafka_metadata_destroy(md);
	if (rc || (!exists && !may_create))
		return rc;
	if (!exists && create_topic(k, k->positions, 1, true, reterr))
		return -1;
	if (exists && positions_policy(k, reterr))
		return -1;
	return warm_up(k, names, 1, reterr);
}
