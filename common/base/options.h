/*
 * Options as tables. Each option is one row, from which the flag, the environment variable, the API name, --help, the
 * table in docs/options.md and the checks are made.
 *
 * A program combines the tables of several layers. Each table fills one plain struct at the rows' offsets.
 * "pingInterval" (API) is "--ping-interval" (flag) and SOCKEYE_PING_INTERVAL (environment). Flags override the
 * environment, and the environment overrides defaults.
 *
 * An error line about an option begins with "option NAME: ". If the value itself is refused, NAME is what the user
 * wrote: --ping-interval, SOCKEYE_PING_INTERVAL or pingInterval. Checks that run after all options have been read (of
 * several options together, of files and addresses) do not know where a value came from, and NAME is the flag. A line
 * about several options begins with "options A and B: ".
 */
#ifndef COMMON_BASE_OPTIONS_H
#define COMMON_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"

enum option_type {
	OPTION_FLAG,   /* bool: --x, --no-x, --x=true|false|1|0|yes|no|on|off */
	OPTION_AUTO,   /* int: -1 for auto, otherwise 0 or 1; written like a FLAG */
	OPTION_NUMBER, /* uint64_t within min..max */
	OPTION_MS,     /* uint64_t milliseconds; accepts 300, 300ms, 25s, 2m */
	OPTION_BYTES,  /* uint64_t; accepts 1000000, 1e6, 64k (1024), 1m */
	OPTION_TEXT,   /* char *, owned by the struct, freed by options_fini() */
	OPTION_SWITCH, /* like TEXT, but the value is optional: --x means `choices`, --no-x means false */
	OPTION_CHOICE, /* int: index into `choices` ("a|b|c") */
	OPTION_LIST,   /* char *, comma-separated; if `choices` is set, each item must be one of them */
	OPTION_EACH,   /* like LIST; repeating the flag adds an item each time */
};

/* The part of a value that a listing of the configuration must not show. */
enum option_secret {
	OPTION_OPEN,	     /* nothing */
	OPTION_HIDDEN,	     /* the whole value */
	OPTION_URL_PASSWORD, /* the password of a URL */
};

/* Returns true for options whose flag needs no value and has a form with --no-. */
static inline bool
option_is_flag(enum option_type type)
{
	return type == OPTION_FLAG || type == OPTION_AUTO;
}

/* Returns true for options whose field is an owned text. */
static inline bool
option_is_text(enum option_type type)
{
	return type >= OPTION_TEXT && type != OPTION_CHOICE;
}

struct option_row {
	const char *name; /* name as Socket.IO spells it: "pingInterval" */
	enum option_type type;
	size_t offset;	     /* of the field in the table's struct */
	const char *initial; /* default as text; NULL: unset */
	uint64_t min, max;   /* limits of NUMBER, MS and BYTES; a max of 0 means no limit */
	const char *choices; /* CHOICE, LIST, EACH: "polling|websocket"; SWITCH: the value of the bare flag */
	const char *value;   /* word for the value in --help: "MS", "FILE" */
	const char *help;    /* help text without a final full stop */
	const char *group;   /* heading in --help; NULL: same group as the row before */
	enum option_secret secret;
	bool reload; /* a change in the configuration file takes effect on SIGHUP */
	/* names of options of any table ("a|b"): this option has an effect only if one of them is set; NULL: always
	 */
	const char *needs;
};

struct option_table {
	const struct option_row *rows;
	size_t count;
	void *into;	 /* the struct that the rows fill */
	bool flags_only; /* no environment variables, for tools that are configured on each call */
};

/* Size of an error line, which names the option, the value and the remedy. */
#define OPTION_ERROR_MAX 512

/* Sets every option to its default. It fails only if a table is faulty (checked by must()). */
void options_defaults(const struct option_table *tables, size_t n);

/* Frees all texts. */
void options_fini(const struct option_table *tables, size_t n);

/*
 * Sets one option by its API name, flag name (without dashes) or environment name. Returns 0, ERROR_NOT_FOUND or
 * ERROR_ARGUMENT with one line in `error` (OPTION_ERROR_MAX bytes, may be NULL). For an unknown name, the line
 * suggests the nearest known one.
 */
int options_set(const struct option_table *tables, size_t n, const char *name, const char *value, char *error);

/* A row and the struct that it fills. */
struct option_found {
	const struct option_row *row;
	void *into;
};

/*
 * Finds an option by any form of its name, as options_set() does. Returns 0, or ERROR_NOT_FOUND with one line in
 * `error` (may be NULL).
 */
int options_find(
	const struct option_table *tables, size_t n, const char *name, struct option_found *found, char *error);

/*
 * Adds an item to an option of type OPTION_EACH. Returns 0, or ERROR_ARGUMENT with one line in `error` that calls the
 * option `label`.
 */
int options_append(const struct option_found *found, const char *label, const char *value, char *error);

/*
 * Finds an option that differs from its default but has no effect, because it needs another option that is not set.
 * A flag is set if it is true, a text if it is neither empty nor "false", a number if it is above 0. `given` (may be
 * NULL) is the name of one more option that counts as set. Only the `count` tables of `checked` are searched. Returns
 * 0, or ERROR_ARGUMENT with one line in `error`.
 */
int options_check_needs(const struct option_table *checked, size_t count, const struct option_table *tables, size_t n,
	const char *given, char *error);

/* Sets an option to its default. */
void options_reset(const struct option_found *found);

/* Appends the value of an option in the form in which options_set() reads it. An unset text is empty. */
void options_write_value(const struct option_found *found, struct buffer *out);

/*
 * Reads the SOCKEYE_* variables, then argv without argv[0]: --name value, --name=value, --flag, --no-flag. An unknown
 * SOCKEYE_* variable is an error. An empty variable counts as unset, because an image or a compose file can override
 * a variable but not remove it. Other arguments are refused. Returns 0, 1 for --help or -h, 2 for --version, or a
 * negative error with a line in `error`.
 */
int options_read(const struct option_table *tables, size_t n, int argc, char **argv, char *error);

/* Callbacks of options_read_all(). */
struct options_reading {
	void (*on_set)(void *arg, const struct option_row *row, bool environment);
	void (*on_error)(void *arg, const char *error);
	void *arg;
};

/*
 * Like options_read(), but reports each option that is set, and each error instead of only the first. Returns 0, 1
 * for --help or -h, 2 for --version.
 */
int options_read_all(
	const struct option_table *tables, size_t n, int argc, char **argv, const struct options_reading *reading);

/*
 * Like options_read(), for a program that also takes arguments. At most `max` of them are stored in `words` (pointers
 * into argv), and their number in `*count`.
 */
int options_read_words(const struct option_table *tables, size_t n, int argc, char **argv, const char **words,
	size_t max, size_t *count, char *error);

/*
 * Appends the body of --help: one paragraph per group, wrapped at 100 columns, with defaults and environment names.
 */
void options_help(const struct option_table *tables, size_t n, struct buffer *out);

/* Appends the same as a Markdown table, for docs/options.md. */
void options_markdown(const struct option_table *tables, size_t n, struct buffer *out);

#endif
