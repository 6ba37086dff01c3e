/*
 * Web origins (RFC 6454, and the HTML standard, "origin"): whether an origin is this server's own, and the set of
 * origins that the option "corsOrigin" names. Pure.
 */
#ifndef NODE_HTTP_HTTP_ORIGIN_H
#define NODE_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>

#include "common/base/text.h"

/*
 * Returns true if the origin ("https://a.example") matches the value of a Host field ("a.example:443"). Case and a
 * final dot are ignored; a missing port means the default one. `secure` is true if the request arrived over TLS. If
 * it is false, a proxy may have terminated TLS without saying so, and the scheme of the origin is assumed.
 */
bool http_origin_is_host(struct text origin, struct text host, bool secure);

struct http_origins;

#define HTTP_ORIGIN_ERROR_MAX 512

/*
 * Parses the option: "*" (any origin, without looking at it), "true" (any origin, reflected), or a comma-separated
 * list of these items: an origin as browsers write it; an origin with "*." before the host, where the star stands for
 * one or more names ("a", "a.b"); null; and a regular expression between slashes, with the flags i, m, s and u. NULL,
 * "" and "false" set *out to NULL: CORS is off. An item that cannot match any origin is an error. Returns 0, or
 * ERROR_ARGUMENT with one line in `error` (HTTP_ORIGIN_ERROR_MAX bytes).
 */
int http_origins_new(struct http_origins **out, const char *setting, char *error);
void http_origins_free(struct http_origins *origins); /* accepts NULL */

/*
 * Returns the value of Access-Control-Allow-Origin if it is the same for every request: "*" or the only origin.
 * Returns TEXT_NONE if an allowed origin is reflected.
 */
struct text http_origins_fixed(const struct http_origins *origins);

/* Returns true if the option allows the origin. */
bool http_origins_allow(const struct http_origins *origins, struct text origin);

#endif
