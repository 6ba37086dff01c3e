#include "common/base/arena.h"

#include <stdint.h>

#include "common/base/mem.h"

struct arena_chunk {
	struct arena_chunk *next;
	_Alignas(max_align_t) char bytes[];
};

/* Starts a chunk with room for an object of `n` bytes. What is left of the previous chunk stays unused. */
static void *
arena_grow(struct arena *arena, size_t n)
{
	size_t size = arena->chunk == 0 ? ARENA_CHUNK_MIN : arena->chunk * 2;
	struct arena_chunk *chunk;

	if (size > ARENA_CHUNK_MAX)
		size = ARENA_CHUNK_MAX;
	if (size < n)
		size = n;
	if (size > SIZE_MAX / 2)
		return NULL;
	chunk = mem_try_alloc(sizeof *chunk + size);
	if (chunk == NULL)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->chunk = size < ARENA_CHUNK_MAX ? size : ARENA_CHUNK_MAX;
	arena->at = chunk->bytes + n;
	arena->end = chunk->bytes + size;
	return chunk->bytes;
}

void *
arena_alloc(struct arena *arena, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	size_t rounded = n <= SIZE_MAX / 2 ? (n + align - 1) / align * align : n;
	void *at = arena->at;

	if (rounded > (size_t)(arena->end - arena->at) || at == NULL)
		return arena_grow(arena, rounded);
	arena->at += rounded;
	return at;
}

void
arena_fini(struct arena *arena)
{
	struct arena_chunk *chunk;

	while ((chunk = arena->chunks) != NULL) {
		arena->chunks = chunk->next;
		mem_free(chunk);
	}
	*arena = (struct arena){0};
}
