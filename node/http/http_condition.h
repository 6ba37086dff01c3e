/*
 * Conditional requests, RFC 9110 section 13: whether a client's copy is good, and whether a request may go on.
 * Pure. If-Range belongs to ranges, which nobody here serves.
 */
#ifndef NODE_HTTP_HTTP_CONDITION_H
#define NODE_HTTP_HTTP_CONDITION_H

#include "node/http/http.h"

enum http_condition {
	HTTP_CONDITION_NONE,	     /* nothing speaks against the reply */
	HTTP_CONDITION_NOT_MODIFIED, /* 304 */
	HTTP_CONDITION_FAILED	     /* 412 */
};

#define HTTP_CONDITION_UNDATED INT64_MIN

/*
 * Judges a request for something that exists, in the order of RFC 9110 13.2.2. `tag` is its entity tag without the
 * last quote: the plain and the compressed representation ("...-gzip", "...-deflate") count as one here, because they
 * change together. `modified` in seconds since 1970; HTTP_CONDITION_UNDATED: it has no Last-Modified, dates are
 * ignored.
 */
enum http_condition http_condition_check(const struct http_request *r, struct text tag, int64_t modified);

#endif
