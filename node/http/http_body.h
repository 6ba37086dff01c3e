/*
 * Finds the end of a request body and removes its transfer coding (RFC 9112 sections 6 and 7), in pieces of any size.
 * Strict: a bare LF is refused, and blanks around a chunk size are accepted only before an extension. Extensions and
 * trailers are validated, limited and dropped. Pure: bytes in, slices of them out.
 */
#ifndef NODE_HTTP_HTTP_BODY_H
#define NODE_HTTP_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

/* Limit for the chunk extensions of one body, in bytes. No known client uses extensions. */
#define HTTP_EXTENSION_MAX 4096

struct http_body {
	uint64_t remaining;  /* bytes left of the body or of the chunk */
	uint32_t extensions; /* bytes of extensions so far */
	uint32_t trailers;   /* bytes of trailers so far */
	uint32_t max_trailers;
	uint8_t state;
	uint8_t digits; /* number of digits of the chunk size so far */
	bool done;
};

/* Starts a body. Without `chunked`, a content_length of 0 sets body->done at once. */
void http_body_init(struct http_body *body, bool chunked, uint64_t content_length, size_t max_trailers);

/*
 * Feeds a piece; `n` must be positive and body->done false. Returns the number of bytes consumed, at least 1, and
 * sets *piece to the content among them, which may be empty. Repeat with the rest until body->done. ERROR_SYNTAX;
 * ERROR_TOO_BIG: a chunk size of 2^63 or more, or extensions or trailers over their limits.
 */
int64_t http_body_feed(struct http_body *body, const uint8_t *data, size_t n, struct text *piece);

#endif
