/*
 * worker/worker.c
 *    The supervised process: threads of sources, beats, stop. See worker/worker.h.
 *
 * The first thread only talks: it never touches PostgreSQL or Kafka, so it answers whatever they do.
 */
#include "worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "common/usage.h"
#include "worker/confine.h"
#include "worker/control.h"
#include "worker/relay.h"
#include "worker/sink_file.h"
#include "worker/sink_kafka.h"
#include "worker/status.h"
#include "worker/wait.h"

enum {
	BEAT_US = 1000 * 1000,
	STALE_EVERY_BEATS = 5,
	ORPHAN_GRACE_US = 4 * 1000 * 1000, /* without a supervisor: another one starts soon */
};

struct thread {
	pthread_t id;
	struct relay *relay;
	struct status status;
	struct worker *worker;
	char *commit_path;
	char prefix[128];
	bool done;
};

struct worker {
	struct assignment *assignment;
	struct setdoc *doc;
	struct confine *confine;
	struct token_box tokens;
	int stop_fd;
	int wake_fd;
	int signal_fd;
	int ctl_fd; /* -1: the supervisor is gone */
	struct thread *threads;
	size_t n_threads;
	unsigned beats;
	bool ready_said;
	bool stopping;
	uint64_t kill_at_us; /* 0: no limit of our own */
	int exit_code;
};

int worker_assignment(struct assignment **ret, struct setdoc **ret_doc, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(ASSIGNMENT_MAX_BYTES);
	char chunk[4096];
	ssize_t n;
	while ((n = read(CTL_ASSIGNMENT_FD, chunk, sizeof(chunk))) > 0)
		pgs_buf_put(&text, chunk, (size_t)n);
	(void)close(CTL_ASSIGNMENT_FD);
	int rc = 0;
	if (n < 0 || pgs_buf_failed(&text))
		rc = pgs_err_set(reterr, PGS_ERR_BUG, "",
				 "could not read the assignment from descriptor %d; this program "
				 "is started by "
				 "pgshoveld",
				 CTL_ASSIGNMENT_FD);
	else
		rc = assignment_read(pgs_buf_str(&text), text.len, ret, reterr);
	/* Credentials were in it. */
	explicit_bzero(chunk, sizeof(chunk));
	if (text.data)
		explicit_bzero(text.data, text.cap);
	if (rc)
		return -1;
	return setdoc_parse((*ret)->document, (*ret)->document_len, "assignment", ret_doc, reterr);
}

/* Before any thread: librdkafka's threads inherit the mask, and only the descriptor hears signals. */
static int open_signals(int *ret_fd, struct pgs_err *reterr)
{
	sigset_t set;
	(void)sigfillset(&set);
	(void)sigdelset(&set, SIGSEGV);
	(void)sigdelset(&set, SIGBUS);
	(void)sigdelset(&set, SIGFPE);
	(void)sigdelset(&set, SIGILL);
	(void)sigdelset(&set, SIGABRT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "could not block signals");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return pgs_err_set(reterr, PGS_ERR_BUG, "SIGNALFD",
				   "could not make a signalfd: %m");
	*ret_fd = fd;
	return 0;
}

static int make_sink(struct worker *w, struct thread *t, const struct setdoc_database *db,
		     struct sink **ret, struct pgs_err *reterr)
{
	const struct assignment *a = w->assignment;
	if (a->output == ASSIGNMENT_KAFKA) {
		const struct sink_kafka_config config = { .assignment = a,
							  .doc = w->doc,
							  .log_prefix = t->prefix,
							  .confine = w->confine,
							  .stop_fd = w->stop_fd };
		return sink_kafka_new(&config, ret, reterr);
	}
	/* Several sources: a position file each. */
	if (a->commit_path && *a->commit_path) {
		struct pgs_buf path = PGS_BUF_INIT(4096);
		pgs_buf_puts(&path, a->commit_path);
		if (w->doc->n_databases > 1)
			pgs_buf_printf(&path, ".%s", db->name);
		t->commit_path = pgs_buf_steal(&path);
		if (!t->commit_path)
			return pgs_err_nomem(reterr);
	}
	const struct sink_file_config config = { .path = a->output == ASSIGNMENT_FILE
								 ? a->output_path
								 : NULL,
						 .commit_path = t->commit_path };
	return sink_file_new(&config, ret, reterr);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	relay_run(t->relay);
	(void)pthread_mutex_lock(&t->status.lock);
	t->done = true;
	(void)pthread_mutex_unlock(&t->status.lock);
	wait_event_set(t->worker->wake_fd);
	return NULL;
}

static int start_thread(struct worker *w, struct thread *t, const struct setdoc_database *db,
			struct pgs_err *reterr)
{
	struct sink *sink = NULL;
	t->worker = w;
	status_init(&t->status, w->wake_fd);
	(void)snprintf(t->prefix, sizeof(t->prefix), "set=%s database=%.64s", w->assignment->set,
		       db->name);
	const struct source_config config = { .assignment = w->assignment,
					      .doc = w->doc,
					      .db = db,
					      .tokens = &w->tokens,
					      .stop_fd = w->stop_fd,
					      .owned = w->assignment->output == ASSIGNMENT_KAFKA };
	if (make_sink(w, t, db, &sink, reterr))
		return -1;
	if (relay_new(&config, &t->status, sink, &t->relay, reterr)) {
		sink->ops->free(sink);
		return -1;
	}
	const int rc = pthread_create(&t->id, NULL, thread_main, t);
	if (rc)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "could not start a thread: %s",
				   strerror(rc));
	w->n_threads++;
	return 0;
}

/* ---- The loop of the first thread. ---- */

static void ask_stop(struct worker *w)
{
	w->stopping = true;
	wait_event_set(w->stop_fd);
}

/* What the process as a whole has used. */
static void put_usage(struct ctl_msg *m)
{
	const struct pgs_usage usage = pgs_usage();
	m->u.beat.cpu_us = usage.cpu_us;
	m->u.beat.memory_peak = usage.memory_peak;
}

static void dump(struct worker *w)
{
	for (size_t i = 0; i < w->n_threads; i++) {
		struct ctl_msg m;
		status_beat(&w->threads[i].status, &m);
		put_usage(&m);
		pgs_log(PGS_LOG_NOTICE, w->threads[i].prefix,
			"diagnosis: %s, phase %s for %" PRIu64 " ms, %" PRIu64 " events in %" PRIu64
			" transactions, %" PRIu64 " waiting, position %s, tick %" PRIu64
			", last window waited %" PRIu64 " ms, read in %" PRIu64
			" ms, acknowledged in %" PRIu64 " ms, CPU %.1f s, at most %" PRIu64
			" MB of memory: %s",
			ctl_state_name(m.u.beat.state), ctl_phase_name(m.u.beat.phase),
			m.u.beat.phase_age_us / 1000, m.u.beat.events, m.u.beat.transactions,
			m.u.beat.queue_events,
			m.u.beat.snapshot[0] ? m.u.beat.snapshot : "not known", m.u.beat.tick,
			m.u.beat.lag_us[CTL_LAG_ASKED] / 1000, m.u.beat.lag_us[CTL_LAG_READ] / 1000,
			m.u.beat.lag_us[CTL_LAG_ACKNOWLEDGED] / 1000, (double)m.u.beat.cpu_us / 1e6,
			m.u.beat.memory_peak >> 20, m.u.beat.text[0] ? m.u.beat.text : "no error");
	}
}

static void take_token(struct worker *w, struct ctl_msg *m)
{
	struct token token;
	m->u.token.token[sizeof(m->u.token.token) - 1] = '\0';
	if (token_parse(m->u.token.token, &token))
		token_box_put(&w->tokens, &token, m->u.token.token);
	else
		pgs_log(PGS_LOG_WARNING, NULL,
			"the supervisor sent a token that is none; ignoring it");
}

static void hear(struct worker *w)
{
	struct ctl_msg m;
	for (;;) {
		switch (control_receive(w->ctl_fd, &m)) {
		case CONTROL_NOTHING:
			return;
		case CONTROL_GONE:
			pgs_log(PGS_LOG_NOTICE, NULL, "the supervisor is gone; stopping");
			w->ctl_fd = -1;
			w->kill_at_us = pgs_now_us() + ORPHAN_GRACE_US;
			ask_stop(w);
			return;
		case CONTROL_MESSAGE:
			if (m.type == CTL_STOP)
				ask_stop(w);
			else if (m.type == CTL_TOKEN)
				take_token(w, &m);
			else
				dump(w);
			break;
		}
	}
}

static void beat(struct worker *w, bool all)
{
	for (size_t i = 0; i < w->n_threads; i++) {
		struct ctl_msg m;
		struct thread *t = &w->threads[i];
		(void)pthread_mutex_lock(&t->status.lock);
		const bool changed = t->status.changed;
		(void)pthread_mutex_unlock(&t->status.lock);
		if (!changed && !all)
			continue;
		status_beat(&t->status, &m);
		m.u.beat.source = (uint16_t)i;
		m.u.beat.n_sources = (uint16_t)w->n_threads;
		put_usage(&m);
		(void)snprintf(m.u.beat.database, sizeof(m.u.beat.database), "%s",
			       w->doc->databases[i].name);
		control_send(w->ctl_fd, &m);
	}
}

/* What was permitted by name is another file now, such as a new resolv.conf: only a new process can be permitted to read it. */
static void look_for_stale(struct worker *w)
{
	const char *path;
	char text[CTL_TEXT_MAX];
	if (w->stopping || w->beats++ % STALE_EVERY_BEATS || !confine_stale(w->confine, &path))
		return;
	(void)snprintf(text, sizeof(text),
		       "\"%.300s\" was replaced; starting again to be permitted to read it", path);
	w->exit_code = PGS_EXIT_RETRY;
	control_dying(w->ctl_fd, w->exit_code, text);
	ask_stop(w);
}

/* What the sources have come to; false: every thread has ended. */
static bool judge(struct worker *w)
{
	size_t n_done = 0;
	size_t n_judged = 0;
	size_t n_parked = 0;
	enum pgs_err_class worst = PGS_ERR_CONFIG;
	char text[CTL_TEXT_MAX] = "";
	for (size_t i = 0; i < w->n_threads; i++) {
		struct status *st = &w->threads[i].status;
		(void)pthread_mutex_lock(&st->lock);
		n_done += w->threads[i].done;
		n_judged += st->judged;
		if (st->state == CTL_STATE_PARKED) {
			n_parked++;
			if (!*text || st->cls > worst)
				memcpy(text, st->text, sizeof(text));
			worst = st->cls > worst ? st->cls : worst;
		}
		(void)pthread_mutex_unlock(&st->lock);
	}
	if (n_judged == w->n_threads && !w->ready_said) {
		w->ready_said = true;
		control_ready(w->ctl_fd);
	}
	/* A broken invariant of ours ends the process; anything else only when nothing is left to do. */
	if (!w->stopping && (n_parked == w->n_threads || worst == PGS_ERR_BUG)) {
		w->exit_code = (int)pgs_err_exit(worst);
		control_dying(w->ctl_fd, w->exit_code, text);
		ask_stop(w);
	}
	return n_done < w->n_threads;
}

static void loop(struct worker *w)
{
	uint64_t next_beat = pgs_now_us();
	for (;;) {
		const uint64_t now = pgs_now_us();
		const int fds[] = { w->ctl_fd, w->wake_fd, w->signal_fd };
		const unsigned ready =
			wait_any(fds, PGS_ARRAY_LEN(fds), next_beat > now ? next_beat - now : 0);
		if (ready & 1U)
			hear(w);
		if (ready & 2U)
			wait_event_clear(w->wake_fd);
		if (ready & 4U) {
			struct signalfd_siginfo info;
			if (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
				ask_stop(w);
		}
		const bool due = pgs_now_us() >= next_beat;
		beat(w, due);
		if (due) {
			next_beat = pgs_now_us() + BEAT_US;
			look_for_stale(w);
		}
		if (!judge(w))
			return;
		if (w->kill_at_us && pgs_now_us() >= w->kill_at_us) {
			pgs_log(PGS_LOG_WARNING, NULL, "dropping an open transaction");
			_exit(PGS_EXIT_RETRY);
		}
	}
}

static int start(struct worker *w, struct pgs_err *reterr)
{
	struct token token;
	char prefix[64];
	if (confine_process(w->ctl_fd, reterr) ||
	    worker_assignment(&w->assignment, &w->doc, reterr) ||
	    open_signals(&w->signal_fd, reterr) || wait_event_new(&w->stop_fd, reterr) ||
	    wait_event_new(&w->wake_fd, reterr))
		return -1;
	if (!token_parse(w->assignment->token, &token))
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "the assignment's token \"%s\" is none",
				   w->assignment->token);
	token_box_init(&w->tokens, &token, w->assignment->token);
	if (w->doc->n_databases == 0 || w->doc->n_databases > WORKER_MAX_SOURCES)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "a set has 1 to %d databases, this one %zu", WORKER_MAX_SOURCES,
				   w->doc->n_databases);
	(void)snprintf(prefix, sizeof(prefix), "set=%s", w->assignment->set);
	if (confine_new(w->assignment, w->doc, &w->confine, reterr) ||
	    confine_apply(w->confine, w->assignment->memory, prefix, reterr))
		return -1;
	w->threads = calloc(w->doc->n_databases, sizeof(*w->threads));
	if (!w->threads)
		return pgs_err_nomem(reterr);
	for (size_t i = 0; i < w->doc->n_databases; i++)
		if (start_thread(w, &w->threads[i], &w->doc->databases[i], reterr))
			return -1;
	return 0;
}

int worker_run(void)
{
	struct worker w = { .stop_fd = -1, .wake_fd = -1, .signal_fd = -1, .ctl_fd = CTL_FD };
	struct pgs_err err;
	control_hello(w.ctl_fd);
	if (start(&w, &err)) {
		pgs_log(PGS_LOG_ERR, NULL, "%s", err.msg);
		w.exit_code = (int)pgs_err_exit(err.cls);
		control_dying(w.ctl_fd, w.exit_code, err.msg);
		if (w.n_threads)
			ask_stop(&w);
	} else {
		loop(&w);
	}
	for (size_t i = 0; i < w.n_threads; i++)
		(void)pthread_join(w.threads[i].id,
				   NULL); /* fails only for a thread that is none */
	beat(&w, true);
	for (size_t i = 0; w.threads && i < w.doc->n_databases; i++) {
		relay_free(w.threads[i].relay);
		free(w.threads[i].commit_path);
	}
	free(w.threads);
	pgs_closep(&w.stop_fd);
	pgs_closep(&w.wake_fd);
	pgs_closep(&w.signal_fd);
	confine_free(w.confine);
	setdoc_free(w.doc);
	assignment_free(w.assignment);
	return w.exit_code;
}
