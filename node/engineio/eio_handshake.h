/*
 * What is kept of a session's first request: a compact copy in one
 * allocation, from which Socket.IO's `handshake` object is answered.
 */
#ifndef NODE_ENGINEIO_EIO_HANDSHAKE_H
#define NODE_ENGINEIO_EIO_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/http/http.h"

struct eio_handshake {
	uint64_t issued; /* ms since the epoch */
	bool secure;	 /* TLS */
	bool xdomain;	 /* an Origin field was there */
	uint8_t address_len;
	uint32_t url_len;
	uint32_t bytes_len;
	char bytes[]; /* url, address, then the header fields; see eio_handshake.c */
};

/* NULL: there is no memory for the copy, which is as large as the head of the request. */
struct eio_handshake *eio_handshake_new(const struct http_request *r);
void eio_handshake_free(struct eio_handshake *h);

static inline size_t
eio_handshake_size(const struct eio_handshake *h)
{
	return sizeof(*h) + h->bytes_len;
}

struct text eio_handshake_url(const struct eio_handshake *h);	  /* "/socket.io/?EIO=4&transport=polling" */
struct text eio_handshake_address(const struct eio_handshake *h); /* peer IP */
struct text eio_handshake_query(const struct eio_handshake *h);	  /* raw query string */

/* Walks header fields as sent; *cursor starts at 0. False at the end. */
bool eio_handshake_header(const struct eio_handshake *h, uint32_t *cursor, struct text *name, struct text *value);
/* First field of that name, case ignored; TEXT_NONE. */
struct text eio_handshake_header_get(const struct eio_handshake *h, const char *name);

#endif
