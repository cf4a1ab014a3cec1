/*
 * admin/render.h
 *    Tables and times for people.
 *
 * Knows columns and cells, not what they mean.
 */
#ifndef PGSHOVEL_ADMIN_RENDER_H
#define PGSHOVEL_ADMIN_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { RENDER_MAX_COLUMNS = 12, RENDER_MAX_BYTES = 64 * 1024 * 1024 };

/* Cells are given row by row; render_done() frees. */
struct render_table {
	const char *const *titles; /* n_columns, lent */
	size_t n_columns;
	char **cells; /* owned */
	size_t n_cells;
	size_t cap;
	bool failed;
};

void render_add(struct render_table *table, const char *cell);
void render_print(const struct render_table *table, FILE *out);
void render_done(struct render_table *table);

/* "12 ms", "3.4 s", "5 min", "2 h", "3 d". */
void render_duration(char ret[32], int64_t us);

#endif
