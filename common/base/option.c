#include "common/base/option.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define SHOWN_MAX 80 /* maximum bytes of a refused value in an error line */

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Returns true if a word begins at name[i] and follows another one without a '-' between them. */
static bool
option_word_starts(const char *name, size_t i)
{
	return is_upper(name[i]) && i > 0 && name[i - 1] != '-' && (!is_upper(name[i - 1]) || is_lower(name[i + 1]));
}

/* Returns a character of a camel-case name in a form: words in one case, with `joint` between them. */
static char
option_word_char(char c, char joint, bool capitals)
{
	if (c == '-')
		return joint;
	if (capitals && is_lower(c))
		return (char)(c - 'a' + 'A');
	if (!capitals && is_upper(c))
		return (char)(c - 'A' + 'a');
	return c;
}

/* Writes the words of a camel-case name in one case, with `joint` between them. */
static void
option_words(const char *name, char joint, bool capitals, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; name[i]; i++) {
		must(n + 3 <= size);
		if (option_word_starts(name, i))
			out[n++] = joint;
		out[n++] = option_word_char(name[i], joint, capitals);
	}
	out[n] = '\0';
}

/* Returns true if option_words() makes `form` of the name. It stops at the first difference. */
static bool
option_has_words(const char *name, char joint, bool capitals, struct text form)
{
	size_t n = 0;

	for (size_t i = 0; name[i]; i++) {
		if (option_word_starts(name, i) && (n == form.n || form.at[n++] != joint))
			return false;
		if (n == form.n || form.at[n++] != option_word_char(name[i], joint, capitals))
			return false;
	}
	return n == form.n;
}

void
option_flag_name(const char *name, char out[OPTION_NAME_MAX])
{
	option_words(name, '-', false, out, OPTION_NAME_MAX);
}

void
option_env_name(const char *name, char out[OPTION_NAME_MAX])
{
	size_t prefix = sizeof OPTION_PREFIX - 1;

	memcpy(out, OPTION_PREFIX, prefix);
	option_words(name, '_', true, out + prefix, OPTION_NAME_MAX - prefix);
}

bool
option_has_flag_name(const char *name, struct text form)
{
	return option_has_words(name, '-', false, form);
}

bool
option_has_env_name(const char *name, struct text form)
{
	size_t prefix = sizeof OPTION_PREFIX - 1;

	return text_starts(form, TEXT(OPTION_PREFIX)) &&
	       option_has_words(name, '_', true, text_of(form.at + prefix, form.n - prefix));
}

unsigned
option_distance(struct text a, struct text b, unsigned most)
{
	/* distances between the first i characters of `a` and each beginning of `b` */
	unsigned row[OPTION_NAME_MAX + 1];

	if (a.n > OPTION_NAME_MAX || b.n > OPTION_NAME_MAX)
		return most + 1;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned best = diagonal + (a.at[i - 1] != b.at[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

bool
option_choice(const char *choices, struct text item, int *index)
{
	struct text rest = text_from(choices), one;

	for (*index = 0; text_cut(&rest, '|', &one); ++*index)
		if (text_is(one, item))
			return true;
	return false;
}

bool
option_has_range(const struct option_row *row)
{
	bool number = row->type == OPTION_NUMBER || row->type == OPTION_MS || row->type == OPTION_BYTES;

	return number && (row->min > 0 || (row->max > 0 && row->max < UINT64_MAX));
}

/*
 * Writes 'option <label>: "<value>" <explanation>' to `error` and returns ERROR_ARGUMENT. The value is truncated and
 * made printable.
 */
static int __attribute__((format(printf, 4, 5)))
option_refuse(char *error, const char *label, const char *value, const char *format, ...)
{
	char shown[SHOWN_MAX + 4];
	size_t n = strnlen(value, SHOWN_MAX);
	int used;
	va_list args;

	if (!error)
		return ERROR_ARGUMENT;
	for (size_t i = 0; i < n; i++)
		shown[i] = (unsigned char)value[i] < ' ' || value[i] == 0x7f ? '?' : value[i];
	memcpy(shown + n, value[n] ? "..." : "", value[n] ? 4 : 1);
	used = snprintf(error, OPTION_ERROR_MAX, "option %.*s: \"%s\" ", OPTION_NAME_MAX, label, shown);
	va_start(args, format);
	vsnprintf(error + used, OPTION_ERROR_MAX - (size_t)used, format, args);
	va_end(args);
	return ERROR_ARGUMENT;
}

static int
option_read_flag(const char *value, bool *on)
{
	static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (text_is_nocase(text_from(value), text_from(words[i]))) {
			*on = i % 2 == 1;
			return 0;
		}
	}
	return ERROR_SYNTAX;
}

/* Reads a whole number and its unit ("25s"). Returns 0, ERROR_SYNTAX or ERROR_TOO_BIG. */
static int
option_read_number(enum option_type type, const char *value, uint64_t *number)
{
	static const struct {
		enum option_type type;
		const char *unit;
		uint64_t factor;
	} units[] = {
		{OPTION_MS, "ms", 1},
		{OPTION_MS, "s", 1000},
		{OPTION_MS, "m", 60 * 1000},
		{OPTION_BYTES, "k", 1024},
		{OPTION_BYTES, "m", 1024 * 1024},
		{OPTION_BYTES, "g", 1024 * 1024 * 1024},
	};
	struct text digits = text_of(value, strspn(value, "0123456789")), unit = text_from(value + digits.n);
	uint64_t factor = unit.n == 0 ? 1 : 0, power;
	int error = text_number(digits, UINT64_MAX, number);

	if (error)
		return error;
	for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
		if (units[i].type == type && text_is_nocase(unit, text_from(units[i].unit)))
			factor = units[i].factor;
	if (factor == 0) {
		/* an exponent: Socket.IO writes its default as 1e6 */
		if (type != OPTION_BYTES || (unit.at[0] != 'e' && unit.at[0] != 'E') ||
			text_number(text_of(unit.at + 1, unit.n - 1), 18, &power) != 0)
			return ERROR_SYNTAX;
		for (factor = 1; power > 0; power--)
			factor *= 10;
	}
	return __builtin_mul_overflow(*number, factor, number) ? ERROR_TOO_BIG : 0;
}

static int
option_assign_number(const struct option_row *row, uint64_t *field, const char *label, const char *value, char *error)
{
	uint64_t number, max = row->max > 0 ? row->max : UINT64_MAX;
	int result = option_read_number(row->type, value, &number);

	if (result == ERROR_SYNTAX) {
		if (row->type == OPTION_MS)
			return option_refuse(error, label, value, "is not a duration (use 300, 300ms, 25s or 2m)");
		if (row->type == OPTION_BYTES)
			return option_refuse(
				error, label, value, "is not a size in bytes (use 1000000, 1e6, 64k or 1m)");
		return option_refuse(error, label, value, "is not a whole number");
	}
	if (result != 0 || number < row->min || number > max)
		return option_refuse(
			error, label, value, "is out of range (use %" PRIu64 " to %" PRIu64 ")", row->min, max);
	*field = number;
	return 0;
}

/* Stores a list without white space around its items. */
static int
option_assign_list(const struct option_row *row, char **field, const char *label, const char *value, char *error)
{
	struct text rest = text_from(value), item;
	char *list = mem_alloc(rest.n + 1);
	size_t n = 0;
	int index;

	if (text_ends(rest, TEXT(",")) || (rest.n == 0 && row->choices))
		goto empty;
	while (text_cut(&rest, ',', &item)) {
		item = text_trim(item);
		if (item.n == 0)
			goto empty;
		if (row->choices && !option_choice(row->choices, item, &index)) {
			mem_free(list);
			return option_refuse(error, label, value,
				"has an unknown item (use some of %s, separated by commas)", row->choices);
		}
		if (n > 0)
			list[n++] = ',';
		memcpy(list + n, item.at, item.n);
		n += item.n;
	}
	list[n] = '\0';
	mem_free(*field);
	*field = list;
	return 0;
empty:
	mem_free(list);
	return option_refuse(error, label, value, "has an empty item (separate items by one comma)");
}

static int
option_assign_auto(int *field, const char *label, const char *value, char *error)
{
	bool on = false;

	if (text_is_nocase(text_from(value), TEXT("auto")))
		*field = -1;
	else if (option_read_flag(value, &on) == 0)
		*field = on;
	else
		return option_refuse(error, label, value, "is not valid (use auto, true or false)");
	return 0;
}

int
option_assign(const struct option_row *row, void *into, const char *label, const char *value, char *error)
{
	void *field = (char *)into + row->offset;
	int index;

	switch (row->type) {
	case OPTION_FLAG:
		if (option_read_flag(value, field) != 0)
			return option_refuse(
				error, label, value, "is not a boolean (use true, false, 1, 0, yes, no, on or off)");
		return 0;
	case OPTION_AUTO:
		return option_assign_auto(field, label, value, error);
	case OPTION_NUMBER:
	case OPTION_MS:
	case OPTION_BYTES:
		return option_assign_number(row, field, label, value, error);
	case OPTION_TEXT:
	case OPTION_SWITCH:
		mem_free(*(char **)field);
		*(char **)field = mem_text(value, strlen(value));
		return 0;
	case OPTION_CHOICE:
		if (!option_choice(row->choices, text_from(value), &index))
			return option_refuse(error, label, value, "is not valid (use one of %s)", row->choices);
		*(int *)field = index;
		return 0;
	case OPTION_LIST:
	case OPTION_EACH:
		return option_assign_list(row, field, label, value, error);
	}
	must(!"an option type of the table");
	return ERROR_ARGUMENT;
}

/* Appends a number with the largest unit that leaves it whole. */
static void
option_write_number(enum option_type type, uint64_t number, struct buffer *out)
{
	static const struct {
		enum option_type type;
		const char *unit;
		uint64_t factor;
	} units[] = {
		{OPTION_MS, "m", 60 * 1000},
		{OPTION_MS, "s", 1000},
		{OPTION_BYTES, "g", 1024 * 1024 * 1024},
		{OPTION_BYTES, "m", 1024 * 1024},
		{OPTION_BYTES, "k", 1024},
	};

	for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].type == type && number > 0 && number % units[i].factor == 0) {
			buffer_printf(out, "%" PRIu64 "%s", number / units[i].factor, units[i].unit);
			return;
		}
	}
	buffer_printf(out, "%" PRIu64, number);
}

static void
option_write_choice(const char *choices, int index, struct buffer *out)
{
	struct text rest = text_from(choices), one = TEXT_NONE;

	for (int i = 0; i <= index && text_cut(&rest, '|', &one); i++)
		continue;
	buffer_add_text(out, one);
}

void
option_write(const struct option_row *row, const void *into, struct buffer *out)
{
	const void *field = (const char *)into + row->offset;
	const char *text;
	int number;

	switch (row->type) {
	case OPTION_FLAG:
		buffer_add_text(out, text_from(*(const bool *)field ? "true" : "false"));
		break;
	case OPTION_AUTO:
		number = *(const int *)field;
		buffer_add_text(out, text_from(number < 0 ? "auto" : number > 0 ? "true" : "false"));
		break;
	case OPTION_NUMBER:
	case OPTION_MS:
	case OPTION_BYTES:
		option_write_number(row->type, *(const uint64_t *)field, out);
		break;
	case OPTION_TEXT:
	case OPTION_SWITCH:
	case OPTION_LIST:
	case OPTION_EACH:
		text = *(char *const *)field;
		buffer_add_text(out, text_from(text ? text : ""));
		break;
	case OPTION_CHOICE:
		option_write_choice(row->choices, *(const int *)field, out);
		break;
	}
}

void
option_default(const struct option_row *row, void *into)
{
	void *field = (char *)into + row->offset;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)field = false;
		break;
	case OPTION_AUTO:
		*(int *)field = -1;
		break;
	case OPTION_NUMBER:
	case OPTION_MS:
	case OPTION_BYTES:
		*(uint64_t *)field = 0;
		break;
	case OPTION_TEXT:
	case OPTION_SWITCH:
	case OPTION_LIST:
	case OPTION_EACH:
		*(char **)field = NULL;
		break;
	case OPTION_CHOICE:
		must(row->choices != NULL);
		*(int *)field = 0;
		break;
	}
	if (row->initial)
		must(option_assign(row, into, row->name, row->initial, NULL) == 0);
}

void
option_clear(const struct option_row *row, void *into)
{
	char **field = (char **)(void *)((char *)into + row->offset);

	if (!option_is_text(row->type))
		return;
	mem_free(*field);
	*field = NULL;
}
