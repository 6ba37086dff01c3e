/*
 * Commands to the hub. A parsed command lies within the input; a truncated one needs more bytes, and the number that
 * it asks for suffices.
 */
#include <assert.h>
#include <stdlib.h>

#include "broker/hub_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hub_command c;
	struct text in = text_of((const char *)data, size);
	uint64_t needed;
	int64_t n = hub_command_parse(&c, in, 4096, &needed);

	if (n == 0)
		assert(needed > size);
	if (n > 0) {
		assert((uint64_t)n <= size && n <= 4096 && c.count > 0);
		for (unsigned i = 0; i < c.count; i++) {
			struct buffer prefix;

			assert(c.args[i].at >= in.at && c.args[i].at + c.args[i].n <= in.at + n);
			buffer_init(&prefix, 4096);
			if (hub_pattern_prefix(c.args[i], &prefix) == 0)
				assert(prefix.len < c.args[i].n);
			buffer_fini(&prefix);
		}
		for (int64_t cut = 0; cut < n && cut < 64; cut++)
			assert(hub_command_parse(&c, text_of(in.at, (size_t)cut), 4096, &needed) == 0 &&
				needed <= (uint64_t)n);
	}
	return 0;
}
