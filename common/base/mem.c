#include "common/base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void
mem_exhausted(size_t size)
{
	fprintf(stderr, "sockeye: out of memory, %zu bytes asked for\n", size);
	fflush(stderr);
	abort();
}

/* malloc(0) may answer NULL, which would look like exhaustion. */
static size_t
mem_size(size_t size)
{
	return size > 0 ? size : 1;
}

void *
mem_alloc(size_t size)
{
	void *at = malloc(mem_size(size));

	if (!at)
		mem_exhausted(size);
	return at;
}

void *
mem_zalloc(size_t size)
{
	void *at = calloc(1, mem_size(size));

	if (!at)
		mem_exhausted(size);
	return at;
}

void *
mem_realloc(void *old, size_t size)
{
	void *at = realloc(old, mem_size(size));

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
	return malloc(mem_size(size));
}

void *
mem_try_zalloc(size_t size)
{
	return calloc(1, mem_size(size));
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
mem_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
