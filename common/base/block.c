#include "common/base/block.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"

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
	return block_start(small_alloc(sizeof(struct block) + n), n);
}

struct block *
block_try_new(size_t n)
{
	must(n <= UINT32_MAX);
	return block_start(small_try_alloc(sizeof(struct block) + n), n);
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

struct block *
block_adopt(struct buffer *buffer)
{
	size_t spare = buffer->size - buffer->len, n;
	uint8_t *data, *smaller;

	must(buffer->error == 0 && buffer->len >= BLOCK_HEAD && buffer->len - BLOCK_HEAD <= UINT32_MAX);
	data = buffer_steal(buffer, &n);
	if (spare > n / 4 + 128) { /* less is not worth a call */
		smaller = mem_try_realloc(data, n);
		data = smaller != NULL ? smaller : data;
	}
	return block_start((struct block *)(void *)data, n - BLOCK_HEAD);
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
	small_free_any(block);
}
