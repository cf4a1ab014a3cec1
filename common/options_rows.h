/*
 * common/options_rows.h
 *    Rows of the option tables that more than one program has: names, types and defaults are the same in all.
 *
 * `target` is the program's struct, whose field is named like the option. What --help says is the program's own
 * where it means something else there. Does not define whole tables: which options there are, and in which order, is the program's.
 */
#ifndef PGSHOVEL_COMMON_OPTIONS_ROWS_H
#define PGSHOVEL_COMMON_OPTIONS_ROWS_H

#include "common/options.h"

#define OPTION_ROW_ZOOKEEPER_HOSTS(target, text)                                                   \
	{                                                                                          \
		.name = "zookeeper-hosts", .type = OPTION_STRING,                                  \
		.offset = offsetof(target, zookeeper_hosts), .fallback = "127.0.0.1:2181",         \
		.argument = "HOSTS", .help = text                                                  \
	}

#define OPTION_ROW_CLUSTER(target, text)                                                           \
	{                                                                                          \
		.name = "cluster", .type = OPTION_STRING, .offset = offsetof(target, cluster),     \
		.fallback = "default", .argument = "NAME", .help = text                            \
	}

#define OPTION_ROW_CREDENTIALS_DIR(target, word, text)                                             \
	{                                                                                          \
		.name = "credentials-dir", .type = OPTION_STRING,                                  \
		.offset = offsetof(target, credentials_dir), .argument = word,                     \
		.help = "folder with the files pgpass, kafka, kafka.SET and zookeeper" text        \
	}

#define OPTION_ROW_LOG_LEVEL(target, usual, how)                                                   \
	{                                                                                          \
		.name = "log-level", .type = OPTION_STRING, .offset = offsetof(target, log_level), \
		.fallback = usual, .argument = "LEVEL", .flags = how,                              \
		.help = "error, warning, notice, info or debug"                                    \
	}

#define OPTION_ROW_STDOUT(target, text)                                                            \
	{                                                                                          \
		.name = "stdout", .type = OPTION_FLAG, .offset = offsetof(target, to_stdout),      \
		.flags = OPTION_ACTION, .help = text                                               \
	}

#define OPTION_ROW_FILE(target, text)                                                              \
	{                                                                                          \
		.name = "file", .type = OPTION_STRING, .offset = offsetof(target, file),           \
		.argument = "PATH", .flags = OPTION_ACTION, .help = text                           \
	}

#define OPTION_ROW_FROM(target)                                                                    \
	{                                                                                          \
		.name = "from", .type = OPTION_STRING, .offset = offsetof(target, from),           \
		.argument = "SNAPSHOT", .flags = OPTION_ACTION,                                    \
		.help = "with --stdout or --file: start at this snapshot instead of the set's "    \
			"first"                                                                    \
	}

#define OPTION_ROW_COMMIT(target)                                                                  \
	{                                                                                          \
		.name = "commit", .type = OPTION_STRING, .offset = offsetof(target, commit),       \
		.argument = "FILE", .flags = OPTION_ACTION,                                        \
		.help = "with --stdout or --file: keep the position in this file"                  \
	}

#define OPTION_ROW_VERSION(target, short_flag, text)                                               \
	{                                                                                          \
		.name = "version", .letter = short_flag, .type = OPTION_FLAG,                      \
		.offset = offsetof(target, version), .flags = OPTION_ACTION, .help = text          \
	}

#define OPTION_ROW_HELP(target, text)                                                              \
	{                                                                                          \
		.name = "help", .letter = 'h', .type = OPTION_FLAG,                                \
		.offset = offsetof(target, help), .flags = OPTION_ACTION, .help = text             \
	}

/* Read by the build, which makes the option list of the manual. */
#define OPTION_ROW_MDOC_OPTIONS(target)                                                            \
	{                                                                                          \
		.name = "mdoc-options", .type = OPTION_FLAG,                                       \
		.offset = offsetof(target, mdoc_options), .flags = OPTION_ACTION | OPTION_HIDDEN,  \
		.help = "print the options for the manual"                                         \
	}

#endif
