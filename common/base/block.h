/*
 * An immutable, reference-counted block of bytes. It is encoded once and queued by any number of connections. The
 * count is not atomic: a block belongs to the thread of one loop.
 *
 * block_new() returns one reference and writable bytes. The creator fills the bytes before it shares the block;
 * the bytes do not change afterwards.
 */
#ifndef COMMON_BASE_BLOCK_H
#define COMMON_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"

struct block {
	uint32_t refs;
	uint32_t len;
	uint64_t *total; /* counter that includes the block's bytes until it is freed; NULL: not counted yet */
	uint8_t data[];
};

/*
 * Return a block with one reference; the bytes of block_new() are uninitialised. `n` must be below 4 GiB (checked by
 * must()). For small sizes only: they abort if memory is exhausted.
 */
struct block *block_new(size_t n);
struct block *block_copy(const void *bytes, size_t n);

/* Like block_new() and block_copy(), for sizes chosen by a peer. Return NULL if memory is short. */
struct block *block_try_new(size_t n);
struct block *block_try_copy(const void *bytes, size_t n);

#define BLOCK_HEAD sizeof(struct block) /* bytes in front of the data */

/*
 * Turns the memory of a buffer into a block with one reference, and leaves the buffer empty. The buffer must have no
 * error. Its first BLOCK_HEAD bytes become the head of the block; the data follow. Unused memory is given back.
 */
struct block *block_adopt(struct buffer *buffer);

static inline struct block *
block_ref(struct block *block)
{
	block->refs++;
	return block;
}

#define BLOCK_COST 32 /* memory a block needs in addition to its bytes */

/*
 * Adds the block's bytes to `total` until the block is freed, no matter how many references it has. May be called
 * once. `total` must outlive the block.
 */
static inline void
block_count(struct block *block, uint64_t *total)
{
	block->total = total;
	*total += block->len + BLOCK_COST;
}

/* Drops a reference and frees the block with the last one. NULL is accepted. */
void block_unref(struct block *block);

#endif
