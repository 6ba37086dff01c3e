#include "common/base/block.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

static struct block *
block_start(struct block *b, size_t n)
{
	if (b) {
		b->refs = 1;
		b->len = (uint32_t)n;
		b->total = NULL;
	}
	return b;
}

struct block *
block_new(size_t n)
{
	must(n <= UINT32_MAX);
	return block_start(mem_alloc(sizeof(struct block) + n), n);
}

struct block *
block_try_new(size_t n)
{
	must(n <= UINT32_MAX);
	return block_start(mem_try_alloc(sizeof(struct block) + n), n);
}

static struct block *
block_fill(struct block *b, const void *bytes, size_t n)
{
	if (b && n > 0)
		memcpy(b->data, bytes, n);
	return b;
}

struct block *
block_copy(const void *bytes, size_t n)
{
	return block_fill(block_new(n), bytes, n);
}

struct block *
block_try_copy(const void *bytes, size_t n)
{
	return block_fill(block_try_new(n), bytes, n);
}

void
block_unref(struct block *b)
{
	if (!b)
		return;
	must(b->refs > 0);
	if (--b->refs > 0)
		return;
	if (b->total)
		*b->total -= b->len + BLOCK_COST;
	mem_free(b);
}
