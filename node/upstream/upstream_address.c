#include "node/upstream/upstream_address.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "node/http/http_head.h"

static int
refuse_url(char *error, struct text url, const char *why)
{
	snprintf(error, UPSTREAM_ERROR_MAX, "option --upstream: \"%.*s\" %s", url.n < 100 ? (int)url.n : 100, url.at,
		why);
	return ERROR_ARGUMENT;
}

static int
read_unix(struct upstream_address *out, struct text url, struct text path, char *error)
{
	if (path.n == 0 || path.at[0] != '/')
		return refuse_url(error, url, "has no absolute path (use unix:///path)");
	if (path.n >= sizeof out->path)
		return refuse_url(error, url, "has too long a path for a unix socket (at most 107 bytes)");
	memcpy(out->path, path.at, path.n);
	snprintf(out->authority, sizeof out->authority, "localhost");
	return 0;
}

static int
read_http(struct upstream_address *out, struct text url, struct text authority, char *error)
{
	struct text host = authority;
	const char *colon;
	uint64_t port = 80;

	if (text_ends(authority, TEXT("/")))
		host = authority = text_of(authority.at, authority.n - 1);
	if (memchr(authority.at, '/', authority.n))
		return refuse_url(error, url, "has a path, but each request keeps its own path");
	if (!http_authority_valid(authority) || authority.n >= sizeof out->authority)
		return refuse_url(error, url, "is not an address (use http://host:port or unix:///path)");
	colon = memrchr(authority.at, ':', authority.n);
	if (colon && !memchr(colon, ']', authority.n - (size_t)(colon - authority.at))) {
		host.n = (size_t)(colon - authority.at);
		if (text_number(text_of(colon + 1, authority.n - host.n - 1), 65535, &port) < 0 || port == 0)
			return refuse_url(error, url, "has no valid port (use 1 to 65535)");
	}
	if (host.n > 0 && host.at[0] == '[')
		host = text_of(host.at + 1, host.n - 2);
	if (host.n >= sizeof out->host)
		return refuse_url(error, url, "has a host that is too long");
	memcpy(out->host, host.at, host.n);
	memcpy(out->authority, authority.at, authority.n);
	out->port = (uint16_t)port;
	return 0;
}

static bool
cut_scheme(struct text *url, struct text scheme)
{
	if (url->n < scheme.n || !text_is_nocase(text_of(url->at, scheme.n), scheme))
		return false;
	*url = text_of(url->at + scheme.n, url->n - scheme.n);
	return true;
}

int
upstream_address_read(struct upstream_address *out, struct text url, char *error)
{
	struct text rest = url;

	memset(out, 0, sizeof *out);
	if (memchr(url.at ? url.at : "", '\0', url.n))
		return refuse_url(error, url, "is not an address (use http://host:port or unix:///path)");
	if (cut_scheme(&rest, TEXT("http://")))
		return read_http(out, url, rest, error);
	if (cut_scheme(&rest, TEXT("unix://")))
		return read_unix(out, url, rest, error);
	if (cut_scheme(&rest, TEXT("https://")))
		return refuse_url(
			error, url, "needs TLS to the upstream, which is not supported (use http:// or unix://)");
	return refuse_url(error, url, "is not an address (use http://host:port or unix:///path)");
}

bool
upstream_address_same(const struct upstream_address *left, const struct upstream_address *right)
{
	return strcmp(left->host, right->host) == 0 && left->port == right->port &&
	       strcmp(left->path, right->path) == 0;
}
