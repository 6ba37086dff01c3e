/*
 * Compression of whole texts for HTTP replies: "gzip" (RFC 1952) and "deflate" (RFC 9110 section 8.4.1.2: the zlib
 * format of RFC 1950). Pure: bytes in, bytes out.
 *
 * A struct zip keeps its streams (some 260 KB each, made when first needed) from one text to the next; one per loop
 * is enough.
 */
#ifndef COMMON_BASE_ZIP_H
#define COMMON_BASE_ZIP_H

#include <stddef.h>

#include "common/base/buffer.h"

enum zip_format { ZIP_GZIP, ZIP_DEFLATE };
#define ZIP_FORMATS 2

struct zip;

struct zip *zip_new(int level); /* zlib's level, -1 (its default) to 9 */
void zip_free(struct zip *z);	/* accepts NULL */

/*
 * Appends the compressed bytes to `out`: 0, or an error with nothing appended: ERROR_TOO_BIG (they are more than
 * out's maximum), ERROR_MEMORY.
 */
int zip_text(struct zip *z, enum zip_format format, const void *bytes, size_t n, struct buffer *out);

/* The same for a caller who compresses once. */
int zip_compress(enum zip_format format, const void *bytes, size_t n, int level, struct buffer *out);

#endif
