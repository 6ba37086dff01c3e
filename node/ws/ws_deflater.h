/*
 * The compressing half of permessage-deflate (RFC 7692): one zlib stream, and the streams that all connections of a
 * server share. Pure: bytes in, bytes out.
 */
#ifndef NODE_WS_WS_DEFLATER_H
#define NODE_WS_WS_DEFLATER_H

#include <stddef.h>

#include "common/base/buffer.h"

#define WS_WINDOW_BITS_MIN 8
#define WS_WINDOW_BITS_MAX 15

/* A stream, which refers to earlier messages (its context) until it is reset. */
struct ws_deflater;

/*
 * `window_bits` is 8 to 15. `level` and `mem_level` are zlib's; 0: zlib's defaults. Returns NULL if memory is short.
 */
struct ws_deflater *ws_deflater_new(int window_bits, int level, int mem_level);
void ws_deflater_free(struct ws_deflater *deflater); /* accepts NULL */

/* Returns the approximate memory of such a stream in bytes, by the formula of zconf.h. */
size_t ws_deflater_cost(int window_bits, int mem_level);

/* Forgets the context. */
void ws_deflater_reset(struct ws_deflater *deflater);

/*
 * Compresses a whole message, without the trailing 00 00 ff ff, and appends it to `out`. Returns 0, ERROR_TOO_BIG or
 * ERROR_MEMORY. After an error the stream must be reset.
 */
int ws_deflater_run(struct ws_deflater *deflater, const void *bytes, size_t n, struct buffer *out);

/*
 * Streams without context, one per window size, made on first use and kept. A server needs one or two of them,
 * however many clients it has. All eight take 1.3 MiB, or 2.3 MiB with the highest memory level.
 */
struct ws_deflate_pool;

struct ws_deflate_pool *ws_deflate_pool_new(int level, int mem_level); /* as for ws_deflater_new() */
void ws_deflate_pool_free(struct ws_deflate_pool *pool);	       /* accepts NULL */

/* Returns a stream for a connection of its own, or NULL if memory is short. */
struct ws_deflater *ws_deflate_pool_deflater(const struct ws_deflate_pool *pool, int window_bits);
size_t ws_deflate_pool_deflater_cost(const struct ws_deflate_pool *pool, int window_bits);

/* Compresses a message that refers to no earlier one. Returns as ws_deflater_run(); the pool stays usable. */
int ws_deflate_pool_run(
	struct ws_deflate_pool *pool, int window_bits, const void *bytes, size_t n, struct buffer *out);

#endif
