/*
 * permessage-deflate, RFC 7692: negotiation of the parameters, and the codec of a connection. Pure: bytes in, bytes
 * out.
 */
#ifndef NODE_WS_WS_DEFLATE_H
#define NODE_WS_WS_DEFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

struct ws_deflate_pool;
struct ws_options;

struct ws_deflate_params {
	bool server_no_context_takeover, client_no_context_takeover;
	int server_max_window_bits, client_max_window_bits; /* 8..15 */
};

/*
 * Reads all Sec-WebSocket-Extensions offers (joined by commas) in linear time and picks the first acceptable offer of
 * permessage-deflate. Returns 1 with `params` and the value of the reply's field in `reply`, 0 if there is no
 * acceptable offer, or ERROR_SYNTAX if the field is malformed (RFC 6455 9.1: the handshake then fails with 400).
 */
int ws_deflate_negotiate(
	struct text offers, const struct ws_options *wanted, struct ws_deflate_params *params, struct buffer *reply);

/*
 * The state of a connection: a stream that inflates, created on first use, and sometimes one that compresses. A
 * compressed message can refer to earlier ones (its context), but need not (RFC 7692 7.2.3.2). A context takes about
 * 260 KB, so a connection has one only while the server sends it several compressed messages in a row that go to no
 * other connection. A message to several connections is compressed once, without context.
 */
struct ws_deflate;

/* `pool` is borrowed and must outlive the result. */
struct ws_deflate *ws_deflate_new(const struct ws_deflate_params *params, struct ws_deflate_pool *pool);
void ws_deflate_free(struct ws_deflate *codec);

/* Returns the approximate memory of the zlib streams in bytes, by the formulas of zconf.h. */
size_t ws_deflate_held(const struct ws_deflate *codec);

/* Returns the bits of the window that the peer keeps for messages of the server: 8 to 15. */
int ws_deflate_bits(const struct ws_deflate *codec);

/*
 * Compresses a whole message for this connection alone, without the trailing 00 00 ff ff, and appends it to `out`.
 * Returns false if the message must be sent uncompressed: compressing does not make it shorter, or memory is short.
 * `out` must then be dropped.
 */
bool ws_deflate_compress(struct ws_deflate *codec, const void *bytes, size_t n, struct buffer *out);

/*
 * The caller sends a compressed message that ws_deflate_compress() did not make. The context ends, because the peer's
 * window no longer agrees with it. Returns true if there was one.
 */
bool ws_deflate_forget(struct ws_deflate *codec);

/* A message is sent uncompressed. Returns true if the context ends, because there were several in a row. */
bool ws_deflate_skipped(struct ws_deflate *codec);

/*
 * Inflates a piece of a message; `last` marks the final one. The output is appended to `out`, whose maximum is the
 * limit of a message. Returns 0, ERROR_TOO_BIG, ERROR_SYNTAX or ERROR_MEMORY. After an error the connection must be
 * closed.
 */
int ws_deflate_inflate(struct ws_deflate *codec, const void *bytes, size_t n, bool last, struct buffer *out);

/* Returns how often the window was carried across a final block since the last call. Each time takes about 4 us. */
unsigned ws_deflate_carried(struct ws_deflate *codec);

#endif
