/*
 * Frames content as a chunk of the chunked transfer coding (RFC 9112 7.1) in place. The buffer has unused room before
 * and after the content, so the content is not copied. Pure.
 */
#ifndef NODE_HTTP_HTTP_CHUNK_H
#define NODE_HTTP_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_BEFORE 10 /* eight hexadecimal digits, CR, LF */
#define HTTP_CHUNK_AFTER 2
#define HTTP_CHUNK_ROOM (HTTP_CHUNK_BEFORE + HTTP_CHUNK_AFTER)

#define HTTP_CHUNK_LAST "0\r\n\r\n"

/*
 * Frames the `n` bytes (1 to 2^32 - 1) from data + HTTP_CHUNK_BEFORE on: writes the size line before them and CR LF
 * after them. Returns the offset in `data` at which the chunk begins. The chunk ends at HTTP_CHUNK_BEFORE + n +
 * HTTP_CHUNK_AFTER.
 */
size_t http_chunk_wrap(uint8_t *data, size_t n);

#endif
