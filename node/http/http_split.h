/*
 * Splits a request head that is in memory as a whole, as it is after nearly every read. One pass checks each byte and
 * finds the parts. If the head arrives in pieces or is refused here, http_scan.h reads it and finds the error. Both
 * accept the same heads. Pure.
 */
#ifndef NODE_HTTP_HTTP_SPLIT_H
#define NODE_HTTP_HTTP_SPLIT_H

#include <stdint.h>

#include "common/base/text.h"
#include "node/http/http_field.h"

#define HTTP_METHOD_MAX 32 /* the longest registered method has 17 characters */

/* The parts of a head. The texts point into it. */
struct http_split {
	struct text method, target; /* as sent; neither is empty */
	uint8_t minor;		    /* 0 or 1; a later version of HTTP/1 counts as HTTP/1.1 (RFC 9110 2.5) */
	unsigned count;		    /* fields written to headers[] */
	uint64_t names;		    /* http_name_bit() of every field */
};

/*
 * Returns the length of the head if `data` begins with a valid head of at most `max_head` bytes and `max_fields`
 * fields. `headers` has room for `max_fields`; their texts point into `data`, too. Otherwise returns 0: the head is
 * incomplete, invalid or too large, or an empty line precedes it.
 */
size_t http_split(const uint8_t *data, size_t n, size_t max_head, unsigned max_fields, struct http_header *headers,
	struct http_split *split);

#endif
