/* SIGHUP: the file is read again. */
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "node/process/app_probe.h"
#include "node/process/config_reading.h"

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
