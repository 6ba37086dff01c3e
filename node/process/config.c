#include "node/process/config.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/option.h"
#include "node/process/app_probe.h"
#include "node/process/config_reading.h"

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

int
config_apply(struct config *config, const struct option_table server[SERVER_TABLES], char error[OPTION_ERROR_MAX])
{
	struct program_options program = {0}; /* not used: config->program is set already */
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
