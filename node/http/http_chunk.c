#include "node/http/http_chunk.h"

#include "common/base/ascii.h"
#include "common/base/must.h"

size_t
http_chunk_wrap(uint8_t *data, size_t n)
{
	size_t at = HTTP_CHUNK_BEFORE;

	must(n > 0 && n <= UINT32_MAX);
	data[HTTP_CHUNK_BEFORE + n] = '\r';
	data[HTTP_CHUNK_BEFORE + n + 1] = '\n';
	data[--at] = '\n';
	data[--at] = '\r';
	do
		data[--at] = (uint8_t)ascii_hex_digits[n % 16];
	while ((n /= 16) > 0);
	return at;
}
