/*
 * IP addresses and networks. An IPv4 address is kept as the IPv6 address that is mapped to it (RFC 4291 2.5.5.2), so
 * that one comparison serves both. Pure.
 */
#ifndef COMMON_BASE_ADDRESS_H
#define COMMON_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct address {
	uint8_t bytes[16]; /* network order */
};

struct network {
	struct address address;
	unsigned prefix; /* of the 128 bits, how many count */
};

/* "192.0.2.1", "2001:db8::1"; a zone ("fe80::1%eth0") is dropped. False for anything else. */
bool address_read(struct text t, struct address *out);

/*
 * An address alone, with a prefix ("10.0.0.0/8", "fc00::/7") or, for IPv4, a netmask ("10.0.0.0/255.0.0.0").
 * ERROR_SYNTAX: not an address; ERROR_ARGUMENT: the part behind the slash is not 1 to 32 or 1 to 128, or not 96 to
 * 128 for an IPv4 address in the form ::ffff:10.0.0.0, which counts all bits.
 */
int network_read(struct text t, struct network *out);

/* An IPv6 network holds IPv4 addresses only if it is of their form: ::ffff:10.0.0.0/104 does, ::/1 does not. */
bool network_has(const struct network *n, const struct address *a);

#endif
