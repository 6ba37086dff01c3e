#include "node/process/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/option.h"
#include "common/io/tls.h"
#include "node/process/app_probe.h"

#define NAMED_MAX 4	/* options that one error names */
#define MISTAKES_MAX 64 /* mistakes that one kind of check reports: more than there are checks */

/* One reading into tables. */
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

/* ------------------------------------------------------------------- origins */

/* Returns the number of a row in all tables. */
static unsigned
config_row_number(const struct option_table tables[CONFIG_TABLES], const struct option_row *row)
{
	unsigned number = 0;

	for (unsigned t = 0; t < CONFIG_TABLES; t++) {
		if (row >= tables[t].rows && row < tables[t].rows + tables[t].count)
			return number + (unsigned)(row - tables[t].rows);
		number += (unsigned)tables[t].count;
	}
	must(!"a row of the tables");
	return 0;
}

/* Calls a function for each row, with the number of the row. */
static void
config_each_row(const struct option_table tables[CONFIG_TABLES],
	void (*fn)(void *arg, const struct option_found *found, unsigned number), void *arg)
{
	unsigned number = 0;

	for (unsigned t = 0; t < CONFIG_TABLES; t++) {
		for (size_t r = 0; r < tables[t].count; r++, number++) {
			struct option_found found = {&tables[t].rows[r], tables[t].into};

			must(number < CONFIG_OPTIONS_MAX);
			fn(arg, &found, number);
		}
	}
}

void
config_tables(struct config *config, struct server_options *server, struct option_table out[CONFIG_TABLES])
{
	out[0] = program_options_table(&config->program);
	server_options_tables(server, out + 1);
	out[CONFIG_APP_TABLE] = app_options_table(&config->app);
}

/* ------------------------------------------------------------------ mistakes */

static void
config_mistake(struct config_reading *reading, int error, const char *text)
{
	if (reading->mistakes++ == 0)
		reading->error = error;
	else if (!reading->all)
		return;
	reading->listener->on_mistake(reading->listener->arg, text);
}

static void
config_on_file_mistake(void *arg, const char *error)
{
	/* a file that cannot be read is reported without FILE:LINE, unless another one includes it */
	config_mistake(
		arg, text_starts(text_from(error), TEXT("cannot read")) ? ERROR_SYSTEM : ERROR_ARGUMENT, error);
}

static void
config_mistake_at(struct config_reading *reading, const char *file, unsigned line, const char *error)
{
	char text[CONFIG_ERROR_MAX];

	snprintf(text, sizeof text, "%s:%u: %s", file, line, error);
	config_mistake(reading, ERROR_ARGUMENT, text);
}

/* ---------------------------------------------------------- applying settings */

static int
config_assign(const struct option_found *found, const char *label, const char *value, bool first, char *error)
{
	if (found->row->type == OPTION_EACH && !first)
		return options_append(found, label, value, error);
	return option_assign(found->row, found->into, label, value, error);
}

static void
config_apply_setting(struct config_reading *reading, const struct config_setting *setting)
{
	char error[OPTION_ERROR_MAX];
	struct option_found found;
	struct config_origin *origin;

	if (options_find(reading->tables, CONFIG_TABLES, setting->name, &found, error) < 0) {
		config_mistake_at(reading, setting->file, setting->line, error);
		return;
	}
	origin = &reading->origins[config_row_number(reading->tables, found.row)];
	if (strcmp(found.row->name, "config") == 0) {
		snprintf(error, sizeof error, "option %s: cannot be set in a file (use include = FILE)",
			setting->name);
		config_mistake_at(reading, setting->file, setting->line, error);
	} else if (origin->file == setting->file && found.row->type != OPTION_EACH) {
		snprintf(error, sizeof error, "option %s: is set in line %u already", setting->name, origin->line);
		config_mistake_at(reading, setting->file, setting->line, error);
	} else {
		if (config_assign(&found, setting->name, setting->value, origin->from != FROM_FILE, error) < 0)
			config_mistake_at(reading, setting->file, setting->line, error);
		*origin = (struct config_origin){FROM_FILE, setting->file, setting->line};
	}
}

static void
config_apply_files(struct config_reading *reading, const struct config_files *files)
{
	for (size_t i = 0; files && i < files->count; i++)
		config_apply_setting(reading, &files->settings[i]);
}

static void
config_on_set(void *arg, const struct option_row *row, bool environment)
{
	struct config_reading *reading = arg;

	reading->origins[config_row_number(reading->tables, row)] =
		(struct config_origin){environment ? FROM_ENVIRONMENT : FROM_FLAG, NULL, 0};
}

static void
config_on_error(void *arg, const char *error)
{
	config_mistake(arg, ERROR_ARGUMENT, error);
}

static int
config_read_arguments(struct config_reading *reading)
{
	const struct options_reading callbacks = {config_on_set, config_on_error, reading};

	return options_read_all(
		reading->tables, CONFIG_TABLES, reading->config->argc, reading->config->argv, &callbacks);
}

/* -------------------------------------------------------------------- checks */

/*
 * Finds the options that an error names as --option. With `faulty`, only those before its first colon: "option --a: "
 * or "options --a, --b and --c: ". Returns their number.
 */
static unsigned
config_named_options(
	const struct config_reading *reading, const char *error, bool faulty, struct option_found *out, unsigned max)
{
	struct text rest = text_from(error), word;
	unsigned n = 0;

	while (n < max && text_cut(&rest, ' ', &word)) {
		char name[OPTION_NAME_MAX];
		bool last = text_ends(word, TEXT(":"));

		while (word.n > 0 && strchr(":,().", word.at[word.n - 1]))
			word.n--;
		if (word.n > 0 && word.at[0] == '(')
			word = text_of(word.at + 1, word.n - 1);
		if (text_starts(word, TEXT("--")) && word.n - 2 < sizeof name) {
			memcpy(name, word.at + 2, word.n - 2);
			name[word.n - 2] = '\0';
			if (options_find(reading->tables, CONFIG_TABLES, name, &out[n], NULL) == 0)
				n++;
		}
		if (last && faulty)
			break;
	}
	return n;
}

/* Reports an error about options that were read before, at the line that set the first of them that a file sets. */
static void
config_check_failed(struct config_reading *reading, int error, const char *text)
{
	struct option_found named[NAMED_MAX];
	unsigned n = config_named_options(reading, text, false, named, NAMED_MAX);

	for (unsigned i = 0; i < n; i++) {
		const struct config_origin *origin =
			&reading->origins[config_row_number(reading->tables, named[i].row)];
		char line[CONFIG_ERROR_MAX];

		if (origin->from == FROM_FILE) {
			snprintf(line, sizeof line, "%s:%u: %s", origin->file, origin->line, text);
			config_mistake(reading, error, line);
			return;
		}
	}
	config_mistake(reading, error, text);
}

/*
 * Runs a check. A check reports only its first mistake, so the faulty options are set to their defaults and the check
 * runs again, until it finds nothing or the defaults do not help.
 */
static void
config_check(struct config_reading *reading,
	int (*check)(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX]),
	unsigned what)
{
	char error[OPTION_ERROR_MAX], before[OPTION_ERROR_MAX] = "";
	struct option_found named[NAMED_MAX];
	int result;

	for (unsigned i = 0; i < MISTAKES_MAX && (result = check(reading, what, error)) < 0; i++) {
		unsigned n = config_named_options(reading, error, true, named, NAMED_MAX);

		if (strcmp(error, before) == 0)
			return;
		config_check_failed(reading, result, error);
		if (!reading->all || n == 0)
			return;
		for (unsigned k = 0; k < n; k++)
			options_reset(&named[k]);
		memcpy(before, error, sizeof before);
	}
}

static int
config_check_server(const struct config_reading *reading, unsigned layer, char error[OPTION_ERROR_MAX])
{
	return server_options_check_layer(reading->server, layer, error);
}

static int
config_check_program(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	(void)what;
	return program_options_check(reading->program, error);
}

static bool
config_is_any_address(const char *host)
{
	return host == NULL || host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Otherwise the error would be that another program uses the port. */
static int
config_check_ports(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct admin_options *admin = &reading->program->admin;
	const struct front_options *front = &reading->server->front;

	(void)what;
	if (admin->port == 0 || admin->port != front->port)
		return 0;
	if (!config_is_any_address(front->host) && !config_is_any_address(admin->host) &&
		strcmp(front->host, admin->host) != 0)
		return 0;
	snprintf(error, OPTION_ERROR_MAX,
		"options --admin-port and --port: both are %u; choose another number for one of them",
		(unsigned)admin->port);
	return ERROR_ARGUMENT;
}

/* An application may set options that other options require, so with --app the checks run when the server starts. */
static int
config_check_needs(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct option_table *tables = reading->tables;

	if (what == 0)
		return options_check_needs(tables, 1, tables, CONFIG_TABLES, NULL, error);
	if (reading->program->app != NULL)
		return 0;
	return options_check_needs(tables + 1, SERVER_TABLES, tables, CONFIG_TABLES, NULL, error);
}

/* Checks the files that the server opens later: the certificate and the folder of --public. For --check. */
static int
config_check_files(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct front_options *front = &reading->server->front;
	const struct tls_options options = {.cert_file = front->tls_cert,
		.key_file = front->tls_key,
		.ciphers = front->tls_ciphers,
		.min_version = front->tls_min_version == 1 ? "1.3" : "1.2"};
	char why[TLS_ERROR_MAX];
	struct tls_context *tls;
	struct stat st;

	if (what == 0 && front->tls_cert && front->tls_key) {
		if (tls_context_new(&tls, &options, why) < 0) {
			snprintf(error, OPTION_ERROR_MAX, "options --tls-cert and --tls-key: %.400s", why);
			return ERROR_SYSTEM;
		}
		tls_context_free(tls);
	}
	if (what == 1 && front->public_dir && (stat(front->public_dir, &st) < 0 || !S_ISDIR(st.st_mode))) {
		snprintf(
			error, OPTION_ERROR_MAX, "option --public: \"%.200s\" is not a directory", front->public_dir);
		return ERROR_SYSTEM;
	}
	return 0;
}

static void
config_check_all(struct config_reading *reading)
{
	for (unsigned layer = 0; layer < SERVER_LAYERS_CHECKED; layer++)
		config_check(reading, config_check_server, layer);
	config_check(reading, config_check_program, 0);
	config_check(reading, config_check_ports, 0);
	for (unsigned what = 0; what < 2; what++)
		config_check(reading, config_check_needs, what);
	for (unsigned what = 0; reading->config->check && what < 2; what++)
		config_check(reading, config_check_files, what);
}

/* -------------------------------------------------------------------- reading */

static bool
config_cut_word(int *argc, char **argv, const char *word)
{
	int kept = 0, before = *argc;

	for (int i = 0; i < before; i++)
		if (i == 0 || strcmp(argv[i], word) != 0)
			argv[kept++] = argv[i];
	argv[kept] = NULL;
	*argc = kept;
	return kept < before;
}

void
config_init(struct config *config, int argc, char **argv)
{
	struct option_table program;

	memset(config, 0, sizeof *config);
	config->app_file.fd = -1;
	config->argc = argc;
	config->argv = mem_zalloc(((size_t)argc + 1) * sizeof argv[0]);
	memcpy(config->argv, argv, (size_t)argc * sizeof argv[0]);
	config->check = config_cut_word(&config->argc, config->argv, "--check");
	config->print = config_cut_word(&config->argc, config->argv, "--print-config");
	config->health = config_cut_word(&config->argc, config->argv, "--health");
	program = program_options_table(&config->program);
	options_defaults(&program, 1);
}

void
config_fini(struct config *config)
{
	struct option_table program = program_options_table(&config->program);

	options_fini(&program, 1);
	app_options_fini(&config->app);
	app_file_close(&config->app_file);
	config_files_free(config->start);
	config_files_free(config->latest);
	for (unsigned i = 0; i < CONFIG_OPTIONS_MAX; i++)
		mem_free(config->base[i]);
	mem_free(config->argv);
}

static void
config_on_nothing(void *arg, const struct option_row *row, bool environment)
{
	(void)arg;
	(void)row;
	(void)environment;
}

static void
config_on_ignored(void *arg, const char *error)
{
	(void)arg;
	(void)error;
}

/*
 * Stores the values of --config and --app in `program`. Returns 1 for --help, 2 for --version. Mistakes are reported
 * later.
 */
static int
config_find_files(struct config_reading *reading)
{
	static const struct options_reading silent = {config_on_nothing, config_on_ignored, NULL};
	struct config *config = reading->config;
	int skipped = 0, result, first = 0;

	/* --help ends the reading, but --app may follow, and the help includes the application's options */
	do {
		result = options_read_all(
			reading->tables, CONFIG_TABLES, config->argc - skipped, config->argv + skipped, &silent);
		if (skipped == 0)
			first = result;
	} while (result == 1 && ++skipped < config->argc);
	return first;
}

/* Reads the named file. Mistakes are reported; a file with mistakes is used as far as it can be read. */
static struct config_files *
config_read_files(struct config_reading *reading, const char *path)
{
	const struct config_listener listener = {config_on_file_mistake, reading};

	return path && path[0] ? config_files_read(path, &listener) : NULL;
}

static char *
config_value(const struct option_found *found)
{
	struct buffer out;
	struct text text;
	char *value;

	buffer_init(&out, 1 << 20);
	options_write_value(found, &out);
	text = buffer_text(&out);
	value = mem_text(text.n > 0 ? text.at : "", text.n);
	buffer_fini(&out);
	return value;
}

static void
config_keep_base(void *arg, const struct option_found *found, unsigned number)
{
	struct config *config = arg;

	if (!found->row->reload)
		return;
	mem_free(config->base[number]);
	config->base[number] = config_value(found);
}

/*
 * Takes --app from the files, unless a flag or the environment sets it. Returns the setting, or NULL if no file has
 * it.
 */
static const struct config_setting *
config_find_app(struct config_reading *reading, const struct config_files *files)
{
	const struct config_setting *setting = NULL;
	struct option_found found;

	if (reading->program->app)
		return NULL;
	for (size_t i = 0; files && i < files->count; i++) {
		if (options_find(reading->tables, 1, files->settings[i].name, &found, NULL) < 0 ||
			strcmp(found.row->name, "app") != 0)
			continue;
		setting = &files->settings[i];
		must(option_assign(found.row, found.into, setting->name, setting->value, NULL) == 0);
	}
	return setting;
}

/* Reads the options that the application declares, and adds their rows to the tables. */
static void
config_probe_app(struct config_reading *reading)
{
	const struct config_setting *setting = config_find_app(reading, reading->config->start);
	const char *file = reading->program->app;
	char error[OPTION_ERROR_MAX], line[CONFIG_ERROR_MAX];
	int result;

	if (!file || !file[0])
		return;
	app_file_open(&reading->config->app_file, file);
	result = app_probe(&reading->config->app, file, reading->tables, CONFIG_APP_TABLE, error);
	if (result < 0 && setting && reading->all) {
		snprintf(line, sizeof line, "%s:%u: %s", setting->file, setting->line, error);
		config_mistake(reading, ERROR_SYSTEM, line);
	} else if (result < 0) {
		config_mistake(reading, ERROR_SYSTEM, error);
	}
	reading->tables[CONFIG_APP_TABLE] = app_options_table(&reading->config->app);
}

int
config_read(struct config *config, struct server_options *server, const struct config_listener *listener)
{
	struct config_reading reading = {.config = config,
		.server = server,
		.program = &config->program,
		.listener = listener,
		.origins = config->origins,
		.all = config->check};
	int result;

	config_tables(config, server, reading.tables);
	result = config_find_files(&reading);
	if (result == 2)
		return result;
	config->start = config_read_files(&reading, config->program.config);
	config_probe_app(&reading);
	if (result == 1)
		return result;
	options_fini(reading.tables, CONFIG_TABLES);
	options_defaults(reading.tables, CONFIG_TABLES);
	config_each_row(reading.tables, config_keep_base, config);
	config_apply_files(&reading, config->start);
	config_read_arguments(&reading);
	if (reading.mistakes == 0 || reading.all)
		config_check_all(&reading);
	return reading.mistakes == 0 ? 0 : reading.error;
}

/* ---------------------------------------------------- over the application's */

static void
config_keep_first_error(void *arg, const char *error)
{
	snprintf(arg, OPTION_ERROR_MAX, "%s", error);
}

/* Sets an option that may change to its value in the file that SIGHUP has read, or to its value without a file. */
static void
config_apply_latest(void *arg, const struct option_found *found, unsigned number)
{
	struct config_reading *reading = arg;
	const struct config *config = reading->config;
	const struct config_files *files = config->latest;
	const char *value = config->base[number];
	char *old;

	if (!found->row->reload)
		return;
	for (size_t i = 0; i < files->count; i++) {
		struct option_found set;

		if (options_find(reading->tables, CONFIG_TABLES, files->settings[i].name, &set, NULL) == 0 &&
			set.row == found->row)
			value = files->settings[i].value;
	}
	/* a text that does not change is not replaced, because the application may hold a pointer to it */
	old = config_value(found);
	if (strcmp(old, value) != 0) /* an unset text and an empty one differ only in their spelling */
		must(option_assign(found->row, found->into, found->row->name, value, NULL) == 0);
	mem_free(old);
}

int
config_apply(struct config *config, const struct option_table server[SERVER_TABLES], char error[OPTION_ERROR_MAX])
{
	struct program_options program = {0}; /* those of config->program are set already */
	const struct config_listener listener = {config_keep_first_error, error};
	struct config_reading reading = {.config = config, .listener = &listener, .origins = config->origins};

	reading.tables[0] = program_options_table(&program);
	memcpy(reading.tables + 1, server, SERVER_TABLES * sizeof server[0]);
	reading.tables[CONFIG_APP_TABLE] = app_options_copy(&config->app);
	options_defaults(reading.tables, 1);
	memset(config->origins, 0, sizeof config->origins);
	config_each_row(reading.tables, config_keep_base, config);
	config_apply_files(&reading, config->start);
	if (config->latest)
		config_each_row(reading.tables, config_apply_latest, &reading);
	config_read_arguments(&reading);
	options_fini(reading.tables, 1);
	app_options_copy_fini(&reading.tables[CONFIG_APP_TABLE]);
	return reading.mistakes == 0 ? 0 : reading.error;
}

/* --------------------------------------------------------------------- SIGHUP */

/* The options as a start with these files would read them, without an application. */
struct config_trial {
	struct config config; /* a copy; only `program` and `origins` are its own */
	struct server_options server;
	struct option_table app_table; /* a copy with its own values */
	struct config_reading reading;
};

static struct config_trial *
config_try(struct config *config, struct config_files *files, const struct config_listener *listener)
{
	struct config_trial *trial = mem_zalloc(sizeof *trial);

	trial->config = *config;
	memset(&trial->config.program, 0, sizeof trial->config.program);
	trial->app_table = app_options_copy(&config->app);
	memset(trial->config.origins, 0, sizeof trial->config.origins);
	server_options_init(&trial->server);
	trial->reading = (struct config_reading){.config = &trial->config,
		.server = &trial->server,
		.program = &trial->config.program,
		.listener = listener,
		.origins = trial->config.origins,
		.all = true};
	config_tables(&trial->config, &trial->server, trial->reading.tables);
	trial->reading.tables[CONFIG_APP_TABLE] = trial->app_table;
	options_defaults(trial->reading.tables, 1);
	config_apply_files(&trial->reading, files);
	config_read_arguments(&trial->reading);
	config_check_all(&trial->reading);
	return trial;
}

static void
config_trial_free(struct config_trial *trial)
{
	options_fini(trial->reading.tables, 1);
	app_options_copy_fini(&trial->app_table);
	server_options_fini(&trial->server);
	mem_free(trial);
}

struct config_change {
	struct config_reading *running; /* its tables are those of this process */
	const struct config_trial *before, *after;
	struct buffer *applied, *kept;
};

static void
config_add_name(struct buffer *names, const char *name)
{
	buffer_printf(names, names->len > 0 ? ",%s" : "%s", name);
}

/* Returns row `number` in the tables of a trial. */
static struct option_found
config_row_in(const struct config_trial *trial, unsigned number)
{
	const struct option_table *table = trial->reading.tables;

	for (; number >= table->count; table++)
		number -= (unsigned)table->count;
	return (struct option_found){&table->rows[number], table->into};
}

static void
config_compare(void *arg, const struct option_found *found, unsigned number)
{
	const struct config_change *change = arg;
	struct option_found before = config_row_in(change->before, number),
			    after = config_row_in(change->after, number);
	char *old = config_value(&before), *fresh = config_value(&after);

	if (!found->row->reload && strcmp(old, fresh) != 0)
		config_add_name(change->kept, found->row->name);
	mem_free(old);
	mem_free(fresh);
}

static void
config_change_row(void *arg, const struct option_found *found, unsigned number)
{
	const struct config_change *change = arg;
	const struct config_origin *origin = &change->running->config->origins[number];
	char *old, *fresh;

	if (!found->row->reload || origin->from == FROM_ENVIRONMENT || origin->from == FROM_FLAG)
		return;
	old = config_value(found);
	config_apply_latest(change->running, found, number);
	fresh = config_value(found);
	if (strcmp(old, fresh) != 0)
		config_add_name(change->applied, found->row->name);
	mem_free(old);
	mem_free(fresh);
}

int
config_reload(struct config *config, const struct option_table tables[CONFIG_TABLES], struct buffer *applied,
	struct buffer *kept, const struct config_listener *listener)
{
	struct config_reading files_reading = {.config = config, .listener = listener, .all = true};
	struct config_reading running = {.config = config};
	struct config_change change = {&running, NULL, NULL, applied, kept};
	struct config_files *files = config_read_files(&files_reading, config->program.config);
	struct config_trial *before, *after;
	bool fine;

	if (!files)
		return 0;
	after = config_try(config, files, listener);
	fine = files_reading.mistakes == 0 && after->reading.mistakes == 0;
	if (fine) {
		before = config_try(config, config->start, listener);
		config_files_free(config->latest);
		config->latest = files;
		memcpy(running.tables, tables, sizeof running.tables);
		change.before = before;
		change.after = after;
		config_each_row(tables, config_compare, &change);
		config_each_row(tables, config_change_row, &change);
		config_trial_free(before);
	} else {
		config_files_free(files);
	}
	config_trial_free(after);
	return fine ? 0 : ERROR_ARGUMENT;
}

int
config_app_replaced(const struct config *config, char error[OPTION_ERROR_MAX])
{
	const char *file = config->program.app;
	struct app_options options = {NULL, 0, NULL, NULL};
	struct option_table tables[CONFIG_TABLES];
	struct program_options program;
	struct server_options *server;
	int result;

	if (!file || config->app_file.fd < 0 || !app_file_is_replaced(&config->app_file, file))
		return 0;
	server = mem_zalloc(sizeof *server);
	server_options_init(server);
	tables[0] = program_options_table(&program); /* only the names in the tables count */
	server_options_tables(server, tables + 1);
	result = app_probe(&options, file, tables, CONFIG_APP_TABLE, error);
	app_options_fini(&options);
	server_options_fini(server);
	mem_free(server);
	return result < 0 ? result : 1;
}

/* ------------------------------------------------------------------- printing */

struct config_printing {
	const struct config *config;
	struct buffer *out;
};

/* Appends a URL with stars for its password. */
static void
config_write_url(struct buffer *out, const char *url)
{
	const char *scheme = strstr(url, "://"), *name = scheme ? scheme + 3 : url;
	const char *at = strrchr(name, '@'), *colon = strchr(name, ':');

	if (!at || !colon || colon > at)
		buffer_add_text(out, text_from(url));
	else
		buffer_printf(out, "%.*s***%s", (int)(colon + 1 - url), url, at);
}

static void
config_print_origin(const struct config_origin *origin, struct buffer *out)
{
	static const char *const names[] = {"default", "file", "environment", "flag"};

	if (origin->from == FROM_FILE)
		buffer_printf(out, "  # %s:%u\n", origin->file, origin->line);
	else
		buffer_printf(out, "  # %s\n", names[origin->from]);
}

static void
config_print_row(void *arg, const struct option_found *found, unsigned number)
{
	const struct config_printing *printing = arg;
	const struct option_row *row = found->row;
	struct buffer *out = printing->out;
	char *value = config_value(found);
	bool hides = value[0] &&
		     (row->secret == OPTION_HIDDEN || (row->secret == OPTION_URL_PASSWORD && strchr(value, '@')));

	if (row->group)
		buffer_printf(out, "\n# %s\n", row->group);
	/* a line that cannot be read back is a comment: unset, a secret, or not for a file */
	if (!value[0] || hides || strcmp(row->name, "config") == 0)
		buffer_add_text(out, TEXT("# "));
	buffer_printf(out, "%s = ", row->name);
	if (hides && row->secret == OPTION_HIDDEN)
		buffer_add_text(out, TEXT("***"));
	else if (hides)
		config_write_url(out, value);
	else
		config_line_write_value(out, text_from(value));
	config_print_origin(&printing->config->origins[number], out);
	mem_free(value);
}

void
config_print(struct config *config, struct server_options *server, struct buffer *out)
{
	struct config_printing printing = {config, out};
	struct option_table tables[CONFIG_TABLES];

	config_tables(config, server, tables);
	config_each_row(tables, config_print_row, &printing);
}
