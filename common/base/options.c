#include "common/base/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/option.h"

#define VALUE_MAX (1 << 20) /* bytes of a value that is compared */

/* The form in which the user wrote a name, and in which error lines name options. */
enum style { STYLE_FLAG, STYLE_ENV, STYLE_NAME };

static void
option_write_name(enum style style, const char *name, char out[OPTION_NAME_MAX])
{
	if (style == STYLE_FLAG)
		option_flag_name(name, out);
	else if (style == STYLE_ENV)
		option_env_name(name, out);
	else
		snprintf(out, OPTION_NAME_MAX, "%s", name);
}

static bool
option_has_name(enum style style, const char *name, struct text form)
{
	if (style == STYLE_FLAG)
		return option_has_flag_name(name, form);
	if (style == STYLE_ENV)
		return option_has_env_name(name, form);
	return text_is(text_from(name), form);
}

static bool
options_find_form(
	const struct option_table *tables, size_t n, enum style style, struct text name, struct option_found *found)
{
	for (size_t t = 0; t < n; t++) {
		if (style == STYLE_ENV && tables[t].flags_only)
			continue;
		for (size_t r = 0; r < tables[t].count; r++) {
			if (option_has_name(style, tables[t].rows[r].name, name)) {
				*found = (struct option_found){&tables[t].rows[r], tables[t].into};
				return true;
			}
		}
	}
	return false;
}

/* Replaces control characters in an error, since a refused argument may contain any byte and an error is one line. */
static void
option_error_one_line(char *error)
{
	for (; *error; error++)
		if ((unsigned char)*error < ' ' || *error == 0x7f)
			*error = '?';
}

/*
 * Writes the error line for an unknown name and suggests the nearest known name if the difference may be a typing
 * error. `dashes` are those that the user wrote before the name.
 */
static int
options_unknown_name(const struct option_table *tables, size_t n, enum style style, const char *dashes,
	struct text name, char *error)
{
	char form[OPTION_NAME_MAX], nearest[OPTION_NAME_MAX] = "";
	size_t own = style == STYLE_ENV ? name.n - (sizeof OPTION_PREFIX - 1) : name.n;
	unsigned most = own < 6 ? 2 : (unsigned)(own / 3), best = most + 1;

	if (!error)
		return ERROR_NOT_FOUND;
	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			unsigned distance;

			option_write_name(style, tables[t].rows[r].name, form);
			distance = option_distance(name, text_from(form), most);
			if (distance < best && distance < strlen(form)) {
				best = distance;
				memcpy(nearest, form, sizeof nearest);
			}
		}
	}
	if (name.n > OPTION_NAME_MAX)
		name.n = OPTION_NAME_MAX;
	if (nearest[0])
		snprintf(error, OPTION_ERROR_MAX, "unknown option %s%.*s; did you mean %s%s?", dashes, (int)name.n,
			name.at, dashes, nearest);
	else
		snprintf(error, OPTION_ERROR_MAX, "unknown option %s%.*s; see --help", dashes, (int)name.n, name.at);
	option_error_one_line(error);
	return ERROR_NOT_FOUND;
}

void
options_defaults(const struct option_table *tables, size_t n)
{
	struct option_found found;

	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			const struct option_row *row = &tables[t].rows[r];
			char flag[OPTION_NAME_MAX], env[OPTION_NAME_MAX];

			/* Two options with one name are a faulty table: the second could never be set. */
			option_flag_name(row->name, flag);
			option_env_name(row->name, env);
			must(options_find_form(tables, n, STYLE_FLAG, text_from(flag), &found) && found.row == row);
			must(tables[t].flags_only ||
				(options_find_form(tables, n, STYLE_ENV, text_from(env), &found) &&
					found.row == row));
			option_default(row, tables[t].into);
		}
	}
}

void
options_fini(const struct option_table *tables, size_t n)
{
	for (size_t t = 0; t < n; t++)
		for (size_t r = 0; r < tables[t].count; r++)
			option_clear(&tables[t].rows[r], tables[t].into);
}

/* Returns the value that a flag without a value stands for, or NULL if the option needs a value. */
static const char *
option_bare_value(const struct option_row *row)
{
	if (option_is_flag(row->type))
		return "true";
	return row->type == OPTION_SWITCH ? row->choices : NULL;
}

static int
option_no_value(const char *label, char *error)
{
	if (error)
		snprintf(error, OPTION_ERROR_MAX, "option %s: needs a value (use %s=VALUE)", label, label);
	return ERROR_ARGUMENT;
}

int
options_find(const struct option_table *tables, size_t n, const char *name, struct option_found *found, char *error)
{
	struct text text = text_from(name);
	enum style style = STYLE_NAME;

	if (text_starts(text, TEXT(OPTION_PREFIX)))
		style = STYLE_ENV;
	else if (text_has(text, TEXT("-")))
		style = STYLE_FLAG;
	if (!options_find_form(tables, n, style, text, found) &&
		!options_find_form(tables, n, STYLE_FLAG, text, found))
		return options_unknown_name(tables, n, style, "", text, error);
	return 0;
}

int
options_set(const struct option_table *tables, size_t n, const char *name, const char *value, char *error)
{
	struct option_found found;
	int result = options_find(tables, n, name, &found, error);

	if (result < 0)
		return result;
	if (!value)
		value = option_bare_value(found.row);
	return value ? option_assign(found.row, found.into, name, value, error) : option_no_value(name, error);
}

/* Reports a result to the callbacks, if there are any. Returns the result, or 0 if the reading goes on. */
static int
options_report(const struct options_reading *reading, const struct option_row *row, bool environment, int result,
	const char *error)
{
	if (!reading)
		return result;
	if (result < 0)
		reading->on_error(reading->arg, error);
	else
		reading->on_set(reading->arg, row, environment);
	return 0;
}

static int
options_read_variable(const struct option_table *tables, size_t n, struct text name, const char *value,
	const struct option_row **row, char *error)
{
	char label[OPTION_NAME_MAX];
	struct option_found found;

	*row = NULL;
	if (!options_find_form(tables, n, STYLE_ENV, name, &found))
		return options_unknown_name(tables, n, STYLE_ENV, "", name, error);
	if (value[0] == '\0')
		return 0;
	*row = found.row;
	option_env_name(found.row->name, label);
	return option_assign(found.row, found.into, label, value, error);
}

static int
options_read_environment(
	const struct option_table *tables, size_t n, const struct options_reading *reading, char *error)
{
	if (n > 0 && tables[0].flags_only)
		return 0;
	for (char **at = environ; at && *at; at++) {
		struct text rest = text_from(*at), name;
		const struct option_row *row;
		int result;

		if (!text_starts(rest, TEXT(OPTION_PREFIX)) || !text_has(rest, TEXT("=")))
			continue;
		text_cut(&rest, '=', &name);
		result = options_read_variable(tables, n, name, rest.at, &row, error);
		if (result < 0 || row)
			result = options_report(reading, row, true, result, error);
		if (result < 0)
			return result;
	}
	return 0;
}

int
options_append(const struct option_found *found, const char *label, const char *value, char *error)
{
	char **field = (char **)(void *)((char *)found->into + found->row->offset);
	struct buffer joined;
	int result;

	if (!*field)
		return option_assign(found->row, found->into, label, value, error);
	buffer_init(&joined, strlen(*field) + strlen(value) + 2);
	buffer_printf(&joined, "%s,%s", *field, value);
	buffer_add_byte(&joined, '\0');
	result = option_assign(found->row, found->into, label, (const char *)joined.data, error);
	buffer_fini(&joined);
	return result;
}

/*
 * The rows of type OPTION_EACH that a flag has set. The first such flag replaces the value of the environment; later
 * ones add to it.
 */
#define EACH_MAX 8
struct given {
	const struct option_row *rows[EACH_MAX];
	unsigned count;
};

static bool
option_was_given(struct given *given, const struct option_row *row)
{
	for (unsigned i = 0; i < given->count; i++) {
		if (given->rows[i] == row)
			return true;
	}
	must(given->count < EACH_MAX);
	given->rows[given->count++] = row;
	return false;
}

/*
 * Reads the flag in words[0], and its value if that is the next word. Returns the number of words used, or an error.
 */
static int
options_read_flag(const struct option_table *tables, size_t n, char **words, struct given *given,
	const struct option_row **row, char *error)
{
	struct text rest = text_from(words[0] + 2), name = TEXT_NONE;
	char label[OPTION_NAME_MAX + 2] = "--";
	const char *value = NULL;
	struct option_found found;
	bool negated = false;
	int result, taken = 1;

	if (text_has(rest, TEXT("="))) {
		text_cut(&rest, '=', &name);
		value = rest.at;
	} else {
		name = rest;
	}
	if (!options_find_form(tables, n, STYLE_FLAG, name, &found)) {
		negated = text_starts(name, TEXT("no-")) &&
			  options_find_form(tables, n, STYLE_FLAG, text_of(name.at + 3, name.n - 3), &found) &&
			  option_bare_value(found.row) != NULL;
		if (!negated && value && (text_is(name, TEXT("help")) || text_is(name, TEXT("version")))) {
			if (error) {
				snprintf(error, OPTION_ERROR_MAX, "option --%.*s: \"%.80s\" is not valid; see --help",
					(int)name.n, name.at, value);
				option_error_one_line(error);
			}
			return ERROR_ARGUMENT;
		}
		if (!negated)
			return options_unknown_name(tables, n, STYLE_FLAG, "--", name, error);
	}
	*row = found.row;
	option_flag_name(found.row->name, label + 2);
	if (negated && value) {
		if (error)
			snprintf(error, OPTION_ERROR_MAX, "option --no-%s: takes no value (use %s=true or %s=false)",
				label + 2, label, label);
		return ERROR_ARGUMENT;
	}
	if (negated) {
		value = "false";
	} else if (!value && !option_is_flag(found.row->type) && words[1] && strncmp(words[1], "--", 2) != 0) {
		value = words[1];
		taken = 2;
	} else if (!value) {
		/* an option is never taken for a value: in --host --port 3000, the host is missing */
		value = option_bare_value(found.row);
		if (!value)
			return option_no_value(label, error);
	}
	if (found.row->type == OPTION_EACH && option_was_given(given, found.row))
		result = options_append(&found, label, value, error);
	else
		result = option_assign(found.row, found.into, label, value, error);
	return result < 0 ? result : taken;
}

/* Returns 1 for --help or -h, 2 for --version, otherwise 0. */
static int
options_help_or_version(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ? 1 : strcmp(word, "--version") == 0 ? 2 : 0;
}

static int
options_unexpected_word(const char *word, size_t words_max, char *error)
{
	if (error) {
		if (words_max > 0)
			snprintf(error, OPTION_ERROR_MAX, "unexpected argument \"%.80s\"; see --help", word);
		else
			snprintf(error, OPTION_ERROR_MAX,
				"unexpected argument \"%.80s\"; options begin with --, see --help", word);
		option_error_one_line(error);
	}
	return ERROR_ARGUMENT;
}

int
options_read(const struct option_table *tables, size_t n, int argc, char **argv, char *error)
{
	size_t none;

	return options_read_words(tables, n, argc, argv, NULL, 0, &none, error);
}

/* The words of a reading: where they go, and the callbacks. */
struct options_words {
	const char **words;
	size_t max, *count;
	const struct options_reading *reading; /* NULL: the first error ends the reading */
};

/* Returns the number of arguments that a faulty flag uses: its value must not be reported as an argument. */
static int
options_skip_faulty(char **argv)
{
	return strchr(argv[0], '=') == NULL && argv[1] && argv[1][0] != '-' ? 2 : 1;
}

/* Reads the argument argv[0]. Returns the number of arguments used, or an error. */
static int
options_read_argument(const struct option_table *tables, size_t n, char **argv, struct given *given,
	const struct options_words *into, char *error)
{
	const struct option_row *row = NULL;
	int result;

	if (strncmp(argv[0], "--", 2) != 0 || argv[0][2] == '\0') {
		if (argv[0][0] != '-' && *into->count < into->max) {
			into->words[(*into->count)++] = argv[0];
			return 1;
		}
		result = options_unexpected_word(argv[0], argv[0][0] == '-' ? 0 : into->max, error);
		result = options_report(into->reading, NULL, false, result, error);
		return result < 0 ? result : 1;
	}
	result = options_read_flag(tables, n, argv, given, &row, error);
	if (options_report(into->reading, row, false, result, error) < 0)
		return result;
	return result < 0 ? options_skip_faulty(argv) : result;
}

static int
options_read_into(const struct option_table *tables, size_t n, int argc, char **argv,
	const struct options_words *into, char *error)
{
	struct given given = {.count = 0};
	int result;

	*into->count = 0;

	/* Checked before the environment, so that --help works even if a variable is wrong. */
	if (argc > 1 && options_help_or_version(argv[1]))
		return options_help_or_version(argv[1]);
	result = options_read_environment(tables, n, into->reading, error);
	if (result < 0)
		return result;
	for (int i = 1; i < argc; i += result) {
		if (options_help_or_version(argv[i]))
			return options_help_or_version(argv[i]);
		result = options_read_argument(tables, n, argv + i, &given, into, error);
		if (result < 0)
			return result;
	}
	return 0;
}

int
options_read_words(const struct option_table *tables, size_t n, int argc, char **argv, const char **words, size_t max,
	size_t *count, char *error)
{
	const struct options_words into = {words, max, count, NULL};

	return options_read_into(tables, n, argc, argv, &into, error);
}

int
options_read_all(
	const struct option_table *tables, size_t n, int argc, char **argv, const struct options_reading *reading)
{
	char error[OPTION_ERROR_MAX];
	size_t none;
	const struct options_words into = {NULL, 0, &none, reading};

	return options_read_into(tables, n, argc, argv, &into, error);
}

void
options_reset(const struct option_found *found)
{
	option_clear(found->row, found->into);
	option_default(found->row, found->into);
}

void
options_write_value(const struct option_found *found, struct buffer *out)
{
	option_write(found->row, found->into, out);
}

/* ------------------------------------------------- options without an effect */

static bool
option_is_default(const struct option_row *row, const void *into)
{
	struct option_row alone = *row;
	union {
		uint64_t number;
		char *text;
	} scratch = {0};
	struct buffer is, was;
	bool same;

	alone.offset = 0;
	option_default(&alone, &scratch);
	buffer_init(&is, VALUE_MAX);
	buffer_init(&was, VALUE_MAX);
	option_write(row, into, &is);
	option_write(&alone, &scratch, &was);
	same = text_is(buffer_text(&is), buffer_text(&was));
	buffer_fini(&is);
	buffer_fini(&was);
	option_clear(&alone, &scratch);
	return same;
}

static bool
option_is_on(const struct option_found *found)
{
	const void *field = (const char *)found->into + found->row->offset;
	const char *text;

	switch (found->row->type) {
	case OPTION_FLAG:
		return *(const bool *)field;
	case OPTION_AUTO:
		return *(const int *)field != 0;
	case OPTION_NUMBER:
	case OPTION_MS:
	case OPTION_BYTES:
		return *(const uint64_t *)field > 0;
	case OPTION_CHOICE:
		return true;
	default:
		text = *(char *const *)field;
		return text != NULL && *text != '\0' && strcmp(text, "false") != 0;
	}
}

/* Returns true if one of the options is set. Writes their flags to `flags`: "--a or --b". */
static bool
options_one_is_on(
	const char *names, const struct option_table *tables, size_t n, const char *given, struct buffer *flags)
{
	struct text rest = text_from(names), one;

	while (text_cut(&rest, '|', &one)) {
		struct option_found found;
		char name[OPTION_NAME_MAX], flag[OPTION_NAME_MAX];

		must(one.n < sizeof name);
		memcpy(name, one.at, one.n);
		name[one.n] = '\0';
		if ((given != NULL && strcmp(given, name) == 0) ||
			(options_find(tables, n, name, &found, NULL) == 0 && option_is_on(&found)))
			return true;
		option_flag_name(name, flag);
		buffer_printf(flags, "%s--%s", flags->len > 0 ? " or " : "", flag);
	}
	return false;
}

static int
option_check_needs(const struct option_row *row, const void *into, const struct option_table *tables, size_t n,
	const char *given, char *error)
{
	struct buffer flags;
	char flag[OPTION_NAME_MAX];
	bool idle;

	if (row->needs == NULL || option_is_default(row, into))
		return 0;
	buffer_init(&flags, VALUE_MAX);
	idle = !options_one_is_on(row->needs, tables, n, given, &flags);
	option_flag_name(row->name, flag);
	if (idle)
		snprintf(error, OPTION_ERROR_MAX, "option --%s: has no effect without %.*s", flag, (int)flags.len,
			(const char *)flags.data);
	buffer_fini(&flags);
	return idle ? ERROR_ARGUMENT : 0;
}

int
options_check_needs(const struct option_table *checked, size_t count, const struct option_table *tables, size_t n,
	const char *given, char *error)
{
	for (size_t t = 0; t < count; t++) {
		for (size_t i = 0; i < checked[t].count; i++) {
			int rc = option_check_needs(&checked[t].rows[i], checked[t].into, tables, n, given, error);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
