/*
 * A compact copy of a session's first request, in one allocation. Socket.IO's `handshake` object is made from it. The
 * copy does not change. It is reference-counted, so that a list of sockets can be read after a session has ended.
 */
#ifndef NODE_ENGINEIO_EIO_HANDSHAKE_H
#define NODE_ENGINEIO_EIO_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/http/http.h"

struct eio_handshake {
	uint64_t issued; /* ms since the epoch */
	uint64_t began;	 /* the same moment by loop_clock_us(), which all processes of the machine share */
	bool secure;	 /* received over TLS */
	bool xdomain;	 /* had an Origin field */
	uint8_t address_len;
	uint32_t url_len;
	uint32_t bytes_len;
	uint32_t refs;
	char bytes[]; /* the url, the address, and the header fields; eio_handshake.c has the layout */
};

/*
 * Copies the request. Returns one reference, or NULL if memory runs out; the copy can be as large as the head of the
 * request.
 */
struct eio_handshake *eio_handshake_new(const struct http_request *r);
/* Adds a reference. The bytes stay constant; only the count changes. */
static inline const struct eio_handshake *
eio_handshake_ref(const struct eio_handshake *handshake)
{
	((struct eio_handshake *)(uintptr_t)handshake)->refs++;
	return handshake;
}
void eio_handshake_unref(const struct eio_handshake *handshake); /* accepts NULL */

static inline size_t
eio_handshake_size(const struct eio_handshake *handshake)
{
	return sizeof(*handshake) + handshake->bytes_len;
}

struct text eio_handshake_url(const struct eio_handshake *handshake);	  /* "/socket.io/?EIO=4&transport=polling" */
struct text eio_handshake_address(const struct eio_handshake *handshake); /* the client's IP address */
struct text eio_handshake_query(const struct eio_handshake *handshake);	  /* the raw query string */

/* Iterates over the header fields as sent. *cursor is initially 0. Returns false at the end. */
bool eio_handshake_header(
	const struct eio_handshake *handshake, uint32_t *cursor, struct text *name, struct text *value);
/* Returns the first field of that name (case ignored), or TEXT_NONE. */
struct text eio_handshake_header_get(const struct eio_handshake *handshake, const char *name);

#endif
