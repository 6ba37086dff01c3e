/*
 * The check is one loop over the text. One bit per level tells whether an array or an object is open, so nesting uses
 * neither the call stack nor the heap.
 *
 *   state         input                    action, next state
 *   value         scalar                   after
 *   value         [ or {                   push; value or key (an empty one is popped at once)
 *   key           "string" :               value
 *   after         ,                        value (array) or key (object)
 *   after         the matching ] or }      pop, after
 *   after, depth 0                         done
 */
#include "common/base/json.h"

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"

static inline bool
json_digit(const char *at, const char *end)
{
	return at < end && *at >= '0' && *at <= '9';
}

/* Skips one UTF-8 sequence of two to four bytes (RFC 3629 section 4). Returns NULL if it is malformed. */
static const char *
json_sequence(const char *at, const char *end)
{
	const uint8_t *b = (const uint8_t *)at;
	size_t n = (size_t)(end - at);

	if (b[0] >= 0xc2 && b[0] < 0xe0)
		return n >= 2 && (b[1] & 0xc0) == 0x80 ? at + 2 : NULL;
	if (b[0] >= 0xe0 && b[0] < 0xf0) {
		if (n < 3 || (b[1] & 0xc0) != 0x80 || (b[2] & 0xc0) != 0x80)
			return NULL;
		if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f))
			return NULL;
		return at + 3;
	}
	if (b[0] >= 0xf0 && b[0] < 0xf5) {
		if (n < 4 || (b[1] & 0xc0) != 0x80 || (b[2] & 0xc0) != 0x80 || (b[3] & 0xc0) != 0x80)
			return NULL;
		if ((b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
			return NULL;
		return at + 4;
	}
	return NULL;
}

/* Checks the escape whose backslash is at `at` and returns its end, or NULL. */
static const char *
json_escape(const char *at, const char *end)
{
	if (end - at < 2)
		return NULL;
	switch (at[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 2;
	case 'u':
		if (end - at < 6 || ascii_hex_value(at[2]) < 0 || ascii_hex_value(at[3]) < 0 ||
			ascii_hex_value(at[4]) < 0 || ascii_hex_value(at[5]) < 0)
			return NULL;
		return at + 6;
	default:
		return NULL;
	}
}

/*
 * Checks a string; `at` is after its opening quote. Returns the end after the closing quote, or NULL with *error set.
 */
static const char *
json_string(const char *at, const char *end, int *error)
{
	*error = ERROR_SYNTAX;
	for (;;) {
		at = json_plain(at, end);
		if (at == end)
			return NULL;
		if (*at == '"')
			return at + 1;
		if (*at == '\\') {
			at = json_escape(at, end);
			if (!at)
				return NULL;
		}
		while (at < end && (uint8_t)*at >= 0x80) {
			at = json_sequence(at, end);
			if (!at) {
				*error = ERROR_UTF8;
				return NULL;
			}
		}
		if (at < end && (uint8_t)*at < 0x20)
			return NULL;
	}
}

static const char *
json_digits(const char *at, const char *end)
{
	while (json_digit(at, end))
		at++;
	return at;
}

static const char *
json_number(const char *at, const char *end)
{
	if (*at == '-')
		at++;
	if (!json_digit(at, end))
		return NULL;
	at = *at == '0' ? at + 1 : json_digits(at, end);
	if (at < end && *at == '.') {
		if (!json_digit(++at, end))
			return NULL;
		at = json_digits(at, end);
	}
	if (at < end && (*at | 0x20) == 'e') {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		if (!json_digit(at, end))
			return NULL;
		at = json_digits(at, end);
	}
	return at;
}

static const char *
json_word_literal(const char *at, const char *end)
{
	if (end - at >= 4 && (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0))
		return at + 4;
	if (end - at >= 5 && memcmp(at, "false", 5) == 0)
		return at + 5;
	return NULL;
}

static const char *
json_scalar_check(const char *at, const char *end, int *error)
{
	*error = ERROR_SYNTAX;
	if (*at == '"')
		return json_string(at + 1, end, error);
	if (*at == '-' || (*at >= '0' && *at <= '9'))
		return json_number(at, end);
	return json_word_literal(at, end);
}

/* Checks a member's key and colon. */
static const char *
json_key(const char *at, const char *end, int *error)
{
	*error = ERROR_SYNTAX;
	at = json_blanks(at, end);
	if (at == end || *at != '"')
		return NULL;
	at = json_string(at + 1, end, error);
	if (!at)
		return NULL;
	*error = ERROR_SYNTAX;
	at = json_blanks(at, end);
	return at < end && *at == ':' ? at + 1 : NULL;
}

/* Checks one value and returns its end, or NULL with *error set. */
static const char *
json_value(const char *at, const char *end, unsigned max_depth, int *error)
{
	uint64_t objects[JSON_DEPTH_MAX / 64]; /* bit d: level d is an object */
	unsigned depth = 0;

	if (max_depth > JSON_DEPTH_MAX)
		max_depth = JSON_DEPTH_MAX;
	for (;;) {
		*error = ERROR_SYNTAX;
		at = json_blanks(at, end);
		if (at == end)
			return NULL;
		if ((*at | 0x20) == '{') { /* or '[', which differs from '{' in bit 0x20 only */
			bool object = *at == '{';

			if (depth == max_depth) {
				*error = ERROR_TOO_DEEP;
				return NULL;
			}
			objects[depth / 64] = (depth % 64 ? objects[depth / 64] & ~(UINT64_C(1) << depth % 64) : 0) |
					      (uint64_t)object << depth % 64;
			at = json_blanks(at + 1, end);
			if (at == end)
				return NULL;
			if (*at == (object ? '}' : ']')) {
				at++;
			} else {
				depth++;
				if (object && !(at = json_key(at, end, error)))
					return NULL;
				continue;
			}
		} else if (!(at = json_scalar_check(at, end, error))) {
			return NULL;
		}
		for (;;) {
			bool object;

			if (depth == 0)
				return at;
			*error = ERROR_SYNTAX;
			object = objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
			at = json_blanks(at, end);
			if (at == end)
				return NULL;
			if (*at == ',') {
				at++;
				if (object && !(at = json_key(at, end, error)))
					return NULL;
				break;
			}
			if (*at != (object ? '}' : ']'))
				return NULL;
			at++;
			depth--;
		}
	}
}

int64_t
json_value_length(struct text text, unsigned max_depth)
{
	int error = ERROR_SYNTAX;
	const char *at = text.n ? json_value(text.at, text.at + text.n, max_depth, &error) : NULL;

	return at ? at - text.at : error;
}

int
json_check(struct text text, unsigned max_depth)
{
	int64_t n = json_value_length(text, max_depth);

	if (n < 0)
		return (int)n;
	return json_blanks(text.at + n, text.at + text.n) == text.at + text.n ? 0 : ERROR_SYNTAX;
}

int
json_array_split(struct text array, struct text *elements, unsigned max, unsigned max_depth)
{
	const char *at = array.at, *end = array.at + array.n, *start;
	int error = ERROR_SYNTAX;
	unsigned count = 0;

	if (array.n == 0)
		return ERROR_SYNTAX;
	at = json_blanks(at, end);
	if (at == end || *at != '[')
		return ERROR_SYNTAX;
	if (max_depth == 0)
		return ERROR_TOO_DEEP;
	if (max_depth > JSON_DEPTH_MAX)
		max_depth = JSON_DEPTH_MAX;
	at = json_blanks(at + 1, end);
	if (at < end && *at == ']')
		return json_blanks(at + 1, end) == end ? 0 : ERROR_SYNTAX;
	for (;;) {
		start = json_blanks(at, end);
		at = json_value(start, end, max_depth - 1, &error);
		if (!at)
			return error;
		if (count == max)
			return ERROR_TOO_MANY;
		elements[count++] = text_of(start, (size_t)(at - start));
		at = json_blanks(at, end);
		if (at == end)
			return ERROR_SYNTAX;
		if (*at == ']')
			return json_blanks(at + 1, end) == end ? (int)count : ERROR_SYNTAX;
		if (*at++ != ',')
			return ERROR_SYNTAX;
	}
}

enum json_type
json_type(struct text value)
{
	const char *at = json_blanks(value.at, value.at + value.n);

	switch (at < value.at + value.n ? *at : 'n') {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* ------------------------------------------------------------------ walking checked text */

/* Returns the end of a checked string; `at` is after its opening quote. */
static inline const char *
json_string_skip(const char *at, const char *end)
{
	while (at < end) {
		if (end - at >= 8) {
			uint64_t word = json_word(at);
			uint64_t stop = json_word_has(word, '"') | json_word_has(word, '\\');

			if (!stop) {
				at += 8;
				continue;
			}
			at += __builtin_ctzll(stop) >> 3;
		}
		if (*at == '"')
			return at + 1;
		at += *at == '\\' && end - at > 1 ? 2 : 1;
	}
	return end;
}

static inline const char *
json_scalar_skip(const char *at, const char *end)
{
	if (at < end && *at == '"')
		return json_string_skip(at + 1, end);
	while (at < end && *at != ',' && *at != ':' && *at != ']' && *at != '}' && !json_blank(*at))
		at++;
	return at;
}

static const char *
json_value_skip(const char *at, const char *end)
{
	size_t depth = 0;

	if (at == end || (*at | 0x20) != '{')
		return json_scalar_skip(at, end);
	while (at < end) {
		char c = *at++;

		if (c == '"') {
			at = json_string_skip(at, end);
		} else if ((c | 0x20) == '{') {
			depth++;
		} else if ((c | 0x20) == '}' && --depth == 0) {
			break;
		}
	}
	return at;
}

struct text
json_scalar(struct text text)
{
	return text_of(text.at, (size_t)(json_scalar_skip(text.at, text.at + text.n) - text.at));
}

/*
 * Moves to the next element or key, past the opening bracket or a comma. An opening bracket never follows an element,
 * so the first character of `rest` tells the two cases apart. Returns NULL at the end.
 */
static const char *
json_next(const struct text *rest)
{
	const char *end = rest->at + rest->n, *at;

	if (rest->n == 0)
		return NULL;
	at = json_blanks(rest->at, end);
	if (at == end || (*at | 0x20) == '}')
		return NULL;
	at = json_blanks(at + 1, end);
	return at == end || (*at | 0x20) == '}' ? NULL : at;
}

static const char *
json_cut(const char *at, const char *end, struct text *piece)
{
	const char *behind = json_value_skip(at, end);

	*piece = text_of(at, (size_t)(behind - at));
	return behind;
}

bool
json_array_next(struct text *rest, struct text *element)
{
	const char *end = rest->at + rest->n, *at = json_next(rest);

	if (!at) {
		*rest = text_of(end, 0);
		return false;
	}
	at = json_cut(at, end, element);
	*rest = text_of(at, (size_t)(end - at));
	return true;
}

bool
json_object_next(struct text *rest, struct text *key, struct text *element)
{
	const char *end = rest->at + rest->n, *at = json_next(rest);

	if (!at) {
		*rest = text_of(end, 0);
		return false;
	}
	at = json_blanks(json_cut(at, end, key), end);
	if (at < end)
		at = json_blanks(at + 1, end); /* the colon */
	at = json_cut(at, end, element);
	*rest = text_of(at, (size_t)(end - at));
	return true;
}

struct text
json_object_get(struct text object, struct text key)
{
	struct text found = TEXT_NONE, name, element;

	while (json_object_next(&object, &name, &element))
		if (json_string_is(name, key))
			found = element;
	return found;
}
