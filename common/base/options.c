#include "common/base/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/option.h"

/* How the user wrote a name, and so how an error line names options. */
enum style { STYLE_FLAG, STYLE_ENV, STYLE_NAME };

/* A row with the struct that it fills. */
struct found {
	const struct option_row *row;
	void *into;
};

static void
write_name(enum style style, const char *name, char out[OPTION_NAME_MAX])
{
	if (style == STYLE_FLAG)
		option_flag_name(name, out);
	else if (style == STYLE_ENV)
		option_env_name(name, out);
	else
		snprintf(out, OPTION_NAME_MAX, "%s", name);
}

static bool
find(const struct option_table *tables, size_t n, enum style style, struct text name, struct found *found)
{
	char form[OPTION_NAME_MAX];

	for (size_t t = 0; t < n; t++) {
		if (style == STYLE_ENV && tables[t].flags_only)
			continue;
		for (size_t r = 0; r < tables[t].count; r++) {
			write_name(style, tables[t].rows[r].name, form);
			if (text_is(text_from(form), name)) {
				*found = (struct found){&tables[t].rows[r], tables[t].into};
				return true;
			}
		}
	}
	return false;
}

/* A refused word may hold anything; an error is one line all the same. */
static void
keep_one_line(char *error)
{
	for (; *error; error++)
		if ((unsigned char)*error < ' ' || *error == 0x7f)
			*error = '?';
}

/* Writes the line for an unknown name, which `dashes` precede where the user wrote them, with the nearest known one
 * if it is near enough to be a slip. */
static int
unknown(const struct option_table *tables, size_t n, enum style style, const char *dashes, struct text name,
	char *error)
{
	char form[OPTION_NAME_MAX], nearest[OPTION_NAME_MAX] = "";
	size_t own = style == STYLE_ENV ? name.n - (sizeof OPTION_PREFIX - 1) : name.n;
	unsigned most = own < 6 ? 2 : (unsigned)(own / 3), best = most + 1;

	if (!error)
		return ERROR_NOT_FOUND;
	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			unsigned distance;

			write_name(style, tables[t].rows[r].name, form);
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
		snprintf(error, OPTION_ERROR_MAX, "unknown option %s%.*s; --help lists all", dashes, (int)name.n,
			name.at);
	keep_one_line(error);
	return ERROR_NOT_FOUND;
}

void
options_defaults(const struct option_table *tables, size_t n)
{
	struct found found;

	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			const struct option_row *row = &tables[t].rows[r];
			char flag[OPTION_NAME_MAX], env[OPTION_NAME_MAX];

			/* Of two options with one name the second could never be set. */
			option_flag_name(row->name, flag);
			option_env_name(row->name, env);
			must(find(tables, n, STYLE_FLAG, text_from(flag), &found) && found.row == row);
			must(tables[t].flags_only ||
				(find(tables, n, STYLE_ENV, text_from(env), &found) && found.row == row));
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

/* What an option without a value means; NULL: it needs one. */
static const char *
bare_value(const struct option_row *row)
{
	if (option_is_flag(row->type))
		return "true";
	return row->type == OPTION_SWITCH ? row->choices : NULL;
}

static int
no_value(const char *label, char *error)
{
	if (error)
		snprintf(error, OPTION_ERROR_MAX, "%s needs a value: give %s=VALUE", label, label);
	return ERROR_ARGUMENT;
}

int
options_set(const struct option_table *tables, size_t n, const char *name, const char *value, char *error)
{
	struct text text = text_from(name);
	enum style style = STYLE_NAME;
	struct found found;

	if (text_starts(text, TEXT(OPTION_PREFIX)))
		style = STYLE_ENV;
	else if (text_has(text, TEXT("-")))
		style = STYLE_FLAG;
	if (!find(tables, n, style, text, &found) && !find(tables, n, STYLE_FLAG, text, &found))
		return unknown(tables, n, style, "", text, error);
	if (!value)
		value = bare_value(found.row);
	return value ? option_assign(found.row, found.into, name, value, error) : no_value(name, error);
}

static int
read_environment(const struct option_table *tables, size_t n, char *error)
{
	if (n > 0 && tables[0].flags_only)
		return 0;
	for (char **at = environ; at && *at; at++) {
		struct text rest = text_from(*at), name;
		char label[OPTION_NAME_MAX];
		struct found found;
		int result;

		if (!text_starts(rest, TEXT(OPTION_PREFIX)) || !text_has(rest, TEXT("=")))
			continue;
		text_cut(&rest, '=', &name);
		if (!find(tables, n, STYLE_ENV, name, &found))
			return unknown(tables, n, STYLE_ENV, "", name, error);
		if (rest.n == 0)
			continue;
		option_env_name(found.row->name, label);
		result = option_assign(found.row, found.into, label, rest.at, error);
		if (result != 0)
			return result;
	}
	return 0;
}

/* Adds an item to those that flags before it have given. */
static int
add_each(const struct found *found, const char *label, const char *value, char *error)
{
	char **field = (char **)(void *)((char *)found->into + found->row->offset);
	struct buffer joined;
	int result;

	buffer_init(&joined, strlen(*field) + strlen(value) + 2);
	buffer_printf(&joined, "%s,%s", *field, value);
	buffer_add_byte(&joined, '\0');
	result = option_assign(found->row, found->into, label, (const char *)joined.data, error);
	buffer_fini(&joined);
	return result;
}

/* The rows of OPTION_EACH that a flag has set: what the environment says is replaced by the first, as ever. */
#define EACH_MAX 8
struct given {
	const struct option_row *rows[EACH_MAX];
	unsigned count;
};

static bool
was_given(struct given *given, const struct option_row *row)
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
 * Reads the flag in words[0], and its value if that is the next word. Returns how many words it took, or an error.
 */
static int
read_flag(const struct option_table *tables, size_t n, char **words, struct given *given, char *error)
{
	struct text rest = text_from(words[0] + 2), name = TEXT_NONE;
	char label[OPTION_NAME_MAX + 2] = "--";
	const char *value = NULL;
	struct found found;
	bool negated = false;
	int result, taken = 1;

	if (text_has(rest, TEXT("="))) {
		text_cut(&rest, '=', &name);
		value = rest.at;
	} else {
		name = rest;
	}
	if (!find(tables, n, STYLE_FLAG, name, &found)) {
		negated = text_starts(name, TEXT("no-")) &&
			  find(tables, n, STYLE_FLAG, text_of(name.at + 3, name.n - 3), &found) &&
			  bare_value(found.row) != NULL;
		if (!negated)
			return unknown(tables, n, STYLE_FLAG, "--", name, error);
	}
	option_flag_name(found.row->name, label + 2);
	if (negated && value) {
		if (error)
			snprintf(error, OPTION_ERROR_MAX, "--no-%s takes no value; give %s=true or %s=false",
				label + 2, label, label);
		return ERROR_ARGUMENT;
	}
	if (negated) {
		value = "false";
	} else if (!value && !option_is_flag(found.row->type) && words[1] && strncmp(words[1], "--", 2) != 0) {
		value = words[1];
		taken = 2;
	} else if (!value) {
		/* the next option is not this one's value: --host --port 3000 lacks the host */
		value = bare_value(found.row);
		if (!value)
			return no_value(label, error);
	}
	if (found.row->type == OPTION_EACH && was_given(given, found.row))
		result = add_each(&found, label, value, error);
	else
		result = option_assign(found.row, found.into, label, value, error);
	return result < 0 ? result : taken;
}

/* 1 for --help, 2 for --version, else 0. */
static int
question(const char *word)
{
	return strcmp(word, "--help") == 0 ? 1 : strcmp(word, "--version") == 0 ? 2 : 0;
}

static int
no_option(const char *word, size_t words_max, char *error)
{
	if (error) {
		if (words_max > 0)
			snprintf(error, OPTION_ERROR_MAX, "\"%.80s\" is one word too many; see --help", word);
		else
			snprintf(error, OPTION_ERROR_MAX, "\"%.80s\" is no option; options begin with --, see --help",
				word);
		keep_one_line(error);
	}
	return ERROR_ARGUMENT;
}

int
options_read(const struct option_table *tables, size_t n, int argc, char **argv, char *error)
{
	size_t none;

	return options_read_words(tables, n, argc, argv, NULL, 0, &none, error);
}

int
options_read_words(const struct option_table *tables, size_t n, int argc, char **argv, const char **words, size_t max,
	size_t *count, char *error)
{
	struct given given = {.count = 0};
	int result;

	*count = 0;

	/* Before the environment, whose mistakes --help is there to explain. */
	if (argc > 1 && question(argv[1]))
		return question(argv[1]);
	result = read_environment(tables, n, error);
	if (result < 0)
		return result;
	for (int i = 1; i < argc;) {
		if (question(argv[i]))
			return question(argv[i]);
		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
			if (argv[i][0] == '-' || *count == max)
				return no_option(argv[i], argv[i][0] == '-' ? 0 : max, error);
			words[(*count)++] = argv[i++];
			continue;
		}
		result = read_flag(tables, n, argv + i, &given, error);
		if (result < 0)
			return result;
		i += result;
	}
	return 0;
}
