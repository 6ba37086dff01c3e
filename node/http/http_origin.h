/*
 * Web origins (RFC 6454, and as browsers write them: the HTML standard, "origin"): whether one is this server's own,
 * and the origins that the setting "corsOrigin" names. Pure.
 */
#ifndef NODE_HTTP_HTTP_ORIGIN_H
#define NODE_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>

#include "common/base/text.h"

/*
 * True if a page of that origin ("https://a.example") comes from the host of a Host field ("a.example:443"): case and
 * a final dot do not count, a missing port is the default one. `secure`: the request came by TLS; otherwise the
 * scheme is not known, as a proxy in front may have ended TLS without a word, and the origin's is taken.
 */
bool http_origin_is_host(struct text origin, struct text host, bool secure);

struct http_origins;

#define HTTP_ORIGIN_ERROR_MAX 512

/*
 * Reads "*" (everybody, without looking), "true" (reflects any), or, with commas: origins as browsers write them;
 * such with *. in front of the host, which stands for any names before it; null; and regular expressions in slashes
 * with flags i, m, s and u. NULL, "" and "false" give NULL in *out: CORS is off. What could never match is an error:
 * 0, or ERROR_ARGUMENT with one line in `error` (HTTP_ORIGIN_ERROR_MAX bytes).
 */
int http_origins_new(struct http_origins **out, const char *setting, char *error);
void http_origins_free(struct http_origins *o); /* accepts NULL */

/* What Access-Control-Allow-Origin says whatever the request's origin is: "*", or the one origin; TEXT_NONE: it
 * reflects those that are allowed. */
struct text http_origins_fixed(const struct http_origins *o);

bool http_origins_allow(const struct http_origins *o, struct text origin);

#endif
