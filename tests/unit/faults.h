/*
 * The functions of common/base/mem.h with a fault that a test can switch on: while `fault_above` is set, each request
 * for more bytes fails. mem_alloc() and its siblings then end the test, because a size that a peer chooses must not
 * reach them. A test that includes this file is a program of its own, which does not link the archive's mem.o.
 */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

static size_t fault_above = SIZE_MAX;
static unsigned faults; /* requests that failed */
static size_t requests_from = SIZE_MAX;
static unsigned requests; /* for `requests_from` bytes or more */

static void *
fault_check(size_t size, void *(*get)(void *old, size_t size), void *old)
{
	requests += size >= requests_from;
	if (size > fault_above) {
		faults++;
		return NULL;
	}
	return get(old, size > 0 ? size : 1);
}

static void *
fault_get(void *old, size_t size)
{
	return realloc(old, size);
}

static void *
fault_get_zeroed(void *old, size_t size)
{
	(void)old;
	return calloc(1, size);
}

void *
mem_try_alloc(size_t size)
{
	return fault_check(size, fault_get, NULL);
}

void *
mem_try_realloc(void *old, size_t size)
{
	return fault_check(size, fault_get, old);
}

void *
mem_try_zalloc(size_t size)
{
	return fault_check(size, fault_get_zeroed, NULL);
}

void *
mem_alloc(size_t size)
{
	void *at = mem_try_alloc(size);

	must(at != NULL);
	return at;
}

void *
mem_zalloc(size_t size)
{
	void *at = mem_try_zalloc(size);

	must(at != NULL);
	return at;
}

void *
mem_realloc(void *old, size_t size)
{
	void *at = mem_try_realloc(old, size);

	must(at != NULL);
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
	char *copy = mem_alloc(n + 1);

	if (n > 0)
		memcpy(copy, at, n);
	copy[n] = '\0';
	return copy;
}

void
mem_free(void *at)
{
	free(at);
}

bool
mem_reserve(void)
{
	return true;
}

bool
mem_is_short(void)
{
	return false;
}

void
mem_give_back(void)
{
}

#endif
