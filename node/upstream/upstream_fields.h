/*
 * Fields of a message that are for the next hop only and are not passed on (RFC 9110 7.6.1): a fixed few, and those
 * that the Connection field names. Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_FIELDS_H
#define NODE_UPSTREAM_UPSTREAM_FIELDS_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "node/http/http_field.h"

/* Names in Connection; the limit bounds the work, as each name is compared with each field. */
#define UPSTREAM_NAMED_MAX 32

/* The names in Connection. The texts point into the headers. */
struct upstream_named {
	struct text names[UPSTREAM_NAMED_MAX];
	unsigned count;
};

/* Returns 0, or ERROR_TOO_MANY. */
int upstream_named_read(struct upstream_named *out, const struct http_header *headers, unsigned count);

/* Returns true if Connection names this field. Ignores case. */
bool upstream_named_has(const struct upstream_named *named, struct text name);

/*
 * Returns true if the field is for one hop only. Content-Length counts as such, because the code that writes a head
 * also writes its framing. So do Proxy-Authenticate, Proxy-Authorization and Proxy-Authentication-Info: they concern
 * a proxy that the client has chosen, not a gateway.
 */
bool upstream_is_hop(const struct upstream_named *named, struct text name);

/* Appends "Name: value\r\n". */
void upstream_field_add(struct buffer *out, struct text name, struct text value);

#endif
