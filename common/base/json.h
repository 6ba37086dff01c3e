/*
 * Checks and walks JSON text (RFC 8259) without building a tree.
 *
 * The functions are pure and take linear time. They do not recurse or allocate, and nesting is limited. Strings must
 * be valid UTF-8. An escaped lone surrogate is accepted, as in JSON.parse, and decodes to U+FFFD.
 *
 * json.c checks and splits; json_string.c has the functions for strings. The two files depend on each other: both
 * implement this header, and finding an object's member compares strings.
 */
#ifndef COMMON_BASE_JSON_H
#define COMMON_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define JSON_DEPTH_MAX 512 /* maximum nesting accepted from peers; a larger max_depth is treated as this */

enum json_type { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Checks that `text` is exactly one JSON value, with optional white space around it. Returns 0, ERROR_SYNTAX,
 * ERROR_UTF8 or ERROR_TOO_DEEP.
 */
int json_check(struct text text, unsigned max_depth);

/*
 * Returns the length of the longest part of a refused text that could begin a JSON text: the position of the error,
 * or text.n if only the end is missing. For logs.
 */
size_t json_error_position(struct text text, unsigned max_depth);

/*
 * Checks one value at the start of `text`. Returns the bytes it takes, including leading white space (> 0), or an
 * error. The bytes after it are not checked.
 */
int64_t json_value_length(struct text text, unsigned max_depth);

/* Returns the type of a checked value, judged by its first character after white space. */
enum json_type json_type(struct text value);

/*
 * Walk a *checked* array or object. `*rest` starts as the whole value. Each call extracts the next element and
 * returns true, or returns false at the end. A key keeps its quotes and escapes. Elements have no surrounding white
 * space.
 */
bool json_array_next(struct text *rest, struct text *element);
bool json_object_next(struct text *rest, struct text *key, struct text *element);

/* Returns the string, number or literal at the start of a checked text, which must not begin with white space. */
struct text json_scalar(struct text text);

/* Returns the value of the last member of a checked object whose unescaped key equals `key`, or TEXT_NONE. */
struct text json_object_get(struct text object, struct text key);

/*
 * Checks an array and finds its elements in the same pass. Returns the number of elements, ERROR_TOO_MANY if there
 * are more than `max`, or an error of json_check().
 */
int json_array_split(struct text array, struct text *elements, unsigned max, unsigned max_depth);

/*
 * Unescapes a checked string, given with its quotes, to UTF-8. `out` needs room for at most string.n bytes. Returns
 * the length.
 */
size_t json_string_decode(struct text string, char *out);

/*
 * Like json_string_decode(), for a name that becomes a C string: U+0000 is replaced by U+FFFD, because a NUL would
 * end the string.
 */
size_t json_string_decode_name(struct text string, char *out);

/* Returns the length that json_string_decode() would return. */
size_t json_string_length(struct text string);

/* Returns true if a checked, quoted string equals `plain` after unescaping. Nothing is copied. */
bool json_string_is(struct text string, struct text plain);

/*
 * Returns true and sets `*value` if a checked number is an integer that fits into int64_t. "1e3" and "5.0" are
 * integers.
 */
bool json_number_int(struct text number, int64_t *value);
/* Like json_number_int(), for an integer whose absolute value is below 2^64. */
bool json_number_integer(struct text number, bool *negative, uint64_t *magnitude);
/* Returns the value of a checked number; infinite on overflow, as in JSON.parse. Independent of the locale. */
double json_number_double(struct text number);

/*
 * Appends a quoted string and escapes the same characters as JSON.stringify. Bytes that are not valid UTF-8 are
 * replaced by U+FFFD, and the function returns false.
 */
bool json_write_string(struct buffer *out, struct text string);
/*
 * Writes the escape that JSON.stringify uses for a quote, a backslash or a control character, and returns its length.
 * Hexadecimal digits are lower-case. JSON.stringify leaves DEL and the slash as they are.
 */
size_t json_escape_byte(uint8_t c, char out[6]);
/*
 * Appends a number as JSON.stringify does: the shortest text that reads back as the same double, null for NaN and
 * infinities, 0 for -0.
 */
void json_write_double(struct buffer *out, double value);

#endif
