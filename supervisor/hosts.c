/*
 * supervisor/hosts.c
 *    Keeps /hosts/HOST: an ephemeral node that says that this supervisor lives.
 *
 * A supervisor of one set (--set) has none. Ownership of sets does not hang on it: that is the locks' affair.
 */
#include "supervisor/hosts.h"

#include <string.h>

#include "common/clock.h"
#include "common/zkdoc.h"
#include "common/zpath.h"
#include "supervisor/desired.h"
#include "supervisor/loop.h"

static void host_text(const struct supervisor *sup, bool draining, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"v\":1,\"host\":");
	zkdoc_put_json_string(out, sup->host);
	pgs_buf_lit(out, ",\"boot\":");
	zkdoc_put_json_string(out, sup->boot_id);
	pgs_buf_printf(out, ",\"pid\":%d,\"state\":\"%s\",\"software\":\"%s\"}", (int)getpid(),
		       draining ? "draining" : "active", PGSHOVEL_VERSION);
}

static void on_written(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		       void *ctx);

/* The node is of a session that was taken over: it speaks of the supervisor before us. */
static void tell(struct supervisor *sup, const char *data, size_t len)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);
	struct pgs_err err;

	host_text(sup, sup->stopping, &text);
	if (pgs_buf_failed(&text) ||
	    (text.len == len && memcmp(pgs_buf_str(&text), data, len) == 0) ||
	    zk_set(sup->zk, zpath_host(sup->config.cluster, sup->host).text, pgs_buf_str(&text),
		   text.len, -1, on_written, sup, &err) < 0)
		return; /* it tells of a host all the same */
	sup->host_asked = true;
	sup->n_requests++;
}

static void on_look(struct zk *zk, const struct pgs_err *err, const char *data, size_t len,
		    const struct zk_stat *stat, void *ctx)
{
	struct supervisor *sup = ctx;

	sup->n_requests--;
	sup->host_asked = false;
	loop_wake(sup);
	if (err) {
		sup->host_dirty = true;
		if (strcmp(err->code, "ZNONODE") != 0)
			desired_request_failed(sup, err);
		return;
	}
	sup->host_known = stat->ephemeral_owner == zk_session_id(zk);
	if (sup->host_known)
		tell(sup, data, len);
	else
		pgs_log(PGS_LOG_WARNING, NULL,
			"host name \"%s\" is in use: %.*s; waiting for it to go (it may be this "
			"host's former supervisor)",
			sup->host, (int)(len < 200 ? len : 200), data);
}

static void look(struct supervisor *sup)
{
	struct pgs_err err;

	if (zk_get(sup->zk, zpath_host(sup->config.cluster, sup->host).text, true, on_look, sup,
		   &err) < 0) {
		sup->host_dirty = true;
		desired_request_failed(sup, &err);
		return;
	}
	sup->host_asked = true;
	sup->n_requests++;
}

static void on_written(struct zk *zk, const struct pgs_err *err, const struct zk_stat *stat,
		       void *ctx)
{
	struct supervisor *sup = ctx;

	(void)zk;
	(void)stat;
	sup->n_requests--;
	sup->host_asked = false;
	loop_wake(sup);
	if (!err) {
		sup->host_known = true;
		return;
	}
	if (strcmp(err->code, "ZNODEEXISTS") == 0) {
		look(sup);
		return;
	}
	sup->host_dirty = true;
	sup->host_known = false;
	desired_request_failed(sup, err);
}

void hosts_forget(struct supervisor *sup)
{
	sup->host_known = false;
	sup->host_dirty = !sup->config.set;
}

bool hosts_on_watch(struct supervisor *sup, const char *path)
{
	if (strcmp(path, zpath_host(sup->config.cluster, sup->host).text) != 0)
		return false;
	if (!sup->host_known)
		sup->host_dirty = true;
	loop_wake(sup);
	return true;
}

void hosts_pump(struct supervisor *sup)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(1024);
	struct zpath path = zpath_host(sup->config.cluster, sup->host);
	struct pgs_err err = { 0 };
	bool drain = sup->host_known && sup->stopping && !sup->host_draining;

	if (sup->host_asked || !(sup->host_dirty || drain) || !sup->cluster_known ||
	    zk_state(sup->zk) != ZK_CONNECTED || pgs_now_us() < sup->retry_at_us)
		return;
	host_text(sup, sup->stopping, &text);
	sup->host_dirty = false;
	sup->host_draining = sup->stopping;
	int rc = drain ? zk_set(sup->zk, path.text, pgs_buf_str(&text), text.len, -1, on_written,
				sup, &err)
		       : zk_create(sup->zk, path.text, pgs_buf_str(&text), text.len, true,
				   on_written, sup, &err);
	if (rc < 0) {
		sup->host_dirty = true;
		desired_request_failed(sup, &err);
		return;
	}
	sup->host_asked = true;
	sup->n_requests++;
}
