/*
 * Compresses whole texts for HTTP replies: "gzip" (RFC 1952) and "deflate" (RFC 9110 section 8.4.1.2: the zlib format
 * of RFC 1950). The functions are pure.
 *
 * A struct zip creates its streams (about 260 KB each) when they are first needed and reuses them; one struct zip per
 * loop is enough.
 */
#ifndef COMMON_BASE_ZIP_H
#define COMMON_BASE_ZIP_H

#include <stddef.h>

#include "common/base/buffer.h"

enum zip_format { ZIP_GZIP, ZIP_DEFLATE };
#define ZIP_FORMATS 2

struct zip;

struct zip *zip_new(int level); /* compression level of zlib, from -1 (zlib's default) to 9 */
void zip_free(struct zip *zip); /* accepts NULL */

/*
 * Appends the compressed bytes to `out`. Returns 0, ERROR_TOO_BIG if they exceed out's maximum, or ERROR_MEMORY.
 * After an error, nothing has been appended.
 */
int zip_text(struct zip *zip, enum zip_format format, const void *bytes, size_t n, struct buffer *out);

/* Like zip_text(), for a single use. */
int zip_compress(enum zip_format format, const void *bytes, size_t n, int level, struct buffer *out);

#endif
