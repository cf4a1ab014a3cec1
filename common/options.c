/*
 * common/options.c
 *    See common/options.h: values, variables, flags. The file is read in options_file.c, --help and manual
 *    are written in options_help.c.
 *
 * Knows no program's options.
 */
#include "common/options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/options_internal.h"
#include "common/parse.h"

enum { OPTIONS_MAX = 64 };

void option_variable(const struct option_spec *spec, struct option_name *ret)
{
	size_t at = (size_t)snprintf(ret->text, sizeof(ret->text), "PGSHOVEL_%s", spec->name);

	assert(at < sizeof(ret->text));
	for (char *p = ret->text; *p; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (*p == '-')
			*p = '_';
	}
}

void option_key(const struct option_spec *spec, struct option_name *ret)
{
	size_t at = (size_t)snprintf(ret->text, sizeof(ret->text), "%s", spec->name);

	assert(at < sizeof(ret->text));
	for (char *p = ret->text; *p; p++)
		if (*p == '-')
			*p = '_';
}

static int parse_bool(const char *text, bool *ret, struct pgs_err *reterr)
{
	if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
		*ret = true;
	else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
		*ret = false;
	else
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "\"%.64s\" is not true, false, 1 or 0", text);
	return 0;
}

int option_set(struct options *o, size_t i, const char *text, bool store, struct pgs_err *reterr)
{
	const struct option_spec *spec = &o->specs[i];
	void *field = (char *)o->target + spec->offset;
	bool limited = spec->min != 0 || spec->max != 0;
	uint64_t low = limited ? (uint64_t)spec->min : 0;
	uint64_t high = limited ? (uint64_t)spec->max : INT64_MAX;
	int64_t number;
	uint64_t amount;
	bool flag = false;
	char *copy;

	switch (spec->type) {
	case OPTION_FLAG:
		if (parse_bool(text, &flag, reterr))
			return -1;
		if (store)
			*(bool *)field = flag;
		return 0;
	case OPTION_STRING:
		if (!store)
			return 0;
		copy = strdup(text);
		if (!copy)
			return pgs_err_nomem(reterr);
		free(*(char **)field);
		*(char **)field = copy;
		return 0;
	case OPTION_INT:
		if (pgs_parse_i64(text, limited ? spec->min : INT64_MIN,
				  limited ? spec->max : INT64_MAX, &number, reterr))
			return -1;
		if (store)
			*(int64_t *)field = number;
		return 0;
	case OPTION_DURATION:
		if (pgs_parse_duration_us(text, low, high, &amount, reterr))
			return -1;
		if (store)
			*(uint64_t *)field = amount;
		return 0;
	case OPTION_SIZE:
		if (pgs_parse_size_bytes(text, low, high, &amount, reterr))
			return -1;
		if (store)
			*(uint64_t *)field = amount;
		return 0;
	}
	return pgs_err_set(reterr, PGS_ERR_BUG, "", "option \"%s\" has no type", spec->name);
}

static void clear_field(struct options *o, const struct option_spec *spec)
{
	void *field = (char *)o->target + spec->offset;

	switch (spec->type) {
	case OPTION_FLAG:
		*(bool *)field = false;
		return;
	case OPTION_STRING:
		*(char **)field = NULL;
		return;
	case OPTION_INT:
		*(int64_t *)field = 0;
		return;
	case OPTION_DURATION:
	case OPTION_SIZE:
		*(uint64_t *)field = 0;
		return;
	}
}

int options_init(struct options *o, const struct option_spec *specs, size_t n, void *target,
		 struct pgs_err *reterr)
{
	*o = (struct options){ .specs = specs, .n_specs = n, .target = target };
	/* Before anything can fail: options_done() must find NULL or a text of ours. */
	for (size_t i = 0; i < n; i++)
		clear_field(o, &specs[i]);
	if (n > OPTIONS_MAX)
		return pgs_err_set(reterr, PGS_ERR_BUG, "", "more than %d options", OPTIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(specs[k].name, specs[i].name) == 0 ||
			    (specs[i].letter && specs[k].letter == specs[i].letter))
				return pgs_err_set(reterr, PGS_ERR_BUG, "",
						   "option \"%s\" or its letter stands twice",
						   specs[i].name);
		if (!specs[i].fallback)
			continue;
		if (option_set(o, i, specs[i].fallback, true, reterr)) {
			if (reterr && reterr->cls == PGS_ERR_CONFIG)
				reterr->cls = PGS_ERR_BUG;
			return pgs_err_prefix(reterr, "default of option \"%s\"", specs[i].name);
		}
	}
	return 0;
}

int options_environment(struct options *o, struct pgs_err *reterr)
{
	for (size_t i = 0; i < o->n_specs; i++) {
		struct option_name variable;
		const char *text;

		if (o->specs[i].flags & OPTION_ACTION)
			continue;
		option_variable(&o->specs[i], &variable);
		text = getenv(variable.text);
		if (!text || !*text)
			continue;
		if (o->specs[i].flags & OPTION_SECRET)
			return pgs_err_set(
				reterr, PGS_ERR_CONFIG, "",
				"variable %s is refused: a secret belongs in a file; unset it",
				variable.text);
		if (option_set(o, i, text, !(o->given >> i & 1), reterr))
			return pgs_err_prefix(reterr, "variable %s", variable.text);
		o->given |= 1ull << i;
	}
	return 0;
}

/* The arguments while options are taken out of them. */
struct argv_walk {
	const char *program; /* for messages: the last part of argv[0] */
	int argc;
	char **argv;
	int at; /* next argument to look at */
};

static int usage(const struct argv_walk *walk, struct pgs_err *reterr)
{
	if (reterr) {
		size_t len = strlen(reterr->msg);

		(void)snprintf(reterr->msg + len, sizeof(reterr->msg) - len, "; see \"%s --help\"",
			       walk->program); /* cut by contract */
	}
	return -1;
}

/* One option, however it was spelled. value NULL: it stands in the next argument, if one is needed. */
static int take(struct options *o, size_t i, const char *shown, const char *value,
		struct argv_walk *walk, struct pgs_err *reterr)
{
	const struct option_spec *spec = &o->specs[i];

	if (spec->flags & OPTION_SECRET) {
		(void)pgs_err_set(
			reterr, PGS_ERR_CONFIG, "",
			"option \"%s\" is refused on the command line: a secret belongs in a file",
			shown);
		return usage(walk, reterr);
	}
	if (spec->type == OPTION_FLAG) {
		if (value) {
			(void)pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					  "option \"%s\" takes no argument", shown);
			return usage(walk, reterr);
		}
		value = "true";
	} else if (!value) {
		if (walk->at >= walk->argc) {
			(void)pgs_err_set(reterr, PGS_ERR_CONFIG, "",
					  "option \"%s\" needs an argument%s%s", shown,
					  spec->argument ? ": " : "",
					  spec->argument ? spec->argument : "");
			return usage(walk, reterr);
		}
		value = walk->argv[walk->at++];
	}
	if (option_set(o, i, value, true, reterr)) {
		(void)pgs_err_prefix(reterr, "option \"%s\"", shown);
		return usage(walk, reterr);
	}
	o->given |= 1ull << i;
	return 0;
}

static int take_long(struct options *o, char *arg, struct argv_walk *walk, struct pgs_err *reterr)
{
	char *name = arg + 2;
	size_t len = strcspn(name, "=");

	for (size_t i = 0; i < o->n_specs; i++)
		if (strlen(o->specs[i].name) == len && memcmp(o->specs[i].name, name, len) == 0) {
			char shown[64];

			(void)snprintf(shown, sizeof(shown), "--%s", o->specs[i].name);
			return take(o, i, shown, name[len] ? name + len + 1 : NULL, walk, reterr);
		}
	(void)pgs_err_set(reterr, PGS_ERR_CONFIG, "", "unknown option \"--%.*s\"",
			  (int)(len > 64 ? 64 : len), name);
	return usage(walk, reterr);
}

/* -a, -ab (flags), -x value, -xvalue */
static int take_short(struct options *o, char *arg, struct argv_walk *walk, struct pgs_err *reterr)
{
	for (char *p = arg + 1; *p; p++) {
		char shown[3] = { '-', *p, '\0' };
		size_t i = 0;

		while (i < o->n_specs && o->specs[i].letter != *p)
			i++;
		if (i == o->n_specs) {
			(void)pgs_err_set(reterr, PGS_ERR_CONFIG, "", "unknown option \"%s\"",
					  shown);
			return usage(walk, reterr);
		}
		if (o->specs[i].type != OPTION_FLAG)
			return take(o, i, shown, p[1] ? p + 1 : NULL, walk, reterr);
		if (take(o, i, shown, NULL, walk, reterr))
			return -1;
	}
	return 0;
}

/* Move argv[from] to argv[to], to <= from; what is between keeps its order. */
static void move_down(char **argv, int from, int to)
{
	char *word = argv[from];

	memmove(&argv[to + 1], &argv[to], (size_t)(from - to) * sizeof(*argv));
	argv[to] = word;
}

int options_argv(struct options *o, int argc, char **argv, int *ret_argc, struct pgs_err *reterr)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	struct argv_walk walk = { .program = slash      ? slash + 1
					     : argc > 0 ? argv[0]
							: "",
				  .argc = argc,
				  .argv = argv,
				  .at = 1 };
	int words = 0;
	bool options_ended = false;

	while (walk.at < argc) {
		char *arg = argv[walk.at++];

		if (options_ended || arg[0] != '-' || !arg[1]) {
			move_down(argv, walk.at - 1, ++words);
			continue;
		}
		if (strcmp(arg, "--") == 0)
			options_ended = true;
		else if (arg[1] == '-' ? take_long(o, arg, &walk, reterr)
				       : take_short(o, arg, &walk, reterr))
			return -1;
	}
	*ret_argc = words;
	return 0;
}

bool options_given(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->n_specs; i++)
		if (strcmp(o->specs[i].name, name) == 0)
			return o->given >> i & 1;
	assert(!"options_given: a name that is not in the table");
	return false;
}

void options_done(struct options *o)
{
	for (size_t i = 0; i < o->n_specs; i++)
		if (o->specs[i].type == OPTION_STRING) {
			char **field = (char **)(void *)((char *)o->target + o->specs[i].offset);

			free(*field);
			*field = NULL;
		}
}
