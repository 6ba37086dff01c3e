/*
 * The query string, read as URLSearchParams does: "+" is a blank, %XX is decoded, a malformed escape is kept. If a
 * key occurs several times, the last one counts.
 */
#ifndef NODE_HTTP_HTTP_QUERY_H
#define NODE_HTTP_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/text.h"

/*
 * Decodes the value of `key` into `out` (`out_size` bytes; a NUL is added). Returns its length. ERROR_NOT_FOUND;
 * ERROR_TOO_BIG: `out` is too small; ERROR_SYNTAX: the value contains a NUL, which would truncate it for readers of
 * `out`.
 */
int http_query_get(struct text query, const char *key, char *out, size_t out_size);

/*
 * For several keys at once: http_query_find() sets raw[i] to the value of keys[i] as it stands in the query, or to
 * TEXT_NONE, in one pass over the query. The keys are ASCII without "%", "+", "=" and NUL. http_query_value() decodes
 * such a value; its results are those of http_query_get().
 */
void http_query_find(struct text query, const struct text keys[], unsigned n, struct text raw[]);
int http_query_value(struct text raw, char *out, size_t out_size);

/* Cuts one raw pair off *rest. Returns false at the end. Empty pairs ("&&") are skipped. */
bool http_query_next(struct text *rest, struct text *raw_key, struct text *raw_value);

/*
 * Decodes `raw` into `out` and returns the length, at most raw.n. `out` may be raw.at itself. Invalid UTF-8 becomes
 * U+FFFD where the result still fits, otherwise "?".
 */
size_t http_query_decode(struct text raw, char *out);

#endif
