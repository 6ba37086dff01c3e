/*
 * A counted, immutable block of bytes: encoded once, queued by any number of
 * connections. Counts are not atomic: a block lives in one loop's thread.
 *
 * Life: block_new() gives one reference and writable bytes; the maker fills
 * them before sharing the block, nobody writes afterwards.
 */
#ifndef COMMON_BASE_BLOCK_H
#define COMMON_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

struct block {
	uint32_t refs;
	uint32_t len;
	uint64_t *total; /* what its bytes are counted in, until it is freed; NULL: nowhere yet */
	uint8_t data[];
};

/* Uninitialised bytes, one reference. n < 4 GiB (must). For small sizes: aborts when there is no memory. */
struct block *block_new(size_t n);
struct block *block_copy(const void *bytes, size_t n);

/* The same for sizes that a peer chooses: NULL when there is no memory. */
struct block *block_try_new(size_t n);
struct block *block_try_copy(const void *bytes, size_t n);

static inline struct block *
block_ref(struct block *b)
{
	b->refs++;
	return b;
}

#define BLOCK_COST 32 /* what a block takes beside its bytes */

/* Its bytes are part of `total` from now on, however many hold it; once. `total` outlives the block. */
static inline void
block_count(struct block *b, uint64_t *total)
{
	b->total = total;
	*total += b->len + BLOCK_COST;
}

/* Accepts NULL; frees with the last reference. */
void block_unref(struct block *b);

#endif
