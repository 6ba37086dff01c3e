/* The address of an upstream: http://host[:port] or unix:///path. Pure. */
#ifndef NODE_UPSTREAM_UPSTREAM_ADDRESS_H
#define NODE_UPSTREAM_UPSTREAM_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define UPSTREAM_HOST_MAX 256 /* with its NUL */
#define UPSTREAM_PATH_MAX 108
#define UPSTREAM_AUTHORITY_MAX (UPSTREAM_HOST_MAX + 8)
#define UPSTREAM_ERROR_MAX 512

struct upstream_address {
	char host[UPSTREAM_HOST_MAX]; /* a name or an address, IPv6 without brackets; "" for a unix socket */
	uint16_t port;
	char path[UPSTREAM_PATH_MAX];		/* of the unix socket; "" for http */
	char authority[UPSTREAM_AUTHORITY_MAX]; /* for log lines, and for the Host field of requests without one */
};

/* Parses an address. Returns 0, or ERROR_ARGUMENT with one line in `error` (UPSTREAM_ERROR_MAX bytes). */
int upstream_address_read(struct upstream_address *out, struct text url, char *error);

/* Returns true if both addresses lead to the same host and port, or to the same socket. */
bool upstream_address_same(const struct upstream_address *left, const struct upstream_address *right);

#endif
