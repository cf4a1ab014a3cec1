/*
 * common/options_file.c
 *    options_file(): the configuration file of a program.
 *
 * One flat list of keys. Does not look into folders; secrets stand in files of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/options.h"
#include "common/options_internal.h"

enum { OPTIONS_FILE_MAX_BYTES = 64 * 1024 };

static void configp(config_t *config)
{
	config_destroy(config);
}

/* The whole file: libconfig's own reader ends the process when a read fails. */
static int read_file(const char *path, struct pgs_buf *text, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char part[4096];
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "could not open \"%s\": %m", path);
	if (!S_ISREG(st.st_mode))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" is not a regular file",
				   path);
	while ((n = read(fd, part, sizeof(part))) > 0)
		pgs_buf_put(text, part, (size_t)n);
	if (n < 0)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "could not read \"%s\": %m", path);
	if (pgs_buf_failed(text))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" is larger than %d bytes",
				   path, OPTIONS_FILE_MAX_BYTES);
	if (text->len != strlen(pgs_buf_str(text)))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "\"%s\" holds a zero byte", path);
	return 0;
}

/* The setting as the text that a flag would have carried; NULL: the wrong type for this option. */
static const char *setting_text(const config_setting_t *setting, enum option_type type,
				char number[32])
{
	int is = config_setting_type(setting);

	switch (type) {
	case OPTION_FLAG:
		return is != CONFIG_TYPE_BOOL             ? NULL
		       : config_setting_get_bool(setting) ? "true"
							  : "false";
	case OPTION_STRING:
	case OPTION_DURATION:
		return is == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
	case OPTION_SIZE:
		if (is == CONFIG_TYPE_STRING)
			return config_setting_get_string(setting);
		__attribute__((fallthrough));
	case OPTION_INT:
		if (is == CONFIG_TYPE_INT)
			(void)snprintf(number, 32, "%d", config_setting_get_int(setting));
		else if (is == CONFIG_TYPE_INT64)
			(void)snprintf(number, 32, "%" PRId64,
				       (int64_t)config_setting_get_int64(setting));
		else
			return NULL;
		return number;
	}
	return NULL;
}

static const char *type_wanted(enum option_type type)
{
	switch (type) {
	case OPTION_FLAG:
		return "true or false";
	case OPTION_STRING:
		return "a text in quotes";
	case OPTION_INT:
		return "a number";
	case OPTION_DURATION:
		return "a duration in quotes, such as \"5s\"";
	case OPTION_SIZE:
		return "a number of bytes or a size in quotes, such as \"16MB\"";
	}
	return "something else";
}

static int take_setting(struct options *o, const char *path, const config_setting_t *setting,
			struct pgs_err *reterr)
{
	const char *name = config_setting_name(setting);
	unsigned line = config_setting_source_line(setting);
	struct option_name key;
	char number[32];
	const char *text;
	size_t i;

	for (i = 0; i < o->n_specs; i++) {
		option_key(&o->specs[i], &key);
		if (!(o->specs[i].flags & OPTION_ACTION) && strcmp(key.text, name) == 0)
			break;
	}
	if (i == o->n_specs)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "",
				   "%s:%u: unknown key \"%s\"; remove it", path, line, name);
	text = setting_text(setting, o->specs[i].type, number);
	if (!text)
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%s:%u: \"%s\" must be %s", path,
				   line, name, type_wanted(o->specs[i].type));
	/* Checked also where a flag wins: a file is right or wrong by itself. */
	if (option_set(o, i, text, !(o->given >> i & 1), reterr))
		return pgs_err_prefix(reterr, "%s:%u: key \"%s\"", path, line, name);
	o->given |= 1ull << i;
	return 0;
}

int options_file(struct options *o, const char *path, struct pgs_err *reterr)
{
	PGS_CLEANUP(pgs_buf_done) struct pgs_buf text = PGS_BUF_INIT(OPTIONS_FILE_MAX_BYTES);
	PGS_CLEANUP(configp) config_t config;
	const config_setting_t *root;

	config_init(&config);
	if (read_file(path, &text, reterr))
		return -1;
	if (!config_read_string(&config, pgs_buf_str(&text)))
		return pgs_err_set(reterr, PGS_ERR_CONFIG, "", "%s:%d: %s", path,
				   config_error_line(&config), config_error_text(&config));
	root = config_root_setting(&config);
	for (int i = 0; i < config_setting_length(root); i++)
		if (take_setting(o, path, config_setting_get_elem(root, (unsigned)i), reterr))
			return -1;
	return 0;
}
