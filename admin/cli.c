/*
 * admin/cli.c
 *    Nouns and verbs: the table, finding a command, help.
 *
 * Does not read options and runs nothing.
 */
#include "admin/cli.h"

#include <stdarg.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/commands.h"

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct cli_noun cli_nouns[] = {
	{ "cluster", "a subtree of ZooKeeper and the sets in it" },
	{ "set", "tables that are replicated together, described by one file" },
	{ "status", "the whole cluster on one screen" },
	{ "host", "supervisors, and who of them takes sets" },
	{ "node", "databases that were left out of a rollout" },
	{ "event", "events that could not be sent and were put aside" },
	{ "config", "files, without any server" },
	{ "txn", "rollouts that were interrupted" },
};
const size_t cli_n_nouns = PGS_ARRAY_LEN(cli_nouns);

const struct cli_command cli_commands[] = {
	{ .noun = "cluster",
	  .verb = "initialize",
	  .arguments = "",
	  .options = OPTIONS("dry-run"),
	  .summary = "create the cluster in ZooKeeper",
	  .text = "Creates /CLUSTER and what belongs below it. A cluster that exists already is "
		  "an\n"
		  "error (exit 78) and stays as it is.\n",
	  .run = cmd_cluster_initialize },
	{ .noun = "cluster",
	  .verb = "upgrade",
	  .arguments = "",
	  .options = OPTIONS("dry-run", "json", "wait", "force"),
	  .summary = "bring ZooKeeper and all databases to this program's version",
	  .text = "Installs this program's schema in every database of every set, all or "
		  "nothing.\n",
	  .run = cmd_cluster_upgrade },
	{ .noun = "cluster",
	  .verb = "verify",
	  .arguments = "",
	  .options = OPTIONS("repair", "dry-run", "json", "wait", "lock-timeout", "skip-kafka"),
	  .summary = "compare ZooKeeper, databases and triggers; --repair cures",
	  .text = "Prints one line for each thing that is not as the sets say. Exit 0: nothing, 1: "
		  "--repair\n"
		  "cures all of it, 78: a person must do something, 75: a database could not be "
		  "reached.\n"
		  "--repair closes open rollouts, makes triggers, functions, the schema and the "
		  "consumer\n"
		  "again and drops what belongs to no set; then 0: nothing is left, 78 or 75: "
		  "something is.\n"
		  "Changes made while capture was not in force are not brought back by it.\n",
	  .run = cmd_cluster_verify },
	{ .noun = "cluster",
	  .verb = "recover",
	  .arguments = "",
	  .options = OPTIONS("dry-run"),
	  .summary = "raise the generation after ZooKeeper was wiped or restored",
	  .text = "Tokens of relays begin with the cluster's generation. After ZooKeeper went back "
		  "in\n"
		  "time a relay's token may be lower than one the databases have seen; this raises "
		  "the\n"
		  "generation above every earlier one. Makes the cluster when it is missing.\n",
	  .run = cmd_cluster_recover },
	{ .noun = "set",
	  .verb = "create",
	  .arguments = "NAME [FILE]",
	  .min_arguments = 1,
	  .max_arguments = 2,
	  .options = OPTIONS("dry-run", "json", "wait", "lock-timeout", "skip-kafka", "force"),
	  .summary = "roll a new set out to its databases and to ZooKeeper",
	  .text = "FILE is the set file; \"-\", or nothing, means standard input. Prints the "
		  "version.\n"
		  "Every change that commits after this command has returned is relayed, whenever "
		  "the\n"
		  "first relay starts. All databases and ZooKeeper get the set, or none does. "
		  "--force\n"
		  "takes over a set that a database holds and ZooKeeper does not know.\n",
	  .run = cmd_set_create },
	{ .noun = "set",
	  .verb = "upgrade",
	  .alias = "update",
	  .arguments = "[NAME[@VERSION]] FILE",
	  .min_arguments = 1,
	  .max_arguments = 2,
	  .options = OPTIONS("dry-run", "json", "wait", "lock-timeout", "skip-kafka", "force"),
	  .summary = "roll a changed set file out",
	  .text = "Without NAME the file says the name. With @VERSION (12 hex digits or more) "
		  "nothing\n"
		  "is done unless the set is at that version. Prints the new version, or "
		  "\"unchanged\".\n"
		  "Relays restart by themselves. --force leaves out databases that the file does "
		  "not\n"
		  "list any more and that cannot be reached.\n",
	  .run = cmd_set_upgrade },
	{ .noun = "set",
	  .verb = "diff",
	  .arguments = "[NAME[@VERSION]] FILE",
	  .min_arguments = 1,
	  .max_arguments = 2,
	  .options = OPTIONS("json"),
	  .summary = "what \"set upgrade\" would change, by the documents alone",
	  .text = "Compares the set's document in ZooKeeper with FILE; looks into no database and "
		  "changes\n"
		  "nothing. A line a difference: \"+\" what comes, \"-\" what goes, \"~\" what "
		  "becomes\n"
		  "something else. Exit 0: no difference, 1: there is one. What \"set upgrade\" "
		  "refuses is\n"
		  "refused here too (78).\n",
	  .run = cmd_set_diff },
	{ .noun = "set",
	  .verb = "drop",
	  .arguments = "NAME[@VERSION]",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS("dry-run", "json", "wait", "lock-timeout", "skip-kafka", "force"),
	  .summary = "end a set: relay, triggers, queue, positions",
	  .text = "Topics with data stay. Waits until the relay has stopped and until the "
		  "transactions\n"
		  "that may still write to the queue have ended, at most --wait; then exits 75 and "
		  "says\n"
		  "what is left: the next command finishes it. --force leaves out databases that "
		  "are\n"
		  "gone for good.\n",
	  .run = cmd_set_drop },
	{ .noun = "set",
	  .verb = "list",
	  .arguments = "",
	  .options = OPTIONS("json"),
	  .summary = "name, databases, tables and version of every set",
	  .text = "",
	  .run = cmd_set_list },
	{ .noun = "set",
	  .verb = "inspect",
	  .arguments = "NAME",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS(NULL),
	  .summary = "print the document of a set",
	  .text = "The document goes to standard output and is valid input for create and upgrade; "
		  "the\n"
		  "version goes to standard error.\n",
	  .run = cmd_set_inspect },
	{ .noun = "set",
	  .verb = "status",
	  .arguments = "[NAME]",
	  .max_arguments = 1,
	  .options = OPTIONS("json"),
	  .summary = "what the supervisors say of their sets",
	  .text = "A line a set, or all that is known of one: owner, last exit, next try, lag by "
		  "four clocks,\n"
		  "position, last error. STATE is \"unowned\" when nobody runs it, \"unknown\" "
		  "when its host\n"
		  "is away. Supervisors write it every 10 seconds and at each change.\n",
	  .run = cmd_set_status },
	{ .noun = "set",
	  .verb = "position",
	  .arguments = "NAME",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS("accept", "reset", "from", "database", "yes", "dry-run", "json"),
	  .summary = "show, accept or reset the position that Kafka holds",
	  .text = "Shows what Kafka and each database say of the place where reading goes on, and "
		  "why\n"
		  "they do not fit together when a set is parked for it (exit 78 then). --accept "
		  "goes\n"
		  "on from Kafka's position; it is refused when changes that are still to be made "
		  "would\n"
		  "be skipped. --reset forgets it. Both end the relay's session, print what may be "
		  "lost\n"
		  "or doubled, and do nothing without --yes. With several databases --database "
		  "says\n"
		  "which.\n",
	  .run = cmd_set_position },
	{ .noun = "status",
	  .verb = "",
	  .arguments = "",
	  .options = OPTIONS("json", "watch"),
	  .summary = "hosts, sets, lag and trouble of the whole cluster on one screen",
	  .text = "Sets that do not work come first, then those that are furthest behind.\n",
	  .run = cmd_status },
	{ .noun = "host",
	  .verb = "list",
	  .arguments = "",
	  .options = OPTIONS("json"),
	  .summary = "the supervisors of the cluster, their sets and when they were seen",
	  .text = "STATE is active, drained, or away (no session with ZooKeeper).\n",
	  .run = cmd_host_list },
	{ .noun = "host",
	  .verb = "drain",
	  .arguments = "HOST",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS(NULL),
	  .summary = "move all sets of a host to the others",
	  .text = "The host stops its relays at the end of a window and gives the sets back; other "
		  "hosts\n"
		  "take them at once. It takes none until \"host resume\", a restart included.\n",
	  .run = cmd_host_drain },
	{ .noun = "host",
	  .verb = "resume",
	  .arguments = "HOST",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS(NULL),
	  .summary = "let a drained host take sets again",
	  .text = "Its share comes back after half a minute.\n",
	  .run = cmd_host_resume },
	{ .noun = "node",
	  .verb = "list",
	  .arguments = "",
	  .options = OPTIONS("json"),
	  .summary = "databases that --force left out, and of what",
	  .text = "",
	  .run = cmd_node_list },
	{ .noun = "node",
	  .verb = "forget",
	  .arguments = "ID",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS("dry-run", "wait", "lock-timeout", "force"),
	  .summary = "take away what is left in such a database, and forget it",
	  .text = "ID is shown by \"node list\". A database that answers is cleaned of the set: "
		  "triggers,\n"
		  "functions, queue; unless it belongs to the set again. One that does not answer "
		  "is\n"
		  "forgotten with --force only.\n",
	  .run = cmd_node_forget },
	{ .noun = "event",
	  .verb = "list",
	  .arguments = "NAME",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS("database", "json"),
	  .summary = "events of a set in quarantine",
	  .text = "",
	  .run = cmd_event_list },
	{ .noun = "event",
	  .verb = "show",
	  .arguments = "NAME ID",
	  .min_arguments = 2,
	  .max_arguments = 2,
	  .options = OPTIONS("database", "json"),
	  .summary = "one event in quarantine, whole",
	  .text = "",
	  .run = cmd_event_show },
	{ .noun = "event",
	  .verb = "retry",
	  .arguments = "NAME ID",
	  .min_arguments = 2,
	  .max_arguments = 2,
	  .options = OPTIONS("database", "dry-run"),
	  .summary = "put an event into the queue again",
	  .text = "It is sent as a new event, after everything that has happened since: a later "
		  "change of\n"
		  "the same row may be in Kafka already, and consumers would then end with the "
		  "older row.\n",
	  .run = cmd_event_retry },
	{ .noun = "event",
	  .verb = "discard",
	  .arguments = "NAME ID",
	  .min_arguments = 2,
	  .max_arguments = 2,
	  .options = OPTIONS("database", "dry-run"),
	  .summary = "mark an event as never to be sent",
	  .text = "",
	  .run = cmd_event_discard },
	{ .noun = "config",
	  .verb = "check",
	  .arguments = "FILE",
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .options = OPTIONS(NULL),
	  .summary = "check a set file without any server",
	  .text = "\"-\" means standard input. Prints the version that the file would have.\n",
	  .run = cmd_config_check },
	{ .noun = "txn",
	  .verb = "list",
	  .arguments = "",
	  .options = OPTIONS("json"),
	  .summary = "rollouts that are open, and what recover would do",
	  .text = "",
	  .run = cmd_txn_list },
	{ .noun = "txn",
	  .verb = "recover",
	  .arguments = "[ID]",
	  .max_arguments = 1,
	  .options = OPTIONS("dry-run", "json", "wait", "lock-timeout", "skip-kafka", "force"),
	  .summary = "commit or roll back rollouts that were interrupted",
	  .text = "Every command that writes does the same first, for the rollouts that ZooKeeper "
		  "knows;\n"
		  "this one also looks for prepared transactions in the databases of all sets. "
		  "--force\n"
		  "closes rollouts without the databases that are gone for good.\n",
	  .run = cmd_txn_recover },
};
const size_t cli_n_commands = PGS_ARRAY_LEN(cli_commands);

int cli_usage(struct pgs_err *reterr, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return pgs_err_set(reterr, PGS_ERR_CONFIG, "usage", "%s", text);
}

static bool is_verb(const struct cli_command *command, const char *word)
{
	return strcmp(command->verb, word) == 0 ||
	       (command->alias && strcmp(command->alias, word) == 0);
}

/* "status" is a noun that needs no verb. */
static bool stands_alone(const struct cli_command *command)
{
	return !command->verb[0];
}

/* The words of a command, for people. */
static void put_words(const struct cli_command *command, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s%s%s%s", command->noun, stands_alone(command) ? "" : " ",
		 command->verb, command->arguments[0] ? " " : "", command->arguments);
}

int cli_find(char *const *words, int n, struct cli_choice *ret, struct pgs_err *reterr)
{
	struct cli_choice choice = { 0 };

	if (n == 0) {
		*ret = choice;
		return 0;
	}
	for (size_t i = 0; i < cli_n_nouns && !choice.noun; i++)
		if (strcmp(cli_nouns[i].name, words[0]) == 0)
			choice.noun = &cli_nouns[i];
	if (!choice.noun)
		return cli_usage(reterr, "unknown command \"%s\"; try \"pgshovel --help\"",
				 words[0]);
	choice.used = 1;
	for (size_t i = 0; i < cli_n_commands && !choice.command; i++)
		if (strcmp(cli_commands[i].noun, words[0]) == 0 &&
		    (stands_alone(&cli_commands[i]) ||
		     (n > 1 && is_verb(&cli_commands[i], words[1]))))
			choice.command = &cli_commands[i];
	if (n > 1 && !choice.command)
		return cli_usage(reterr, "unknown command \"%s %s\"; try \"pgshovel %s --help\"",
				 words[0], words[1], words[0]);
	choice.used = choice.command && !stands_alone(choice.command) ? 2 : 1;
	*ret = choice;
	return 0;
}

int cli_missing(const struct cli_choice *choice, struct pgs_err *reterr)
{
	if (!choice->noun)
		return cli_usage(reterr, "no command given; try \"pgshovel --help\"");
	return cli_usage(reterr, "\"pgshovel %s\" needs a verb; try \"pgshovel %s --help\"",
			 choice->noun->name, choice->noun->name);
}

static bool belongs(const struct cli_command *command, const char *option)
{
	for (const char *const *o = command->options; *o; o++)
		if (strcmp(*o, option) == 0)
			return true;
	return false;
}

/* Options of the program as a whole, whatever the command. */
static bool is_general(const struct option_spec *spec)
{
	return !(spec->flags & OPTION_ACTION) || (spec->flags & OPTION_HIDDEN) || spec->letter;
}

int cli_check(const struct cli_command *command, int n_arguments, const struct options *given,
	      struct pgs_err *reterr)
{
	char words[128];

	put_words(command, words, sizeof(words));
	if (n_arguments < command->min_arguments || n_arguments > command->max_arguments)
		return cli_usage(reterr, "too %s arguments: usage is pgshovel %s",
				 n_arguments < command->min_arguments ? "few" : "many", words);
	for (size_t i = 0; i < given->n_specs; i++) {
		const struct option_spec *spec = &given->specs[i];
		if (!(given->given >> i & 1) || is_general(spec) || belongs(command, spec->name))
			continue;
		words[strlen(words) - strlen(command->arguments) -
		      (command->arguments[0] ? 1 : 0)] = '\0';
		return cli_usage(reterr, "option \"--%s\" does not belong to \"%s\"", spec->name,
				 words);
	}
	return 0;
}

static void help_options(const struct cli_command *command, FILE *out)
{
	struct option_spec own[32];
	size_t n = 0;

	for (size_t i = 0; i < admin_n_option_specs && n < PGS_ARRAY_LEN(own); i++)
		if (!is_general(&admin_option_specs[i]) &&
		    belongs(command, admin_option_specs[i].name))
			own[n++] = admin_option_specs[i];
	if (n == 0)
		return;
	fprintf(out, "\nOptions:\n");
	options_help(own, n, out);
}

static void help_general(FILE *out)
{
	struct option_spec general[32];
	size_t n = 0;

	for (size_t i = 0; i < admin_n_option_specs && n < PGS_ARRAY_LEN(general); i++)
		if (is_general(&admin_option_specs[i]))
			general[n++] = admin_option_specs[i];
	fprintf(out, "\nGeneral options:\n");
	options_help(general, n, out);
}

static void help_command(const struct cli_command *command, FILE *out)
{
	char words[128];

	put_words(command, words, sizeof(words));
	fprintf(out, "Usage: pgshovel [OPTION]... %s\n\n", words);
	fprintf(out, "%c%s.\n", command->summary[0] - 'a' + 'A', command->summary + 1);
	if (command->text[0])
		fprintf(out, "\n%s", command->text);
	if (command->alias)
		fprintf(out, "\n\"%s %s\" is the same.\n", command->noun, command->alias);
	help_options(command, out);
	fprintf(out, "\n\"pgshovel --help\" lists the general options.\n");
}

static void help_noun(const struct cli_noun *noun, FILE *out)
{
	fprintf(out, "Usage: pgshovel [OPTION]... %s VERB [ARGUMENT]...\n\n", noun->name);
	fprintf(out, "Verbs of \"%s\" (%s):\n", noun->name, noun->summary);
	for (size_t i = 0; i < cli_n_commands; i++)
		if (strcmp(cli_commands[i].noun, noun->name) == 0)
			fprintf(out, "  %-11s %s\n", cli_commands[i].verb, cli_commands[i].summary);
	fprintf(out, "\n\"pgshovel %s VERB --help\" says more.\n", noun->name);
}

void cli_help(const struct cli_choice *choice, FILE *out)
{
	if (choice->command) {
		help_command(choice->command, out);
		return;
	}
	for (size_t i = 0; choice->noun && i < cli_n_commands; i++)
		if (strcmp(cli_commands[i].noun, choice->noun->name) == 0 &&
		    stands_alone(&cli_commands[i])) {
			help_command(&cli_commands[i], out);
			return;
		}
	if (choice->noun) {
		help_noun(choice->noun, out);
		return;
	}
	fprintf(out, "Usage: pgshovel [OPTION]... NOUN VERB [ARGUMENT]...\n\n");
	fprintf(out, "Administers clusters and replication sets of pgshovel.\n\nCommands:\n");
	for (size_t i = 0; i < cli_n_commands; i++) {
		char name[64];
		snprintf(name, sizeof(name), "%s%s%s", cli_commands[i].noun,
			 stands_alone(&cli_commands[i]) ? "" : " ", cli_commands[i].verb);
		fprintf(out, "  %-19s %s\n", name, cli_commands[i].summary);
	}
	help_general(out);
	fprintf(out, "\nExit status: 0 done, 1 there is a difference, 64 wrong usage, 70 a bug, 75 "
		     "try again, 78 change "
		     "something first.\n");
}
