/*
 * The glue around llhttp, the parser of Node.js: a whole head that http_scan
 * let pass, in one call; slices of it out. The only file that knows llhttp.
 * The parser lives on the stack of the call: nothing is kept per connection.
 * Pure.
 */
#ifndef NODE_HTTP_HTTP_PARSE_H
#define NODE_HTTP_HTTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "node/http/http_field.h"

/* What llhttp made of a head. The texts point into it. */
struct http_parsed {
	struct text method; /* the request line as sent */
	struct text target;
	uint8_t minor;
	unsigned count; /* of headers[] */
	/* Its own opinion of where the body ends: whoever disagrees with it is being smuggled past. */
	bool chunked;
	uint64_t content_length;
};

/*
 * Fills `p` and headers[0..max). 0; ERROR_UNSUPPORTED for a method that llhttp does not take, ERROR_TOO_MANY, else
 * ERROR_SYNTAX.
 */
int http_parse(struct text head, struct http_header *headers, unsigned max, struct http_parsed *p);

#endif
