/*
 * worker/confine_plan.c
 *    Which TCP ports and which files a set's relay needs: from the document, the credentials and the environment.
 *
 * Opens and resolves nothing. Kafka's brokers may be named by others than the bootstrap servers, with other ports: those an operator
 * names (option worker-ports); sink_kafka.c says which are missing.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/confine.h"

enum { PORT_DNS = 53, PORT_POSTGRESQL = 5432, PORT_KAFKA = 9092, PATH_BYTES = 4096 };

/* What libc, OpenSSL, libpq, librdkafka, Kerberos and SASL read on their own; plug-ins of all of them are below /usr. */
static const char *const usual[] = {
	"/usr",
	"/lib",
	"/lib64",
	"/dev/null",
	"/dev/random",
	"/dev/urandom",
	"/etc/ca-certificates",
	"/etc/crypto-policies",
	"/etc/gai.conf",
	"/etc/group",
	"/etc/gss",
	"/etc/host.conf",
	"/etc/hosts",
	"/etc/krb5.conf",
	"/etc/krb5.conf.d",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/etc/nsswitch.conf",
	"/etc/passwd",
	"/etc/pki",
	"/etc/postgresql-common/pg_service.conf",
	"/etc/protocols",
	"/etc/resolv.conf",
	"/etc/sasl2",
	"/etc/services",
	"/etc/ssl",
	/* where resolv.conf is replaced: the new one must be readable, too */
	"/run/resolvconf",
	"/run/systemd/resolve",
	"/sys/devices/system/cpu",
};

static int add_rule(struct confine *c, const char *path, size_t len, bool write,
		    struct pgs_err *reterr)
{
	if (c->n_rules == CONFINE_MAX_RULES)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "E2BIG",
				   "the set names more than %d files", CONFINE_MAX_RULES);
	char *copy = strndup(path, len);
	if (!copy)
		return pgs_err_nomem(reterr);
	c->rules[c->n_rules++] = (struct confine_rule){ .path = copy, .write = write };
	return 0;
}

static int may_read(struct confine *c, const char *path, struct pgs_err *reterr)
{
	return path && *path ? add_rule(c, path, strlen(path), false, reterr) : 0;
}

/* A file that is made, or replaced by another: its folder. */
static int may_write(struct confine *c, const char *path, struct pgs_err *reterr)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path || !*path)
		return 0;
	if (!slash)
		return add_rule(c, ".", 1, true, reterr);
	return add_rule(c, path, slash == path ? 1 : (size_t)(slash - path), true, reterr);
}

/* "a:b", as in the option. */
static int may_read_list(struct confine *c, const char *paths, struct pgs_err *reterr)
{
	for (const char *at = paths; at && *at;) {
		size_t len = strcspn(at, ":");
		if (len && add_rule(c, at, len, false, reterr))
			return -1;
		at += len;
		at += *at == ':';
	}
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---- PostgreSQL ---- */

static const char *value_of(const PQconninfoOption *given, const PQconninfoOption *fallback,
			    const char *keyword)
{
	for (const PQconninfoOption *o = given; o && o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0 && o->val && *o->val)
			return o->val;
	return fallback ? value_of(fallback, NULL, keyword) : NULL;
}

/* "5432" or "5432,,5433": an empty one is the default. */
static int take_ports(struct confine *c, const char *ports, struct pgs_err *reterr)
{
	for (const char *at = ports;; at++) {
		char *end;
		unsigned long port = strtoul(at, &end, 10);
		/* What is no port libpq will name. */
		if (port < 65536 &&
		    confine_ports_add(&c->ports, port ? (unsigned)port : PORT_POSTGRESQL, reterr))
			return -1;
		at += strcspn(at, ",");
		if (!*at)
			return 0;
	}
}

static int take_conninfo(struct confine *c, const PQconninfoOption *given,
			 const PQconninfoOption *fallback, struct pgs_err *reterr)
{
	static const char *const files[] = { "sslcert",   "sslkey",   "sslrootcert", "sslcrl",
					     "sslcrldir", "passfile", "servicefile" };
	const char *host = value_of(given, fallback, "host");
	const char *ports = value_of(given, fallback, "port");

	for (size_t i = 0; i < PGS_ARRAY_LEN(files); i++)
		if (may_read(c, value_of(given, fallback, files[i]), reterr))
			return -1;
	c->abstract_sockets |= host && (*host == '@' || strstr(host, ",@"));
	return take_ports(c, ports ? ports : "", reterr);
}

static void put_environment(const char *name, const char *value)
{
	int r = value ? setenv(name, value, 1) : unsetenv(name);

	(void)r; /* no memory: then a port is missing, and connecting says so */
}

/* What a service file says libpq gives only to who names the service in the environment. There is no other thread yet. */
static PQconninfoOption *defaults_of(const PQconninfoOption *given)
{
	static const char *const names[] = { "PGSERVICE", "PGSERVICEFILE" };
	const char *const wanted[] = { value_of(given, NULL, "service"),
				       value_of(given, NULL, "servicefile") };
	char *kept[PGS_ARRAY_LEN(names)] = { NULL };

	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++) {
		const char *before = getenv(names[i]);
		kept[i] = before ? strdup(before) : NULL;
		if (wanted[i])
			put_environment(names[i], wanted[i]);
	}
	PQconninfoOption *defaults = PQconndefaults();
	for (size_t i = 0; i < PGS_ARRAY_LEN(names); i++) {
		if (wanted[i])
			put_environment(names[i], kept[i]);
		free(kept[i]);
	}
	return defaults;
}

static int take_database(struct confine *c, const struct setdoc_database *db,
			 struct pgs_err *reterr)
{
	PQconninfoOption *given = PQconninfoParse(db->conninfo, NULL);
	PQconninfoOption *fallback = defaults_of(given);
	/* A broken conninfo is named when it is used. */
	int rc = given ? take_conninfo(c, given, fallback, reterr) : 0;

	PQconninfoFree(given);
	PQconninfoFree(fallback);
	return rc;
}

/* ---- Kafka ---- */

/* "PROTOCOL://HOST:PORT,HOST,[ADDRESS]:PORT" */
static int take_brokers(struct confine *c, const char *list, struct pgs_err *reterr)
{
	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ",");
		const char *colon = len ? memrchr(at, ':', len) : NULL;
		unsigned port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
		/* No number: a name only, or the end of a bare IPv6 address, which librdkafka does not take either. */
		if (len && confine_ports_add(&c->ports, port ? port : PORT_KAFKA, reterr))
			return -1;
		at += len;
		at += *at == ',';
	}
	return 0;
}

static int take_property(struct confine *c, const char *name, const char *value,
			 struct pgs_err *reterr)
{
	if (strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0)
		return take_brokers(c, value, reterr);
	if (ends_with(name, ".location") || ends_with(name, ".keytab"))
		return may_read(c, value, reterr);
	return 0;
}

/* Lines name=value, as kafka_conf.c reads them; what is wrong with one it says. */
static int take_credentials(struct confine *c, const struct assignment_credential *file,
			    struct pgs_err *reterr)
{
	for (const char *at = file->data; *at;) {
		char line[PATH_BYTES];
		size_t len = strcspn(at, "\r\n");
		int rc = 0;

		(void)snprintf(line, sizeof(line), "%.*s", (int)(len < PATH_BYTES ? len : 0), at);
		char *equals = strchr(line, '=');
		if (*line != '#' && equals) {
			*equals = '\0';
			rc = take_property(c, line, equals + 1, reterr);
		}
		explicit_bzero(line, sizeof(line));
		if (rc)
			return -1;
		at += len;
		at += strspn(at, "\r\n");
	}
	return 0;
}

static int take_kafka(struct confine *c, const struct assignment *a, const struct setdoc *doc,
		      struct pgs_err *reterr)
{
	for (size_t i = 0; i < doc->n_kafka; i++)
		if (take_property(c, doc->kafka[i].name, doc->kafka[i].value, reterr))
			return -1;
	for (size_t i = 0; i < a->n_credentials; i++)
		if (strncmp(a->credentials[i].name, "kafka", 5) == 0 &&
		    take_credentials(c, &a->credentials[i], reterr))
			return -1;
	return 0;
}

/* ---- The environment ---- */

/* Files of the user that libpq reads: certificates, services, and passwords where the supervisor gave none. */
static int take_home(struct confine *c, bool passwords, struct pgs_err *reterr)
{
	static const char *const files[] = { ".postgresql", ".pg_service.conf", ".pgpass" };
	const char *home = getenv("HOME");
	char path[PATH_BYTES];

	for (size_t i = 0; home && *home == '/' && i < PGS_ARRAY_LEN(files) - !passwords; i++)
		if (snprintf(path, sizeof(path), "%s/%s", home, files[i]) < (int)sizeof(path) &&
		    may_read(c, path, reterr))
			return -1;
	return 0;
}

static int take_environment(struct confine *c, struct pgs_err *reterr)
{
	static const char *const files[] = { "KRB5CCNAME", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME",
					     "KRB5_CONFIG", "PGSERVICEFILE" };

	for (size_t i = 0; i < PGS_ARRAY_LEN(files); i++) {
		const char *value = getenv(files[i]);
		if (value && strncmp(value, "FILE:", 5) == 0)
			value += 5;
		if (value && *value == '/' && may_read_list(c, value, reterr))
			return -1;
	}
	return may_read(c, "/etc/krb5.keytab", reterr);
}

#ifdef PGSHOVEL_TEST_HOOKS
/* Where test builds write: the steps of crash tests, the reports of sanitizers. */
static int take_tests(struct confine *c, struct pgs_err *reterr)
{
	static const char *const files[] = { "PGSHOVEL_STOP_FILE", "PGSHOVEL_STEP_TRACE" };
	static const char *const sanitizers[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS" };
	char path[PATH_BYTES];

	for (size_t i = 0; i < PGS_ARRAY_LEN(files); i++)
		if (may_write(c, getenv(files[i]), reterr))
			return -1;
	for (size_t i = 0; i < PGS_ARRAY_LEN(sanitizers); i++) {
		const char *text = getenv(sanitizers[i]);
		const char *at = text ? strstr(text, "log_path=") : NULL;
		if (!at)
			continue;
		at += strlen("log_path=");
		(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, ":"), at);
		if (may_write(c, path, reterr))
			return -1;
	}
	if (!CONFINE_SANITIZED)
		return 0;
	return may_read(c, "/proc", reterr) || may_read(c, "/proc/self/exe", reterr) ? -1 : 0;
}
#else
static int take_tests(struct confine *c, struct pgs_err *reterr)
{
	(void)c;
	(void)reterr;
	return 0;
}
#endif

int confine_plan(struct confine *c, const struct assignment *a, const struct setdoc *doc,
		 struct pgs_err *reterr)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(usual); i++)
		if (may_read(c, usual[i], reterr))
			return -1;
	for (size_t i = 0; i < doc->n_databases; i++)
		if (take_database(c, &doc->databases[i], reterr))
			return -1;
	/* Long answers of name servers come over TCP. */
	if (confine_ports_add(&c->ports, PORT_DNS, reterr) ||
	    confine_ports_parse(a->ports, &c->ports, reterr) || take_kafka(c, a, doc, reterr) ||
	    may_read_list(c, a->paths, reterr) || take_environment(c, reterr) ||
	    take_home(c, !assignment_credential(a, "pgpass"), reterr) ||
	    may_write(c, a->output_path, reterr) || may_write(c, a->commit_path, reterr))
		return -1;
	return take_tests(c, reterr);
}
