#include "node/http/http_trust.h"

#include <limits.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define NETWORKS_MAX 256

struct http_trust {
	unsigned hops; /* UINT_MAX: all; used if there are no networks */
	unsigned count;
	struct network networks[];
};

/* As proxy-addr has them. */
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
	struct http_trust *t = mem_zalloc(sizeof *t + NETWORKS_MAX * sizeof t->networks[0]);

	t->hops = hops;
	return t;
}

void
http_trust_free(struct http_trust *t)
{
	mem_free(t);
}

static int
refuse(char *error, struct text item, const char *why)
{
	snprintf(error, HTTP_TRUST_ERROR_MAX, "trust-proxy: \"%.*s\" %s", item.n < 64 ? (int)item.n : 64, item.at,
		why);
	return ERROR_ARGUMENT;
}

static int
add_network(struct http_trust *t, struct text item, char *error)
{
	int result;

	if (t->count == NETWORKS_MAX)
		return refuse(error, item, "is one network too many: at most 256");
	result = network_read(item, &t->networks[t->count]);
	if (result == ERROR_SYNTAX)
		return refuse(error, item,
			"is not an address; give true, false, a number of hops, or networks: loopback, linklocal, "
			"uniquelocal, 10.0.0.0/8");
	if (result < 0)
		return refuse(error, item,
			"has no valid prefix: 1 to 32 for IPv4, 1 to 128 for IPv6, 96 to 128 for IPv4 as "
			"::ffff:10.0.0.0");
	t->count++;
	return 0;
}

/* An item is a network or the name of some. */
static int
add_item(struct http_trust *t, struct text item, char *error)
{
	struct text rest = item, one;
	int result = 0;

	for (size_t i = 0; i < NAMES; i++)
		if (text_is(item, text_from(names[i].name)))
			rest = text_from(names[i].networks);
	if (rest.n == 0)
		return refuse(error, item, "is an empty item; give networks with one comma between");
	while (result == 0 && text_cut(&rest, ',', &one))
		result = add_network(t, one, error);
	return result;
}

int
http_trust_new(struct http_trust **out, const char *setting, char *error)
{
	struct text rest = text_trim(text_from(setting != NULL ? setting : "")), item;
	struct http_trust *t;
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
	t = trust_new(0);
	if (text_ends(rest, TEXT(",")))
		result = refuse(error, rest, "ends with a comma");
	while (result == 0 && text_cut(&rest, ',', &item))
		result = add_item(t, text_trim(item), error);
	if (result < 0)
		http_trust_free(t);
	else
		*out = t;
	return result;
}

bool
http_trust_has(const struct http_trust *t, const struct address *address, unsigned hop)
{
	if (t == NULL)
		return false;
	if (t->count == 0)
		return hop < t->hops;
	for (unsigned i = 0; address != NULL && i < t->count; i++)
		if (network_has(&t->networks[i], address))
			return true;
	return false;
}
