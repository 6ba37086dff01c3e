#include "node/process/config_reading.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/option.h"

/* ------------------------------------------------------------------- origins */

unsigned
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

void
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

void
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

/* ------------------------------------------------------------------ settings */

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

void
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

int
config_read_arguments(struct config_reading *reading)
{
	const struct options_reading callbacks = {config_on_set, config_on_error, reading};

	return options_read_all(
		reading->tables, CONFIG_TABLES, reading->config->argc, reading->config->argv, &callbacks);
}

struct config_files *
config_read_files(struct config_reading *reading, const char *path)
{
	const struct config_listener listener = {config_on_file_mistake, reading};

	return path && path[0] ? config_files_read(path, &listener) : NULL;
}

char *
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

void
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
