#include "common/base/block.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

static struct block *
block_start(struct block *block, size_t n)
{
	if (block) {
		block->refs = 1;
		block->len = (uint32_t)n;
		block->total = NULL;
	}
	return block;
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
block_fill(struct block *block, const void *bytes, size_t n)
{
	if (block && n > 0)
		memcpy(block->data, bytes, n);
	return block;
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
block_unref(struct block *block)
{
	if (!block)
		return;
	must(block->refs > 0);
	if (--block->refs > 0)
		return;
	if (block->total)
		*block->total -= block->len + BLOCK_COST;
	mem_free(block);
}
