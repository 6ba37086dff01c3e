/* The body of a response: its content without the transfer coding, and its end. Pure. */
#ifndef NODE_UPSTREAM_UPSTREAM_BODY_H
#define NODE_UPSTREAM_UPSTREAM_BODY_H

#include "node/http/http_body.h"
#include "node/upstream/upstream_response.h"

struct upstream_body {
	struct http_body counted; /* has a length, or is chunked */
	bool until_close;	  /* the end of the connection ends it */
};

void upstream_body_init(struct upstream_body *b, const struct upstream_response *p);

/* What it says of where it ends has been read. */
bool upstream_body_done(const struct upstream_body *b);

/*
 * Takes a piece: the content among its bytes goes to `out`, which has room for `n`, how much to *got. Returns how
 * many bytes belonged to the body, fewer than `n` behind its end; ERROR_SYNTAX or ERROR_TOO_BIG for broken chunks.
 */
int64_t upstream_body_decode(struct upstream_body *b, const uint8_t *data, size_t n, uint8_t *out, size_t *got);

#endif
