/*
 * Layout of eio_handshake.bytes: url, address, then for each header field
 *
 *   name   a byte 1 to 254 and that many bytes; or 255, a u32 and that many bytes; or 0 and a row of known_names
 *   value  a byte 0 to 254 and that many bytes; or 255, a u32 and that many bytes
 *
 * A known name takes two bytes instead of up to thirty. This matters because the copy lives as long as the session.
 */
#include "node/engineio/eio_handshake.h"

#include <string.h>

#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/loop.h"
#include "node/http/http_client.h"

#define LENGTH_LONG 255
#define ROWS_KEPT 64 /* fields whose row is remembered; the names of further fields are looked up twice */

#define NAME(name)                                                                                                   \
	{                                                                                                            \
		name, sizeof(name) - 1                                                                               \
	}
/* The usual ones first: the search takes that many steps. */
static const struct text known_names[] = {NAME("Host"), NAME("Connection"), NAME("Upgrade"), NAME("User-Agent"),
	NAME("Sec-WebSocket-Version"), NAME("Sec-WebSocket-Key"), NAME("Sec-WebSocket-Extensions"), NAME("Accept"),
	NAME("Origin"), NAME("Accept-Encoding"), NAME("Accept-Language"), NAME("Cache-Control"), NAME("Pragma"),
	NAME("Cookie"), NAME("Referer"), NAME("X-Forwarded-For"), NAME("X-Forwarded-Proto"), NAME("X-Forwarded-Host"),
	NAME("X-Forwarded-Port"), NAME("X-Real-IP"), NAME("Forwarded"), NAME("X-Request-Id"), NAME("Authorization"),
	NAME("Sec-WebSocket-Protocol"), NAME("Sec-Fetch-Dest"), NAME("Sec-Fetch-Mode"), NAME("Sec-Fetch-Site"),
	NAME("sec-ch-ua"), NAME("sec-ch-ua-mobile"), NAME("sec-ch-ua-platform"), NAME("DNT"), NAME("Content-Type"),
	NAME("host"), NAME("connection"), NAME("upgrade"), NAME("user-agent"), NAME("sec-websocket-version"),
	NAME("sec-websocket-key"), NAME("sec-websocket-extensions"), NAME("accept"), NAME("origin"),
	NAME("accept-encoding"), NAME("accept-language"), NAME("cookie"), NAME("referer"), NAME("x-forwarded-for"),
	NAME("x-forwarded-proto"), NAME("x-forwarded-host"), NAME("x-forwarded-port"), NAME("x-real-ip"),
	NAME("forwarded"), NAME("authorization"), NAME("sec-websocket-protocol"), NAME("sec-fetch-mode"),
	NAME("content-type")};
#undef NAME
#define KNOWN_COUNT (sizeof(known_names) / sizeof(known_names[0]))
_Static_assert(KNOWN_COUNT <= 256, "a row number is one byte");

/* Returns the row of a name, or KNOWN_COUNT if it is not in the table. */
static unsigned
known_find(struct text name)
{
	unsigned i;

	for (i = 0; i < KNOWN_COUNT; i++) {
		if (known_names[i].n == name.n && known_names[i].at[0] == name.at[0] && text_is(known_names[i], name))
			break;
	}
	return i;
}

/* Writes a text and returns the number of bytes. If `out` is NULL, only counts. */
static size_t
handshake_put_text(char *out, struct text t)
{
	uint32_t n = (uint32_t)t.n;
	size_t head = n < LENGTH_LONG ? 1 : 1 + sizeof(n);

	if (out != NULL) {
		out[0] = (char)(n < LENGTH_LONG ? n : LENGTH_LONG);
		if (n >= LENGTH_LONG)
			memcpy(out + 1, &n, sizeof(n));
		if (n > 0)
			memcpy(out + head, t.at, n);
	}
	return head + n;
}

/* Writes a field to `out`, or only measures it if `out` is NULL. `known` is known_find() of its name. */
static size_t
handshake_put_header(char *out, const struct http_header *header, unsigned known)
{
	size_t n;

	if (header->name.n ==
		0) /* an empty name would look like a row number; the parser refuses such fields anyway */
		return 0;
	if (known < KNOWN_COUNT) {
		if (out != NULL) {
			out[0] = 0;
			out[1] = (char)known;
		}
		n = 2;
	} else {
		n = handshake_put_text(out, header->name);
	}
	return n + handshake_put_text(out != NULL ? out + n : NULL, header->value);
}

struct eio_handshake *
eio_handshake_new(const struct http_request *r)
{
	char room[CONN_ADDRESS_MAX];
	struct text address = http_client_address(r, room);
	struct eio_handshake *handshake;
	size_t n = r->target.n + address.n;
	uint16_t rows[ROWS_KEPT];
	char *at;

	must(address.n <= UINT8_MAX);
	for (unsigned i = 0; i < r->header_count; i++) {
		unsigned row = known_find(r->headers[i].name);

		if (i < ROWS_KEPT)
			rows[i] = (uint16_t)row;
		n += handshake_put_header(NULL, &r->headers[i], row);
	}
	must(n <= UINT32_MAX); /* http_limits.max_head is far lower */

	handshake = small_try_alloc(sizeof(*handshake) + n);
	if (handshake == NULL)
		return NULL;
	handshake->issued = loop_wall_ms();
	handshake->began = loop_clock_us();
	handshake->secure = http_client_secure(r);
	handshake->xdomain = http_header_get(r, "origin").at != NULL;
	handshake->address_len = (uint8_t)address.n;
	handshake->url_len = (uint32_t)r->target.n;
	handshake->bytes_len = (uint32_t)n;
	handshake->refs = 1;
	at = handshake->bytes;
	memcpy(at, r->target.at, r->target.n);
	at += r->target.n;
	if (address.n > 0)
		memcpy(at, address.at, address.n);
	at += address.n;
	for (unsigned i = 0; i < r->header_count; i++)
		at += handshake_put_header(
			at, &r->headers[i], i < ROWS_KEPT ? rows[i] : known_find(r->headers[i].name));
	must(at == handshake->bytes + n);
	return handshake;
}

void
eio_handshake_unref(const struct eio_handshake *handshake)
{
	struct eio_handshake *counted = (struct eio_handshake *)(uintptr_t)handshake;

	if (counted != NULL && --counted->refs == 0)
		small_free(counted, sizeof(*counted) + counted->bytes_len);
}

struct text
eio_handshake_url(const struct eio_handshake *handshake)
{
	return text_of(handshake->bytes, handshake->url_len);
}

struct text
eio_handshake_address(const struct eio_handshake *handshake)
{
	return text_of(handshake->bytes + handshake->url_len, handshake->address_len);
}

struct text
eio_handshake_query(const struct eio_handshake *handshake)
{
	struct text url = eio_handshake_url(handshake);
	const char *mark = url.n > 0 ? memchr(url.at, '?', url.n) : NULL;

	if (mark == NULL)
		return text_of(url.at + url.n, 0);
	return text_of(mark + 1, (size_t)(url.at + url.n - mark - 1));
}

static struct text
handshake_take_text(const char *bytes, uint32_t *at)
{
	uint32_t n = (uint8_t)bytes[(*at)++];
	struct text t;

	if (n == LENGTH_LONG) {
		memcpy(&n, bytes + *at, sizeof(n));
		*at += (uint32_t)sizeof(n);
	}
	t = text_of(bytes + *at, n);
	*at += n;
	return t;
}

bool
eio_handshake_header(const struct eio_handshake *handshake, uint32_t *cursor, struct text *name, struct text *value)
{
	uint32_t at = *cursor != 0 ? *cursor : handshake->url_len + handshake->address_len;

	if (at >= handshake->bytes_len)
		return false;
	if (handshake->bytes[at] == 0) {
		*name = known_names[(uint8_t)handshake->bytes[at + 1]];
		at += 2;
	} else {
		*name = handshake_take_text(handshake->bytes, &at);
	}
	*value = handshake_take_text(handshake->bytes, &at);
	*cursor = at;
	return true;
}

struct text
eio_handshake_header_get(const struct eio_handshake *handshake, const char *name)
{
	struct text found, value;
	uint32_t cursor = 0;

	while (eio_handshake_header(handshake, &cursor, &found, &value)) {
		if (text_is_nocase(found, text_from(name)))
			return value;
	}
	return TEXT_NONE;
}
