#include "common/base/address.h"

#include <arpa/inet.h>

#include "common/base/error.h"

#define MAPPED_BITS 96 /* ::ffff:0:0/96 */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
address_is_mapped(const struct address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

static bool
text_is_ipv4(struct text text)
{
	return text.n > 0 && memchr(text.at, ':', text.n) == NULL;
}

bool
address_read(struct text text, struct address *out)
{
	const char *zone = text.n > 0 ? memchr(text.at, '%', text.n) : NULL;
	bool four = text_is_ipv4(text);
	char terminated[INET6_ADDRSTRLEN];

	if (zone != NULL && !four)
		text.n = (size_t)(zone - text.at);
	if (text.n == 0 || text.n >= sizeof terminated || memchr(text.at, '\0', text.n) != NULL)
		return false;
	memcpy(terminated, text.at, text.n);
	terminated[text.n] = '\0';
	if (!four)
		return inet_pton(AF_INET6, terminated, out->bytes) == 1;
	memcpy(out->bytes, mapped_prefix, sizeof mapped_prefix);
	return inet_pton(AF_INET, terminated, out->bytes + sizeof mapped_prefix) == 1;
}

/* Returns the number of leading ones of a netmask, or -1 if the ones are not contiguous. */
static int
netmask_length(const struct address *mask)
{
	uint32_t bits = 0;
	int n = 0;

	for (unsigned i = sizeof mapped_prefix; i < sizeof mask->bytes; i++)
		bits = bits << 8 | mask->bytes[i];
	for (; (bits & 0x80000000) != 0; bits <<= 1)
		n++;
	return bits == 0 ? n : -1;
}

int
network_read(struct text text, struct network *out)
{
	const char *slash = text.n > 0 ? memchr(text.at, '/', text.n) : NULL;
	struct text host = slash != NULL ? text_of(text.at, (size_t)(slash - text.at)) : text, range;
	unsigned most = text_is_ipv4(host) ? 32 : 128;
	struct address mask;
	uint64_t bits = most;

	if (!address_read(host, &out->address))
		return ERROR_SYNTAX;
	if (slash != NULL) {
		range = text_of(slash + 1, text.n - host.n - 1);
		if (most == 32 && text_is_ipv4(range) && address_read(range, &mask))
			bits = (uint64_t)(netmask_length(&mask) > 0 ? netmask_length(&mask) : 0);
		else if (text_number(range, most, &bits) != 0)
			return ERROR_ARGUMENT;
		if (bits == 0)
			return ERROR_ARGUMENT;
	}
	if (most == 128 && address_is_mapped(&out->address) && bits < MAPPED_BITS)
		return ERROR_ARGUMENT;
	out->prefix = (unsigned)bits + (most == 32 ? MAPPED_BITS : 0);
	return 0;
}

bool
network_has(const struct network *network, const struct address *address)
{
	unsigned whole = network->prefix / 8, rest = network->prefix % 8;

	if (address_is_mapped(&network->address) != address_is_mapped(address))
		return false;
	if (memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || ((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}
