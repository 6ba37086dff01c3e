#include "node/http/http_trust.h"

#include <limits.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define NETWORKS_MAX 256

struct http_trust {
	unsigned hops; /* number of trusted hops, UINT_MAX: all; ignored if there are networks */
	unsigned count;
	struct network networks[];
};

/* The names and networks of proxy-addr. */
static const struct {
	const char *name, *networks;
} names[] = {
	{"loopback", "127.0.0.1/8,::1/128"},
	{"linklocal", "169.254.0.0/16,fe80::/10"},
	{"uniquelocal", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"},
};
#define NAMES (sizeof names / sizeof names[0])

static struct http_trust *
trust_new(unsigned hops)
{
	struct http_trust *trust = mem_zalloc(sizeof *trust + NETWORKS_MAX * sizeof trust->networks[0]);

	trust->hops = hops;
	return trust;
}

void
http_trust_free(struct http_trust *trust)
{
	mem_free(trust);
}

static int
trust_refuse(char *error, struct text item, const char *why)
{
	snprintf(error, HTTP_TRUST_ERROR_MAX, "option --trust-proxy: \"%.*s\" %s", item.n < 64 ? (int)item.n : 64,
		item.at, why);
	return ERROR_ARGUMENT;
}

static int
add_network(struct http_trust *trust, struct text item, char *error)
{
	int result;

	if (trust->count == NETWORKS_MAX)
		return trust_refuse(error, item, "exceeds the limit of 256 networks");
	result = network_read(item, &trust->networks[trust->count]);
	if (result == ERROR_SYNTAX)
		return trust_refuse(error, item,
			"is not an address (use true, false, a number of hops, or networks: loopback, linklocal, "
			"uniquelocal, 10.0.0.0/8)");
	if (result < 0)
		return trust_refuse(error, item,
			"has an invalid prefix (use 1 to 32 for IPv4, 1 to 128 for IPv6, 96 to 128 for IPv4 as "
			"::ffff:10.0.0.0)");
	trust->count++;
	return 0;
}

/* Adds a network, or the networks of a name. */
static int
add_item(struct http_trust *trust, struct text item, char *error)
{
	struct text rest = item, one;
	int result = 0;

	for (size_t i = 0; i < NAMES; i++)
		if (text_is(item, text_from(names[i].name)))
			rest = text_from(names[i].networks);
	if (rest.n == 0)
		return trust_refuse(error, item, "is an empty item (separate networks with one comma)");
	while (result == 0 && text_cut(&rest, ',', &one))
		result = add_network(trust, one, error);
	return result;
}

int
http_trust_new(struct http_trust **out, const char *setting, char *error)
{
	struct text rest = text_trim(text_from(setting != NULL ? setting : "")), item;
	struct http_trust *trust;
	uint64_t hops;
	int result = 0;

	*out = NULL;
	if (rest.n == 0 || text_is_nocase(rest, TEXT("false")))
		return 0;
	if (text_is_nocase(rest, TEXT("true"))) {
		*out = trust_new(UINT_MAX);
		return 0;
	}
	if (text_number(rest, UINT_MAX - 1, &hops) == 0) {
		*out = hops > 0 ? trust_new((unsigned)hops) : NULL;
		return 0;
	}
	trust = trust_new(0);
	if (text_ends(rest, TEXT(",")))
		result = trust_refuse(error, rest, "ends with a comma");
	while (result == 0 && text_cut(&rest, ',', &item))
		result = add_item(trust, text_trim(item), error);
	if (result < 0)
		http_trust_free(trust);
	else
		*out = trust;
	return result;
}

bool
http_trust_has(const struct http_trust *trust, const struct address *address, unsigned hop)
{
	if (trust == NULL)
		return false;
	if (trust->count == 0)
		return hop < trust->hops;
	for (unsigned i = 0; address != NULL && i < trust->count; i++)
		if (network_has(&trust->networks[i], address))
			return true;
	return false;
}
