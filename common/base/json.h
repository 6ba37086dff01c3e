/*
 * JSON text (RFC 8259), checked and walked without building a tree.
 *
 * Pure and linear: no recursion, nesting is limited, nothing is allocated.
 * Strings must be valid UTF-8; escaped lone surrogates are accepted, as JSON.parse does, and become
 * U+FFFD when decoded.
 *
 * json.c checks and splits; json_string.c has the functions of strings. They go in a circle, as both stand behind
 * this header, and a member of an object is found by comparing its name.
 */
#ifndef COMMON_BASE_JSON_H
#define COMMON_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define JSON_DEPTH_MAX 512 /* nesting accepted from peers; a larger max_depth counts as this */

enum json_type { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Checks that `t` is exactly one JSON value, with blanks around it. 0, ERROR_SYNTAX, ERROR_UTF8, ERROR_TOO_DEEP.
 */
int json_check(struct text t, unsigned max_depth);

/* How many bytes of what json_check() refuses could begin a JSON text; t.n when only an end is missing. For logs. */
size_t json_error_position(struct text t, unsigned max_depth);

/*
 * Checks one value at the start of `t` (after blanks) and returns how many bytes it takes, leading blanks included
 * (> 0), or an error. Whatever follows is not looked at.
 */
int64_t json_value_length(struct text t, unsigned max_depth);

/* The type of a checked value, by its first character after blanks. */
enum json_type json_type(struct text value);

/*
 * Walk a *checked* array or object. `*rest` starts as the whole value. Each call cuts the next element (key still
 * quoted and escaped) and returns true; false at the end. Elements come without surrounding blanks.
 */
bool json_array_next(struct text *rest, struct text *element);
bool json_object_next(struct text *rest, struct text *key, struct text *element);

/* The string, number or word that checked text `t` starts with (no blanks before it). */
struct text json_scalar(struct text t);

/* The last member of a checked object whose key equals `key` after unescaping; TEXT_NONE. */
struct text json_object_get(struct text object, struct text key);

/*
 * Checks an unchecked array of at most `max` elements and gives their bounds in the same pass. Returns the count,
 * ERROR_TOO_MANY or an error of json_check().
 */
int json_array_split(struct text array, struct text *elements, unsigned max, unsigned max_depth);

/* Unescapes a checked string (with its quotes) to UTF-8 in `out`, which needs s.n bytes at most; returns the length.
 */
size_t json_string_decode(struct text s, char *out);

/* The same for a name that becomes a C string, which a NUL would end: U+FFFD takes the place of U+0000. */
size_t json_string_decode_name(struct text s, char *out);

/* The length json_string_decode() would return. */
size_t json_string_length(struct text s);

/* True if the checked, quoted string equals `plain` after unescaping; no copy. */
bool json_string_is(struct text s, struct text plain);

/* Number of a checked number: true and *value when it is an integer within int64 (also "1e3", "5.0"). */
bool json_number_int(struct text number, int64_t *value);
/* The same as sign and size, within 2^64. */
bool json_number_integer(struct text number, bool *negative, uint64_t *magnitude);
double json_number_double(struct text number); /* overflow gives an infinity, like JSON.parse; locale independent */

/*
 * Appends a quoted, escaped string. Escapes what JSON.stringify escapes, nothing more. Bytes that are not UTF-8
 * become U+FFFD, and the result is false.
 */
bool json_write_string(struct buffer *out, struct text s);
/* Appends a number as JSON.stringify does: shortest round trip, NaN and infinities as null, -0 as 0. */
void json_write_double(struct buffer *out, double value);

#endif
