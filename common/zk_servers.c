/*
 * common/zk_servers.c
 *    The hosts string of ZooKeeper: syntax, and names resolved to an odd number of numeric addresses.
 *
 * The C client resolves names in each call when it is given names (a DNS outage then costs a live session),
 * and with an even number of addresses it can go on trying the dead ones only (ZOOKEEPER-2466).
 * zk_servers_resolve() blocks for as long as getaddrinfo() does when a name is not numeric.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "common/parse.h"
#include "common/zk_internal.h"

enum { HOSTS_MAX_BYTES = 2048, HOST_MAX_BYTES = 255 };

struct address {
	char text[INET6_ADDRSTRLEN +
		  8]; /* "1.2.3.4:2181", "::1:2181": the client cuts at the last colon */
};

struct server {
	char host[HOST_MAX_BYTES + 1];
	char port[6];
};

/* Cut "host:port", "[v6]:port" or "host" (port 2181) of n bytes into its parts. */
static int server_parse(const char *text, size_t n, struct server *ret, struct pgs_err *reterr)
{
	const char *host = text, *port = "2181";
	size_t host_len = n, port_len = 4;

	const char *colon = memrchr(text, ':', n);
	if (n > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', n);
		if (!end || (end + 1 < text + n && end[1] != ':'))
			return pgs_err_set(
				reterr, PGS_ERR_CONFIG, "",
				"ZooKeeper server \"%.*s\" is not valid; write [ADDRESS]:PORT",
				(int)n, text);
		host = text + 1;
		host_len = (size_t)(end - host);
		colon = end + 1 < text + n ? end + 1 : NULL;
	} else if (colon) {
		host_len = (size_t)(colon - text);
	}
	if (colon) {
		port = colon + 1;
		port_len = (size_t)(text + n - port);
	}
	if (host_len == 0 || host_len > HOST_MAX_BYTES || port_len == 0 || port_len > 5)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "ZooKeeper server \"%.*s\" is not valid; write HOST:PORT",
				   (int)n, text);
	memcpy(ret->host, host, host_len);
	ret->host[host_len] = '\0';
	memcpy(ret->port, port, port_len);
	ret->port[port_len] = '\0';
	for (size_t i = 0; i < host_len; i++)
		if (isspace((unsigned char)host[i]) || !isprint((unsigned char)host[i]))
			return pgs_err_set(
				reterr, PGS_ERR_CONFIG, "",
				"ZooKeeper server \"%.*s\" holds a space or control character",
				(int)n, text);
	int64_t number;
	if (pgs_parse_i64(ret->port, 1, 65535, &number, reterr) < 0)
		return pgs_err_prefix(reterr, "port of ZooKeeper server \"%.*s\"", (int)n, text);
	return 0;
}

static int chroot_check(const char *chroot, struct pgs_err *reterr)
{
	size_t n = strlen(chroot);

	if (n < 2 || chroot[n - 1] == '/' || strstr(chroot, "//") || strpbrk(chroot, ", \t\n:"))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "ZooKeeper chroot \"%s\" is not valid; write HOST:PORT,…/path",
				   chroot);
	return 0;
}

/* The next server of the list at *cursor; false at its end. */
static bool next_server(const char **cursor, const char **ret_text, size_t *ret_n)
{
	if (**cursor == '\0' || **cursor == '/')
		return false;
	*ret_text = *cursor;
	*ret_n = strcspn(*cursor, ",/");
	*cursor += *ret_n;
	if (**cursor == ',')
		++*cursor;
	return true;
}

int zk_servers_check(const char *hosts, struct pgs_err *reterr)
{
	const char *cursor = hosts, *text;
	size_t n, n_servers = 0;
	struct server server;

	if (strlen(hosts) > HOSTS_MAX_BYTES)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "list of ZooKeeper servers is longer than %d bytes",
				   HOSTS_MAX_BYTES);
	while (next_server(&cursor, &text, &n)) {
		if (server_parse(text, n, &server, reterr) < 0)
			return -1;
		n_servers++;
	}
	if (n_servers == 0 || n_servers > ZK_MAX_SERVERS)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "1 to %d ZooKeeper servers are needed, not %zu", ZK_MAX_SERVERS,
				   n_servers);
	if (cursor > hosts && cursor[-1] == ',')
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "list of ZooKeeper servers \"%s\" ends in a comma", hosts);
	return *cursor == '/' ? chroot_check(cursor, reterr) : 0;
}

static void add_address(struct address *list, size_t *n, const struct sockaddr *sa,
			const char *port)
{
	char ip[INET6_ADDRSTRLEN];
	const void *bytes = sa->sa_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr;

	if (*n >= ZK_MAX_SERVERS || !inet_ntop(sa->sa_family, bytes, ip, sizeof(ip)))
		return;
	struct address a;
	(void)snprintf(a.text, sizeof(a.text), "%s:%s", ip, port);
	for (size_t i = 0; i < *n; i++)
		if (strcmp(list[i].text, a.text) == 0)
			return;
	list[(*n)++] = a;
}

/* One name can be known under both families; IPv4 is taken when there is any (a server rarely listens on both). */
static int resolve_one(const struct server *server, struct address *list, size_t *n,
		       struct pgs_err *reterr)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	bool have_v4 = false;

	int rc = getaddrinfo(server->host, NULL, &hints, &found);
	if (rc != 0) {
		hints.ai_flags = AI_ADDRCONFIG;
		rc = getaddrinfo(server->host, NULL, &hints, &found);
	}
	if (rc != 0)
		return pgs_err_set(reterr, PGS_ERR_RETRY, "EAI",
				   "could not resolve ZooKeeper server \"%s\": %s", server->host,
				   gai_strerror(rc));
	for (struct addrinfo *a = found; a; a = a->ai_next)
		have_v4 |= a->ai_family == AF_INET;
	for (struct addrinfo *a = found; a; a = a->ai_next)
		if (a->ai_family == AF_INET || (a->ai_family == AF_INET6 && !have_v4))
			add_address(list, n, a->ai_addr, server->port);
	freeaddrinfo(found);
	return 0;
}

bool zk_servers_numeric(const char *hosts)
{
	const char *cursor = hosts, *text;
	size_t n;

	while (next_server(&cursor, &text, &n)) {
		struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
		struct addrinfo *found = NULL;
		struct server server;
		if (server_parse(text, n, &server, NULL) < 0 ||
		    getaddrinfo(server.host, NULL, &hints, &found) != 0)
			return false;
		freeaddrinfo(found);
	}
	return true;
}

int zk_resolve(const char *hosts, char **ret, struct pgs_err *reterr)
{
	if (zk_servers_check(hosts, reterr) < 0)
		return -1;
	return zk_servers_resolve(hosts, ret, reterr);
}

int zk_servers_resolve(const char *hosts, char **ret, struct pgs_err *reterr)
{
	struct address list[ZK_MAX_SERVERS];
	const char *cursor = hosts, *text;
	size_t n, n_list = 0;
	struct pgs_err first = { 0 };

	while (next_server(&cursor, &text, &n)) {
		struct server server;
		struct pgs_err err;
		if (server_parse(text, n, &server, reterr) < 0)
			return -1;
		/* One dead name of several is no reason to stay away from the others. */
		if (resolve_one(&server, list, &n_list, &err) < 0 && first.cls == PGS_ERR_NONE)
			first = err;
	}
	if (n_list == 0) {
		if (first.cls == PGS_ERR_NONE)
			return pgs_err_set(reterr, PGS_ERR_RETRY, "EAI",
					   "no ZooKeeper server has an address");
		if (reterr)
			*reterr = first;
		return -1;
	}
	struct pgs_buf out = PGS_BUF_INIT(8192);
	for (size_t i = 0; i < n_list; i++)
		pgs_buf_printf(&out, "%s%s", i ? "," : "", list[i].text);
	if (n_list % 2 == 0)
		pgs_buf_printf(&out, ",%s", list[0].text);
	pgs_buf_puts(&out, cursor);
	char *joined = pgs_buf_steal(&out);
	if (!joined)
		return pgs_err_nomem(reterr);
	*ret = joined;
	return 0;
}
