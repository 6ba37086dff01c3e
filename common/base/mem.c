#include "common/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void
mem_exhausted(size_t size)
{
	fprintf(stderr, "sockeye: out of memory, %zu bytes asked for\n", size);
	fflush(stderr);
	abort();
}

#define PAGE_BYTES 4096 /* with larger pages, the kernel may refuse an address that is not aligned to them */
#define HEAP_NEAR ((uintptr_t)64 * 1024 * 1024) /* a block that ends farther beyond the heap is not in it */
#define CACHED_BLOCK 1024			/* glibc caches freed blocks up to this size per thread */
#define LARGE_BLOCK (4 * 1024 * 1024)
#define RESERVE_SIZE (1024 * 1024) /* enough for the small allocations of one turn */

static _Atomic(void *) reserve;
static atomic_bool short_of_memory; /* the reserve has been released */

bool
mem_reserve(void)
{
	void *fresh, *none = NULL;

	if (atomic_load_explicit(&reserve, memory_order_relaxed))
		return true;
	fresh = malloc(RESERVE_SIZE);
	if (!fresh)
		return false;
	if (!atomic_compare_exchange_strong(&reserve, &none, fresh))
		free(fresh);
	atomic_store_explicit(&short_of_memory, false, memory_order_relaxed);
	return true;
}

bool
mem_is_short(void)
{
	return atomic_load_explicit(&short_of_memory, memory_order_relaxed);
}

/* Releases the reserve. Returns true if that may have freed memory. */
static bool
mem_use_reserve(void)
{
	void *old = atomic_exchange(&reserve, NULL);

	free(old);
	if (old)
		atomic_store_explicit(&short_of_memory, true, memory_order_relaxed);
	return old;
}

/* --------------------------------------------------------- pages of the heap */

/* End of the part of the heap whose pages have been asked for; 0: mem_use_heap() was not called. */
static _Atomic(uintptr_t) heap_end;

#ifdef MADV_POPULATE_WRITE
/* Asks for the pages of the heap from `at` to its end. If that fails, each page is allocated on first use. */
static __attribute__((cold, noinline)) void
mem_populate(uintptr_t at)
{
	uintptr_t first = at & ~(uintptr_t)(PAGE_BYTES - 1), end = (uintptr_t)sbrk(0);

	if (at >= end) /* not in the heap */
		return;
	atomic_store_explicit(&heap_end, end, memory_order_relaxed);
	(void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}
#endif

/* Called with `size` bytes of new memory, or NULL. Returns `at`. */
static inline void *
mem_note(void *at, size_t size)
{
#ifdef MADV_POPULATE_WRITE
	uintptr_t known = atomic_load_explicit(&heap_end, memory_order_relaxed);

	if (__builtin_expect((uintptr_t)at + size - known < HEAP_NEAR, 0) && known != 0)
		mem_populate((uintptr_t)at);
#else
	(void)size;
#endif
	return at;
}

/* --------------------------------------------------------------- allocations */

/* malloc(0) may return NULL, which would look like exhausted memory. */
static size_t
mem_size(size_t size)
{
	return size > 0 ? size : 1;
}

void *
mem_alloc(size_t size)
{
	void *at = malloc(mem_size(size));

	if (!at && mem_use_reserve())
		at = malloc(mem_size(size));
	if (!at)
		mem_exhausted(size);
	return mem_note(at, size);
}

void *
mem_zalloc(size_t size)
{
	void *at = mem_try_zalloc(size);

	if (!at && mem_use_reserve())
		at = mem_try_zalloc(size);
	if (!at)
		mem_exhausted(size);
	return at;
}

void *
mem_realloc(void *old, size_t size)
{
	void *at = realloc(old, mem_size(size));

	if (!at && mem_use_reserve())
		at = realloc(old, mem_size(size));
	if (!at)
		mem_exhausted(size);
	return at;
}

void *
mem_copy(const void *bytes, size_t n)
{
	void *at = mem_alloc(n);

	if (n > 0)
		memcpy(at, bytes, n);
	return at;
}

char *
mem_text(const char *at, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		mem_exhausted(n);
	copy = mem_alloc(n + 1);
	if (n > 0)
		memcpy(copy, at, n);
	copy[n] = '\0';
	return copy;
}

void *
mem_try_alloc(size_t size)
{
	return mem_note(malloc(mem_size(size)), size);
}

/*
 * calloc() of glibc before 2.41 does not use the thread's cache of freed blocks. malloc() does, and takes a tenth of
 * the time. Large blocks still come from calloc(), which knows which pages are fresh from the system and therefore
 * zero.
 */
void *
mem_try_zalloc(size_t size)
{
	void *at;

	if (size > CACHED_BLOCK)
		return calloc(1, size);
	at = malloc(mem_size(size));
	__asm__("" : "+r"(at)); /* keeps the compiler from combining malloc() and memset() into calloc() */
	return at ? memset(at, 0, size) : NULL;
}

void *
mem_try_realloc(void *old, size_t size)
{
	return realloc(old, mem_size(size));
}

void
mem_free(void *at)
{
	free(at);
}

void
mem_use_heap(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
#endif
#ifdef MADV_POPULATE_WRITE
	atomic_store_explicit(&heap_end, (uintptr_t)sbrk(0), memory_order_relaxed);
#endif
}

void
mem_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#ifdef MADV_POPULATE_WRITE
	if (atomic_load_explicit(&heap_end, memory_order_relaxed) != 0)
		atomic_store_explicit(&heap_end, (uintptr_t)sbrk(0), memory_order_relaxed);
#endif
#endif
}
