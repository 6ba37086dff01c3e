/*
 * Allocation in two kinds. Structures of a small fixed size are allocated by functions that do not fail: when even
 * those find no memory, the machine is at its end and the process aborts with a line that says so. Where a peer
 * chooses the size, mem_try_alloc() and mem_try_realloc() answer NULL instead, and the peer is closed alone.
 */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void *mem_alloc(size_t size);		     /* uninitialised; size 0 is allowed */
void *mem_zalloc(size_t size);		     /* zeroed */
void *mem_realloc(void *old, size_t size);   /* old may be NULL */
void *mem_copy(const void *bytes, size_t n); /* heap copy of n bytes */
char *mem_text(const char *at, size_t n);    /* heap copy of n bytes plus a NUL */

/*
 * A reserve for those that may not fail: the first one that finds no memory uses it up, and the owner of the memory
 * that can be given up (the loop) hears of it by mem_is_short() before the process has to end. mem_reserve() lays it
 * by again, false if there is no memory for it. One for all threads.
 */
bool mem_reserve(void);
bool mem_is_short(void);

/* NULL when there is no memory. `old` (may be NULL) is then as it was. */
void *mem_try_alloc(size_t size);
void *mem_try_zalloc(size_t size);
void *mem_try_realloc(void *old, size_t size);

static inline char *
mem_try_text(const char *at, size_t n)
{
	char *copy = mem_try_alloc(n + 1);

	if (copy) {
		memcpy(copy, at, n);
		copy[n] = '\0';
	}
	return copy;
}

void mem_free(void *at); /* accepts NULL */

/*
 * At the start of a program of ours: blocks of some MiB are the system's again as soon as they are freed. The C
 * library would come to keep blocks of up to 32 MiB, and twice as much at the end of its heap.
 */
void mem_keep_little(void);

/* Returns free memory to the operating system; takes milliseconds, so after a crowd has left, not per connection. */
void mem_give_back(void);

#endif
