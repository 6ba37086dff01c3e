/*
 * IP addresses and networks. An IPv4 address is stored as its IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so
 * both families are compared the same way. The functions are pure.
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
	unsigned prefix; /* number of significant bits, out of 128 */
};

/* Parses "192.0.2.1" or "2001:db8::1". A zone ("fe80::1%eth0") is ignored. Returns false for anything else. */
bool address_read(struct text text, struct address *out);

/*
 * Parses an address, alone or followed by a prefix length ("10.0.0.0/8", "fc00::/7") or, for IPv4, a netmask
 * ("10.0.0.0/255.0.0.0"). Returns 0; ERROR_SYNTAX if the address is malformed; or ERROR_ARGUMENT if the part after
 * the slash is out of range. The range is 1 to 32 for IPv4, 1 to 128 for IPv6, and 96 to 128 for an IPv4-mapped
 * address such as ::ffff:10.0.0.0, whose prefix counts all 128 bits.
 */
int network_read(struct text text, struct network *out);

/*
 * Returns true if the network contains the address. An IPv6 network contains IPv4 addresses only if it is itself
 * IPv4-mapped: ::ffff:10.0.0.0/104 does, ::/1 does not.
 */
bool network_has(const struct network *network, const struct address *address);

#endif
