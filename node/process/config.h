/*
 * The configuration of the program. In ascending order of precedence, values come from the defaults, the application,
 * the file of --config, the environment, and flags.
 *
 * The same option twice in one file is a mistake, because one of the lines would have no effect. In several files,
 * the line that is read last counts, so that an included file can override lines before the include. An option that
 * may be given several times, such as backend, has the items of all lines.
 *
 * SIGHUP reads the file again. Options whose row says `reload` take effect; others keep the value of the start, in
 * workers that are started later too. A file with a mistake changes nothing.
 */
#ifndef NODE_PROCESS_CONFIG_H
#define NODE_PROCESS_CONFIG_H

#include "common/base/buffer.h"
#include "common/io/config_file.h"
#include "node/process/app.h"
#include "node/process/app_options.h"
#include "node/process/process_options.h"

#define CONFIG_APP_TABLE (1 + SERVER_TABLES) /* index of the application's table, which is the last */
#define CONFIG_TABLES (CONFIG_APP_TABLE + 1)
#define CONFIG_OPTIONS_MAX 256 /* rows of all tables */

/* Where the value of an option comes from. */
struct config_origin {
	enum { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG } from;
	const char *file; /* FROM_FILE */
	unsigned line;
};

struct config {
	struct program_options program; /* of this process */
	struct app_options app;		/* the options that the application declares */
	struct app_file app_file;	/* of --app */
	int argc;			/* the command line without --check, --print-config and --health */
	char **argv;
	bool check, print, health;			  /* --check, --print-config, --health */
	struct config_files *start, *latest;		  /* at the start, and on the last SIGHUP; NULL: none */
	struct config_origin origins[CONFIG_OPTIONS_MAX]; /* by the number of the row in all tables */
	char *base[CONFIG_OPTIONS_MAX]; /* values of rows with `reload` before the file was applied; NULL: others */
};

/* Removes --check, --print-config and --health from the command line, which must outlive the config. */
void config_init(struct config *config, int argc, char **argv);
void config_fini(struct config *config);

/* Returns the tables of the options of the program, of a server and of the application. */
void config_tables(struct config *config, struct server_options *server, struct option_table out[CONFIG_TABLES]);

/*
 * Reads everything into config->program, config->app and `server`, which server_options_init() has made, and checks
 * it. Returns 0, 1 for --help, 2 for --version, ERROR_SYSTEM if a file cannot be read or the application cannot be
 * loaded, or another negative error. The listener is called for the first mistake, or with --check for every one;
 * "FILE:LINE: " precedes a mistake in a file.
 */
int config_read(struct config *config, struct server_options *server, const struct config_listener *listener);

/*
 * Applies the file, the environment and flags to the options of this process's server, over those that the
 * application has set. The application's own options keep the values of config_read(). `server` are the server's
 * tables. Returns 0, or a negative error with one line in `error` if the application makes a value invalid.
 */
int config_apply(
	struct config *config, const struct option_table server[SERVER_TABLES], char error[OPTION_ERROR_MAX]);

/*
 * Reads the file again and sets the options that may change, in the tables of this process. Appends the names of the
 * options that changed to `applied`, and of those that need a restart to `kept`, separated by commas. Returns 0, or a
 * negative error if the file has a mistake; the listener is then called for each, and nothing has changed. Without a
 * file, it does nothing.
 */
int config_reload(struct config *config, const struct option_table tables[CONFIG_TABLES], struct buffer *applied,
	struct buffer *kept, const struct config_listener *listener);

/*
 * Returns 0 if the file of --app has not been replaced since the start. Otherwise loads the new file once in a child:
 * returns 1 if that succeeds, or a negative error with one line in `error`.
 */
int config_app_replaced(const struct config *config, char error[OPTION_ERROR_MAX]);

/*
 * Appends all options as a configuration file: one line each, and where its value comes from in a comment. Secrets
 * are not shown.
 */
void config_print(struct config *config, struct server_options *server, struct buffer *out);

#endif
