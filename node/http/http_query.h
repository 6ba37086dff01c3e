/*
 * The query string as URLSearchParams reads it: "+" is a blank, %XX decoded,
 * malformed escapes kept as they are; of equal keys the last wins.
 */
#ifndef NODE_HTTP_HTTP_QUERY_H
#define NODE_HTTP_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

/*
 * Value of `key` decoded into `out` (room for out_size bytes, NUL added). Returns its length, ERROR_NOT_FOUND,
 * ERROR_TOO_BIG when it does not fit, or ERROR_SYNTAX for one with a NUL in it, which a reader of `out` would take
 * for a shorter one.
 */
int http_query_get(struct text query, const char *key, char *out, size_t out_size);

/* Cuts one raw pair off `*rest`; false at the end. Empty pieces ("&&") are skipped. */
bool http_query_next(struct text *rest, struct text *raw_key, struct text *raw_value);

/* Decodes `raw` into `out` (at most raw.n bytes; may be raw.at itself) and returns the length. Invalid UTF-8 becomes
 * U+FFFD only where the result still fits, else "?". */
size_t http_query_decode(struct text raw, char *out);

#endif
