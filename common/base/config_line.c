#include "common/base/config_line.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/option.h"
#include "common/base/utf8.h"

#define SHOWN_MAX 60 /* bytes of a faulty line in an error */

static bool
config_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static struct text
text_without_blanks(struct text text)
{
	while (text.n > 0 && config_is_blank(text.at[0]))
		text = text_of(text.at + 1, text.n - 1);
	while (text.n > 0 && config_is_blank(text.at[text.n - 1]))
		text.n--;
	return text;
}

/* Returns the length of the first word, at most `max`. */
static size_t
first_word_length(struct text text, size_t max)
{
	size_t n = 0;

	while (n < text.n && n < max && !config_is_blank(text.at[n]))
		n++;
	return n;
}

/* Returns the error in the bytes of a line, or NULL. A tab is the only control character allowed. */
static const char *
line_bytes_error(struct text text)
{
	if (text.n > CONFIG_LINE_MAX)
		return "the line is longer than 8192 bytes";
	if (!utf8_valid(text.at, text.n))
		return "the line is not valid UTF-8";
	for (size_t i = 0; i < text.n; i++)
		if (((unsigned char)text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
			return "the line contains a control character";
	return NULL;
}

/* Reads a value in quotes; `text` begins after the opening quote. Returns the error, or NULL. */
static const char *
line_read_quoted(struct text text, char *value)
{
	size_t i = 0, n = 0;

	for (; i < text.n && text.at[i] != '"'; i++) {
		if (text.at[i] == '\\' && i + 1 < text.n && (text.at[i + 1] == '"' || text.at[i + 1] == '\\'))
			i++;
		value[n++] = text.at[i];
	}
	value[n] = '\0';
	if (i == text.n)
		return "the closing quote is missing";
	text = text_of(text.at + i + 1, text.n - i - 1);
	if (text.n > 0 && !config_is_blank(text.at[0]))
		return "characters follow the closing quote (write a quote inside a value as \\\")";
	text = text_without_blanks(text);
	return text.n > 0 && text.at[0] != '#' ? "characters follow the closing quote" : NULL;
}

/* Reads a value up to a comment or the end of the line. Returns the error, or NULL. */
static const char *
line_read_plain(struct text text, char *value)
{
	size_t end = 0;

	if (text.n > 0 && text.at[0] == '\'')
		return "a value is quoted with \", not with '";
	while (end < text.n && (text.at[end] != '#' || (end > 0 && !config_is_blank(text.at[end - 1]))))
		end++;
	text = text_without_blanks(text_of(text.at, end));
	memcpy(value, text.at, text.n);
	value[text.n] = '\0';
	return NULL;
}

/* Reads a line that is neither blank nor a comment. */
static int
line_read(struct text text, struct config_line *line, char error[OPTION_ERROR_MAX])
{
	const char *equals = memchr(text.at, '=', text.n), *wrong;
	struct text value;

	if (equals == NULL) {
		/* only the first word: the rest may be a secret */
		snprintf(error, OPTION_ERROR_MAX, "\"%.*s\" is not a setting (use name = value)",
			(int)first_word_length(text, SHOWN_MAX), text.at);
		return ERROR_SYNTAX;
	}
	line->name = text_without_blanks(text_of(text.at, (size_t)(equals - text.at)));
	for (size_t i = 0; i < line->name.n; i++) {
		if (!is_name_char(line->name.at[i])) {
			snprintf(error, OPTION_ERROR_MAX, "\"%.*s\" is not the name of an option (use name = value)",
				(int)(line->name.n < SHOWN_MAX ? line->name.n : SHOWN_MAX), line->name.at);
			return ERROR_SYNTAX;
		}
	}
	if (line->name.n == 0 || line->name.n >= OPTION_NAME_MAX) {
		snprintf(error, OPTION_ERROR_MAX, "the name before = is %s",
			line->name.n == 0 ? "missing" : "longer than that of any option");
		return ERROR_SYNTAX;
	}
	value = text_without_blanks(text_of(equals + 1, (size_t)(text.at + text.n - equals) - 1));
	wrong = value.n > 0 && value.at[0] == '"' ? line_read_quoted(text_of(value.at + 1, value.n - 1), line->value)
						  : line_read_plain(value, line->value);
	if (wrong == NULL)
		return 1;
	snprintf(error, OPTION_ERROR_MAX, "option %.*s: %s", (int)line->name.n, line->name.at, wrong);
	return ERROR_SYNTAX;
}

int
config_line_next(struct text *rest, struct config_line *line, char error[OPTION_ERROR_MAX])
{
	while (rest->n > 0) {
		const char *end = memchr(rest->at, '\n', rest->n), *wrong;
		struct text text = text_of(rest->at, end ? (size_t)(end - rest->at) : rest->n);

		*rest = text_of(rest->at + text.n + (end != NULL), rest->n - text.n - (end != NULL));
		line->number++;
		if (text.n > 0 && text.at[text.n - 1] == '\r')
			text.n--;
		if (line->number == 1 && text.n >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
			text = text_of(text.at + 3, text.n - 3); /* the byte order mark of some editors */
		wrong = line_bytes_error(text);
		if (wrong != NULL) {
			snprintf(error, OPTION_ERROR_MAX, "%s", wrong);
			return ERROR_SYNTAX;
		}
		text = text_without_blanks(text);
		if (text.n > 0 && text.at[0] != '#')
			return line_read(text, line, error);
	}
	return 0;
}

void
config_line_write_value(struct buffer *out, struct text value)
{
	bool quoted = value.n > 0 && (config_is_blank(value.at[0]) || config_is_blank(value.at[value.n - 1]) ||
					     value.at[0] == '"' || value.at[0] == '\'');

	for (size_t i = 0; i < value.n; i++)
		quoted = quoted || value.at[i] == '#';
	if (!quoted) {
		buffer_add_text(out, value);
		return;
	}
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.at[i] == '"' || value.at[i] == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, (uint8_t)value.at[i]);
	}
	buffer_add_byte(out, '"');
}
