/*
 * admin/completion.c
 *    Scripts for bash and zsh out of the tables in cli.c and options.c.
 *
 * Both scripts find noun and verb among the words in the same way: options are skipped, and so are their
 * values where they have one. What is the same for every table is text; the rest is made from the tables.
 */
#include "admin/completion.h"

#include <string.h>

#include "admin/admin.h"
#include "admin/cli.h"

static bool shown(const struct option_spec *spec)
{
	return !(spec->flags & OPTION_HIDDEN);
}

static bool belongs(const struct cli_command *command, const char *option)
{
	for (const char *const *own = command->options; *own; own++)
		if (strcmp(*own, option) == 0)
			return true;
	return false;
}

static bool is_general(const struct option_spec *spec)
{
	for (size_t i = 0; i < cli_n_commands; i++)
		if (belongs(&cli_commands[i], spec->name))
			return false;
	return true;
}

/* What the value of an option may be, for compgen and for zsh: from the name that --help gives it. */
static const struct value_kind {
	const char *argument;
	const char *bash;
	const char *zsh;
} value_kinds[] = {
	{ "DIR", "-d", "_files -/" },
	{ "PATH", "-f", "_files" },
	{ "LEVEL", "-W 'error warning notice info debug'", "(error warning notice info debug)" },
	{ "PLACE", "-W 'queue now'", "(queue now)" },
};

static const struct value_kind *value_kind(const struct option_spec *spec)
{
	for (size_t i = 0; spec->argument && i < PGS_ARRAY_LEN(value_kinds); i++)
		if (strcmp(value_kinds[i].argument, spec->argument) == 0)
			return &value_kinds[i];
	return NULL;
}

/* "--a|--b": the options with a value, as a pattern of case. */
static void put_value_pattern(FILE *out)
{
	const char *between = "";

	for (size_t i = 0; i < admin_n_option_specs; i++) {
		const struct option_spec *spec = &admin_option_specs[i];
		if (spec->type == OPTION_FLAG || !shown(spec))
			continue;
		fprintf(out, "%s--%s", between, spec->name);
		between = "|";
	}
}

static void put_nouns(FILE *out)
{
	for (size_t i = 0; i < cli_n_nouns; i++)
		fprintf(out, "%s%s", i ? " " : "", cli_nouns[i].name);
}

static void put_verbs(const char *noun, FILE *out)
{
	const char *between = "";

	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *command = &cli_commands[i];
		if (strcmp(command->noun, noun) != 0)
			continue;
		fprintf(out, "%s%s", between, command->verb);
		if (command->alias)
			fprintf(out, " %s", command->alias);
		between = " ";
	}
}

/* The words "noun verb" of a command as a pattern of case. */
static void put_command_pattern(const struct cli_command *command, FILE *out)
{
	fprintf(out, "'%s %s'", command->noun, command->verb);
	if (command->alias)
		fprintf(out, "|'%s %s'", command->noun, command->alias);
}

/* Letters for the arguments of a command, one each: s set, f file, b either, - neither. */
static void put_arguments(const struct cli_command *command, FILE *out)
{
	const char *text = command->arguments;
	bool name = strstr(text, "NAME"), file = strstr(text, "FILE");

	if (name && file)
		fputs(text[0] == '[' ? "bf" : "sf", out);
	else if (name)
		fputs("s-", out);
	else
		fputs(file ? "f-" : "--", out);
}

/* ---- bash ---- */

static const char bash_head[] =
	"# bash completion of pgshovel. Made by pgshovel --print-completion bash.\n\n"
	"_pgshovel_sets() { # WORD...: the program and the general options that were given\n"
	"\tPGSHOVEL_CONNECT_TIMEOUT=${PGSHOVEL_CONNECT_TIMEOUT:-1s} \"$@\" set list 2> /dev/null | "
	"sed -n '2,$s/ .*//p'\n"
	"}\n\n"
	"_pgshovel() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} noun='' verb='' "
	"n=0 i eq=0 words='' kinds='' kind\n"
	"\tlocal call=(\"${COMP_WORDS[0]}\")\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n";

static const char bash_scan[] =
	")\n"
	"\t\t\t[ \"${COMP_WORDS[i + 1]}\" != = ] || ((i++, eq = 1))\n"
	"\t\t\t[[ ${COMP_WORDS[i - eq]} != --@(cluster|zookeeper-hosts|credentials-dir) ]] ||\n"
	"\t\t\t\tcall+=(\"${COMP_WORDS[i - eq]}\" \"${COMP_WORDS[i + 1]}\")\n"
	"\t\t\t((i++, eq = 0)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*)\n"
	"\t\t\tif [ -z \"$noun\" ]; then noun=${COMP_WORDS[i]}\n"
	"\t\t\telif [ -z \"$verb\" ]; then verb=${COMP_WORDS[i]}\n"
	"\t\t\telse ((n++))\n"
	"\t\t\tfi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t[ \"$cur\" != = ] || cur=''\n"
	"\t[ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\tcase $prev in\n";

static const char bash_tail[] =
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tkind=${kinds:n:1}\n"
	"\tif [ -z \"$noun\" ] || [ -z \"$verb\" ]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$next\" -- \"$cur\")\n"
	"\telse\n"
	"\t\tcase $kind in [sb]) mapfile -t COMPREPLY < <(compgen -W "
	"\"$(_pgshovel_sets \"${call[@]}\")\" -- \"$cur\") ;; esac\n"
	"\t\tcase $kind in\n"
	"\t\t[fb])\n"
	"\t\t\tcompopt -o filenames 2> /dev/null\n"
	"\t\t\tmapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"}\n\n"
	"complete -F _pgshovel pgshovel\n";

static void bash_values(FILE *out)
{
	for (size_t i = 0; i < admin_n_option_specs; i++) {
		const struct option_spec *spec = &admin_option_specs[i];
		const struct value_kind *kind = value_kind(spec);
		if (kind && shown(spec))
			fprintf(out,
				"\t--%s) mapfile -t COMPREPLY < <(compgen %s -- \"$cur\"); "
				"return ;;\n",
				spec->name, kind->bash);
	}
	fputs("\t", out);
	put_value_pattern(out);
	fputs(") return ;;\n\tesac\n", out);
}

static void bash_commands(FILE *out)
{
	fputs("\tlocal next='", out);
	put_nouns(out);
	fputs("'\n\tcase $noun in\n\t'') ;;\n", out);
	for (size_t i = 0; i < cli_n_nouns; i++) {
		fprintf(out, "\t%s) next='", cli_nouns[i].name);
		put_verbs(cli_nouns[i].name, out);
		fputs("' ;;\n", out);
	}
	fputs("\t*) next='' ;;\n\tesac\n\tcase \"$noun $verb\" in\n", out);
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *command = &cli_commands[i];
		fputs("\t", out);
		put_command_pattern(command, out);
		fputs(") kinds=", out);
		put_arguments(command, out);
		fputs(" words='", out);
		for (const char *const *own = command->options; *own; own++)
			fprintf(out, "%s--%s", own == command->options ? "" : " ", *own);
		fputs("' ;;\n", out);
	}
	fputs("\tesac\n\twords+='", out);
	for (size_t i = 0; i < admin_n_option_specs; i++)
		if (shown(&admin_option_specs[i]) && is_general(&admin_option_specs[i]))
			fprintf(out, " --%s", admin_option_specs[i].name);
	fputs("'\n", out);
}

static void print_bash(FILE *out)
{
	fputs(bash_head, out);
	fputs("\t\t", out);
	put_value_pattern(out);
	fputs(bash_scan, out);
	bash_values(out);
	bash_commands(out);
	fputs(bash_tail, out);
}

/* ---- zsh ---- */

/* Text inside of [...] of an _arguments specification, in single quotes. */
static void put_zsh_text(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void zsh_option(const struct option_spec *spec, FILE *out)
{
	const struct value_kind *kind = value_kind(spec);

	fprintf(out, "'--%s%s[", spec->name, spec->type == OPTION_FLAG ? "" : "=");
	put_zsh_text(spec->help, out);
	fputc(']', out);
	if (spec->type != OPTION_FLAG)
		fprintf(out, ":%s:%s", spec->argument ? spec->argument : "VALUE",
			kind ? kind->zsh : " ");
	fputc('\'', out);
}

static void zsh_described(const char *name, const char *text, FILE *out)
{
	fprintf(out, "'%s:", name);
	put_zsh_text(text, out);
	fputc('\'', out);
}

static const char zsh_head[] =
	"#compdef pgshovel\n"
	"# zsh completion of pgshovel. Made by pgshovel --print-completion zsh.\n\n"
	"_pgshovel_sets() {\n"
	"\tlocal -a sets\n"
	"\tsets=(${(f)\"$(PGSHOVEL_CONNECT_TIMEOUT=${PGSHOVEL_CONNECT_TIMEOUT:-1s} ${=1} set list "
	"2> /dev/null | "
	"sed -n '2,$s/ .*//p')\"})\n"
	"\tcompadd -a sets\n"
	"}\n\n"
	"_pgshovel() {\n"
	"\tlocal noun='' verb='' kinds='' kind i n=0 call=$words[1]\n"
	"\tlocal -a options next\n"
	"\tfor ((i = 2; i < CURRENT; i++)); do\n"
	"\t\tcase $words[i] in\n"
	"\t\t--(cluster|zookeeper-hosts|credentials-dir)) call+=\" $words[i] $words[i+1]\"; "
	"((i++)) ;;\n"
	"\t\t(";

static const char zsh_scan[] =
	")) ((i++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) if [[ -z $noun ]]; then noun=$words[i]; elif [[ -z $verb ]]; then verb=$words[i]; "
	"else ((n++)); fi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\toptions=(\n";

static const char zsh_tail[] = "\tesac\n"
			       "\tif [[ -z $noun || -z $verb ]]; then\n"
			       "\t\t_arguments $options '*: :->word'\n"
			       "\t\t[[ $state != word ]] || _describe word next\n"
			       "\t\treturn\n"
			       "\tfi\n"
			       "\tkind=${kinds[n+1]}\n"
			       "\tcase $kind in\n"
			       "\t(s) _arguments $options '*:set:_pgshovel_sets \"$call\"' ;;\n"
			       "\t(f) _arguments $options '*:file:_files' ;;\n"
			       "\t(b) _arguments $options '*: :->both'; [[ $state != both ]] || { "
			       "_pgshovel_sets \"$call\"; _files; } ;;\n"
			       "\t(*) _arguments $options '*: : ' ;;\n"
			       "\tesac\n"
			       "}\n\n"
			       "_pgshovel \"$@\"\n";

static void zsh_nouns(FILE *out)
{
	fputs("\tcase $noun in\n\t('') next=(", out);
	for (size_t i = 0; i < cli_n_nouns; i++) {
		fputc(' ', out);
		zsh_described(cli_nouns[i].name, cli_nouns[i].summary, out);
	}
	fputs(" ) ;;\n", out);
	for (size_t i = 0; i < cli_n_nouns; i++) {
		fprintf(out, "\t(%s) next=(", cli_nouns[i].name);
		for (size_t j = 0; j < cli_n_commands; j++) {
			if (strcmp(cli_commands[j].noun, cli_nouns[i].name) != 0 ||
			    !cli_commands[j].verb[0])
				continue;
			fputc(' ', out);
			zsh_described(cli_commands[j].verb, cli_commands[j].summary, out);
		}
		fputs(" ) ;;\n", out);
	}
	fputs("\tesac\n", out);
}

static void print_zsh(FILE *out)
{
	fputs(zsh_head, out);
	put_value_pattern(out);
	fputs(zsh_scan, out);
	for (size_t i = 0; i < admin_n_option_specs; i++) {
		if (!shown(&admin_option_specs[i]) || !is_general(&admin_option_specs[i]))
			continue;
		fputs("\t\t", out);
		zsh_option(&admin_option_specs[i], out);
		fputc('\n', out);
	}
	fputs("\t)\n", out);
	zsh_nouns(out);
	fputs("\tcase \"$noun $verb\" in\n", out);
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *command = &cli_commands[i];
		fputs("\t(", out);
		put_command_pattern(command, out);
		fputs(") kinds=", out);
		put_arguments(command, out);
		fputs("\n\t\toptions+=(", out);
		for (size_t j = 0; j < admin_n_option_specs; j++)
			if (belongs(command, admin_option_specs[j].name)) {
				fputc(' ', out);
				zsh_option(&admin_option_specs[j], out);
			}
		fputs(" ) ;;\n", out);
	}
	fputs(zsh_tail, out);
}

int completion_print(const char *shell, FILE *out, struct pgs_err *reterr)
{
	if (strcmp(shell, "bash") == 0)
		print_bash(out);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(out);
	else
		return cli_usage(reterr, "no completion for \"%s\": there is bash and zsh", shell);
	return 0;
}
