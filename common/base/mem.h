/*
 * Memory allocation. Structures of a small fixed size are allocated by functions that do not fail: if memory is
 * exhausted, they print a line and abort the process. If a peer chooses the size, the caller uses mem_try_alloc() or
 * mem_try_realloc(), which return NULL, and closes only that peer.
 */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void *mem_alloc(size_t size);		     /* uninitialised; size 0 is allowed */
void *mem_zalloc(size_t size);		     /* zeroed */
void *mem_realloc(void *old, size_t size);   /* `old` may be NULL */
void *mem_copy(const void *bytes, size_t n); /* heap copy of n bytes */
char *mem_text(const char *at, size_t n);    /* heap copy of n bytes plus a NUL */

/*
 * A reserve of memory for the functions that do not fail. All threads share it. If such a function finds no memory,
 * it releases the reserve and tries again. mem_is_short() returns true from then on, so that the loop can free memory
 * before the process must abort. mem_reserve() allocates the reserve again; it returns false if memory is short.
 */
bool mem_reserve(void);
bool mem_is_short(void);

/* Return NULL if memory is short; `old` (which may be NULL) is then unchanged. */
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
 * Sets how the program uses the C library's heap. Called once, at the start of a program.
 *
 * - The C library returns blocks of some MiB to the system as soon as they are freed. By default it would keep blocks
 *   of up to 32 MiB, and twice as much at the end of its heap.
 *
 * - When the heap has grown, by 132 KiB as a rule, the functions above ask the system for all its new pages together.
 *   Otherwise the system gives each page when it is first used, which takes several times as long, and in some
 * virtual machines 20 us a page: a turn in which 15,000 sockets join a room would spend most of its time there. Linux
 * before 5.14 cannot do that, and nothing changes.
 */
void mem_use_heap(void);

/*
 * Returns free memory to the operating system. This takes milliseconds: call it after many clients have left, not per
 * connection.
 */
void mem_give_back(void);

#endif
