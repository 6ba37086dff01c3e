#include "common/base/zip.h"

#include <limits.h>

#define ZLIB_CONST
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define ZIP_STEP (16 * 1024) /* output space per call, since the compressed length is not known */
#define ZIP_MEM_LEVEL 8	     /* zlib's default */

struct zip {
	int level;
	bool made[ZIP_FORMATS];
	z_stream streams[ZIP_FORMATS];
};

struct zip *
zip_new(int level)
{
	struct zip *zip = mem_zalloc(sizeof *zip);

	must(level >= -1 && level <= 9);
	zip->level = level;
	return zip;
}

void
zip_free(struct zip *zip)
{
	if (!zip)
		return;
	for (unsigned i = 0; i < ZIP_FORMATS; i++)
		if (zip->made[i])
			deflateEnd(&zip->streams[i]);
	mem_free(zip);
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

/* Returns NULL if memory is short. */
static z_stream *
zip_stream(struct zip *zip, enum zip_format format)
{
	z_stream *stream = &zip->streams[format];
	int bits = format == ZIP_GZIP ? MAX_WBITS + 16 : MAX_WBITS, result;

	if (zip->made[format]) {
		must(deflateReset(stream) == Z_OK);
		return stream;
	}
	stream->zalloc = zip_alloc;
	stream->zfree = zip_release;
	result = deflateInit2(stream, zip->level, Z_DEFLATED, bits, ZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY);
	must(result == Z_OK || result == Z_MEM_ERROR);
	zip->made[format] = result == Z_OK;
	return zip->made[format] ? stream : NULL;
}

int
zip_text(struct zip *zip, enum zip_format format, const void *bytes, size_t n, struct buffer *out)
{
	z_stream *stream = zip_stream(zip, format);
	const unsigned char *at = bytes;
	size_t begin = out->len;
	int result;

	if (!stream)
		return ERROR_MEMORY;
	stream->next_in = at;
	stream->avail_in = 0;
	do {
		/* zlib counts in unsigned int */
		if (stream->avail_in == 0 && n > 0) {
			stream->avail_in = n < UINT_MAX ? (uInt)n : UINT_MAX;
			n -= stream->avail_in;
		}
		size_t room = out->max - out->len < ZIP_STEP ? out->max - out->len : ZIP_STEP;

		stream->next_out = buffer_room(out, room > 0 ? room : 1);
		if (!stream->next_out) {
			out->len = begin;
			return buffer_error(out);
		}
		stream->avail_out = (uInt)room;
		result = deflate(stream, n > 0 ? Z_NO_FLUSH : Z_FINISH);
		must(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
		out->len += room - stream->avail_out;
	} while (result != Z_STREAM_END);
	return 0;
}

int
zip_compress(enum zip_format format, const void *bytes, size_t n, int level, struct buffer *out)
{
	struct zip *zip = zip_new(level);
	int error = zip_text(zip, format, bytes, n, out);

	zip_free(zip);
	return error;
}
