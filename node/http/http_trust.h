/*
 * Which proxies in front are believed: the setting "trustProxy", with the words and the meaning of Express' "trust
 * proxy" (npm: proxy-addr). Pure.
 */
#ifndef NODE_HTTP_HTTP_TRUST_H
#define NODE_HTTP_HTTP_TRUST_H

#include <stdbool.h>

#include "common/base/address.h"

struct http_trust;

#define HTTP_TRUST_ERROR_MAX 256

/*
 * true (everybody), false (nobody), a number of hops, or networks with commas: addresses, 10.0.0.0/8,
 * 10.0.0.0/255.0.0.0, fc00::/7, and the names loopback, linklocal, uniquelocal. NULL and "" are false. *out is NULL
 * if nobody is trusted. 0, or ERROR_ARGUMENT with one line in `error` (HTTP_TRUST_ERROR_MAX bytes).
 */
int http_trust_new(struct http_trust **out, const char *setting, char *error);
void http_trust_free(struct http_trust *t); /* accepts NULL */

/*
 * True if what this hop says of the one before it is believed. `hop` 0 is the peer of the connection, 1 whom that one
 * names, and so on; `address` NULL: not known. NULL trusts nobody.
 */
bool http_trust_has(const struct http_trust *t, const struct address *address, unsigned hop);

#endif
