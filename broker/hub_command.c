#include "broker/hub_command.h"

#include "common/base/error.h"

#define NUMBER_MAX 20 /* maximum digits of a number, with its line end */

/*
 * Parses "<mark><number>\r\n" at `*at` and moves `*at` behind it. Returns 1; 0 if more bytes are needed; or an error.
 */
static int
parse_number_line(struct text in, size_t *at, char mark, uint64_t max, uint64_t *value)
{
	const char *end;
	size_t n;
	int rc;

	if (*at == in.n)
		return 0;
	if (in.at[*at] != mark)
		return ERROR_SYNTAX;
	n = in.n - *at - 1;
	end = memchr(in.at + *at + 1, '\r', n < NUMBER_MAX ? n : NUMBER_MAX);
	if (end == NULL)
		return n < NUMBER_MAX ? 0 : ERROR_SYNTAX;
	rc = text_number(text_of(in.at + *at + 1, (size_t)(end - in.at) - *at - 1), max, value);
	if (rc < 0)
		return rc;
	if (end + 1 == in.at + in.n)
		return 0;
	if (end[1] != '\n')
		return ERROR_SYNTAX;
	*at = (size_t)(end - in.at) + 2;
	return 1;
}

int64_t
hub_command_parse(struct hub_command *out, struct text in, uint64_t max, uint64_t *needed)
{
	uint64_t count, n;
	size_t at = 0;
	int rc;

	*needed = in.n + 1;
	out->count = 0;
	rc = parse_number_line(in, &at, '*', HUB_ARGS_MAX, &count);
	if (rc <= 0)
		return rc;
	if (count == 0)
		return ERROR_SYNTAX;
	while (out->count < count) {
		rc = parse_number_line(in, &at, '$', max, &n);
		if (rc <= 0)
			return rc;
		if (at + n + 2 > max)
			return ERROR_TOO_BIG;
		if (in.n - at < n + 2) {
			*needed = at + n + 2;
			return 0;
		}
		if (in.at[at + n] != '\r' || in.at[at + n + 1] != '\n')
			return ERROR_SYNTAX;
		out->args[out->count++] = text_of(in.at + at, n);
		at += n + 2;
	}
	return (int64_t)at;
}

int
hub_pattern_prefix(struct text pattern, struct buffer *prefix)
{
	for (size_t i = 0; i < pattern.n; i++) {
		char c = pattern.at[i];

		if (c == '*')
			return i + 1 == pattern.n ? 0 : ERROR_UNSUPPORTED;
		if (c == '?' || c == '[')
			return ERROR_UNSUPPORTED;
		if (c == '\\' && ++i == pattern.n)
			return ERROR_UNSUPPORTED;
		buffer_add_byte(prefix, (uint8_t)pattern.at[i]);
	}
	return ERROR_UNSUPPORTED;
}
