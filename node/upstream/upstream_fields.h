/*
 * Which fields of a message are for the next hop alone and so not passed on (RFC 9110 7.6.1): a fixed few, and those
 * that the Connection field names. Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_FIELDS_H
#define NODE_UPSTREAM_UPSTREAM_FIELDS_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "node/http/http_field.h"

#define UPSTREAM_NAMED_MAX 32 /* names in Connection: each is compared with each field */

/* What Connection names; the texts point into the headers. */
struct upstream_named {
	struct text names[UPSTREAM_NAMED_MAX];
	unsigned count;
};

/* 0, or ERROR_TOO_MANY. */
int upstream_named_read(struct upstream_named *out, const struct http_header *headers, unsigned count);

bool upstream_named_has(const struct upstream_named *named, struct text name);

/*
 * True for fields of one hop. Content-Length is among them, as whoever writes the head writes its framing himself,
 * and so are Proxy-Authenticate, Proxy-Authorization and Proxy-Authentication-Info: they are between a client and a
 * proxy that it has chosen, which a gateway is not.
 */
bool upstream_is_hop(const struct upstream_named *named, struct text name);

/* Appends "Name: value\r\n". */
void upstream_field_add(struct buffer *out, struct text name, struct text value);

#endif
