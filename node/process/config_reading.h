/*
 * One reading of the configuration into tables: the steps that the start (config.c), the checks (config_check.c) and
 * SIGHUP (config_reload.c) share.
 */
#ifndef NODE_PROCESS_CONFIG_READING_H
#define NODE_PROCESS_CONFIG_READING_H

#include "node/process/config.h"

/* Lives during one call of config.h, on the stack or in a trial (config_reload.c). All pointers are borrowed. */
struct config_reading {
	struct config *config;
	struct option_table tables[CONFIG_TABLES];
	struct server_options *server;
	struct program_options *program;
	const struct config_listener *listener;
	struct config_origin *origins;
	bool all; /* report every mistake */
	unsigned mistakes;
	int error; /* of the first mistake */
};

/* Returns the number of a row in all tables. */
unsigned config_row_number(const struct option_table tables[CONFIG_TABLES], const struct option_row *row);
/* Calls a function for each row, with the number of the row. */
void config_each_row(const struct option_table tables[CONFIG_TABLES],
	void (*fn)(void *arg, const struct option_found *found, unsigned number), void *arg);
/* Returns the value of an option as text, which the caller releases with mem_free(). */
char *config_value(const struct option_found *found);

/* Counts a mistake, and reports it if it is the first one or all are wanted. `error` is a negative enum error. */
void config_mistake(struct config_reading *reading, int error, const char *text);

/*
 * Reads the named file, which the caller frees; returns NULL without a name. Mistakes are reported; a file with
 * mistakes is used as far as it can be read.
 */
struct config_files *config_read_files(struct config_reading *reading, const char *path);
/* Sets the options that the files name. `files` NULL: none. */
void config_apply_files(struct config_reading *reading, const struct config_files *files);
/*
 * Sets an option that may change to its value in the file that SIGHUP has read, or to its value without a file. `arg`
 * is the reading: config_each_row() calls it.
 */
void config_apply_latest(void *arg, const struct option_found *found, unsigned number);
/* Sets the options of the environment and of flags. Returns 0, 1 for --help or 2 for --version. */
int config_read_arguments(struct config_reading *reading);

/* config_check.c: runs all checks of the values that were read, and reports their mistakes. */
void config_check_all(struct config_reading *reading);

#endif
