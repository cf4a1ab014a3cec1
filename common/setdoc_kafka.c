/*
 * common/setdoc_kafka.c
 *    The rules for one "property=value" of kafka = [...]: no secret, nothing that the relay owns.
 *
 * Does not know which properties and values librdkafka has: the relay asks librdkafka, and its errors are
 * reported. Values never appear in messages, because a mistyped secret could be among them.
 */
#include "common/setdoc_internal.h"

#include <string.h>

struct refused {
	const char *name; /* a whole name, or with a final "*" what it starts with */
	const char *why;
};

/* Setting one of these would break a promise, or let a set file do more than describe a set. */
static const struct refused refused[] = {
	{ "acks", "is set by the relay; remove it" },
	{ "allow.auto.create.topics", "is set by the relay; remove it" },
	{ "auto.offset.reset", "is set by the relay; remove it" },
	{ "delivery.report.only.error", "is set by the relay; remove it" },
	{ "enable.auto.commit", "is set by the relay; remove it" },
	{ "enable.auto.offset.store", "is set by the relay; remove it" },
	{ "auto.commit.enable", "is set by the relay; remove it" },
	{ "enable.gapless.guarantee", "is set by the relay; remove it" },
	{ "enable.idempotence", "is set by the relay; use relay.delivery instead" },
	{ "enable.partition.eof", "is set by the relay; remove it" },
	{ "enabled_events", "is set by the relay; remove it" },
	{ "group.*", "is set by the relay; remove it" },
	{ "interceptors", "is set by the relay; remove it" },
	{ "isolation.level", "is set by the relay; remove it" },
	{ "log.queue", "is set by the relay; remove it" },
	{ "metadata.broker.list", "is an alias; write bootstrap.servers=" },
	{ "partitioner", "is set by the relay; remove it" },
	{ "plugin.*", "would load code into the relay; remove it" },
	{ "request.required.acks", "is set by the relay; remove it" },
	{ "sasl.kerberos.kinit.cmd", "would run a command; remove it" },
	{ "ssl.engine*", "would load code into the relay; remove it" },
	{ "ssl.providers", "would load code into the relay; remove it" },
	{ "transactional.id", "is set by the relay; remove it" },
};

/* Part of the name of every property that holds a secret, in this and in later versions of librdkafka. */
static const char *const secrets[] = {
	"password",    "passphrase",        "secret", "key.pem", "oauthbearer.config",
	"jaas.config", "assertion.private",
};

static bool name_matches(const char *name, const char *pattern)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return strncmp(name, pattern, n - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static int check_name(const char *filename, const char *name, int line, struct pgs_err *reterr)
{
	for (size_t i = 0; i < PGS_ARRAY_LEN(secrets); i++) {
		if (strstr(name, secrets[i]))
			return setdoc_fail(
				reterr, filename, line,
				"\"%s\" is a secret; put its line into the file \"kafka\" of the "
				"credentials folder",
				name);
	}
	for (size_t i = 0; i < PGS_ARRAY_LEN(refused); i++) {
		if (name_matches(name, refused[i].name))
			return setdoc_fail(reterr, filename, line, "\"%s\" %s", name,
					   refused[i].why);
	}
	return 0;
}

int setdoc_read_property(struct setdoc *doc, const char *text, int line,
			 struct setdoc_property *ret, struct pgs_err *reterr)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._");

	if (n == 0 || n > 100 || text[n] != '=' || text[n + 1] == '\0')
		return setdoc_fail(
			reterr, doc->filename, line,
			"an element of \"kafka\" is not \"property=value\"; write it as "
			"\"compression.type=zstd\", in lower case and without blanks around =");
	ret->line = line;
	ret->name = strndup(text, n);
	ret->value = strdup(text + n + 1);
	if (!ret->name || !ret->value)
		return pgs_err_nomem(reterr);
	return check_name(doc->filename, ret->name, line, reterr);
}
