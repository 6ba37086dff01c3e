/*
 * permessage-deflate, RFC 7692: negotiation of the parameters and the
 * per-message codec. Pure: bytes in, bytes out.
 */
#ifndef NODE_WS_WS_DEFLATE_H
#define NODE_WS_WS_DEFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

struct ws_options;

struct ws_deflate_params {
	bool server_no_context_takeover, client_no_context_takeover;
	int server_max_window_bits, client_max_window_bits; /* 8..15 */
};

/*
 * Reads all Sec-WebSocket-Extensions offers (joined by commas) in linear time and picks the first acceptable
 * permessage-deflate one. Returns 1 with `params` and the reply's field value in `reply`, 0 when nothing acceptable
 * was offered, ERROR_SYNTAX when the field itself is malformed (RFC 6455 9.1: the handshake then fails with 400).
 */
int ws_deflate_negotiate(
	struct text offers, const struct ws_options *wanted, struct ws_deflate_params *params, struct buffer *reply);

struct ws_deflate; /* the two zlib streams of a connection, made when first needed, and freed after
		      each message where there is no context takeover */

struct ws_deflate *ws_deflate_new(const struct ws_deflate_params *params, int level, int mem_level);
void ws_deflate_free(struct ws_deflate *d);

/* Bytes that its zlib streams take, about: zlib says so in zconf.h. */
size_t ws_deflate_held(const struct ws_deflate *d);

/*
 * Compresses a whole message (without the trailing 00 00 ff ff) onto the end of `out`. 0, ERROR_TOO_BIG,
 * ERROR_MEMORY. After an error the connection must be closed.
 */
int ws_deflate_compress(struct ws_deflate *d, const void *bytes, size_t n, struct buffer *out);

/*
 * Feeds a piece of a compressed message; `last` ends it. Output goes to `out`, whose max is the message limit. 0,
 * ERROR_TOO_BIG, ERROR_SYNTAX, ERROR_MEMORY. After an error the connection must be closed.
 */
int ws_deflate_inflate(struct ws_deflate *d, const void *bytes, size_t n, bool last, struct buffer *out);

/* How often the window was carried across a final block since this was asked last: each time costs some 4 us. */
unsigned ws_deflate_carried(struct ws_deflate *d);

#endif
