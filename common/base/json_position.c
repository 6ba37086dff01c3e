/*
 * Finds the position at which a text stops being JSON, for a log line after json_check() has refused the text. It is
 * slow and serves no other purpose.
 */
#include "common/base/json.h"

#include <stdbool.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

struct position {
	const char *start, *at, *end;
};

static bool
position_is_at(const struct position *position, char ch)
{
	return position->at < position->end && *position->at == ch;
}

static bool
position_take(struct position *position, char ch)
{
	if (!position_is_at(position, ch))
		return false;
	position->at++;
	return true;
}

static void
position_skip_blanks(struct position *position)
{
	while (position_is_at(position, ' ') || position_is_at(position, '\n') || position_is_at(position, '\r') ||
		position_is_at(position, '\t'))
		position->at++;
}

static bool
position_take_hex(struct position *position)
{
	for (unsigned i = 0; i < 4; i++, position->at++) {
		if (position->at == position->end || ascii_hex_value(*position->at) < 0)
			return false;
	}
	return true;
}

/* Takes a string; position->at is after its opening quote. */
static bool
position_take_string(struct position *position)
{
	while (position->at < position->end && *position->at != '"') {
		if ((unsigned char)*position->at < ' ')
			return false;
		if (!position_take(position, '\\')) {
			size_t n = 1, left = (size_t)(position->end - position->at);

			while (n < 4 && n < left && !utf8_valid(position->at, n))
				n++;
			if (!utf8_valid(position->at, n))
				return false;
			position->at += n;
		} else if (position_take(position, 'u')) {
			if (!position_take_hex(position))
				return false;
		} else if (position->at == position->end || !memchr("\"\\/bfnrt", *position->at, 8)) {
			return false;
		} else {
			position->at++;
		}
	}
	return position_take(position, '"');
}

static bool
position_take_digits(struct position *position)
{
	const char *from = position->at;

	while (position->at < position->end && *position->at >= '0' && *position->at <= '9')
		position->at++;
	return position->at > from;
}

static bool
position_take_number(struct position *position)
{
	position_take(position, '-');
	if (!position_take(position, '0') && !position_take_digits(position))
		return false;
	if (position_take(position, '.') && !position_take_digits(position))
		return false;
	if (!position_take(position, 'e') && !position_take(position, 'E'))
		return true;
	if (!position_take(position, '+'))
		position_take(position, '-');
	return position_take_digits(position);
}

static bool
position_take_word(struct position *position, const char *word)
{
	while (*word != '\0') {
		if (!position_take(position, *word++))
			return false;
	}
	return true;
}

static bool
position_take_scalar(struct position *position)
{
	if (position_take(position, '"'))
		return position_take_string(position);
	if (position_is_at(position, 't') || position_is_at(position, 'f') || position_is_at(position, 'n'))
		return position_take_word(position, *position->at == 't'   ? "true"
						    : *position->at == 'f' ? "false"
									   : "null");
	return position_take_number(position);
}

static bool
position_take_key(struct position *position)
{
	position_skip_blanks(position);
	if (!position_take(position, '"') || !position_take_string(position))
		return false;
	position_skip_blanks(position);
	return position_take(position, ':');
}

/* Takes one value. `open` has room for the open brackets, JSON_DEPTH_MAX at most. */
static bool
position_take_value(struct position *position, char *open, unsigned max_depth)
{
	unsigned depth = 0;

	for (;;) {
		position_skip_blanks(position);
		if (position_is_at(position, '{') || position_is_at(position, '[')) {
			if (depth == max_depth)
				return false;
			open[depth++] = *position->at++;
			position_skip_blanks(position);
			if (!position_is_at(position,
				    open[depth - 1] + 2)) { /* '}' and ']' are two after '{' and '[' in ASCII */
				if (open[depth - 1] == '{' && !position_take_key(position))
					return false;
				continue;
			}
		} else if (!position_take_scalar(position)) {
			return false;
		}
		for (;; position->at++) {
			position_skip_blanks(position);
			if (depth == 0)
				return true;
			if (!position_is_at(position, open[depth - 1] + 2))
				break;
			depth--;
		}
		if (!position_take(position, ',') || (open[depth - 1] == '{' && !position_take_key(position)))
			return false;
	}
}

size_t
json_error_position(struct text text, unsigned max_depth)
{
	struct position position = {text.at, text.at, text.at + text.n};
	char open[JSON_DEPTH_MAX];

	if (max_depth > JSON_DEPTH_MAX)
		max_depth = JSON_DEPTH_MAX;
	(void)position_take_value(&position, open, max_depth);
	return (size_t)(position.at - position.start);
}
