/*
 * PROXY headers. A parsed header lies within the input, a truncated one needs more bytes, and the bytes that follow
 * do not change the result.
 */
#include <assert.h>

#include "common/io/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text in = text_of((const char *)data, size);
	struct proxy_header h, cut;
	int64_t n = proxy_header_parse(&h, in);

	assert(n <= (int64_t)size);
	if (n <= 0)
		return 0;
	assert(n <= PROXY_HEADER_MAX && h.client_len <= sizeof h.client);
	assert(proxy_header_parse(&cut, text_of(in.at, (size_t)n)) == n);
	assert(cut.client_len == h.client_len && memcmp(&cut.client, &h.client, sizeof h.client) == 0);
	for (int64_t i = 0; i < n; i++)
		assert(proxy_header_parse(&cut, text_of(in.at, (size_t)i)) == 0);
	return 0;
}
