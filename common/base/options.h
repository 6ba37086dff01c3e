/*
 * Options as tables: one row per option, from which the flag, the environment
 * variable, the API name, --help, the table in docs/options.md and the checks come.
 *
 * A program composes tables of several layers; each table fills one plain
 * struct at the rows' offsets. "pingInterval" (API) is "--ping-interval" (flag)
 * is SOCKEYE_PING_INTERVAL (environment). Flags beat the environment, the environment beats defaults.
 */
#ifndef COMMON_BASE_OPTIONS_H
#define COMMON_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"

enum option_type {
	OPTION_FLAG,   /* bool: --x, --no-x, --x=true|false|1|0|yes|no|on|off */
	OPTION_AUTO,   /* int: -1 for auto, else 0 or 1, given like a FLAG */
	OPTION_NUMBER, /* uint64_t within min..max */
	OPTION_MS,     /* uint64_t milliseconds; accepts 300, 300ms, 25s, 2m */
	OPTION_BYTES,  /* uint64_t; accepts 1000000, 1e6, 64k (1024), 1m */
	OPTION_TEXT,   /* char *, owned by the struct, freed by options_fini() */
	OPTION_SWITCH, /* the same, but the value may be left out: --x means `choices`, --no-x false */
	OPTION_CHOICE, /* int: index into `choices` ("a|b|c") */
	OPTION_LIST,   /* char *, comma separated; each item must be one of `choices` when that is set */
	OPTION_EACH,   /* the same; a flag that is given several times adds an item each time */
};

/* True for options that are given by their name alone, or with --no- in front. */
static inline bool
option_is_flag(enum option_type type)
{
	return type == OPTION_FLAG || type == OPTION_AUTO;
}

/* True for those whose field is an owned text. */
static inline bool
option_is_text(enum option_type type)
{
	return type >= OPTION_TEXT && type != OPTION_CHOICE;
}

struct option_row {
	const char *name; /* Socket.IO's spelling: "pingInterval" */
	enum option_type type;
	size_t offset;	     /* into the table's struct */
	const char *initial; /* default as text; NULL: unset */
	uint64_t min, max;   /* numbers, ms, bytes; a max of 0 is no limit */
	const char *choices; /* CHOICE, LIST: "polling|websocket"; SWITCH: what the flag alone means */
	const char *value;   /* word for the value in --help: "MS", "FILE" */
	const char *help;    /* one sentence, no full stop */
	const char *group;   /* heading in --help; NULL: same as the row above */
};

struct option_table {
	const struct option_row *rows;
	size_t count;
	void *into;	 /* the struct that the rows' offsets are in */
	bool flags_only; /* no environment variables: the options of a tool that is told what to do each time */
};

/* Room for one error line that says what, where and what to do. */
#define OPTION_ERROR_MAX 512

/* Sets every default. Only a broken table fails (must). */
void options_defaults(const struct option_table *tables, size_t n);

/* Frees the texts. */
void options_fini(const struct option_table *tables, size_t n);

/*
 * Sets one option by its API name, flag name (without dashes) or environment name. ERROR_NOT_FOUND,
 * ERROR_ARGUMENT; `error` (OPTION_ERROR_MAX bytes, may be NULL) then holds one clear line, with
 * the nearest name for an unknown option.
 */
int options_set(const struct option_table *tables, size_t n, const char *name, const char *value, char *error);

/*
 * Reads SOCKEYE_* from the environment, then argv (argv[0] is skipped; --name value, --name=value, --flag,
 * --no-flag). An unknown SOCKEYE_* variable is an error too; an empty one counts as unset, as an image or a compose
 * file can set a variable anew but not take it away. Returns 0; 1 when --help was seen, 2 for
 * --version; negative with `error` set. Words that are not options are refused.
 */
int options_read(const struct option_table *tables, size_t n, int argc, char **argv, char *error);

/*
 * The same for a program that takes words too: those that are not options, `max` at most, in `words` (pointers into
 * argv), how many in *count.
 */
int options_read_words(const struct option_table *tables, size_t n, int argc, char **argv, const char **words,
	size_t max, size_t *count, char *error);

/* The body of --help: one paragraph per group, wrapped at 100 columns, with defaults and environment names. */
void options_help(const struct option_table *tables, size_t n, struct buffer *out);

/* The same as a Markdown table, for docs/options.md. */
void options_markdown(const struct option_table *tables, size_t n, struct buffer *out);

#endif
