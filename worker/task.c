/*
 * worker/task.c
 *    --task check | topics | forget | position…: the work in Kafka that the admin program has done for it.
 *
 * The assignment comes on fd 4 as a supervisor would give it. One line on stderr, an exit code, no loop.
 */
#include <stdio.h>
#include <string.h>

#include "common/exitcode.h"
#include "common/log.h"
#include "worker/kafka_internal.h"
#include "worker/sink_kafka.h"
#include "worker/task.h"
#include "worker/worker.h"

struct task {
	struct assignment *assignment;
	struct setdoc *doc;
	struct sink *sink;
};

/* A handle that owns nothing: metadata and the admin calls. */
static int reach(struct task *t, struct pgs_err *reterr)
{
	struct kafka_sink *k = (struct kafka_sink *)t->sink;
	if (sink_kafka_check_properties(t->sink, reterr) || t->sink->ops->probe(t->sink, reterr))
		return -1;
	k->transactional = false;
	return t->sink->ops->acquire(t->sink, reterr);
}

static int names_of_set(struct task *t, struct setdoc_topic **ret, size_t *ret_n,
			struct pgs_err *reterr)
{
	return setdoc_topics(t->doc, t->assignment->set, ret, ret_n, reterr);
}

static bool is_written(const struct setdoc *doc, const struct setdoc_topic *topic)
{
	switch (topic->kind) {
	case SETDOC_TOPIC_TABLE:
	case SETDOC_TOPIC_SINGLE:
	case SETDOC_TOPIC_TRUNCATE:
		return true;
	case SETDOC_TOPIC_TRANSACTION:
		return doc->format.transactions;
	case SETDOC_TOPIC_QUARANTINE:
		return doc->relay.on_poison == SETDOC_POISON_QUARANTINE;
	}
	return false;
}

/* What exists has the right shape; what is missing is made, or (check) left for later. */
static int look_at_topics(struct task *t, bool make, struct pgs_err *reterr)
{
	struct kafka_sink *k = (struct kafka_sink *)t->sink;
	struct setdoc_topic *topics = NULL;
	size_t n = 0;
	size_t n_names = 0;
	if (names_of_set(t, &topics, &n, reterr))
		return -1;
	const char **names = calloc(n + 1, sizeof(*names));
	for (size_t i = 0; names && i < n; i++)
		if (is_written(t->doc, &topics[i]))
			names[n_names++] = topics[i].name;
	int rc = names ? 0 : pgs_err_nomem(reterr);
	if (!rc)
		rc = make ? kafka_topics_ensure(k, names, n_names, true, reterr)
			  : kafka_topics_check(k, names, n_names, reterr);
	if (!rc)
		rc = kafka_positions_ensure(k, make, reterr);
	free(names);
	setdoc_topics_free(topics, n);
	return rc;
}

static bool position_act(const char *name, enum task_position_act *ret)
{
	static const struct {
		const char *name;
		enum task_position_act act;
	} acts[] = { { "position", TASK_POSITION_SHOW },
		     { "position-accept", TASK_POSITION_ACCEPT },
		     { "position-reset", TASK_POSITION_RESET },
		     { "position-skip", TASK_POSITION_SKIP } };
	for (size_t i = 0; i < PGS_ARRAY_LEN(acts); i++)
		if (strcmp(name, acts[i].name) == 0) {
			*ret = acts[i].act;
			return true;
		}
	return false;
}

static int run(struct task *t, const char *name, const char *argument, struct pgs_err *reterr)
{
	enum task_position_act act;
	size_t n = 0;
	if (worker_assignment(&t->assignment, &t->doc, reterr))
		return -1;
	const struct sink_kafka_config config = {
		.assignment = t->assignment, .doc = t->doc, .log_prefix = NULL, .stop_fd = -1
	};
	if (sink_kafka_new(&config, &t->sink, reterr))
		return -1;
	if (strcmp(name, "forget") == 0)
		return sink_kafka_check_properties(t->sink, reterr) ||
				       t->sink->ops->probe(t->sink, reterr) ||
				       sink_kafka_forget(t->sink, &n, reterr)
			       ? -1
			       : 0;
	if (position_act(name, &act))
		return sink_kafka_check_properties(t->sink, reterr) ||
				       t->sink->ops->probe(t->sink, reterr)
			       ? -1
			       : task_position(t->sink, t->assignment, t->doc, act, argument,
					       reterr);
	const bool make = strcmp(name, "topics") == 0;
	if (!make && strcmp(name, "check") != 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "usage",
				   "\"%s\" is not a task: check, topics, forget, position, "
				   "position-accept, position-reset or position-skip",
				   name);
	return reach(t, reterr) ? -1 : look_at_topics(t, make, reterr);
}

int task_run(const char *name, const char *argument)
{
	struct task t = { .sink = NULL };
	struct pgs_err err = { .cls = PGS_ERR_NONE };
	int code = PGS_EXIT_OK;
	if (run(&t, name, argument, &err)) {
		pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
		code = strcmp(err.code, "usage") == 0 ? PGS_EXIT_USAGE : (int)pgs_err_exit(err.cls);
	}
	if (t.sink)
		t.sink->ops->free(t.sink);
	setdoc_free(t.doc);
	assignment_free(t.assignment);
	return code;
}
