#include "node/process/app_options.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/option.h"

/* Names that the program or the configuration file uses, and that have no row in a table. */
static const char *const reserved_names[] = {"check", "health", "help", "include", "printConfig", "version"};

static const struct {
	enum option_type type;
	const char *value; /* word in --help */
} kinds[] = {
	[SIO_OPTION_FLAG] = {OPTION_FLAG, NULL},
	[SIO_OPTION_NUMBER] = {OPTION_NUMBER, "N"},
	[SIO_OPTION_MS] = {OPTION_MS, "MS"},
	[SIO_OPTION_BYTES] = {OPTION_BYTES, "BYTES"},
	[SIO_OPTION_TEXT] = {OPTION_TEXT, "TEXT"},
	[SIO_OPTION_CHOICE] = {OPTION_CHOICE, "CHOICE"},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static bool
app_option_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
app_option_name_is_valid(const char *name)
{
	size_t n = strnlen(name, APP_OPTION_NAME_MAX + 1);

	if (n > APP_OPTION_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < n; i++)
		if (!app_option_is_letter(name[i]) && (name[i] < '0' || name[i] > '9'))
			return false;
	return true;
}

static bool
app_option_text_is_valid(const char *text)
{
	size_t n = text ? strnlen(text, APP_OPTION_TEXT_MAX + 1) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ')
			return false;
	return n <= APP_OPTION_TEXT_MAX;
}

static bool
app_option_is_taken(const char *name, const struct option_table *tables, size_t n)
{
	char flag[OPTION_NAME_MAX];
	struct option_found found;

	for (size_t i = 0; i < sizeof reserved_names / sizeof reserved_names[0]; i++)
		if (strcmp(name, reserved_names[i]) == 0)
			return true;
	option_flag_name(name, flag);
	return options_find(tables, n, flag, &found, NULL) == 0;
}

/* Checks a declaration, apart from its default. Returns what is wrong, or NULL. */
static const char *
app_option_fault(const sio_option *declared, const struct option_table *tables, size_t n)
{
	if (!app_option_name_is_valid(declared->name))
		return "the name must begin with a small letter and have at most 40 letters and digits";
	if ((unsigned)declared->kind >= KINDS)
		return "unknown kind";
	if (!declared->help || !declared->help[0])
		return "has no help text";
	if (!app_option_text_is_valid(declared->help) || !app_option_text_is_valid(declared->initial) ||
		!app_option_text_is_valid(declared->choices))
		return "a text is longer than 500 bytes or has control characters";
	if (declared->kind == SIO_OPTION_CHOICE && (!declared->choices || !declared->choices[0]))
		return "has no choices";
	if (declared->max > 0 && declared->min > declared->max)
		return "the minimum is greater than the maximum";
	if (declared->min > 0 && !declared->initial)
		return "has a minimum, but no default";
	if (app_option_is_taken(declared->name, tables, n))
		return "the name is in use already";
	return NULL;
}

static const char *
app_option_keep(const char *text, char **texts)
{
	size_t n = text ? strlen(text) + 1 : 0;
	char *kept = *texts;

	if (!text)
		return NULL;
	memcpy(kept, text, n);
	*texts += n;
	return kept;
}

static size_t
app_option_size(const sio_option *declared)
{
	return strlen(declared->name) + strlen(declared->help) + (declared->initial ? strlen(declared->initial) : 0) +
	       (declared->choices ? strlen(declared->choices) : 0) + 4;
}

static void
app_option_fill(struct option_row *row, const sio_option *declared, size_t index, char **texts)
{
	*row = (struct option_row){
		.name = app_option_keep(declared->name, texts),
		.type = kinds[declared->kind].type,
		.offset = index * sizeof(union app_option_value),
		.initial = app_option_keep(declared->initial, texts),
		.min = declared->min,
		.max = declared->max,
		.choices = app_option_keep(declared->choices, texts),
		.value = kinds[declared->kind].value,
		.help = app_option_keep(declared->help, texts),
		.group = index == 0 ? "Application" : NULL,
		.secret = declared->secret ? OPTION_HIDDEN : OPTION_OPEN,
		.reload = declared->reload,
	};
}

static int
app_options_refuse(char *error, const char *name, const char *why)
{
	if (error)
		snprintf(error, OPTION_ERROR_MAX, "option %.*s: %s", APP_OPTION_NAME_MAX, name, why);
	return ERROR_ARGUMENT;
}

/* Checks everything but the defaults. Returns the number of options, or an error. */
static int
app_options_check(
	const sio_option *declared, const struct option_table *taken, size_t n_taken, size_t *bytes, char *error)
{
	int count = 0;

	*bytes = 0;
	for (const sio_option *option = declared; option->name; option++, count++) {
		const char *fault = count == APP_OPTIONS_MAX ? "an application can have at most 64 options"
							     : app_option_fault(option, taken, n_taken);

		if (fault)
			return app_options_refuse(error, option->name, fault);
		*bytes += app_option_size(option);
	}
	return count;
}

int
app_options_declare(struct app_options *options, const sio_option *declared, const struct option_table *taken,
	size_t n_taken, char *error)
{
	struct option_table table;
	size_t bytes;
	char *texts;
	int count = app_options_check(declared, taken, n_taken, &bytes, error), result = count;

	if (count <= 0)
		return count;
	options->rows = mem_zalloc((size_t)count * sizeof options->rows[0]);
	options->values = mem_zalloc((size_t)count * sizeof options->values[0]);
	texts = options->texts = mem_alloc(bytes);
	for (size_t i = 0; result > 0 && i < (size_t)count; i++) {
		struct option_row *row = &options->rows[i];

		table = app_options_table(options); /* of the rows before this one */
		if (app_option_is_taken(declared[i].name, &table, 1)) {
			result = app_options_refuse(error, declared[i].name, "is declared twice");
			break;
		}
		app_option_fill(row, &declared[i], i, &texts);
		if (row->initial && option_assign(row, options->values, row->name, row->initial, error) < 0)
			result = ERROR_ARGUMENT;
		options->count++;
	}
	if (result < 0)
		app_options_fini(options);
	return result < 0 ? result : 0;
}

void
app_options_fini(struct app_options *options)
{
	struct option_table table = app_options_table(options);

	options_fini(&table, 1);
	mem_free(options->rows);
	mem_free(options->texts);
	mem_free(options->values);
	memset(options, 0, sizeof *options);
}

struct option_table
app_options_table(const struct app_options *options)
{
	return (struct option_table){options->rows, options->count, options->values, false};
}

struct option_table
app_options_copy(const struct app_options *options)
{
	struct option_table copy = app_options_table(options);

	copy.into = mem_zalloc((options->count + 1) * sizeof options->values[0]);
	options_defaults(&copy, 1);
	return copy;
}

void
app_options_copy_fini(struct option_table *copy)
{
	options_fini(copy, 1);
	mem_free(copy->into);
}
