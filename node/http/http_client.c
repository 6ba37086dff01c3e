#include "node/http/http_client.h"

#include <arpa/inet.h>

#include "node/http/http_exchange.h"

/* The last entry of the last field of that name. */
static struct text
last_entry(const struct http_request *r, struct text name)
{
	struct text value = TEXT_NONE;
	const char *comma;

	for (unsigned i = 0; i < r->header_count; i++) {
		if (text_is_nocase(r->headers[i].name, name))
			value = r->headers[i].value;
	}
	if (value.n == 0)
		return TEXT_NONE;
	comma = memrchr(value.at, ',', value.n);
	if (comma != NULL)
		value = text_of(comma + 1, value.n - (size_t)(comma - value.at) - 1);
	return text_trim(value);
}

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]" */
static bool
is_address(struct text *t, char out[CONN_ADDRESS_MAX])
{
	uint8_t binary[16];

	if (t->n > 2 && t->at[0] == '[' && t->at[t->n - 1] == ']')
		*t = text_of(t->at + 1, t->n - 2);
	if (t->n == 0 || t->n >= CONN_ADDRESS_MAX || memchr(t->at, '\0', t->n) != NULL)
		return false;
	memcpy(out, t->at, t->n);
	out[t->n] = '\0';
	return inet_pton(AF_INET, out, binary) == 1 || inet_pton(AF_INET6, out, binary) == 1;
}

struct text
http_client_address(const struct http_request *r, char out[CONN_ADDRESS_MAX])
{
	if (r->conn->server->trust_proxy) {
		struct text entry = last_entry(r, TEXT("x-forwarded-for"));

		if (is_address(&entry, out))
			return text_of(out, entry.n);
	}
	return conn_peer_address(http_request_conn(r), out);
}

bool
http_client_secure(const struct http_request *r)
{
	if (conn_is_tls(http_request_conn(r)))
		return true;
	return r->conn->server->trust_proxy &&
	       text_is_nocase(last_entry(r, TEXT("x-forwarded-proto")), TEXT("https"));
}
