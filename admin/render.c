/*
 * admin/render.c
 *    Tables for people.
 *
 * Widths are counted in code points; that is enough for names.
 */
#include "admin/render.h"

#include <stdlib.h>
#include <string.h>

static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void render_add(struct render_table *table, const char *cell)
{
	if (table->n_cells == table->cap) {
		size_t cap = table->cap ? table->cap * 2 : 64;
		char **grown = realloc(table->cells, cap * sizeof(*grown));
		if (!grown) {
			table->failed = true;
			return;
		}
		table->cells = grown;
		table->cap = cap;
	}
	char *copy = strdup(cell);
	if (!copy)
		table->failed = true;
	else
		table->cells[table->n_cells++] = copy;
}

static void print_cell(const char *text, size_t width, bool last, FILE *out)
{
	fputs(text, out);
	if (last) {
		fputc('\n', out);
		return;
	}
	for (size_t n = width_of(text); n < width + 2; n++)
		fputc(' ', out);
}

void render_print(const struct render_table *table, FILE *out)
{
	size_t widths[RENDER_MAX_COLUMNS] = { 0 };

	for (size_t c = 0; c < table->n_columns; c++)
		widths[c] = width_of(table->titles[c]);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t w = width_of(table->cells[i]);
		if (w > widths[i % table->n_columns])
			widths[i % table->n_columns] = w;
	}
	for (size_t c = 0; c < table->n_columns; c++)
		print_cell(table->titles[c], widths[c], c + 1 == table->n_columns, out);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t c = i % table->n_columns;
		print_cell(table->cells[i], widths[c], c + 1 == table->n_columns, out);
	}
}

void render_done(struct render_table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct render_table){ 0 };
}

void render_duration(char ret[32], int64_t us)
{
	static const struct {
		int64_t below_us, unit_us;
		const char *name;
	} units[] = {
		{ 1000000LL, 1000, "ms" },
		{ 2 * 60 * 1000000LL, 0, "s" },
		{ 2 * 3600 * 1000000LL, 60 * 1000000LL, "min" },
		{ 48 * 3600 * 1000000LL, 3600 * 1000000LL, "h" },
		{ INT64_MAX, 24 * 3600 * 1000000LL, "d" },
	};
	size_t i = 0;

	while (us >= units[i].below_us && i + 1 < sizeof(units) / sizeof(units[0]))
		i++;
	if (units[i].unit_us)
		snprintf(ret, 32, "%lld %s", (long long)(us / units[i].unit_us), units[i].name);
	else
		snprintf(ret, 32, "%.1f s", (double)us / 1e6);
}
