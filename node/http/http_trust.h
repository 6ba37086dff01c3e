/*
 * The proxies whose forwarding fields are believed: the option "trustProxy", with the words and meaning of Express's
 * "trust proxy" (npm: proxy-addr). Pure.
 */
#ifndef NODE_HTTP_HTTP_TRUST_H
#define NODE_HTTP_HTTP_TRUST_H

#include <stdbool.h>

#include "common/base/address.h"

struct http_trust;

#define HTTP_TRUST_ERROR_MAX 256

/*
 * Parses the option: true (trust every peer), false (trust no peer), a number of hops, or a comma-separated list of
 * networks: addresses, 10.0.0.0/8, 10.0.0.0/255.0.0.0, fc00::/7, and the names loopback, linklocal and uniquelocal.
 * NULL and "" mean false. Sets *out to NULL if no proxy is trusted. Returns 0, or ERROR_ARGUMENT with one line in
 * `error` (HTTP_TRUST_ERROR_MAX bytes).
 */
int http_trust_new(struct http_trust **out, const char *setting, char *error);
void http_trust_free(struct http_trust *trust); /* accepts NULL */

/*
 * Returns true if a hop is trusted to name the hop before it. Hop 0 is the peer of the connection, hop 1 is the hop
 * that hop 0 names, and so on. `address` is the hop's address, NULL if unknown. If `trust` is NULL, every hop is
 * untrusted.
 */
bool http_trust_has(const struct http_trust *trust, const struct address *address, unsigned hop);

#endif
