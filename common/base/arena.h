/*
 * Memory for many small objects that are freed together, such as the entries of one list. Objects do not move.
 *
 * The first chunk is small, because many lists have one entry; each further chunk is twice as large, up to
 * ARENA_CHUNK_MAX.
 */
#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include <stddef.h>

#define ARENA_CHUNK_MIN 512
#define ARENA_CHUNK_MAX ((size_t)64 * 1024) /* bytes, unless one object is larger */

struct arena_chunk;

/* All zero: empty. */
struct arena {
	struct arena_chunk *chunks; /* the latest first */
	char *at, *end;		    /* free bytes of the latest chunk */
	size_t chunk;		    /* bytes of the latest chunk */
};

/* Returns uninitialised memory, aligned for any type and valid until arena_fini(), or NULL if memory is short. */
void *arena_alloc(struct arena *arena, size_t n);
/* Frees all objects. The arena is empty afterwards and can be used again. */
void arena_fini(struct arena *arena);

#endif
