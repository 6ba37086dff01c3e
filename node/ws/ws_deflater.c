#define ZLIB_CONST
#include "node/ws/ws_deflater.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUTPUT_STEP 64 /* the least room offered to zlib */
#define MEM_LEVEL 8    /* zlib's default */

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 7.2.1 */

struct ws_deflater {
	z_stream z;
};

static void *
deflater_alloc(void *unused, uInt items, uInt size)
{
	(void)unused;
	return mem_try_zalloc((size_t)items * size);
}

static void
deflater_release(void *unused, void *at)
{
	(void)unused;
	mem_free(at);
}

/*
 * zlib has no raw window of 256 bytes. For 8 bits the strategy Z_RLE is used: its matches reach back one byte only,
 * whatever the size of zlib's window.
 */
struct ws_deflater *
ws_deflater_new(int window_bits, int level, int mem_level)
{
	struct ws_deflater *deflater = mem_zalloc(sizeof *deflater);
	int result;

	must(window_bits >= WS_WINDOW_BITS_MIN && window_bits <= WS_WINDOW_BITS_MAX);
	deflater->z.zalloc = deflater_alloc;
	deflater->z.zfree = deflater_release;
	result = deflateInit2(&deflater->z, level != 0 ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED,
		window_bits < 9 ? -9 : -window_bits, mem_level != 0 ? mem_level : MEM_LEVEL,
		window_bits < 9 ? Z_RLE : Z_DEFAULT_STRATEGY);
	must(result == Z_OK || result == Z_MEM_ERROR);
	if (result == Z_OK)
		return deflater;
	mem_free(deflater);
	return NULL;
}

void
ws_deflater_free(struct ws_deflater *deflater)
{
	if (deflater == NULL)
		return;
	deflateEnd(&deflater->z);
	mem_free(deflater);
}

size_t
ws_deflater_cost(int window_bits, int mem_level)
{
	return ((size_t)1 << (window_bits + 2)) + ((size_t)1 << ((mem_level != 0 ? mem_level : MEM_LEVEL) + 9));
}

void
ws_deflater_reset(struct ws_deflater *deflater)
{
	must(deflateReset(&deflater->z) == Z_OK);
}

int
ws_deflater_run(struct ws_deflater *deflater, const void *bytes, size_t n, struct buffer *out)
{
	z_stream *z = &deflater->z;
	size_t room;

	must(n <= UINT_MAX);
	if (n == 0) { /* RFC 7692 7.2.3.6: an empty stored block; zlib would flush nothing */
		buffer_add_byte(out, 0);
		return buffer_error(out);
	}
	z->next_in = bytes;
	z->avail_in = (uInt)n;
	do {
		room = z->avail_in / 4 + OUTPUT_STEP;
		if (room > out->max - out->len)
			room = out->max - out->len;
		z->next_out = buffer_room(out, room);
		if (z->next_out == NULL)
			return buffer_error(out);
		if (room == 0)
			return ERROR_TOO_BIG;
		z->avail_out = (uInt)room;
		must(deflate(z, Z_SYNC_FLUSH) != Z_STREAM_ERROR);
		out->len += room - z->avail_out;
	} while (z->avail_out == 0);
	must(out->len >= sizeof tail && memcmp(out->data + out->len - sizeof tail, tail, sizeof tail) == 0);
	out->len -= sizeof tail;
	return 0;
}

/* -------------------------------------------------------------------- pool */

struct ws_deflate_pool {
	int level, mem_level;
	struct ws_deflater *of_bits[WS_WINDOW_BITS_MAX + 1];
};

struct ws_deflate_pool *
ws_deflate_pool_new(int level, int mem_level)
{
	struct ws_deflate_pool *pool = mem_zalloc(sizeof *pool);

	pool->level = level;
	pool->mem_level = mem_level;
	return pool;
}

void
ws_deflate_pool_free(struct ws_deflate_pool *pool)
{
	if (pool == NULL)
		return;
	for (int bits = WS_WINDOW_BITS_MIN; bits <= WS_WINDOW_BITS_MAX; bits++)
		ws_deflater_free(pool->of_bits[bits]);
	mem_free(pool);
}

struct ws_deflater *
ws_deflate_pool_deflater(const struct ws_deflate_pool *pool, int window_bits)
{
	return ws_deflater_new(window_bits, pool->level, pool->mem_level);
}

size_t
ws_deflate_pool_deflater_cost(const struct ws_deflate_pool *pool, int window_bits)
{
	return ws_deflater_cost(window_bits, pool->mem_level);
}

int
ws_deflate_pool_run(struct ws_deflate_pool *pool, int window_bits, const void *bytes, size_t n, struct buffer *out)
{
	struct ws_deflater **deflater = &pool->of_bits[window_bits];

	if (*deflater == NULL)
		*deflater = ws_deflate_pool_deflater(pool, window_bits);
	else
		ws_deflater_reset(*deflater);
	return *deflater != NULL ? ws_deflater_run(*deflater, bytes, n, out) : ERROR_MEMORY;
}
