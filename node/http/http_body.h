/*
 * Where a request body ends, and its content without the transfer coding (RFC 9112
 * sections 6 and 7), in pieces of any size. Strict: no bare LF, no blanks
 * around chunk sizes but before an extension; extensions and trailers are checked, bounded and dropped.
 * Pure: bytes in, slices of them out.
 */
#ifndef NODE_HTTP_HTTP_BODY_H
#define NODE_HTTP_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

/* Bytes of chunk extensions in one body: nobody uses them, they only cost. */
#define HTTP_EXTENSION_MAX 4096

struct http_body {
	uint64_t remaining;  /* of the body, or of the chunk */
	uint32_t extensions; /* bytes so far */
	uint32_t trailers;   /* bytes so far */
	uint32_t max_trailers;
	uint8_t state;
	uint8_t digits; /* of the chunk size */
	bool done;
};

/* content_length 0 and not chunked: done at once. */
void http_body_init(struct http_body *b, bool chunked, uint64_t content_length, size_t max_trailers);

/*
 * Takes a piece (n > 0, not done): returns how many bytes were consumed, at least 1, and the content among them in
 * *piece (may be empty). Call again with the rest until b->done. ERROR_SYNTAX; ERROR_TOO_BIG for a chunk size beyond
 * 2^63 and for extensions and trailers over their limits.
 */
int64_t http_body_feed(struct http_body *b, const uint8_t *data, size_t n, struct text *piece);

#endif
