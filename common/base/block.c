#include "common/base/block.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct block *
block_new(size_t n)
{
	struct block *b;

	must(n <= UINT32_MAX);
	b = mem_alloc(sizeof *b + n);
	b->refs = 1;
	b->len = (uint32_t)n;
	return b;
}

struct block *
block_copy(const void *bytes, size_t n)
{
	struct block *b = block_new(n);

	if (n > 0)
		memcpy(b->data, bytes, n);
	return b;
}

void
block_unref(struct block *b)
{
	if (!b)
		return;
	must(b->refs > 0);
	if (--b->refs == 0)
		mem_free(b);
}
