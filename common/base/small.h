/*
 * Memory for small objects that are allocated and freed all the time: requests, messages, the parts of a connection.
 * Freed memory is kept in lists by size, so the next object of that size costs neither malloc() nor free(). Each
 * thread has its own lists. They keep at most SMALL_KEPT_MAX bytes; memory beyond that limit is freed at once. After
 * many clients have left, small_give_back() frees everything that is kept.
 *
 * malloc() allocates objects larger than SMALL_MAX, and with AddressSanitizer every object, so that the sanitizer
 * detects each use of freed memory. small_free() then aborts if it is passed a larger size than was allocated.
 */
#ifndef COMMON_BASE_SMALL_H
#define COMMON_BASE_SMALL_H

#include <stddef.h>

#include "common/base/asan.h"

#define SMALL_MAX 2048 /* bytes */

#ifdef WITH_ASAN
#define SMALL_KEPT_MAX 0
#else
#define SMALL_KEPT_MAX (256 * 1024)
#endif

/* Like mem_alloc(), mem_zalloc() and mem_try_alloc() in mem.h. small_free() or small_free_any() frees the result. */
void *small_alloc(size_t n);
void *small_zalloc(size_t n);
void *small_try_alloc(size_t n);

/* Frees `at`, which one of the functions above returned for `n` bytes. NULL is accepted. */
void small_free(void *at, size_t n);

/*
 * Frees `at`, which one of the functions above or of mem.h returned. For an owner that does not remember the size:
 * the function asks the C library for it. NULL is accepted.
 */
void small_free_any(void *at);

/* Returns the kept memory of this thread to malloc(). */
void small_give_back(void);

/* Returns the bytes that this thread keeps. */
size_t small_kept(void);

#endif
