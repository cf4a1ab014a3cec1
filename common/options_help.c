/*
 * common/options_help.c
 *    options_help() and options_mdoc(): the table as people read it.
 *
 * Writes to the given stream only; who looks at ferror() is the caller.
 */
#include <stdio.h>
#include <string.h>

#include "common/options.h"
#include "common/options_internal.h"

enum { HELP_WIDTH = 80, HELP_INDENT = 30 };

/* Where a wrapped text stands in its line. */
struct wrap {
	FILE *out;
	size_t column;
	bool fresh; /* nothing but indent in this line */
};

static void wrap_words(struct wrap *w, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (!w->fresh && w->column + 1 + len >= HELP_WIDTH) {
			(void)fprintf(w->out, "\n%*s", HELP_INDENT, "");
			w->column = HELP_INDENT;
			w->fresh = true;
		}
		(void)fprintf(w->out, "%s%.*s", w->fresh ? "" : " ", (int)len, text);
		w->column += len + !w->fresh;
		w->fresh = false;
		text += len;
		text += strspn(text, " ");
	}
}

void options_help(const struct option_spec *specs, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct option_spec *spec = &specs[i];
		struct wrap w = { .out = out, .column = HELP_INDENT, .fresh = true };
		struct option_name variable;
		char head[128], note[256];
		int len;

		if (spec->flags & OPTION_HIDDEN)
			continue;
		len = snprintf(head, sizeof(head), "  %c%c%s--%s%s%s", spec->letter ? '-' : ' ',
			       spec->letter ? spec->letter : ' ', spec->letter ? ", " : "  ",
			       spec->name, spec->type == OPTION_FLAG ? "" : " ",
			       spec->type == OPTION_FLAG ? ""
			       : spec->argument          ? spec->argument
							 : "VALUE");
		(void)fprintf(out, "%s", head);
		if (len >= HELP_INDENT - 1)
			(void)fprintf(out, "\n%*s", HELP_INDENT, "");
		else
			(void)fprintf(out, "%*s", HELP_INDENT - len, "");
		wrap_words(&w, spec->help);
		if (spec->fallback && spec->type != OPTION_FLAG) {
			(void)snprintf(note, sizeof(note), "(default %s)", spec->fallback);
			wrap_words(&w, note);
		}
		if (!(spec->flags & (OPTION_ACTION | OPTION_SECRET))) {
			option_variable(spec, &variable);
			(void)snprintf(note, sizeof(note), "[%s]", variable.text);
			wrap_words(&w, note);
		}
		(void)fputc('\n', out);
	}
}

/* Text for a line of mdoc: no escape and no request may come out of it. */
static void put_mdoc(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			(void)fputs("\\e", out);
		else if (*text == '"')
			(void)fputs("\\(dq", out); /* quotes group the arguments of a macro */
		else
			(void)fputc(*text, out);
	}
}

void options_mdoc(const struct option_spec *specs, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct option_spec *spec = &specs[i];
		struct option_name variable;

		if (spec->flags & OPTION_HIDDEN)
			continue;
		(void)fputs(".It ", out);
		if (spec->letter)
			(void)fprintf(out, "Fl %c , ", spec->letter);
		(void)fprintf(out, "Fl -%s", spec->name);
		if (spec->type != OPTION_FLAG)
			(void)fprintf(out, " Ar %s", spec->argument ? spec->argument : "VALUE");
		(void)fputc('\n', out);
		put_mdoc(out, spec->help);
		(void)fputs(".\n", out);
		if (spec->fallback && spec->type != OPTION_FLAG) {
			(void)fputs("Default:\n.Ql \"", out);
			put_mdoc(out, spec->fallback);
			(void)fputs("\" .\n", out);
		}
		if (!(spec->flags & (OPTION_ACTION | OPTION_SECRET))) {
			option_variable(spec, &variable);
			(void)fprintf(out, "Variable:\n.Ev %s .\n", variable.text);
		}
	}
}
