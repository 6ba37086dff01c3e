#include "common/base/address.h"

#include <arpa/inet.h>

#include "common/base/error.h"

#define MAPPED_BITS 96 /* ::ffff:0:0/96 */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
is_mapped(const struct address *a)
{
	return memcmp(a->bytes, mapped, sizeof mapped) == 0;
}

static bool
is_4(struct text t)
{
	return t.n > 0 && memchr(t.at, ':', t.n) == NULL;
}

bool
address_read(struct text t, struct address *out)
{
	const char *zone = t.n > 0 ? memchr(t.at, '%', t.n) : NULL;
	bool four = is_4(t);
	char text[INET6_ADDRSTRLEN];

	if (zone != NULL && !four)
		t.n = (size_t)(zone - t.at);
	if (t.n == 0 || t.n >= sizeof text || memchr(t.at, '\0', t.n) != NULL)
		return false;
	memcpy(text, t.at, t.n);
	text[t.n] = '\0';
	if (!four)
		return inet_pton(AF_INET6, text, out->bytes) == 1;
	memcpy(out->bytes, mapped, sizeof mapped);
	return inet_pton(AF_INET, text, out->bytes + sizeof mapped) == 1;
}

/* The number of ones that "255.240.0.0" begins with; -1 if there are others behind. */
static int
netmask_bits(const struct address *mask)
{
	uint32_t bits = 0;
	int n = 0;

	for (unsigned i = sizeof mapped; i < sizeof mask->bytes; i++)
		bits = bits << 8 | mask->bytes[i];
	for (; (bits & 0x80000000) != 0; bits <<= 1)
		n++;
	return bits == 0 ? n : -1;
}

int
network_read(struct text t, struct network *out)
{
	const char *slash = t.n > 0 ? memchr(t.at, '/', t.n) : NULL;
	struct text host = slash != NULL ? text_of(t.at, (size_t)(slash - t.at)) : t, range;
	unsigned most = is_4(host) ? 32 : 128;
	struct address mask;
	uint64_t bits = most;

	if (!address_read(host, &out->address))
		return ERROR_SYNTAX;
	if (slash != NULL) {
		range = text_of(slash + 1, t.n - host.n - 1);
		if (most == 32 && is_4(range) && address_read(range, &mask))
			bits = (uint64_t)(netmask_bits(&mask) > 0 ? netmask_bits(&mask) : 0);
		else if (text_number(range, most, &bits) != 0)
			return ERROR_ARGUMENT;
		if (bits == 0)
			return ERROR_ARGUMENT;
	}
	if (most == 128 && is_mapped(&out->address) && bits < MAPPED_BITS)
		return ERROR_ARGUMENT;
	out->prefix = (unsigned)bits + (most == 32 ? MAPPED_BITS : 0);
	return 0;
}

bool
network_has(const struct network *n, const struct address *a)
{
	unsigned whole = n->prefix / 8, rest = n->prefix % 8;

	if (is_mapped(&n->address) != is_mapped(a))
		return false;
	if (memcmp(n->address.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || ((n->address.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}
