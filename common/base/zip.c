#include "common/base/zip.h"

#include <limits.h>

#define ZLIB_CONST
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define ZIP_STEP (16 * 1024) /* output room per call, as the compressed length is not known */
#define ZIP_MEM_LEVEL 8	     /* zlib's default */

struct zip {
	int level;
	bool made[ZIP_FORMATS];
	z_stream streams[ZIP_FORMATS];
};

struct zip *
zip_new(int level)
{
	struct zip *z = mem_zalloc(sizeof *z);

	must(level >= -1 && level <= 9);
	z->level = level;
	return z;
}

void
zip_free(struct zip *z)
{
	if (!z)
		return;
	for (unsigned i = 0; i < ZIP_FORMATS; i++)
		if (z->made[i])
			deflateEnd(&z->streams[i]);
	mem_free(z);
}

static void *
zip_alloc(void *unused, uInt items, uInt size)
{
	(void)unused;
	return mem_try_zalloc((size_t)items * size);
}

static void
zip_release(void *unused, void *at)
{
	(void)unused;
	mem_free(at);
}

/* NULL: there is no memory for it. */
static z_stream *
zip_stream(struct zip *z, enum zip_format format)
{
	z_stream *s = &z->streams[format];
	int bits = format == ZIP_GZIP ? MAX_WBITS + 16 : MAX_WBITS, result;

	if (z->made[format]) {
		must(deflateReset(s) == Z_OK);
		return s;
	}
	s->zalloc = zip_alloc;
	s->zfree = zip_release;
	result = deflateInit2(s, z->level, Z_DEFLATED, bits, ZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY);
	must(result == Z_OK || result == Z_MEM_ERROR);
	z->made[format] = result == Z_OK;
	return z->made[format] ? s : NULL;
}

int
zip_text(struct zip *z, enum zip_format format, const void *bytes, size_t n, struct buffer *out)
{
	z_stream *s = zip_stream(z, format);
	const unsigned char *at = bytes;
	size_t begin = out->len;
	int result;

	if (!s)
		return ERROR_MEMORY;
	s->next_in = at;
	s->avail_in = 0;
	do {
		/* zlib counts in unsigned int */
		if (s->avail_in == 0 && n > 0) {
			s->avail_in = n < UINT_MAX ? (uInt)n : UINT_MAX;
			n -= s->avail_in;
		}
		size_t room = out->max - out->len < ZIP_STEP ? out->max - out->len : ZIP_STEP;

		s->next_out = buffer_room(out, room > 0 ? room : 1);
		if (!s->next_out) {
			out->len = begin;
			return buffer_error(out);
		}
		s->avail_out = (uInt)room;
		result = deflate(s, n > 0 ? Z_NO_FLUSH : Z_FINISH);
		must(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
		out->len += room - s->avail_out;
	} while (result != Z_STREAM_END);
	return 0;
}

int
zip_compress(enum zip_format format, const void *bytes, size_t n, int level, struct buffer *out)
{
	struct zip *z = zip_new(level);
	int error = zip_text(z, format, bytes, n, out);

	zip_free(z);
	return error;
}
