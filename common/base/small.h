/*
 * Memory for small objects that come and go all the time: requests, messages, the parts of a connection. Freed memory
 * is kept in lists by size, so the next object of that size costs neither malloc() nor free(). Each thread has its
 * own lists. They keep at most SMALL_KEPT_MAX bytes; the rest goes back to malloc() at once, and small_give_back()
 * returns all of it after a crowd has left.
 *
 * An object larger than SMALL_MAX comes from malloc(). With AddressSanitizer all objects do, so that it sees each use
 * of a freed one.
 */
#ifndef COMMON_BASE_SMALL_H
#define COMMON_BASE_SMALL_H

#include <stddef.h>

#define SMALL_MAX 2048

#ifdef __SANITIZE_ADDRESS__
#define SMALL_KEPT_MAX 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SMALL_KEPT_MAX 0
#endif
#endif
#ifndef SMALL_KEPT_MAX
#define SMALL_KEPT_MAX (256 * 1024)
#endif

/* As their namesakes in mem.h. */
void *small_alloc(size_t n);
void *small_zalloc(size_t n);
void *small_try_alloc(size_t n);

/* Frees `at`, which one of the functions above returned for `n` bytes. NULL is accepted. */
void small_free(void *at, size_t n);

/*
 * Frees `at`, which one of the functions above or of mem.h returned. For owners that do not remember the size; asks
 * malloc() for it. NULL is accepted.
 */
void small_free_any(void *at);

/* Returns the kept memory of this thread to malloc(). */
void small_give_back(void);

/* Returns the bytes that this thread keeps. */
size_t small_kept(void);

#endif
