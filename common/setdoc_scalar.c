/*
 * common/setdoc_scalar.c
 *    Choices, booleans, numbers, durations and sizes of the set file: from text or setting to field.
 *
 * Does not know any key by name: the rule says kind, place and range.
 */
#include "common/setdoc_internal.h"

#include <limits.h>
#include <string.h>

#include "common/parse.h"

static bool choice_from_text(const struct setdoc_rule *rule, const char *text, int *ret)
{
	for (int i = 0; rule->values[i]; i++) {
		if (strcmp(rule->values[i], text) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static void put_number(const struct setdoc_rule *rule, int64_t value, void *field)
{
	if (rule->kind == SETDOC_KIND_INT) {
		int number = (int)value;

		memcpy(field, &number, sizeof(number));
	} else {
		memcpy(field, &value, sizeof(value));
	}
}

bool setdoc_scalar_from_text(const struct setdoc_rule *rule, const char *text, void *field)
{
	int64_t number = 0;
	uint64_t amount = 0;
	int choice = 0;
	bool flag = strcmp(text, "true") == 0;

	switch (rule->kind) {
	case SETDOC_KIND_CHOICE:
		if (!choice_from_text(rule, text, &choice))
			return false;
		memcpy(field, &choice, sizeof(choice));
		return true;
	case SETDOC_KIND_BOOL:
		if (!flag && strcmp(text, "false") != 0)
			return false;
		memcpy(field, &flag, sizeof(flag));
		return true;
	case SETDOC_KIND_INT:
	case SETDOC_KIND_INT64:
		if (pgs_parse_i64(text, rule->min, rule->max, &number, NULL))
			return false;
		put_number(rule, number, field);
		return true;
	case SETDOC_KIND_DURATION:
	case SETDOC_KIND_SIZE:
		if (rule->kind == SETDOC_KIND_SIZE
			    ? pgs_parse_size_bytes(text, (uint64_t)rule->min, (uint64_t)rule->max,
						   &amount, NULL)
			    : pgs_parse_duration_us(text, (uint64_t)rule->min, (uint64_t)rule->max,
						    &amount, NULL))
			return false;
		memcpy(field, &amount, sizeof(amount));
		return true;
	case SETDOC_KIND_SET_NAME:
	case SETDOC_KIND_DATABASE_NAME:
	case SETDOC_KIND_CONNINFO:
	case SETDOC_KIND_TABLE_NAME:
	case SETDOC_KIND_PREFIX:
	case SETDOC_KIND_COLUMNS:
	case SETDOC_KIND_PROPERTIES:
	case SETDOC_KIND_DATABASES:
	case SETDOC_KIND_TABLES:
	case SETDOC_KIND_GROUP:
		break;
	}
	return false;
}

static int read_number(const struct setdoc *doc, const struct setdoc_key *key,
		       const config_setting_t *setting, void *field, struct pgs_err *reterr)
{
	const struct setdoc_rule *rule = key->rule;
	int value;

	if (config_setting_type(setting) != CONFIG_TYPE_INT)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" must be a number; write digits without quotes",
				   key->name);
	value = config_setting_get_int(setting);
	if (value < rule->min || value > rule->max)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" cannot be %d; give a number: %s", key->name, value,
				   key->range);
	put_number(rule, value, field);
	return 0;
}

static int read_text(const struct setdoc *doc, const struct setdoc_key *key,
		     const config_setting_t *setting, void *field, struct pgs_err *reterr)
{
	const char *text;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" must be a %s in double quotes: %s", key->name, key->type,
				   key->range);
	text = config_setting_get_string(setting);
	if (!setdoc_scalar_from_text(key->rule, text, field))
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" cannot be \"%s\"; give %s%s", key->name,
				   setdoc_show(text).text,
				   key->rule->kind == SETDOC_KIND_DURATION ? "a duration: "
				   : key->rule->kind == SETDOC_KIND_SIZE   ? "a size: "
									   : "one of: ",
				   key->range);
	return 0;
}

int setdoc_read_scalar(const struct setdoc *doc, void *base, const struct setdoc_key *key,
		       const config_setting_t *setting, struct pgs_err *reterr)
{
	void *field = (char *)base + key->rule->offset;
	bool flag;

	if (key->rule->kind == SETDOC_KIND_INT || key->rule->kind == SETDOC_KIND_INT64)
		return read_number(doc, key, setting, field, reterr);
	if (key->rule->kind != SETDOC_KIND_BOOL)
		return read_text(doc, key, setting, field, reterr);
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		return setdoc_fail(reterr, doc->filename, setdoc_line(setting),
				   "\"%s\" must be true or false, without quotes", key->name);
	flag = config_setting_get_bool(setting) == CONFIG_TRUE;
	memcpy(field, &flag, sizeof(flag));
	return 0;
}

void setdoc_defaults(void *base, const char *group)
{
	size_t n;
	const struct setdoc_key *keys = setdoc_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (keys[i].rule->has_default && strcmp(keys[i].group, group) == 0)
			(void)setdoc_scalar_from_text(keys[i].rule, keys[i].fallback,
						      (char *)base + keys[i].rule->offset);
		/* a default that its own rule refuses is caught by tests/unit/test_setdoc.c */
	}
}
