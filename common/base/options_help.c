#include <inttypes.h>

#include "common/base/option.h"
#include "common/base/options.h"

#define HELP_COLUMNS 100
#define HELP_INDENT 38 /* column of the explanations */

/* Returns the default as the user would write it; NULL for the first choice, "" if unset. */
static const char *
help_default(const struct option_row *row)
{
	if (row->initial)
		return row->initial;
	return row->type == OPTION_FLAG	    ? "false"
	       : row->type == OPTION_AUTO   ? "auto"
	       : row->type == OPTION_CHOICE ? NULL
					    : "";
}

/* Appends the choices or range of a row's value and its default. */
static void
help_add_limits(struct buffer *out, const struct option_row *row)
{
	struct text first, rest;

	if (row->choices && row->type != OPTION_SWITCH)
		buffer_printf(out, "; %s %s",
			row->type == OPTION_LIST || row->type == OPTION_EACH ? "some of" : "one of", row->choices);
	if (option_has_range(row)) {
		buffer_printf(out, "; %" PRIu64, row->min);
		if (row->max > 0 && row->max < UINT64_MAX)
			buffer_printf(out, " to %" PRIu64, row->max);
		else
			buffer_add_text(out, TEXT(" or more"));
	}
	if (help_default(row) == NULL) {
		rest = text_from(row->choices);
		text_cut(&rest, '|', &first);
		buffer_printf(out, "; default %.*s", (int)first.n, first.at);
	} else if (help_default(row)[0]) {
		buffer_printf(out, "; default %s", help_default(row));
	}
	if (row->reload)
		buffer_add_text(out, TEXT("; SIGHUP applies a change of the configuration file"));
}

static void
help_add_spaces(struct buffer *out, size_t n)
{
	for (; n > 0; n--)
		buffer_add_byte(out, ' ');
}

/* Appends words and breaks lines between them. `column` is the current column. */
static void
help_add_wrapped(struct buffer *out, struct text words, size_t column)
{
	struct text word;
	bool first = true;

	while (text_cut(&words, ' ', &word)) {
		if (!first && column + 1 + word.n > HELP_COLUMNS) {
			buffer_add_byte(out, '\n');
			help_add_spaces(out, HELP_INDENT);
			column = HELP_INDENT;
		} else if (!first) {
			buffer_add_byte(out, ' ');
			column++;
		}
		buffer_add_text(out, word);
		column += word.n;
		first = false;
	}
	buffer_add_byte(out, '\n');
}

static void
help_add_row(const struct option_row *row, bool flags_only, struct buffer *out)
{
	char flag[OPTION_NAME_MAX], env[OPTION_NAME_MAX];
	size_t begin = out->len, used;
	struct buffer words;

	option_flag_name(row->name, flag);
	option_env_name(row->name, env);
	buffer_printf(out, option_is_flag(row->type) ? "  --[no-]%s" : "  --%s", flag);
	if (!option_is_flag(row->type))
		buffer_printf(out, row->type == OPTION_SWITCH ? " [%s]" : " %s", row->value ? row->value : "VALUE");
	used = out->len - begin;
	if (used + 2 > HELP_INDENT) {
		buffer_add_byte(out, '\n');
		used = 0;
	}
	help_add_spaces(out, HELP_INDENT - used);

	buffer_init(&words, out->max);
	buffer_add_text(&words, text_from(row->help));
	help_add_limits(&words, row);
	if (!flags_only)
		buffer_printf(&words, " [%s]", env);
	help_add_wrapped(out, buffer_text(&words), HELP_INDENT);
	buffer_fini(&words);
}

void
options_help(const struct option_table *tables, size_t n, struct buffer *out)
{
	const char *group = NULL;

	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			const struct option_row *row = &tables[t].rows[r];

			if (row->group && (!group || strcmp(row->group, group) != 0)) {
				buffer_printf(out, group ? "\n%s\n" : "%s\n", row->group);
				group = row->group;
			}
			help_add_row(row, tables[t].flags_only, out);
		}
	}
}

/* Appends a table cell. A pipe is escaped, since it would end the cell. */
static void
markdown_add_cell(struct buffer *out, struct text words)
{
	for (size_t i = 0; i < words.n; i++) {
		if (words.at[i] == '|')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, (uint8_t)words.at[i]);
	}
}

void
options_markdown(const struct option_table *tables, size_t n, struct buffer *out)
{
	struct buffer words;

	buffer_init(&words, out->max);
	buffer_add_text(out, TEXT("| Option | Flag | Environment | Meaning |\n|---|---|---|---|\n"));
	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			const struct option_row *row = &tables[t].rows[r];
			char flag[OPTION_NAME_MAX], env[OPTION_NAME_MAX];

			option_flag_name(row->name, flag);
			option_env_name(row->name, env);
			buffer_printf(out, "| %s | `--%s` | `%s` | ", row->name, flag, env);
			buffer_reset(&words);
			buffer_add_text(&words, text_from(row->help));
			help_add_limits(&words, row);
			markdown_add_cell(out, buffer_text(&words));
			buffer_add_text(out, TEXT(" |\n"));
		}
	}
	buffer_fini(&words);
}
