/*
 * tests/lib/show.c
 *    Records for people and for other programs, on standard output. Judges nothing.
 */
#include "tests/lib/show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SHOWN = 160 };

static json_t *text_or_null(struct piece piece)
{
	json_t *text = piece.ptr ? json_stringn(piece.ptr, piece.len) : json_null();

	return text ? text : json_string("(not UTF-8)");
}

void show_dump(const struct record *record, rd_kafka_message_t *message)
{
	json_t *headers = json_array();
	rd_kafka_headers_t *list;
	json_t *line;
	char *text;

	if (!rd_kafka_message_headers(message, &list)) {
		const char *name;
		const void *value;
		size_t size;

		for (size_t i = 0; !rd_kafka_header_get_all(list, i, &name, &value, &size); i++)
			(void)json_array_append_new(
				headers, json_pack("[so]", name,
						   text_or_null((struct piece){ value, size })));
	}
	line = json_pack("{sssisIsososo}", "topic", record->topic, "partition", record->partition,
			 "offset", (json_int_t)record->offset, "key", text_or_null(record->key),
			 "headers", headers, "value", text_or_null(record->value));
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	puts(text ? text : "null");
	free(text);
	json_decref(line);
}

/* Prints text with each run of spaces as one, cut at a width. */
static void print_short(struct piece text)
{
	int width = 0;

	for (size_t i = 0; i < text.len && width < LINE_SHOWN; i++) {
		if (text.ptr[i] == ' ' && i > 0 && text.ptr[i - 1] == ' ')
			continue;
		putchar(text.ptr[i]);
		width++;
	}
	if (width == LINE_SHOWN)
		fputs("...", stdout);
}

static void print_difference(const struct change *change)
{
	struct piece name;
	struct piece value;
	size_t pos = 0;

	while (piece_next(change->after, &pos, &name, &value)) {
		struct piece found;
		struct piece old;
		size_t at = 0;

		while (piece_next(change->before, &at, &found, &old)) {
			if (!piece_equal(found, name) || piece_equal(old, value))
				continue;
			printf("  %.*s: ", (int)name.len, name.ptr);
			print_short(old);
			fputs(" -> ", stdout);
			print_short(value);
		}
	}
}

void show_event(const struct record *record, const struct change *change)
{
	static const struct {
		char op;
		const char *word;
	} words[] = {
		{ 'c', "insert" }, { 'u', "update" }, { 'd', "delete" }, { 't', "truncate" }
	};
	const char *word = "read";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].op == change->op)
			word = words[i].word;
	}
	printf("  %-8s %s [%" PRId32 "] @%" PRId64 "  ", word, record->topic, record->partition,
	       record->offset);
	if (record->key.ptr)
		print_short(record->key);
	else
		printf("%.*s.%.*s", (int)change->schema.len, change->schema.ptr,
		       (int)change->table.len, change->table.ptr);
	if (change->op == 'u') {
		print_difference(change);
	} else if (change->after.ptr) {
		fputs("  ", stdout);
		print_short(change->after);
	}
	putchar('\n');
}
