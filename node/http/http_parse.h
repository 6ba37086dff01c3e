/*
 * An adapter for llhttp, the parser of Node.js. Only http_parse.c includes the header of llhttp. The adapter parses a
 * whole head that http_scan accepted, in one call, and returns slices of it. The parser lives on the stack, so a
 * connection needs no memory for it. Pure.
 */
#ifndef NODE_HTTP_HTTP_PARSE_H
#define NODE_HTTP_HTTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "node/http/http_field.h"

/* A parsed head. The texts point into it. */
struct http_parsed {
	struct text method, target; /* as sent */
	uint8_t minor;
	unsigned count; /* number of headers[] */
	/* llhttp's opinion of where the body ends. A disagreement with ours would allow request smuggling. */
	bool chunked;
	uint64_t content_length;
};

/*
 * Fills `parsed` and headers[0..max). Returns 0; ERROR_UNSUPPORTED: llhttp does not know the method; ERROR_TOO_MANY;
 * otherwise ERROR_SYNTAX.
 */
int http_parse(struct text head, struct http_header *headers, unsigned max, struct http_parsed *parsed);

#endif
