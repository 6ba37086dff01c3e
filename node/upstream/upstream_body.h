/* The body of a response: finds its end and removes the transfer coding. Pure. */
#ifndef NODE_UPSTREAM_UPSTREAM_BODY_H
#define NODE_UPSTREAM_UPSTREAM_BODY_H

#include "node/http/http_body.h"
#include "node/upstream/upstream_response.h"

struct upstream_body {
	struct http_body counted; /* for a body that has a length or is chunked */
	bool until_close;	  /* ends with the connection */
};

/* Begins the body that follows the head of `response`. */
void upstream_body_init(struct upstream_body *body, const struct upstream_response *response);

/* Returns true if the body has ended according to its length or chunks. */
bool upstream_body_done(const struct upstream_body *body);

/*
 * Decodes a piece of the body. The content goes to `out`, which has room for `n` bytes, and its length to *got.
 * Returns how many of the `n` bytes belong to the body, or ERROR_SYNTAX or ERROR_TOO_BIG for malformed chunks.
 */
int64_t upstream_body_decode(struct upstream_body *body, const uint8_t *data, size_t n, uint8_t *out, size_t *got);

#endif
