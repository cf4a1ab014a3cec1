/*
 * supervisor/http.c
 *    /metrics and /healthz. See supervisor/http.h.
 *
 * What is shown is made elsewhere (metrics.c, health.c).
 */
#include "supervisor/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "common/clock.h"
#include "common/parse.h"
#include "supervisor/health.h"
#include "supervisor/metrics.h"

enum {
	MAX_CONNECTIONS = 16,
	WAITING = 64, /* to be accepted */
	CONNECTION_BYTES = 8 * 1024,
	IDLE_SECONDS = 5,
	CONNECTION_US = 10 * 1000 * 1000, /* a client that takes longer is cut off */
	SWEEP_US = 1000 * 1000,
	RETRY_US = 10 * 1000 * 1000,
	PAGE_US = 1000 * 1000, /* the page is not made more often, nor for more than */
	PAGE_SHARE = 20, /* one part in so many of the time */
};

struct connection {
	int fd; /* -1: free */
	uint64_t since_us;
};

struct http {
	struct supervisor *sup;
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	sd_event_source *timer;
	struct connection connections[MAX_CONNECTIONS];
	bool again; /* a place is free: the library looks at its listening socket in the next call */
	struct MHD_Response *page; /* the last one made; NULL: none */
	uint64_t page_until_us;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "": not a path */
};

/* ---- The address. ---- */

static int bad_address(const char *text, struct pgs_err *reterr)
{
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
			   "\"%s\" is no address to listen on; it is PORT, ADDRESS:PORT, "
			   "[ADDRESS]:PORT with a numeric address, or /PATH of a socket",
			   text);
}

static int parse_path(const char *text, struct http_address *ret, struct pgs_err *reterr)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->sa;

	if (strlen(text) >= sizeof(un->sun_path))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "the path \"%s\" is too long for a socket: at most %zu bytes",
				   text, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, strlen(text) + 1);
	ret->len = sizeof(*un);
	return 0;
}

int http_address_parse(const char *text, struct http_address *ret, struct pgs_err *reterr)
{
	const char *colon = strrchr(text, ':');
	const char *port = colon ? colon + 1 : text;
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sa;
	char address[64] = "127.0.0.1";
	int64_t number;

	*ret = (struct http_address){ 0 };
	if (text[0] == '/')
		return parse_path(text, ret, reterr);
	if (pgs_parse_i64(port, 0, 65535, &number, NULL) < 0 ||
	    (colon && (colon == text || colon - text >= (int)sizeof(address))))
		return bad_address(text, reterr);
	if (colon)
		(void)snprintf(address, sizeof(address), "%.*s", (int)(colon - text), text);
	size_t len = strlen(address);
	if (address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		ret->len = sizeof(*in6);
		return inet_pton(AF_INET6, address + 1, &in6->sin6_addr) == 1
			       ? 0
			       : bad_address(text, reterr);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)number);
	ret->len = sizeof(*in);
	return inet_pton(AF_INET, address, &in->sin_addr) == 1 ? 0 : bad_address(text, reterr);
}

/* A socket that nobody listens on any more is in our way; one that somebody does is not ours. */
static void remove_dead_socket(const struct http_address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address->sa;
	struct stat st;

	if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	PGS_CLEANUP(pgs_closep)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)un, address->len) < 0 &&
	    errno == ECONNREFUSED)
		(void)unlink(un->sun_path); /* bind() says it when that failed */
}

static int listen_on(const struct http_address *address, struct pgs_err *reterr)
{
	int one = 1;
	PGS_CLEANUP(pgs_closep)
	int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (address->sa.ss_family == AF_UNIX)
		remove_dead_socket(address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address->sa, address->len) < 0 ||
	    listen(fd, WAITING) < 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "", "%m");
	int ret = fd;
	fd = -1;
	return ret;
}

/* ---- Answers. ---- */

static struct MHD_Response *text_response(const char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text,
								 MHD_RESPMEM_MUST_COPY);

	if (r && (MHD_add_response_header(r, "Content-Type",
					  "text/plain; version=0.0.4; charset=utf-8") != MHD_YES ||
		  MHD_add_response_header(r, "Connection", "close") != MHD_YES ||
		  MHD_add_response_header(r, "Cache-Control", "no-store") != MHD_YES)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *text,
			      size_t len)
{
	struct MHD_Response *r = text_response(text, len);

	if (!r)
		return MHD_NO; /* no memory: the connection is closed */
	enum MHD_Result result = MHD_queue_response(connection, code, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code,
				   const char *text)
{
	return answer(connection, code, text, strlen(text));
}

/* Many who ask at once get the same page: what they cost the loop does not grow with their number. */
static struct MHD_Response *page(struct http *http)
{
	uint64_t begun_us = pgs_now_us();
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(METRICS_MAX_BYTES);

	if (http->page && begun_us < http->page_until_us)
		return http->page;
	if (http->page)
		MHD_destroy_response(http->page);
	metrics_page(http->sup, begun_us, &text);
	http->page = pgs_buf_failed(&text) ? NULL : text_response(pgs_buf_str(&text), text.len);
	uint64_t now_us = pgs_now_us(), cost_us = (now_us - begun_us) * PAGE_SHARE;
	http->page_until_us = now_us + (cost_us > PAGE_US ? cost_us : PAGE_US);
	return http->page;
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	struct MHD_Response *r = page(http);

	if (!r)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "the page is too large, or there is no memory for it\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, r);
}

static enum MHD_Result answer_health(struct http *http, struct MHD_Connection *connection)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(HEALTH_MAX_BYTES);
	bool well = health_check(http->sup, pgs_now_us(), &text);

	return answer(connection, well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
		      pgs_buf_str(&text), text.len);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request)
{
	struct http *http = ctx;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(http, connection);
	if (strcmp(url, "/healthz") == 0)
		return answer_health(http, connection);
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "see /metrics and /healthz\n");
}

/* ---- Connections. ---- */

static void on_connection(void *ctx, struct MHD_Connection *connection, void **per_connection,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = ctx;
	struct connection *c = *per_connection;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		http->again = true;
		if (c)
			c->fd = -1;
		return;
	}
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (size_t i = 0; info && i < MAX_CONNECTIONS && !c; i++)
		if (http->connections[i].fd < 0)
			c = &http->connections[i];
	if (!c)
		return; /* cannot be: there are as many as the library lets in */
	*c = (struct connection){ .fd = info->connect_fd, .since_us = pgs_now_us() };
	*per_connection = c;
}

/* Who sends a byte now and then is never idle: the library sees the end that is made here, and closes. */
static void sweep(struct http *http)
{
	uint64_t now_us = pgs_now_us();

	for (size_t i = 0; i < MAX_CONNECTIONS; i++)
		if (http->connections[i].fd >= 0 &&
		    now_us - http->connections[i].since_us >= CONNECTION_US)
			(void)shutdown(http->connections[i].fd, SHUT_RDWR); /* it may be gone */
}

static void turn(struct http *http)
{
	http->again = false;
	sweep(http);
	(void)MHD_run(http->daemon); /* what fails here fails for one connection */
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	turn(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t at_us, void *userdata)
{
	(void)source;
	(void)at_us;
	turn(userdata);
	return 0;
}

/* Before each sleep: when does the library want to be called, whatever comes? */
static int on_prepare(sd_event_source *source, void *userdata)
{
	struct http *http = userdata;
	MHD_UNSIGNED_LONG_LONG ms;
	bool any = false;

	for (size_t i = 0; i < MAX_CONNECTIONS; i++)
		any = any || http->connections[i].fd >= 0;
	if (MHD_get_timeout(http->daemon, &ms) != MHD_YES || ms * 1000 > SWEEP_US)
		ms = any ? SWEEP_US / 1000 : 3600 * 1000;
	return sd_event_source_set_time_relative(source, http->again ? 0 : ms * 1000);
}

static void on_library_log(void *ctx, const char *format, va_list args)
{
	char text[256];

	(void)ctx;
	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	pgs_log(PGS_LOG_DEBUG, NULL, "metrics: %s", text); /* what a client did wrong */
}

/* ---- Life. ---- */

static int sources(struct http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? sd_event_add_io(http->sup->event, &http->io, info->epoll_fd, EPOLLIN, on_io,
				       http)
		     : -ENOTSUP;

	if (r >= 0)
		r = sd_event_source_set_priority(http->io, PRIORITY_HTTP);
	if (r >= 0)
		r = sd_event_add_time_relative(http->sup->event, &http->timer, CLOCK_MONOTONIC, 0,
					       10 * 1000, on_timer, http);
	if (r >= 0)
		r = sd_event_source_set_prepare(http->timer, on_prepare);
	if (r >= 0)
		r = sd_event_source_set_priority(http->timer, PRIORITY_HTTP);
	if (r >= 0)
		r = sd_event_source_set_enabled(http->timer, SD_EVENT_ON);
	return r;
}

static void http_free(struct http *http)
{
	http->io = sd_event_source_disable_unref(http->io);
	http->timer = sd_event_source_disable_unref(http->timer);
	if (http->daemon)
		MHD_stop_daemon(http->daemon); /* closes connections and the listening socket */
	if (http->page)
		MHD_destroy_response(http->page);
	if (http->path[0])
		(void)unlink(http->path); /* a dead one is removed at the next start */
	free(http);
}

/* fd is taken in any case. */
static struct http *http_new(struct supervisor *sup, int fd)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http) {
		(void)close(fd);
		return NULL;
	}
	http->sup = sup;
	for (size_t i = 0; i < MAX_CONNECTIONS; i++)
		http->connections[i].fd = -1;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http,
		MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_END);
	if (!http->daemon)
		(void)close(fd);
	if (!http->daemon || sources(http) < 0) {
		http_free(http);
		return NULL;
	}
	return http;
}

static void say_where(const struct http_address *wanted, int fd)
{
	struct http_address got = { .len = sizeof(got.sa) };
	char text[INET6_ADDRSTRLEN] = "";

	if (wanted->sa.ss_family == AF_UNIX) {
		pgs_log(PGS_LOG_NOTICE, NULL, "metrics are on the socket %s",
			((const struct sockaddr_un *)&wanted->sa)->sun_path);
		return;
	}
	if (getsockname(fd, (struct sockaddr *)&got.sa, &got.len) < 0)
		return; /* only the log is poorer */
	bool v6 = got.sa.ss_family == AF_INET6;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&got.sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&got.sa;
	(void)inet_ntop(got.sa.ss_family,
			v6 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, text,
			sizeof(text));
	pgs_log(PGS_LOG_NOTICE, NULL, "metrics are on http://%s%s%s:%u/metrics", v6 ? "[" : "",
		text, v6 ? "]" : "", ntohs(v6 ? in6->sin6_port : in->sin_port));
}

void http_pump(struct supervisor *sup)
{
	struct http_address address;
	struct pgs_err err = { 0 };

	if (!sup->config.metrics_listen || sup->http || sup->stopping ||
	    pgs_now_us() < sup->http_retry_at_us)
		return;
	sup->http_retry_at_us = pgs_now_us() + RETRY_US;
	int fd = http_address_parse(sup->config.metrics_listen, &address, &err) < 0
			 ? -1
			 : listen_on(&address, &err);
	if (fd < 0) {
		pgs_log(PGS_LOG_WARNING, NULL,
			"could not listen for metrics on \"%s\": %s; trying again in 10 s",
			sup->config.metrics_listen, err.msg);
		return;
	}
	say_where(&address, fd);
	sup->http = http_new(sup, fd);
	if (!sup->http)
		pgs_log(PGS_LOG_WARNING, NULL, "could not serve metrics; trying again in 10 s");
	else if (address.sa.ss_family == AF_UNIX)
		(void)snprintf(sup->http->path, sizeof(sup->http->path), "%s",
			       ((const struct sockaddr_un *)&address.sa)->sun_path);
}

void http_close(struct supervisor *sup)
{
	if (sup->http)
		http_free(sup->http);
	sup->http = NULL;
}
