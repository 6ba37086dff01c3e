/*
 * Conditional requests, RFC 9110 section 13: whether a client's copy is still valid, and whether a request may
 * proceed. Pure. If-Range is not evaluated, because this server does not serve ranges.
 */
#ifndef NODE_HTTP_HTTP_CONDITION_H
#define NODE_HTTP_HTTP_CONDITION_H

#include "node/http/http.h"

enum http_condition {
	HTTP_CONDITION_NONE,	     /* send the reply */
	HTTP_CONDITION_NOT_MODIFIED, /* 304 */
	HTTP_CONDITION_FAILED	     /* 412 */
};

#define HTTP_CONDITION_UNDATED INT64_MIN

/*
 * Evaluates the conditions of a request for a representation that exists, in the order of RFC 9110 13.2.2. `tag` is
 * its entity tag without the last quote. The plain and the compressed representations ("...-gzip", "...-deflate")
 * count as one, because they change together. `modified` is in seconds since 1970; with HTTP_CONDITION_UNDATED there
 * is no Last-Modified and dates are ignored.
 */
enum http_condition http_condition_check(const struct http_request *r, struct text tag, int64_t modified);

#endif
